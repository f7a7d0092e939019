//! The audit list: who did what to whom.

use serde_json::{Value, json};

use crate::support::{App, int, list, text};

#[tokio::test]
async fn every_deed_is_entered_with_what_was_and_what_is() {
    let app = App::start().await;
    let [ada, bob, cyd, dan] = app.users(["ada", "bob", "cyd", "dan"]).await;
    let room = ada.opens(json!({"visibility": "public", "name": "before"}), &[&bob]).await;
    ada.patch(&room.path(""), json!({"name": "after", "slow_mode_seconds": 0})).await.ok();
    ada.makes(&bob, "viewer", &room).await;
    let place = room.path(&format!("/members/{}", bob.id));
    ada.patch(&place, json!({"muted_until": "2999-01-01T00:00:00.000Z"})).await.ok();
    ada.patch(&place, json!({"muted_until": null, "role": "member"})).await.ok();
    let message = bob.says(&room, "a secret").await;
    let path = format!("/api/chat/messages/{}", text(&message, "id"));
    ada.put(&format!("{path}/pin"), json!({})).await.ok();
    ada.delete(&format!("{path}/pin")).await.ok();
    ada.delete(&path).await.ok();
    let ban = room.path(&format!("/bans/{}", cyd.id));
    ada.put(&ban, json!({"reason": "spam"})).await.ok();
    ada.delete(&ban).await.ok();
    cyd.post(&room.path("/join"), json!({})).await.ok();
    cyd.post(&room.path("/leave"), json!({})).await.ok();
    ada.post(&room.path("/members"), json!({"user_ids": [dan.id]})).await.ok();
    ada.removes(&dan, &room).await;
    ada.post(&room.path("/invite"), json!({})).await.ok();
    ada.delete(&room.path("/invite")).await.ok();
    let invitation = ada.post(&room.path("/invitations"), json!({"user_id": dan.id})).await.ok();
    ada.delete(&room.path(&format!("/invitations/{}", text(&invitation, "id")))).await.ok();
    assert_eq!(ada.get(&room.path("/export")).await.status, 200);
    ada.post(&room.path("/transfer"), json!({"user_id": bob.id})).await.ok();

    let page = bob.get(&room.path("/audit?page_size=100")).await.with_status(200);
    let mut entries = list(&page, "entries").to_vec();
    entries.reverse();
    let actions: Vec<String> = entries.iter().map(|entry| text(entry, "action")).collect();
    let expected = [
        "room_created",
        "room_updated",
        "role_changed",
        "member_muted",
        "role_changed",
        "member_unmuted",
        "message_pinned",
        "message_unpinned",
        "message_deleted",
        "member_banned",
        "member_unbanned",
        "member_joined",
        "member_left",
        "member_added",
        "member_removed",
        "invite_created",
        "invite_revoked",
        "invitation_created",
        "invitation_revoked",
        "room_exported",
        "ownership_transferred",
    ];
    assert_eq!(actions, expected);
    assert_eq!((&entries[1]["before"], &entries[1]["after"]), (&json!({"name": "before"}), &json!({"name": "after"})));
    let role = &entries[2];
    assert_eq!((&role["user_id"], &role["actor_id"]), (&json!(bob.id), &json!(ada.id)));
    assert_eq!((&role["before"], &role["after"]), (&json!({"role": "member"}), &json!({"role": "viewer"})));
    assert_eq!(entries[3]["after"], json!({"muted_until": "2999-01-01T00:00:00.000Z"}));
    assert_eq!((&entries[8]["message_id"], &entries[8]["user_id"]), (&message["id"], &json!(bob.id)));
    assert_eq!(entries[9]["after"], json!({"reason": "spam", "expires_at": null}));
    assert_eq!(entries[entries.len() - 1]["after"], json!({"role": "owner"}));
    assert!(!page.to_string().contains("a secret"));
    assert!(entries.iter().all(|entry| entry["created_at"] != Value::Null));
}

#[tokio::test]
async fn only_admins_look_at_it_and_what_was_refused_is_not_in_it() {
    let app = App::start().await;
    let [ada, bob, eve] = app.users(["ada", "bob", "eve"]).await;
    let room = ada.opens_a_group("order", &[&bob]).await;
    let before = int(&ada.get(&room.path("/audit")).await.with_status(200), "total");
    bob.get(&room.path("/audit")).await.refused("PERMISSION_DENIED");
    eve.get(&room.path("/audit")).await.refused("ROOM_NOT_FOUND");
    bob.patch(&room.path(""), json!({"name": "mine"})).await.refused("PERMISSION_DENIED");
    ada.patch(&room.path(&format!("/members/{}", bob.id)), json!({"role": "member"})).await.ok();
    assert_eq!(int(&ada.get(&room.path("/audit")).await.with_status(200), "total"), before);
    let direct = ada.opens_a_direct_room_with(&bob).await;
    ada.get(&direct.path("/audit")).await.refused("PERMISSION_DENIED");
}
