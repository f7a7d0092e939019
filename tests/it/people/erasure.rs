//! Erasing an account.

use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use serde_json::{Value, json};

use crate::support::{App, SOON, eventually, find, int, list, people::PASSWORD, text, within, workload};

const CANARY: &str = "xylophone";

#[tokio::test]
async fn who_is_erased_leaves_neither_name_nor_words() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("shared", &[&bob]).await;
    let direct = bob.opens_a_direct_room_with(&ada).await;
    bob.patch("/api/users/me", json!({"full_name": "Robert Xylophone"})).await.ok();
    for room in [&room, &direct] {
        bob.says(room, "a xylophone of mine").await;
    }
    let mine = ada.says(&room, "words of ada").await;
    let reply = json!({"room_id": room.id, "content": "so", "reply_to_id": ada.history(&room).await[0]["id"]});
    ada.post("/api/chat/messages", reply).await.with_status(201);
    let mut adas = ada.enters(&room).await;
    let bobs = bob.connects().await;

    bob.delete("/api/users/me?erase_messages=true").await.refused("VALIDATION_ERROR");
    bob.delete("/api/users/me?erase=true&erase_messages=true").await.with_status(204);
    bobs.closed_within(SOON).await;
    bob.get("/api/users/me").await.refused("UNAUTHORIZED");
    bob.login(PASSWORD).await.refused("INVALID_CREDENTIALS");
    adas.expect("message_deleted").await;
    assert_eq!(adas.expect("member_removed").await["user_id"], bob.id.as_str());

    assert_eq!(list(&ada.room(&room).await, "members").len(), 1);
    let seen = [
        json!(ada.history(&room).await),
        json!(ada.history(&direct).await),
        json!(ada.log_of(&room).await),
        ada.get("/api/chat/rooms").await.ok(),
        ada.get(&format!("/api/users/{}", bob.id)).await.ok(),
        ada.get("/api/users?search=bob").await.ok(),
    ];
    for answer in &seen {
        let answer = answer.to_string();
        for trace in [CANARY, "Xylophone", "bob@", "b***@example", "\"bob\""] {
            assert!(!answer.contains(trace), "{trace} in {answer}");
        }
    }
    assert_eq!(int(&ada.get("/api/chat/search?q=xylophone").await.ok(), "total"), 0);
    assert_eq!(find(&ada.history(&room).await, "id", &text(&mine, "id"))["content"], "words of ada");
    // the name is free again
    app.user("bob").await;
}

#[tokio::test]
async fn a_rooms_owner_is_succeeded_and_an_empty_room_goes() {
    let app = App::start().await;
    let [ada, bob, cyd, dan] = app.users(["ada", "bob", "cyd", "dan"]).await;
    let kept = ada.opens_a_group("kept", &[&bob, &cyd, &dan]).await;
    ada.makes(&dan, "admin", &kept).await;
    let alone = ada.opens(json!({"visibility": "public"}), &[]).await;
    let said = ada.says(&kept, "these words stay").await;
    ada.delete("/api/users/me?erase=true").await.with_status(204);
    let details = dan.room(&kept).await;
    let roles: Vec<Value> = list(&details, "members").iter().map(|member| member["role"].clone()).collect();
    assert_eq!(details["my_role"], "owner", "the admin, before those who came earlier: {roles:?}");
    let stays = find(&dan.history(&kept).await, "id", &text(&said, "id")).clone();
    assert_eq!(stays["content"], "these words stay");
    assert_eq!((&stays["sender"]["username"], &stays["sender"]["is_active"]), (&Value::Null, &json!(false)));
    bob.post(&alone.path("/join"), json!({})).await.refused("ROOM_NOT_FOUND");
    assert_eq!(int(&bob.get("/api/chat/rooms/public").await.ok(), "total"), 0);
}

/// Catches a build that forgets what is left to be done when the process ends. Seen.
#[tokio::test]
async fn an_erasure_goes_on_after_a_crash() {
    let mut app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("shared", &[&bob]).await;
    let socket = bob.connects().await;
    workload::Writer::new("bob").send(&socket, &room, 1_500).await;
    let mut adas = ada.enters(&room).await;
    let request = bob.request(reqwest::Method::DELETE, "/api/users/me?erase=true&erase_messages=true");
    // whether its answer comes before the end of the process, nobody knows
    let erase = tokio::spawn(request.try_send());
    adas.expect("message_deleted").await;
    app.server.kill_9();
    let _ = within(SOON * 3, "the end of the request", erase).await;
    let db = app.server.database().await;
    let words = entity::message::Entity::find().filter(entity::message::Column::Content.is_not_null());
    assert!(words.clone().count(&db).await.unwrap() > 0, "it ended in the middle");
    app.start_again().await;
    eventually(SOON * 3, "the erasure is done", async || {
        let history = ada.history(&room).await;
        history.iter().all(|message| message["is_deleted"] == true)
            && list(&ada.room(&room).await, "members").len() == 1
    })
    .await;
    assert_eq!(words.count(&db).await.unwrap(), 0);
    let unfinished = entity::user::Entity::find().filter(entity::user::Column::Erasing.is_not_null());
    eventually(SOON, "nothing is left to do", async || unfinished.clone().count(&db).await.unwrap() == 0).await;
}
