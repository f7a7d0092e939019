//! Public rooms: found and joined by anybody.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{App, Reply, Room, SOON, int, list, text, within};

#[tokio::test]
async fn only_public_groups_are_found() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    for visibility in ["public", "invite_only", "private"] {
        let settings =
            json!({"visibility": visibility, "name": format!("Harbour {visibility}"), "description": "Boats"});
        ada.opens(settings, &[]).await;
    }
    let gone = ada.opens(json!({"visibility": "public", "name": "Harbour gone"}), &[]).await;
    ada.delete(&gone.path("")).await.ok();
    ada.opens_a_direct_room_with(&bob).await;
    for (query, found) in [("", 1), ("?search=HARB", 1), ("?search=boat", 1), ("?search=plane", 0), ("?search=%25", 0)]
    {
        let page = bob.get(&format!("/api/chat/rooms/public{query}")).await.with_status(200);
        assert_eq!(int(&page, "total"), found, "{query}: {page}");
        assert!(
            list(&page, "rooms")
                .iter()
                .all(|room| room["visibility"] == "public" && room.get("last_message").is_none())
        );
    }
    bob.get("/api/chat/rooms/public?page=0").await.refused("VALIDATION_ERROR");
}

#[tokio::test]
async fn a_public_room_is_joined_once_and_no_other_room_at_all() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let open = ada.opens(json!({"visibility": "public"}), &[]).await;
    let mut adas = ada.enters(&open).await;
    let mut bobs = bob.hears_everything().await;
    let joined = bob.post(&open.path("/join"), json!({})).await.with_status(200);
    assert_eq!((text(&joined, "my_role"), int(&joined, "member_count")), ("member".to_owned(), 2));
    assert_eq!(adas.expect("member_added").await["member"]["user_id"], bob.id.as_str());
    assert_eq!(bobs.expect("room_created").await["room"]["id"], open.id.as_str());
    bob.post(&open.path("/join"), json!({})).await.refused("ALREADY_MEMBER");
    for visibility in ["invite_only", "private"] {
        let closed = ada.opens(json!({"visibility": visibility}), &[]).await;
        bob.post(&closed.path("/join"), json!({})).await.refused("ROOM_NOT_FOUND");
    }
    let nowhere = Room { id: "0199d1c6-7a4e-7cc3-9d5a-3b1f0f6a2c11".to_owned() };
    bob.post(&nowhere.path("/join"), json!({})).await.refused("ROOM_NOT_FOUND");
}

/// Catches a build that counts the members before it locks the room. Seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_twenty_who_want_the_last_seat_one_gets_it() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    let people = app.crowd(20).await;
    let room = ada.opens(json!({"visibility": "public", "max_members": 2}), &[]).await;
    let joins = people.iter().map(async |person| person.post(&room.path("/join"), json!({})).await);
    let replies = within(SOON * 6, "20 joins", join_all(joins)).await;
    let mut outcomes: Vec<String> = replies.iter().map(Reply::outcome).collect();
    outcomes.sort();
    assert_eq!(outcomes[0], "OK");
    assert!(outcomes[1..].iter().all(|outcome| outcome == "ROOM_FULL"), "{outcomes:?}");
    let details = ada.room(&room).await;
    assert_eq!((int(&details, "member_count"), list(&details, "members").len()), (2, 2));
}

#[tokio::test]
async fn ownership_is_handed_over_in_one_step() {
    let app = App::start().await;
    let [ada, bob, cyd] = app.users(["ada", "bob", "cyd"]).await;
    let room = ada.opens_a_group("heirloom", &[&bob, &cyd]).await;
    let mut cyds = cyd.enters(&room).await;
    bob.post(&room.path("/transfer"), json!({"user_id": cyd.id})).await.refused("PERMISSION_DENIED");
    ada.post(&room.path("/transfer"), json!({"user_id": ada.id})).await.refused("VALIDATION_ERROR");
    let stranger = app.user("eve").await;
    ada.post(&room.path("/transfer"), json!({"user_id": stranger.id})).await.refused("USER_NOT_FOUND");
    ada.post(&room.path("/transfer"), json!({"user_id": bob.id})).await.with_status(200);
    let roles: Vec<Value> = [cyds.expect("member_updated").await, cyds.expect("member_updated").await]
        .into_iter()
        .map(|told| json!([told["member"]["user_id"], told["member"]["role"]]))
        .collect();
    assert_eq!(roles, [json!([bob.id, "owner"]), json!([ada.id, "admin"])]);
    ada.delete(&room.path("")).await.refused("PERMISSION_DENIED");
    ada.post(&room.path("/leave"), json!({})).await.ok();
    bob.post(&room.path("/leave"), json!({})).await.refused("LAST_OWNER");
}

/// Catches a build in which leaving and coming back ends a mute, or makes a member of a viewer. Seen.
#[tokio::test]
async fn who_comes_back_finds_taken_what_was_taken() {
    let app = App::start().await;
    let [ada, bob, cyd] = app.users(["ada", "bob", "cyd"]).await;
    let room = ada.opens(json!({"visibility": "public"}), &[&bob, &cyd]).await;
    let mute = json!({"muted_until": "2999-01-01T00:00:00Z"});
    ada.patch(&room.path(&format!("/members/{}", bob.id)), mute).await.ok();
    ada.makes(&cyd, "viewer", &room).await;
    for person in [&bob, &cyd] {
        person.post(&room.path("/leave"), json!({})).await.ok();
        person.post(&room.path("/join"), json!({})).await.with_status(200);
        person.tries_to_say(&room, "may I?").await.refused("PERMISSION_DENIED");
    }
}
