//! Bans: out at once, and not back.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{App, SOON, Transport, clock, eventually, int, list, text};

#[tokio::test]
async fn a_banned_member_is_out_at_once_on_every_transport() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    for transport in [Transport::WebSocket, Transport::Polling] {
        let room = ada.opens_a_group("order", &[&bob]).await;
        let mut adas = ada.enters(&room).await;
        let mut bobs = bob.connects_by(transport, json!({})).await;
        bobs.ask("join_room", json!({"room_id": room.id})).await;
        let path = room.path(&format!("/bans/{}", bob.id));
        let ban = ada.put(&path, json!({"reason": "spam"})).await.with_status(200);
        assert_eq!(
            (&ban["reason"], &ban["expires_at"], &ban["banned_by"]),
            (&json!("spam"), &Value::Null, &json!(ada.id))
        );
        assert_eq!(adas.expect("member_removed").await["reason"], "banned");
        ada.says(&room, "without bob").await;
        bobs.expect("member_removed").await;
        bobs.expect("room_left").await;
        let heard = bobs.heard().await;
        assert!(heard.iter().all(|event| event.name != "new_message"), "{heard:?}");
        bobs.ask_in_vain("send_message", json!({"room_id": room.id, "content": "x"}), "ROOM_NOT_FOUND").await;
    }
}

/// Threat C12.
#[tokio::test]
async fn who_is_banned_comes_in_by_no_door() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens(json!({"visibility": "public"}), &[]).await;
    let code = text(&ada.post(&room.path("/invite"), json!({})).await.ok(), "code");
    let invitation = ada.post(&room.path("/invitations"), json!({"user_id": bob.id})).await.with_status(201);
    let ban = room.path(&format!("/bans/{}", bob.id));
    ada.put(&ban, json!({})).await.with_status(200);
    bob.post(&room.path("/join"), json!({})).await.refused("BANNED");
    for code in [code, text(&invitation, "invitation_code")] {
        bob.post(&format!("/api/chat/invites/{code}/join"), json!({})).await.refused("BANNED");
    }
    bob.get(&format!("/api/chat/invites/{}", text(&invitation, "invitation_code"))).await.refused("BANNED");
    ada.post(&room.path("/invitations"), json!({"user_id": bob.id})).await.refused("BANNED");
    assert_eq!(int(&ada.room(&room).await, "member_count"), 1);

    assert_eq!(int(&ada.get(&room.path("/bans")).await.with_status(200), "total"), 1);
    ada.get(&ban).await.with_status(200);
    ada.delete(&ban).await.with_status(204);
    ada.delete(&ban).await.refused("USER_NOT_FOUND");
    ada.get(&ban).await.refused("USER_NOT_FOUND");
    bob.post(&room.path("/join"), json!({})).await.with_status(200);
}

#[tokio::test]
async fn an_admin_who_adds_somebody_lifts_their_ban() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("mercy", &[]).await;
    ada.put(&room.path(&format!("/bans/{}", bob.id)), json!({})).await.with_status(200);
    ada.post(&room.path("/members"), json!({"user_ids": [bob.id]})).await.with_status(201);
    assert_eq!(int(&ada.get(&room.path("/bans")).await.with_status(200), "total"), 0);
    bob.says(&room, "thank you").await;
}

#[tokio::test]
async fn a_ban_ends_when_it_says() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens(json!({"visibility": "public"}), &[]).await;
    let ban = room.path(&format!("/bans/{}", bob.id));
    let soon = clock::rfc3339_in(Duration::from_millis(1_500));
    ada.put(&ban, json!({"expires_at": soon})).await.with_status(200);
    bob.post(&room.path("/join"), json!({})).await.refused("BANNED");
    eventually(SOON, "the ban ends", async || bob.post(&room.path("/join"), json!({})).await.status == 200).await;
}

#[tokio::test]
async fn nobody_bans_an_owner_or_by_mistake() {
    let app = App::start().await;
    let [olga, anna, abel, mia, eve] = app.users(["olga", "anna", "abel", "mia", "eve"]).await;
    let room = olga.opens_a_group("ranks", &[&anna, &abel, &mia]).await;
    olga.makes(&anna, "admin", &room).await;
    olga.makes(&abel, "admin", &room).await;
    let ban = |id: &str| room.path(&format!("/bans/{id}"));
    anna.put(&ban(&olga.id), json!({})).await.refused("PERMISSION_DENIED");
    anna.put(&ban(&anna.id), json!({})).await.refused("VALIDATION_ERROR");
    anna.put(&ban("0199d1c6-7a4e-7cc3-9d5a-3b1f0f6a2c11"), json!({})).await.refused("USER_NOT_FOUND");
    anna.put(&ban(&mia.id), json!({"expires_at": "2020-01-01T00:00:00Z"})).await.refused("VALIDATION_ERROR");
    anna.put(&ban(&mia.id), json!({"reason": "x".repeat(501)})).await.refused("VALIDATION_ERROR");
    mia.put(&ban(&eve.id), json!({})).await.refused("PERMISSION_DENIED");
    for path in [room.path("/bans"), ban(&eve.id)] {
        mia.get(&path).await.refused("PERMISSION_DENIED");
        eve.get(&path).await.refused("ROOM_NOT_FOUND");
    }
    let direct = olga.opens_a_direct_room_with(&mia).await;
    olga.put(&direct.path(&format!("/bans/{}", mia.id)), json!({})).await.refused("PERMISSION_DENIED");
    assert_eq!(list(&olga.room(&room).await, "members").len(), 4);
    anna.put(&ban(&abel.id), json!({})).await.ok();
}
