//! What stands beside a room in the list of somebody who has not opened it: the last message, and how much is unread.

use std::{collections::BTreeMap, time::Duration};

use rand::{Rng, RngExt};
use serde_json::{Value, json};

use crate::support::{App, Cluster, Person, Room, Seed, Server, Socket, find, int, list, postgres, text, within};

/// How long the database alone takes to tell of it on another node.
const SWEPT: Duration = Duration::from_secs(15);

fn message_path(message: &Value) -> String {
    format!("/api/chat/messages/{}", text(message, "id"))
}

async fn activity(socket: &mut Socket, room: &Room, fits: impl Fn(&Value) -> bool) -> Value {
    socket.expect_that("room_activity", |data| data["room_id"] == room.id.as_str() && fits(data)).await
}

/// The same state as somebody is told it, and as their list, the room's details and `sync` show it.
fn badge(of: &Value) -> Value {
    let mut badge = json!({});
    for key in ["last_seq", "unread_count", "mention_count", "last_message"] {
        badge[key] = of[key].clone();
    }
    badge
}

async fn listed(person: &Person, room: &Room) -> Value {
    let rooms = person.get("/api/chat/rooms?page_size=100").await.with_status(200);
    badge(find(list(&rooms, "rooms"), "id", &room.id))
}

/// Fails on a build that tells of new messages only.
#[tokio::test]
async fn every_change_of_a_room_reaches_who_has_not_opened_it() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("room", &[&bob]).await;
    let mut away = bob.connects().await;
    let first = ada.says(&room, "first").await;
    activity(&mut away, &room, |data| data["unread_count"] == 1).await;
    let last = ada.says(&room, "you are fired @bob").await;
    let told = activity(&mut away, &room, |data| data["last_message"]["id"] == last["id"]).await;
    assert_eq!((&told["unread_count"], &told["mention_count"]), (&json!(2), &json!(1)));

    ada.patch(&message_path(&last), json!({"content": "you are hired"})).await.ok();
    let told = activity(&mut away, &room, |data| data["last_message"]["content"] == "you are hired").await;
    assert_eq!((&told["unread_count"], &told["mention_count"]), (&json!(2), &json!(0)));
    ada.patch(&message_path(&first), json!({"content": "first, @bob"})).await.ok();
    activity(&mut away, &room, |data| data["mention_count"] == 1).await;
    ada.put(&format!("{}/reactions/%F0%9F%91%8D", message_path(&last)), json!({})).await.ok();
    let told = activity(&mut away, &room, |data| data["last_message"]["reactions"][0]["count"] == 1).await;
    assert_eq!(told["last_message"]["reactions"][0]["mine"], false);
    ada.delete(&message_path(&first)).await.ok();
    let told = activity(&mut away, &room, |data| data["unread_count"] == 1).await;
    assert_eq!(told["mention_count"], 0);
    ada.delete(&message_path(&last)).await.ok();
    let told = activity(&mut away, &room, |data| data["unread_count"] == 0).await;
    assert_eq!((&told["last_message"]["is_deleted"], &told["last_message"]["content"]), (&json!(true), &Value::Null));
    assert_eq!(badge(&told), listed(&bob, &room).await);
}

/// Fails on a build that tells only those who hear the room who has read.
#[tokio::test]
async fn what_is_read_on_one_device_is_read_on_the_others() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("room", &[&bob]).await;
    let (phone, mut away) = (bob.enters(&room).await, bob.connects().await);
    let message = ada.says(&room, "read me").await;
    activity(&mut away, &room, |data| data["unread_count"] == 1).await;
    phone.ask("mark_as_read", json!({"room_id": room.id, "up_to_seq": message["seq"]})).await;
    let read = away.expect("messages_read").await;
    assert_eq!((&read["user_id"], &read["last_read_seq"]), (&json!(bob.id), &message["seq"]));
    assert_eq!(activity(&mut away, &room, |data| data["unread_count"] == 0).await["last_seq"], message["seq"]);
}

/// The messages of an erased account go from previews and counts.
#[tokio::test]
async fn erased_messages_are_neither_unread_nor_shown() {
    let app = App::start().await;
    let [ada, bob, cyd] = app.users(["ada", "bob", "cyd"]).await;
    let room = ada.opens_a_group("room", &[&bob, &cyd]).await;
    let mut away = bob.connects().await;
    for number in 0..3 {
        cyd.says(&room, &format!("secret {number}")).await;
    }
    activity(&mut away, &room, |data| data["unread_count"] == 3).await;
    cyd.delete("/api/users/me?erase=true&erase_messages=true").await.ok();
    let told = activity(&mut away, &room, |data| data["unread_count"] == 0).await;
    assert!(!told.to_string().contains("secret"), "{told}");
}

/// A new member is shown the room before anything else of it, and hears of what follows. Fails on a build that tells of activity
/// in rooms that the client does not know yet.
#[tokio::test]
async fn a_new_room_is_shown_before_its_activity() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let mut away = bob.connects().await;
    let mut rooms = Vec::new();
    for number in 0..20 {
        let room = ada.opens_a_group(&format!("room {number}"), &[&bob]).await;
        ada.says(&room, "welcome").await;
        rooms.push(room);
    }
    let mut shown: BTreeMap<String, Value> = BTreeMap::new();
    while shown.len() < rooms.len() || shown.values().any(|badge| badge["last_message"]["content"] != "welcome") {
        let event = away.next().await;
        match event.name.as_str() {
            "room_created" => drop(shown.insert(text(&event.data["room"], "id"), event.data["room"].clone())),
            "room_activity" => {
                let before = shown.insert(text(&event.data, "room_id"), event.data.clone());
                assert!(before.is_some(), "before the room: {event:?}");
            }
            _ => {}
        }
    }
    for room in &rooms {
        assert_eq!(badge(&shown[&room.id]), listed(&bob, room).await);
    }
}

/// In the instant after `connected`, whatever happens is told: not only new messages. Fails on a build that looks up somebody's
/// rooms after it greeted them.
#[tokio::test]
async fn nothing_that_happens_after_the_greeting_is_missed() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let writer = ada.connects().await;
    for number in 0..20 {
        let room = ada.opens_a_group(&format!("room {number}"), &[&bob]).await;
        let message = ada.says(&room, "@bob").await;
        let mut newcomer = bob.connects().await;
        let path = json!({"message_id": message["id"], "content": "nobody"});
        match number % 3 {
            0 => drop(writer.ask("edit_message", path).await),
            1 => drop(writer.ask("delete_message", path).await),
            _ => drop(bob.post(&room.path("/read"), json!({"up_to_seq": message["seq"]})).await.ok()),
        }
        activity(&mut newcomer, &room, |data| data["mention_count"] == 0).await;
        newcomer.leave().await;
    }
}

async fn is_told_on_another_node(here: &App, there: &App) {
    let [ada, bob] = here.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("room", &[&bob]).await;
    let message = ada.says(&room, "one").await;
    let mut away = bob.at(there).connects().await;
    ada.patch(&message_path(&message), json!({"content": "two"})).await.ok();
    let edited = activity(&mut away, &room, |data| data["last_message"]["content"] == "two");
    within(SWEPT, "the edit", edited).await;
    bob.post(&room.path("/read"), json!({"up_to_seq": message["seq"]})).await.ok();
    within(SWEPT, "the mark", away.expect("messages_read")).await;
    within(SWEPT, "the badge", activity(&mut away, &room, |data| data["unread_count"] == 0)).await;
}

#[tokio::test]
async fn activity_of_every_kind_is_told_on_other_nodes() {
    let cluster = Cluster::start(2).await;
    let (here, there) = cluster.pair();
    is_told_on_another_node(here, there).await;
}

/// Fails on a build that looks for new messages alone, or for no marks at all.
#[tokio::test]
async fn activity_of_every_kind_is_told_on_other_nodes_without_redis() {
    let settings = Server::settings().with("DATABASE_URL", &postgres::shared_database().await);
    let (here, there) = (App::with(settings.clone()).await, App::with(settings).await);
    is_told_on_another_node(&here, &there).await;
}

/// What somebody does at random, in two rooms of three people.
async fn happens(rng: &mut impl Rng, people: &[Person; 3], rooms: &[Room; 2], sent: &mut Vec<(Value, usize)>) {
    let (who, room) = (rng.random_range(0..3), &rooms[rng.random_range(0..2)]);
    let which = (!sent.is_empty()).then(|| sent[rng.random_range(0..sent.len())].clone());
    match (rng.random_range(0..10), which) {
        (0..=3, _) | (_, None) => {
            let said = people[who].says(room, ["hi", "@bob", "@cyd and @bob"][rng.random_range(0..3)]).await;
            sent.push((said, who));
        }
        (4, Some((message, sender))) => drop(people[sender].delete(&message_path(&message)).await),
        (5, Some((message, sender))) => {
            let content = ["edited", "@bob, edited"][rng.random_range(0..2)];
            drop(people[sender].patch(&message_path(&message), json!({"content": content})).await);
        }
        (6, Some((message, _))) => {
            drop(people[who].put(&format!("{}/reactions/%F0%9F%91%8D", message_path(&message)), json!({})).await);
        }
        (7, Some((message, _))) => drop(people[0].put(&format!("{}/pin", message_path(&message)), json!({})).await),
        (_, Some((message, _))) => {
            let room = Room { id: text(&message, "room_id") };
            drop(people[1].post(&room.path("/read"), json!({"up_to_seq": message["seq"]})).await);
        }
    }
}

/// What was told last is what a fresh look shows, whatever happened. Fails on a build whose later notice shows an earlier state,
/// and on one that forgets a kind of change.
#[tokio::test]
async fn what_was_told_last_is_what_the_lists_show() {
    let mut rng = Seed::of("what_was_told_last_is_what_the_lists_show").rng();
    let app = App::start().await;
    let people = app.users(["ada", "bob", "cyd"]).await;
    let [ada, bob, cyd] = &people;
    let rooms = [ada.opens_a_group("one", &[bob, cyd]).await, ada.opens_a_group("two", &[bob, cyd]).await];
    let mut away = bob.connects().await;
    let mut sent = Vec::new();
    for _ in 0..4 {
        for _ in 0..15 {
            happens(&mut rng, &people, &rooms, &mut sent).await;
        }
        for room in &rooms {
            let fresh = listed(bob, room).await;
            if int(&fresh, "last_seq") > 3 {
                let told = activity(&mut away, room, |data| badge(data) == fresh).await;
                assert_eq!(badge(&bob.room(room).await), badge(&told), "the details");
            }
        }
        let synced = away.ask("sync", json!({"cursors": {}})).await;
        for room in list(&synced, "joined") {
            assert_eq!(badge(room), listed(bob, &Room { id: text(room, "id") }).await, "sync");
        }
        away.leftovers();
        for room in &rooms {
            ada.says(room, "and on").await;
        }
    }
}
