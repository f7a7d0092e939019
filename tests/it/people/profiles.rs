//! A changed profile reaches everybody who shares a room, and whoever was away.

use serde_json::{Value, json};

use crate::support::{App, Cluster, Event, File, Person, Room, Server, Socket, find, list, postgres, within};

/// The user of the next `user_updated` of this person that fits.
async fn updated(socket: &mut Socket, who: &Person, fits: impl Fn(&Value) -> bool) -> Value {
    let is_meant = |data: &Value| data["user"]["id"] == who.id.as_str() && fits(&data["user"]);
    socket.expect_that("user_updated", is_meant).await["user"].clone()
}

fn updates(heard: &[Event]) -> usize {
    heard.iter().filter(|event| event.name == "user_updated").count()
}

/// Fails on a build that tells nobody, on one that tells a recipient once a room, and on one that tells strangers.
#[tokio::test]
async fn a_new_name_or_picture_is_told_once_to_all_who_share_a_room() {
    let app = App::start().await;
    let [ada, bob, cyd, eve] = app.users(["ada", "bob", "cyd", "eve"]).await;
    let room = ada.opens_a_group("one", &[&bob]).await;
    ada.opens_a_group("two", &[&bob]).await;
    ada.opens_a_direct_room_with(&cyd).await;
    let mut inside = bob.enters(&room).await;
    let mut everywhere = bob.hears_everything().await;
    let mut outside = cyd.connects().await;
    let mut own = ada.on_another_device().await.connects().await;
    let mut stranger = eve.connects().await;
    let picture = ada.uploads(&File::picture(1)).await;
    for change in [
        json!({"full_name": "Ada Lovelace"}),
        json!({"username": "countess"}),
        json!({"avatar_url": picture["url"]}),
        json!({"full_name": null, "avatar_url": null}),
    ] {
        let now = ada.patch("/api/users/me", change.clone()).await.with_status(200);
        let shows = |user: &Value| ["full_name", "username", "avatar_url"].iter().all(|key| user[key] == now[key]);
        for socket in [&mut inside, &mut everywhere, &mut outside, &mut own] {
            let user = updated(socket, &ada, shows).await;
            assert!(user.get("last_login").is_none(), "{user}");
            assert_eq!(updates(&socket.heard().await), 0, "once: {change}");
        }
        assert_eq!(updates(&stranger.heard().await), 0, "{change}");
    }
    ada.patch("/api/users/me", json!({"full_name": null})).await.with_status(200);
    ada.patch("/api/users/me", json!({"shares_receipts": false})).await.with_status(200);
    ada.patch("/api/users/me", json!({"username": "ada"})).await.with_status(200);
    updated(&mut inside, &ada, |user| user["username"] == "ada").await;
    assert_eq!(updates(&inside.heard().await), 0, "what changes nothing that others see is no news");
}

/// Fails on a build that tells each of many changes, and on one that does not tell the last.
#[tokio::test]
async fn many_changes_are_few_notices_and_the_last_of_them_is_true() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    ada.opens_a_group("room", &[&bob]).await;
    let mut witness = bob.connects().await;
    for number in 0..30 {
        ada.patch("/api/users/me", json!({"full_name": format!("Ada {number}")})).await.with_status(200);
    }
    let (mut told, mut last) = (0, Value::Null);
    while last != "Ada 29" {
        last = witness.expect("user_updated").await["user"]["full_name"].clone();
        told += 1;
    }
    assert!(told < 10, "{told} notices of 30 changes");
}

/// Fails on a build that tells it once a room, and on one that tells what came before the cursors.
#[tokio::test]
async fn a_profile_that_changed_while_one_was_away_is_told_once() {
    let app = App::start().await;
    let [ada, bob, cyd] = app.users(["ada", "bob", "cyd"]).await;
    cyd.opens_a_group("theirs alone", &[&ada]).await;
    let mut cursors = json!({});
    let mut known = Vec::new();
    for name in ["one", "two", "three"] {
        let room = ada.opens_a_group(name, &[&bob, &cyd]).await;
        cursors[&room.id] = json!(bob.last_seq(&room).await);
        known.push(room);
    }
    for name in ["Cyd", "Cyd C."] {
        cyd.patch("/api/users/me", json!({"full_name": name})).await.with_status(200);
    }
    ada.patch("/api/users/me", json!({"full_name": "Ada Lovelace"})).await.with_status(200);
    let mut back = bob.connects_with(json!({"cursors": cursors})).await;
    for (who, name) in [(&ada, "Ada Lovelace"), (&cyd, "Cyd C.")] {
        updated(&mut back, who, |user| user["full_name"] == name).await;
    }
    assert_eq!(updates(&back.heard().await), 0, "once");
    let told = async |cursors: &Value| -> Vec<Value> {
        let synced = bob.connects().await.ask("sync", json!({"cursors": cursors})).await;
        let events = list(&synced, "rooms").iter().flat_map(|room| list(room, "events"));
        events.filter(|event| event["event"] == "user_updated").cloned().collect()
    };
    assert_eq!(told(&cursors).await.len(), 2, "once each, over all rooms");

    // Whoever has what was said after the change knows it.
    for room in &known {
        cursors[&room.id] = cyd.says(room, "later").await["seq"].clone();
    }
    assert_eq!(told(&cursors).await.len(), 0);
}

/// Fails on a build that remembers how people looked when they connected, or when they said something.
#[tokio::test]
async fn everything_shows_the_profile_as_it_is_now() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("room", &[&bob]).await;
    let direct = ada.opens_a_direct_room_with(&bob).await;
    let start = ada.last_seq(&room).await;
    let (mut witness, writer) = (bob.enters(&room).await, ada.connects().await);
    let first = ada.says(&room, "first").await;
    bob.post("/api/chat/messages", json!({"room_id": room.id, "content": "reply", "reply_to_id": first["id"]}))
        .await
        .with_status(201);
    ada.patch("/api/users/me", json!({"username": "countess"})).await.with_status(200);
    updated(&mut witness, &ada, |user| user["username"] == "countess").await;

    writer.ask("typing", json!({"room_id": room.id})).await;
    assert_eq!(witness.expect("user_typing").await["user_name"], "countess");
    writer.ask("join_room", json!({"room_id": room.id})).await;
    assert_eq!(witness.expect("user_joined").await["user"]["username"], "countess");

    // From the room's task, which remembers what it told of late; from the database; and from the lists.
    let mut back = bob.connects_with(json!({"cursors": {&room.id: start}})).await;
    let replayed = back.expect("new_message").await["message"].clone();
    assert_eq!(replayed["sender"]["username"], "countess");
    let preview = back.expect("new_message").await["message"]["reply_to"].clone();
    assert_eq!((&preview["sender_name"], &preview["sender"]["username"]), (&json!("countess"), &json!("countess")));
    assert_eq!(preview["sender"]["email"], "a***@example.com");
    let answer = back.ask("sync", json!({"cursors": {&room.id: start}})).await;
    let events = list(&answer["rooms"][0], "events");
    let said = events.iter().find(|event| event["event"] == "new_message").expect("what she said");
    assert_eq!(said["data"]["message"]["sender"]["username"], "countess");
    assert_eq!(bob.history(&room).await[0]["sender"]["username"], "countess");
    let rooms = bob.get("/api/chat/rooms").await.with_status(200);
    let listed = find(list(&rooms, "rooms"), "id", &direct.id).clone();
    assert_eq!(find(list(&listed, "members"), "user_id", &ada.id)["user"]["username"], "countess");
}

/// An account that is given up looks different too.
#[tokio::test]
async fn erasure_and_deactivation_are_changes_of_a_profile() {
    let app = App::start().await;
    let [ada, bob, cyd] = app.users(["ada", "bob", "cyd"]).await;
    bob.opens_a_group("room", &[&ada, &cyd]).await;
    let mut witness = bob.connects().await;
    ada.delete("/api/users/me").await.with_status(204);
    assert_eq!(updated(&mut witness, &ada, |user| user["is_active"] == false).await["username"], "ada");
    cyd.delete("/api/users/me?erase=true").await.ok();
    let gone = updated(&mut witness, &cyd, |user| user["is_active"] == false).await;
    assert_eq!((&gone["username"], &gone["full_name"]), (&Value::Null, &Value::Null));
}

async fn with_redis() -> (App, App) {
    let mut nodes = Cluster::start(2).await.nodes;
    let other = nodes.pop().expect("two nodes");
    (nodes.pop().expect("two nodes"), other)
}

async fn without_redis() -> (App, App) {
    let settings = Server::settings().with("DATABASE_URL", &postgres::shared_database().await);
    (App::with(settings.clone()).await, App::with(settings).await)
}

async fn is_told_on_another_node(here: &App, there: &App) {
    let [ada, bob] = here.users(["ada", "bob"]).await;
    let room: Room = ada.opens_a_group("wide", &[&bob]).await;
    let mut witness = bob.at(there).enters(&room).await;
    ada.patch("/api/users/me", json!({"full_name": "Ada Lovelace"})).await.with_status(200);
    let told = updated(&mut witness, &ada, |user| user["full_name"] == "Ada Lovelace");
    within(std::time::Duration::from_secs(15), "the new name there", told).await;
    assert_eq!(updates(&witness.heard().await), 0, "once");
}

/// Fails on a build that tells only its own sockets.
#[tokio::test]
async fn a_changed_profile_is_told_on_every_node() {
    let (here, there) = with_redis().await;
    is_told_on_another_node(&here, &there).await;
}

/// Fails on a build that relies on Redis.
#[tokio::test]
async fn a_changed_profile_is_told_on_every_node_without_redis() {
    let (here, there) = without_redis().await;
    is_told_on_another_node(&here, &there).await;
}
