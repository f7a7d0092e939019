//! Threads: the replies of a message.

use serde_json::{Value, json};

use crate::support::{App, int, list, text};

#[tokio::test]
async fn a_message_knows_its_replies() {
    let app = App::start().await;
    let [ada, bob, eve] = app.users(["ada", "bob", "eve"]).await;
    let room = ada.opens_a_group("threads", &[&bob]).await;
    let question = ada.says(&room, "who?").await;
    let mut answers = Vec::new();
    for (person, content) in [(&bob, "me"), (&ada, "not me"), (&bob, "then nobody")] {
        let body = json!({"room_id": room.id, "content": content, "reply_to_id": question["id"]});
        answers.push(person.post("/api/chat/messages", body).await.with_status(201));
        bob.says(&room, "in between").await;
    }
    let path = format!("/api/chat/messages/{}", text(&question, "id"));
    let thread = bob.get(&format!("{path}/replies?page_size=2")).await.with_status(200);
    assert_eq!(int(&thread, "total"), 3);
    let newest: Vec<&Value> = list(&thread, "messages").iter().map(|reply| &reply["content"]).collect();
    assert_eq!(newest, ["not me", "then nobody"], "page 1 is the newest, and ascends");

    bob.delete(&format!("/api/chat/messages/{}", text(&answers[0], "id"))).await.ok();
    assert_eq!(int(&ada.get(&path).await.with_status(200), "reply_count"), 3, "a deleted reply keeps its place");
    eve.get(&format!("{path}/replies")).await.refused("MESSAGE_NOT_FOUND");
}
