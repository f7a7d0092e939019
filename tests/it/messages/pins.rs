//! Pins: what a room keeps in sight.

use serde_json::{Value, json};

use crate::support::{App, int, list, text};

fn path(message: &Value, rest: &str) -> String {
    format!("/api/chat/messages/{}{rest}", text(message, "id"))
}

#[tokio::test]
async fn admins_pin_and_everybody_sees() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("the wall", &[&bob]).await;
    let mut bobs = bob.enters(&room).await;
    let mut messages = Vec::new();
    for number in 0..3 {
        messages.push(ada.says(&room, &format!("notice {number}")).await);
    }
    bob.put(&path(&messages[0], "/pin"), json!({})).await.refused("PERMISSION_DENIED");
    let seq = int(&messages[2], "seq");
    for (message, seq) in messages.iter().zip(seq + 1..) {
        let pinned = ada.put(&path(message, "/pin"), json!({})).await.with_status(200);
        assert_eq!(pinned["is_pinned"], true);
        let told = bobs.expect("message_pinned").await;
        let expected = json!({"room_id": room.id, "seq": seq, "message_id": message["id"], "user_id": ada.id});
        assert_eq!(told, expected);
        ada.put(&path(message, "/pin"), json!({})).await.with_status(200);
    }
    assert_eq!(ada.last_seq(&room).await, seq + 3, "pinning again changes nothing");

    let page = bob.get(&room.path("/pins?page_size=2")).await.with_status(200);
    assert_eq!((int(&page, "total"), &page["has_more"]), (3, &json!(true)));
    let contents: Vec<&Value> = list(&page, "pins").iter().map(|pin| &pin["message"]["content"]).collect();
    assert_eq!(contents, ["notice 2", "notice 1"], "the latest pin first");

    ada.delete(&path(&messages[1], "/pin")).await.with_status(204);
    assert_eq!(bobs.expect("message_unpinned").await["message_id"], messages[1]["id"]);
    ada.delete(&path(&messages[2], "")).await.ok();
    let left = bob.get(&room.path("/pins")).await.with_status(200);
    assert_eq!(int(&left, "total"), 1, "a deleted message is not kept in sight");
    ada.put(&path(&messages[2], "/pin"), json!({})).await.refused("MESSAGE_NOT_FOUND");
    ada.delete(&path(&messages[2], "/pin")).await.refused("MESSAGE_NOT_FOUND");
}

#[tokio::test]
async fn nobody_pins_in_a_direct_room_or_in_one_of_others() {
    let app = App::start().await;
    let [ada, bob, eve] = app.users(["ada", "bob", "eve"]).await;
    let room = ada.opens_a_direct_room_with(&bob).await;
    let message = ada.says(&room, "between us").await;
    ada.put(&path(&message, "/pin"), json!({})).await.refused("PERMISSION_DENIED");
    eve.put(&path(&message, "/pin"), json!({})).await.refused("MESSAGE_NOT_FOUND");
    eve.get(&room.path("/pins")).await.refused("ROOM_NOT_FOUND");
}
