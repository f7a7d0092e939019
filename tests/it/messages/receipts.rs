//! Who has read a message, and when.

use std::collections::BTreeMap;

use rand::Rng;
use serde_json::{Value, json};

use crate::support::{App, Person, Seed, find, int, list, text};

/// The readers of a message, as the server tells them.
async fn readers(asker: &Person, message: &Value) -> BTreeMap<String, String> {
    let path = format!("/api/chat/messages/{}/receipts?page_size=100", text(message, "id"));
    let page = asker.get(&path).await.with_status(200);
    let readers: BTreeMap<String, String> =
        list(&page, "receipts").iter().map(|receipt| (text(receipt, "user_id"), text(receipt, "read_at"))).collect();
    assert_eq!(int(&page, "total"), i64::try_from(readers.len()).unwrap());
    readers
}

/// Catches a build that takes the last advance for the time of reading, one that says of newcomers that they read what was
/// before them, and one that forgets who came back. All seen. Compared with a model that remembers each advance.
#[tokio::test]
async fn receipts_are_those_of_the_advances() {
    let mut rng = Seed::of("receipts_are_those_of_the_advances").rng();
    let app = App::start().await;
    let people = app.crowd(5).await;
    let owner = &people[0];
    let room = owner.opens_a_group("reading", &[&people[1], &people[2], &people[3]]).await;
    let mut messages = Vec::new();
    // by person: where the mark is, and each advance (from, to] with its moment
    let mut marks = vec![4_i64; 4];
    let mut advances: Vec<Vec<(i64, i64, String)>> = vec![Vec::new(); 5];
    for round in 0..60 {
        messages.push(people[round % 4].says(&room, &format!("message {round}")).await);
        if round == 30 {
            owner.post(&room.path("/members"), json!({"user_ids": [people[4].id]})).await.ok();
            marks.push(owner.last_seq(&room).await);
        }
        if round == 45 {
            people[3].post(&room.path("/leave"), json!({})).await.ok();
            owner.post(&room.path("/members"), json!({"user_ids": [people[3].id]})).await.ok();
            marks[3] = owner.last_seq(&room).await;
        }
        let reader = usize::try_from(rng.next_u32()).unwrap() % marks.len();
        let seq = int(&messages[usize::try_from(rng.next_u32()).unwrap() % messages.len()], "seq");
        people[reader].post(&room.path("/read"), json!({"up_to_seq": seq})).await.ok();
        if seq > marks[reader] {
            let details = people[reader].room(&room).await;
            let at = text(find(list(&details, "members"), "user_id", &people[reader].id), "last_read_at");
            advances[reader].push((marks[reader], seq, at));
            marks[reader] = seq;
        }
    }
    for message in &messages {
        let seq = int(message, "seq");
        let expected: BTreeMap<String, String> = people
            .iter()
            .zip(&advances)
            .filter(|(person, _)| message["sender_id"] != person.id.as_str())
            .filter_map(|(person, advances)| {
                let (_, _, at) = advances.iter().find(|(from, to, _)| *from < seq && seq <= *to)?;
                Some((person.id.clone(), at.clone()))
            })
            .collect();
        assert_eq!(readers(owner, message).await, expected, "the message in place {seq}");
    }
}

#[tokio::test]
async fn who_does_not_share_receipts_reads_unseen() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("reading", &[&bob]).await;
    let me = bob.patch("/api/users/me", json!({"shares_receipts": false})).await.with_status(200);
    assert_eq!(me["shares_receipts"], false);
    let message = ada.says(&room, "read me").await;
    let mut socket = ada.enters(&room).await;
    let mark = bob.post(&room.path("/read"), json!({"message_ids": [message["id"]]})).await.with_status(200);
    assert_eq!(int(&mark, "unread_count"), 0);

    assert!(readers(&ada, &message).await.is_empty());
    let place = |details: &Value| find(list(details, "members"), "user_id", &bob.id).clone();
    let seen = place(&ada.room(&room).await);
    assert_eq!((int(&seen, "last_read_seq"), &seen["last_read_at"]), (2, &Value::Null), "as when he joined");
    assert!(seen["user"].get("shares_receipts").is_none());
    assert_eq!(int(&place(&bob.room(&room).await), "last_read_seq"), int(&message, "seq"), "he sees his own");
    ada.makes(&bob, "viewer", &room).await;
    assert_eq!(int(&socket.expect("member_updated").await["member"], "last_read_seq"), 2);
    let heard = socket.heard().await;
    assert!(heard.iter().all(|event| event.name != "messages_read"), "{heard:?}");

    bob.patch("/api/users/me", json!({"shares_receipts": true})).await.ok();
    assert_eq!(readers(&ada, &message).await.len(), 1);
}

#[tokio::test]
async fn strangers_ask_in_vain_who_has_read() {
    let app = App::start().await;
    let [ada, eve] = app.users(["ada", "eve"]).await;
    let room = ada.opens_a_group("reading", &[]).await;
    let message = ada.says(&room, "mine").await;
    let path = format!("/api/chat/messages/{}/receipts", text(&message, "id"));
    eve.get(&path).await.refused("MESSAGE_NOT_FOUND");
    ada.get(&format!("{path}?page=0")).await.refused("VALIDATION_ERROR");
}
