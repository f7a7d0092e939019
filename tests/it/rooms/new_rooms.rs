//! Rooms that come while somebody is there, and while they are away.

use serde_json::{Value, json};

use crate::support::{App, Person, Room, checker, find, int, list, polling::Poller, text};

/// Both people of a direct room, as `viewer` sees them.
fn pair(room: &Value) -> Vec<String> {
    list(room, "members").iter().map(|member| text(&member["user"], "username")).collect()
}

/// A direct room has no name of its own: whoever shows it needs the two who are in it. Fails on a build that tells them in details
/// only.
#[tokio::test]
async fn a_direct_room_has_its_members_wherever_it_is_shown() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let both = ["ada", "bob"];
    let (mut joined, mut away) = (bob.hears_everything().await, bob.connects().await);
    let mut own = ada.connects().await;
    let made = ada.asks_for_a_direct_room_with(&bob).await.with_status(201);
    assert_eq!(pair(&made), both);
    assert_eq!(pair(&ada.asks_for_a_direct_room_with(&bob).await.with_status(200)), both);
    for socket in [&mut joined, &mut away, &mut own] {
        assert_eq!(pair(&socket.expect("room_created").await["room"]), both);
    }
    let group = ada.opens_a_group("group", &[&bob]).await;
    for person in [&ada, &bob] {
        let rooms = person.get("/api/chat/rooms").await.with_status(200);
        assert_eq!(pair(find(list(&rooms, "rooms"), "id", &text(&made, "id"))), both);
        assert!(find(list(&rooms, "rooms"), "id", &group.id).get("members").is_none());
        assert_eq!(pair(&person.room(&Room::of(&made)).await), both);
        let synced = person.connects().await.ask("sync", json!({"cursors": {}})).await;
        assert_eq!(pair(find(list(&synced, "joined"), "id", &text(&made, "id"))), both);
    }
}

async fn cursors(person: &Person, rooms: &[&Room]) -> Value {
    let mut cursors = json!({});
    for room in rooms {
        cursors[&room.id] = json!(person.last_seq(room).await);
    }
    cursors
}

/// Fails on a build whose clients learn of such rooms by asking, and on one that forgets what was said there meanwhile.
#[tokio::test]
async fn rooms_that_came_while_one_was_away_are_shown_on_the_way_back() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let older = ada.opens_a_group("older, and unknown to this client", &[&bob]).await;
    let known = ada.opens_a_group("known", &[&bob]).await;
    let cursors = cursors(&bob, &[&known]).await;
    let new = ada.opens_a_group("new", &[&bob]).await;
    let direct = ada.opens_a_direct_room_with(&bob).await;
    for room in [&known, &new, &direct, &older] {
        ada.says(room, "one").await;
        ada.says(room, "two").await;
    }
    let mut back = bob.connects_with(json!({"rooms": "all", "cursors": cursors})).await;
    let mut shown = Vec::new();
    for _ in 0..2 {
        let room = back.expect("room_created").await["room"].clone();
        assert_eq!(room["last_message"]["content"], "two");
        shown.push(text(&room, "id"));
    }
    assert!(shown.contains(&new.id) && shown.contains(&direct.id), "{shown:?}");
    back.ask("ping", json!({})).await;
    ada.says(&new, "live").await;
    back.expect_that("new_message", |data| data["message"]["content"] == "live").await;
    let heard = back.heard().await;
    for room in [&new, &direct] {
        let end = ada.last_seq(room).await - i64::from(room.id == new.id);
        let entries: Vec<i64> = heard
            .iter()
            .filter(|event| checker::is_entry(event, &room.id))
            .map(|event| int(&event.data, "seq"))
            .collect();
        assert_eq!(entries, (1..=end).collect::<Vec<_>>(), "from its first on");
    }
    assert!(heard.iter().all(|event| event.name != "room_created"), "no others");

    let mut fresh = bob.connects_with(json!({"rooms": "all"})).await;
    let heard = fresh.heard().await;
    assert!(heard.iter().all(|event| event.name != "room_created"), "who knows nothing asks for the list: {heard:?}");
}

/// Catches a build that lets one socket hear the room before it tells the next of it: a device that fetches nothing kept the room
/// from the others.
#[tokio::test]
async fn a_new_room_is_shown_beside_devices_that_fetch_nothing() {
    let app = App::start().await;
    let [ada, bob, cyd, dan] = app.users(["ada", "bob", "cyd", "dan"]).await;
    let large = "x".repeat(100_000);
    let mut stalled = Vec::new();
    for _ in 0..6 {
        let mut poller = Poller::engine(&bob.site).await;
        poller.post(&format!("40{}", json!({"token": bob.token, "rooms": "all"}))).await;
        poller.next_starting(r#"42["connected""#).await;
        // So much waits for it that it gets no replay; those who are added after bob are one.
        for number in 0..3 {
            poller.post(&format!(r#"42{number}["ping","{large}"]"#)).await;
        }
        stalled.push(poller);
    }
    let mut live = bob.hears_everything().await;
    let room = ada.opens_a_group("new", &[&bob, &cyd, &dan]).await;
    assert_eq!(live.expect("room_created").await["room"]["id"], room.id.as_str());
    ada.says(&room, "hello").await;
    live.expect_that("new_message", |data| data["message"]["content"] == "hello").await;
}
