//! People whose accounts are no longer in use, and what others can still do about them.

use serde_json::json;

use crate::support::{App, Person, SOON, eventually, list, outcome_of, people::PASSWORD, text};

/// Catches a build that lets anybody take the address that an erasure writes: that person could never be erased.
#[tokio::test]
async fn nobody_stands_in_the_way_of_an_erasure() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    for email in [
        format!("erased-{}@erased.invalid", ada.id),
        format!("ERASED-{}@Erased.Invalid", ada.id),
        "anybody@invalid.invalid".to_owned(),
    ] {
        let body = json!({"email": email, "password": PASSWORD});
        app.site.post("/api/auth/register").json(&body).send().await.refused("VALIDATION_ERROR");
    }
    ada.delete("/api/users/me?erase=true").await.ok();
    bob.delete("/api/users/me?erase=true").await.ok();
    let eve = app.user("eve").await;
    for gone in [&ada, &bob] {
        let shown = eve.get(&format!("/api/users/{}", gone.id)).await.ok();
        assert!(!text(&shown, "email").contains(&gone.id), "{shown}");
        assert_eq!((&shown["username"], &shown["is_active"]), (&json!(null), &json!(false)));
    }
}

async fn gives_up(person: &Person, erases: bool) {
    person.delete(if erases { "/api/users/me?erase=true" } else { "/api/users/me" }).await.ok();
}

/// Catches a build that takes a message which nobody will read, and one that hides what was said before.
#[tokio::test]
async fn nobody_writes_to_who_is_gone() {
    let app = App::start().await;
    for erases in [false, true] {
        let [ada, bob] =
            app.users([format!("ada{erases}"), format!("bob{erases}")].each_ref().map(String::as_str)).await;
        let room = ada.opens_a_direct_room_with(&bob).await;
        let message = bob.says(&room, "goodbye").await;
        let socket = ada.enters(&room).await;
        gives_up(&bob, erases).await;
        ada.tries_to_say(&room, "are you there?").await.refused("PERMISSION_DENIED");
        let reply = json!({"room_id": room.id, "content": "so long", "reply_to_id": message["id"]});
        ada.post("/api/chat/messages", reply.clone()).await.refused("PERMISSION_DENIED");
        socket.ask_in_vain("send_message", reply, "PERMISSION_DENIED").await;
        socket.ask_in_vain("typing", json!({"room_id": room.id}), "PERMISSION_DENIED").await;
        let upload =
            format!("/api/chat/upload/signed-url?filename=a.txt&mime_type=text/plain&size=8&room_id={}", room.id);
        ada.get(&upload).await.refused("PERMISSION_DENIED");
        assert_eq!(ada.history(&room).await[0]["content"], "goodbye");
        let again = ada.asks_for_a_direct_room_with(&bob).await.with_status(200);
        assert_eq!(again["id"], room.id.as_str(), "the room stays where it was");
    }
}

/// Catches a build that puts people who are gone into rooms, or calls them.
#[tokio::test]
async fn nobody_is_brought_back_who_is_gone() {
    let app = App::start().await;
    for erases in [false, true] {
        let names = ["ada", "bob", "cyd"].map(|name| format!("{name}{erases}"));
        let [ada, bob, cyd] = app.users(names.each_ref().map(String::as_str)).await;
        let room = ada.opens(json!({"visibility": "invite_only"}), &[&cyd]).await;
        gives_up(&bob, erases).await;
        ada.asks_for_a_direct_room_with(&bob).await.refused("USER_NOT_FOUND");
        let group = json!({"room_type": "group", "name": "late", "member_ids": [bob.id]});
        ada.post("/api/chat/rooms", group).await.refused("USER_NOT_FOUND");
        ada.post(&room.path("/members"), json!({"user_ids": [bob.id]})).await.refused("USER_NOT_FOUND");
        ada.post(&room.path(&format!("/members/{}", bob.id)), json!({})).await.refused("USER_NOT_FOUND");
        for who in [json!({"user_id": bob.id}), json!({"username": bob.name})] {
            ada.post(&room.path("/invitations"), who).await.refused("USER_NOT_FOUND");
        }
        gives_up(&cyd, false).await;
        let said = ada.says(&room, &format!("@{} @{}", cyd.name, bob.name)).await;
        assert!(list(&said, "mentions").is_empty(), "{said}");
        ada.post(&room.path("/transfer"), json!({"user_id": cyd.id})).await.refused("USER_NOT_FOUND");
        let place = room.path(&format!("/members/{}", cyd.id));
        ada.patch(&place, json!({"role": "owner"})).await.refused("USER_NOT_FOUND");
        let found = ada.get("/api/users").await.ok();
        assert!(list(&found, "users").iter().all(|user| user["id"] != bob.id.as_str()), "{found}");
    }
}

/// Catches a mute that takes only messages: a muted admin would go on speaking by the name of the room, or by what is pinned.
#[tokio::test]
async fn a_mute_takes_all_that_others_see() {
    let app = App::start().await;
    let [olga, anna, mia] = app.users(["olga", "anna", "mia"]).await;
    let room = olga.opens_a_group("quiet", &[&anna, &mia]).await;
    olga.makes(&anna, "admin", &room).await;
    let (said, own) = (olga.says(&room, "listen").await, anna.says(&room, "mine").await);
    let at = |message: &serde_json::Value, rest: &str| format!("/api/chat/messages/{}{rest}", text(message, "id"));
    anna.put(&at(&own, "/pin"), json!({})).await.ok();
    let place = room.path(&format!("/members/{}", anna.id));
    let upload = format!("/api/chat/upload/signed-url?filename=a.txt&mime_type=text/plain&size=8&room_id={}", room.id);
    let socket = anna.connects().await;
    let mute = json!({"muted_until": "2999-01-01T00:00:00Z"});
    olga.patch(&place, mute.clone()).await.ok();

    for settings in [
        json!({"name": "LOUD"}),
        json!({"description": "LOUD"}),
        json!({"avatar_url": "https://example.com/loud.png"}),
        json!({"visibility": "public"}),
    ] {
        anna.patch(&room.path(""), settings).await.refused("PERMISSION_DENIED");
    }
    anna.tries_to_say(&room, "LOUD").await.refused("PERMISSION_DENIED");
    anna.put(&at(&said, "/pin"), json!({})).await.refused("PERMISSION_DENIED");
    anna.delete(&at(&own, "/pin")).await.refused("PERMISSION_DENIED");
    anna.put(&at(&said, "/reactions/👍"), json!({})).await.refused("PERMISSION_DENIED");
    anna.patch(&at(&own, ""), json!({"content": "LOUD"})).await.refused("PERMISSION_DENIED");
    anna.get(&upload).await.refused("PERMISSION_DENIED");
    socket.ask_in_vain("typing", json!({"room_id": room.id}), "PERMISSION_DENIED").await;
    // Nobody lifts their own mute, by whatever way.
    anna.patch(&place, json!({"muted_until": null})).await.refused("PERMISSION_DENIED");
    anna.patch(&place, json!({"muted_until": "2001-01-01T00:00:00Z"})).await.refused("PERMISSION_DENIED");
    // What is no speech is left to them.
    anna.patch(&room.path(&format!("/members/{}", mia.id)), mute).await.ok();
    anna.get(&room.path("/messages")).await.ok();
    anna.delete(&at(&own, "")).await.ok();
    olga.patch(&place, json!({"muted_until": null})).await.ok();
    anna.patch(&room.path(""), json!({"name": "heard again"})).await.ok();
}

/// Whoever demotes somebody ends what they may do over open sockets as well.
#[tokio::test]
async fn who_is_demoted_acts_as_what_they_are_now() {
    let app = App::start().await;
    let [olga, anna, mia] = app.users(["olga", "anna", "mia"]).await;
    let room = olga.opens_a_group("ranks", &[&anna, &mia]).await;
    olga.makes(&anna, "admin", &room).await;
    let said = mia.says(&room, "delete me").await;
    let socket = anna.connects().await;
    olga.makes(&anna, "viewer", &room).await;
    let delete = json!({"message_id": said["id"]});
    assert_eq!(outcome_of(&socket.emit_with_ack("delete_message", delete).answer().await), "PERMISSION_DENIED");
    anna.patch(&room.path(""), json!({"name": "mine"})).await.refused("PERMISSION_DENIED");
    eventually(SOON, "their role", async || anna.room(&room).await["my_role"] == "viewer").await;
}
