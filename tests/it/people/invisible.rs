//! People who appear offline: nothing that is told of itself gives them away.

use serde_json::{Value, json};

use crate::support::{
    App, Cluster, Event, Person, Room, SOON, Server, Socket, Transport, eventually, find, list, postgres,
};

async fn presence(asking: &Socket, of: &Person) -> Value {
    let answer = asking.ask("get_presence", json!({"user_ids": [of.id]})).await;
    find(list(&answer, "users"), "user_id", &of.id).clone()
}

/// What was told of somebody's being there.
fn notices(heard: &[Event], of: &Person) -> Vec<String> {
    let names = ["user_online", "user_offline", "user_joined", "user_left"];
    let told = heard.iter().filter(|event| names.contains(&event.name.as_str()));
    told.filter(|event| event.data["user_id"] == of.id.as_str()).map(|event| event.name.clone()).collect()
}

/// A node that notices within moments that somebody has gone.
fn quick() -> crate::support::server::Settings {
    Server::settings().with("PARLOUR__REALTIME__PRESENCE_GRACE_MS", "200")
}

/// Goes, and waits until the node has noticed it, which shows by somebody who went after them.
async fn goes(app: &App, socket: Socket, witness: &mut Socket, room: &Room, owner: &Person) {
    socket.leave().await;
    let name = format!("marker{}", rand::random::<u32>());
    let marker = app.user(&name).await;
    owner.post(&room.path("/members"), json!({"user_ids": [marker.id]})).await.ok();
    marker.says(room, "who takes part is a contact").await;
    let of_marker = |told: &Value| told["user_id"] == marker.id.as_str();
    let socket = marker.enters(room).await;
    witness.expect_that("user_online", of_marker).await;
    socket.leave().await;
    witness.expect_that("user_offline", of_marker).await;
}

/// Catches a build that forgets the wish with the last socket, or with the node; one that tells who looks at a room whatever they
/// wish; and one whose `last_seen_at` tells when they were there unseen.
#[tokio::test]
async fn who_is_invisible_comes_looks_and_goes_unseen() {
    let mut app = App::with(quick()).await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("hall", &[&bob]).await;
    bob.says(&room, "who takes part is a contact").await;
    let mut witness = ada.enters(&room).await;
    let socket = bob.enters(&room).await;
    witness.expect("user_joined").await;
    socket.ask("set_status", json!({"status": "invisible"})).await;
    witness.expect("user_left").await;
    witness.expect("user_offline").await;
    let hidden = presence(&witness, &bob).await;
    assert_eq!(hidden["status"], "offline");
    assert!(hidden["last_seen_at"].is_string(), "when they hid: {hidden}");
    witness.heard().await;

    for transport in [Transport::WebSocket, Transport::Polling] {
        let other = bob.connects_by(transport, json!({"rooms": "all"})).await;
        other.ask("leave_room", json!({"room_id": room.id})).await;
        other.ask("join_room", json!({"room_id": room.id})).await;
        other.leave().await;
    }
    goes(&app, socket, &mut witness, &room, &ada).await;
    assert_eq!(notices(&witness.heard().await, &bob), Vec::<String>::new(), "they went unseen");
    assert_eq!(presence(&witness, &bob).await, hidden, "nobody sees when they were there");

    let back = bob.enters(&room).await;
    assert_eq!(presence(&witness, &bob).await, hidden, "they come back as they went");
    goes(&app, back, &mut witness, &room, &ada).await;
    assert_eq!(notices(&witness.heard().await, &bob), Vec::<String>::new(), "they came back unseen");

    app.server.kill_9();
    app.start_again().await;
    let mut witness = ada.enters(&room).await;
    let mut back = bob.enters(&room).await;
    assert_eq!(presence(&witness, &bob).await, hidden, "a node that was started again knows it too");
    assert_eq!(notices(&witness.heard().await, &bob), Vec::<String>::new());
    back.ask("set_status", json!({"status": "online"})).await;
    witness.expect_that("user_joined", |told| told["user_id"] == bob.id.as_str()).await;
    witness.expect_that("user_online", |told| told["user_id"] == bob.id.as_str()).await;
    assert_eq!(presence(&witness, &bob).await["status"], "online");
    assert_eq!(notices(&back.heard().await, &bob), Vec::<String>::new());
}

/// Two nodes, with a Redis between them and without: what one is asked, the other does as well.
#[tokio::test]
async fn nodes_hide_who_hid_on_another() {
    let cluster = Cluster::with(2, quick()).await;
    let (here, there) = cluster.pair();
    unseen_on_both(here, there).await;
    let settings = quick().with("DATABASE_URL", &postgres::shared_database().await);
    let settings = settings.with("PARLOUR__REALTIME__RECHECK_INTERVAL_MS", "200");
    let (here, there) = (App::with(settings.clone()).await, App::with(settings).await);
    unseen_on_both(&here, &there).await;
}

async fn unseen_on_both(here: &App, there: &App) {
    let [ada, bob] = here.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("hall", &[&bob]).await;
    bob.says(&room, "who takes part is a contact").await;
    let far = bob.at(there);
    let mut witnesses = [ada.enters(&room).await, ada.at(there).enters(&room).await];
    let first = far.enters(&room).await;
    witnesses[1].expect("user_joined").await;
    let second = bob.enters(&room).await;
    second.ask("set_status", json!({"status": "invisible"})).await;
    witnesses[1].expect("user_left").await;
    for witness in &witnesses {
        eventually(SOON, "they are hidden", async || presence(witness, &bob).await["status"] == "offline").await;
    }
    for witness in &mut witnesses {
        witness.heard().await;
    }
    let third = far.enters(&room).await;
    for socket in [first, second, third] {
        socket.leave().await;
    }
    let back = far.enters(&room).await;
    back.ask("ping", json!({})).await;
    for witness in &mut witnesses {
        let heard = witness.heard().await;
        let seen: Vec<String> = notices(&heard, &bob)
            .into_iter()
            .filter(|name| ["user_online", "user_joined"].contains(&name.as_str()))
            .collect();
        assert_eq!(seen, Vec::<String>::new());
        assert_eq!(presence(witness, &bob).await["status"], "offline");
    }
}
