//! Losing a right ends what an open socket could do with it.

use std::time::{Duration, Instant};

use rand::seq::SliceRandom;
use serde_json::json;

use crate::support::{
    App, Person, SOON, Seed, Socket, Transport, checker, find, int, list, machine, text, within, workload,
};

/// How long a loss of rights may take to bite.
const BITE: Duration = Duration::from_secs(2);

/// G8. Catches a build that checks membership only when a socket joins (seen), and one that tells the members' sockets only
/// after the change, so that later entries overtake it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_five_kicked_members_hear_nothing_more() {
    let _share = machine::share().await;
    let mut rng = Seed::of("twenty_five_kicked_members_hear_nothing_more").rng();
    let app = App::start().await;
    let people = app.crowd(27).await;
    let others: Vec<&Person> = people[1..].iter().collect();
    let room = people[0].opens_a_group("strict", &others).await;
    let (owner, stays) = (&people[0], &people[26]);
    let mut victims: Vec<(&Person, Socket)> = Vec::new();
    for person in &people[1..26] {
        victims.push((person, person.enters(&room).await));
    }
    victims.shuffle(&mut rng);
    let mut witness = stays.enters(&room).await;
    let start = int(&owner.room(&room).await, "last_seq");
    let writer = owner.connects().await;

    let mut load = workload::Writer::new("load");
    let over = std::cell::Cell::new(false);
    let write = load.send_until(&writer, &room, |_| over.get());
    let kick = async {
        let mut kicked = Vec::new();
        for (victim, _) in &victims {
            owner.removes(victim, &room).await;
            kicked.push(Instant::now());
        }
        // the load goes on beyond the time in which a kick must bite
        tokio::time::sleep(BITE + Duration::from_secs(1)).await;
        over.set(true);
        kicked
    };
    let ((), kicked) = within(SOON * 4, "25 kicks", async { tokio::join!(write, kick) }).await;

    let last = owner.last_seq(&room).await;
    witness.expect_that("new_message", |data| data["seq"] == last).await;
    for ((victim, socket), kicked) in victims.iter_mut().zip(kicked) {
        for event in socket.heard().await.iter().filter(|event| event.data["room_id"] == room.id.as_str()) {
            let late = event.at.saturating_duration_since(kicked);
            assert!(late <= BITE, "{} heard {} {late:?} after the kick", victim.name, event.name);
        }
        let body = workload::message(&room, "too late");
        socket.ask_in_vain("send_message", body, "ROOM_NOT_FOUND").await;
        socket.ask_in_vain("join_room", json!({"room_id": room.id}), "ROOM_NOT_FOUND").await;
        victim.get(&room.path("/messages")).await.refused("ROOM_NOT_FOUND");
    }
    let mut seqs = checker::seqs(&witness.heard().await, &room.id);
    seqs.push(last);
    checker::dense("who stayed", &seqs, start, last);
}

#[tokio::test]
async fn a_kicked_member_hears_of_it_and_then_nothing_more() {
    for transport in [Transport::WebSocket, Transport::Polling] {
        let app = App::start().await;
        let [ada, bob, cyd] = app.users(["ada", "bob", "cyd"]).await;
        let room = ada.opens_a_group("strict", &[&bob, &cyd]).await;
        let mut witness = cyd.hears_everything().await;
        let mut victim = bob.connects_by(transport, json!({"rooms": "all"})).await;
        victim.heard().await;
        ada.removes(&bob, &room).await;
        let told = victim.expect("member_removed").await;
        assert_eq!(told["user_id"], bob.id.as_str());
        assert_eq!(told["reason"], "removed");
        ada.says(&room, "now we can talk").await;
        witness.expect("new_message").await;
        let heard = victim.heard().await;
        // `room_left` says that this socket no longer views the room; it tells nothing of the room
        let news = heard.iter().filter(|event| event.data["room_id"] == room.id.as_str() && event.name != "room_left");
        assert_eq!(news.count(), 0, "{transport:?}: {heard:?}");
    }
}

#[tokio::test]
async fn a_logout_ends_the_sockets_of_that_session_only() {
    for transport in [Transport::WebSocket, Transport::Polling] {
        let app = App::start().await;
        let phone = app.user("ada").await;
        let laptop = phone.on_another_device().await;
        let mut on_phone = phone.connects_by(transport, json!({})).await;
        let on_laptop = laptop.connects_by(transport, json!({})).await;
        phone.post("/api/auth/logout", json!({})).await.with_status(204);
        on_phone.expect("session_revoked").await;
        on_phone.closed_within(BITE).await;
        phone.get("/api/auth/me").await.refused("UNAUTHORIZED");
        on_laptop.ask("sync", json!({"cursors": {}})).await;
        laptop.get("/api/auth/me").await.with_status(200);
    }
}

#[tokio::test]
async fn a_password_change_ends_all_other_sessions() {
    let app = App::start().await;
    let phone = app.user("ada").await;
    let laptop = phone.on_another_device().await;
    let (on_phone, mut on_laptop) = (phone.connects().await, laptop.connects().await);
    let change = json!({"current_password": "correct horse battery", "password": "a much better password"});
    phone.patch("/api/users/me", change).await.with_status(200);
    on_laptop.expect("session_revoked").await;
    on_laptop.closed_within(BITE).await;
    laptop.get("/api/auth/me").await.refused("UNAUTHORIZED");
    let refresh = json!({"refresh_token": laptop.refresh_token});
    let reply = app.site.post("/api/auth/refresh").json(&refresh).send().await;
    assert_eq!(reply.status, 401, "{reply}");
    phone.get("/api/auth/me").await.with_status(200);
    on_phone.ask("sync", json!({"cursors": {}})).await;
}

#[tokio::test]
async fn a_deactivated_account_has_no_sockets() {
    let app = App::start().await;
    let phone = app.user("ada").await;
    let laptop = phone.on_another_device().await;
    let (mut on_phone, mut on_laptop) = (phone.connects().await, laptop.connects().await);
    phone.delete("/api/users/me").await.ok();
    for socket in [&mut on_phone, &mut on_laptop] {
        socket.expect("session_revoked").await;
        socket.closed_within(BITE).await;
    }
    for device in [&phone, &laptop] {
        assert_eq!(device.get("/api/auth/me").await.status, 401);
        let refusal =
            device.tries_to_connect_by(Transport::WebSocket, json!({})).await.err().expect("nobody is let in");
        assert!(["UNAUTHORIZED", "ACCOUNT_DISABLED"].contains(&refusal.0.as_str()), "{refusal:?}");
    }
}

#[tokio::test]
async fn a_lower_role_bites_at_the_next_send() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("strict", &[&bob]).await;
    let mut socket = bob.enters(&room).await;
    socket.ask("send_message", workload::message(&room, "while a member")).await;
    ada.makes(&bob, "viewer", &room).await;
    socket.ask_in_vain("send_message", workload::message(&room, "as a viewer"), "PERMISSION_DENIED").await;
    socket.ask_in_vain("typing", json!({"room_id": room.id}), "PERMISSION_DENIED").await;
    ada.says(&room, "a viewer still hears").await;
    socket.expect_that("new_message", |data| data["message"]["content"] == "a viewer still hears").await;
}

#[tokio::test]
async fn a_muted_member_may_not_send_until_the_time_is_over() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("strict", &[&bob]).await;
    let socket = bob.enters(&room).await;
    let path = room.path(&format!("/members/{}", bob.id));
    let member = ada.patch(&path, json!({"muted_until": "2999-01-01T00:00:00Z"})).await.with_status(200);
    assert!(text(&member, "muted_until").starts_with("2999-01-01T00:00:00"));
    socket.ask_in_vain("send_message", workload::message(&room, "muted"), "PERMISSION_DENIED").await;
    bob.tries_to_say(&room, "muted").await.refused("PERMISSION_DENIED");
    ada.patch(&path, json!({"muted_until": null})).await.with_status(200);
    bob.says(&room, "I may speak again").await;
    ada.patch(&path, json!({"muted_until": "2001-01-01T00:00:00Z"})).await.with_status(200);
    socket.ask("send_message", workload::message(&room, "a mute of the past")).await;
}

#[tokio::test]
async fn a_deleted_room_is_announced_and_then_unknown() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("short-lived", &[&bob]).await;
    let message = bob.says(&room, "while it lasts").await;
    let mut socket = bob.enters(&room).await;
    ada.delete(&room.path("")).await.ok();
    let event = socket.expect("room_deleted").await;
    assert_eq!(event["room_id"], room.id.as_str());
    socket.ask_in_vain("send_message", workload::message(&room, "after"), "ROOM_NOT_FOUND").await;
    socket.ask_in_vain("join_room", json!({"room_id": room.id}), "ROOM_NOT_FOUND").await;
    socket.ask_in_vain("typing", json!({"room_id": room.id}), "ROOM_NOT_FOUND").await;
    socket.ask_in_vain("mark_as_read", json!({"room_id": room.id, "up_to_seq": 1}), "ROOM_NOT_FOUND").await;
    let edit = json!({"message_id": message["id"], "content": "after"});
    socket.ask_in_vain("edit_message", edit, "MESSAGE_NOT_FOUND").await;
    for person in [&ada, &bob] {
        person.get(&room.path("")).await.refused("ROOM_NOT_FOUND");
        let rooms = person.get("/api/chat/rooms").await.with_status(200);
        assert!(list(&rooms, "rooms").is_empty());
    }
}

#[tokio::test]
async fn who_was_removed_and_added_again_hears_again() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("second chance", &[&bob]).await;
    let mut socket = bob.hears_everything().await;
    ada.removes(&bob, &room).await;
    socket.expect("member_removed").await;
    ada.post(&room.path("/members"), json!({"user_ids": [bob.id]})).await.ok();
    let created = socket.expect("room_created").await;
    assert_eq!(created["room"]["id"], room.id.as_str());
    ada.says(&room, "welcome back").await;
    let heard = socket.expect_that("new_message", |data| data["room_id"] == room.id.as_str()).await;
    assert_eq!(heard["message"]["content"], "welcome back");
    let members = ada.room(&room).await;
    find(list(&members, "members"), "user_id", &bob.id);
    within(SOON, "a message of the returned", bob.says(&room, "thanks")).await;
}

/// Catches a build that asks only for the sender when a message is edited: a muted member would go on speaking by edits.
/// Fails on that build, seen.
#[tokio::test]
async fn a_muted_member_may_take_back_but_not_rewrite() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("strict", &[&bob]).await;
    let (first, second) = (bob.says(&room, "one").await, bob.says(&room, "two").await);
    let member = room.path(&format!("/members/{}", bob.id));
    ada.patch(&member, json!({"muted_until": "2999-01-01T00:00:00Z"})).await.with_status(200);
    let socket = bob.connects().await;
    let path = |message: &serde_json::Value| format!("/api/chat/messages/{}", text(message, "id"));
    bob.patch(&path(&first), json!({"content": "rewritten"})).await.refused("PERMISSION_DENIED");
    let edit = json!({"message_id": first["id"], "content": "rewritten"});
    socket.ask_in_vain("edit_message", edit, "PERMISSION_DENIED").await;
    assert_eq!(ada.history(&room).await[0], first);

    bob.delete(&path(&first)).await.ok();
    socket.ask("delete_message", json!({"message_id": second["id"]})).await;
    assert!(ada.history(&room).await.iter().all(|message| message["is_deleted"] == true));
}

/// Catches a build that checks only the signature of the token that is shown, and one that goes on ending a socket with
/// the login it began with. Fails on both, seen.
#[tokio::test]
async fn a_socket_ends_with_the_login_it_showed_last() {
    let app = App::start().await;
    let phone = app.user("ada").await;
    let (laptop, tablet) = (phone.on_another_device().await, phone.on_another_device().await);
    let mut socket = phone.connects().await;
    laptop.post("/api/auth/logout", json!({})).await.with_status(204);
    socket.ask_in_vain("authenticate", json!({"token": laptop.token}), "UNAUTHORIZED").await;
    socket.ask("sync", json!({"cursors": {}})).await;

    socket.ask("authenticate", json!({"token": tablet.token})).await;
    phone.post("/api/auth/logout", json!({})).await.with_status(204);
    socket.ask("sync", json!({"cursors": {}})).await;
    assert!(socket.heard().await.iter().all(|event| event.name != "session_revoked"), "the socket is the tablet's now");
    tablet.post("/api/auth/logout", json!({})).await.with_status(204);
    socket.expect("session_revoked").await;
    socket.closed_within(BITE).await;
}
