//! Messages that carry files.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{
    File, Gallery, Person, Room, list,
    media::{media_path, on_every_store},
    outcome_of, picture, recording,
    store::StoreKind,
    text,
};

on_every_store!(a_message_carries_a_file_by_each_of_its_names, a_fresh_address_is_in_every_answer);

/// The first file of a message, as the fields that older clients read tell it.
const MIRRORS: [(&str, &str); 6] = [
    ("media_id", "id"),
    ("media_filename", "filename"),
    ("media_size", "size"),
    ("media_mime_type", "mime_type"),
    ("media_width", "width"),
    ("media_height", "height"),
];

#[track_caller]
fn carries(message: &Value, uploaded: &[&Value]) {
    let attachments = list(message, "attachments");
    let shown: Vec<&Value> = attachments.iter().map(|attachment| &attachment["id"]).collect();
    let expected: Vec<&Value> = uploaded.iter().map(|file| &file["id"]).collect();
    assert_eq!(shown, expected, "{message}");
    for (field, of_file) in MIRRORS {
        assert_eq!(message[field], attachments[0][of_file], "{field}");
    }
    for field in ["media_url", "thumbnail_url"] {
        let of_file = if field == "media_url" { "url" } else { field };
        assert_eq!(message[field].is_string(), attachments[0][of_file].is_string(), "{field}");
    }
}

async fn a_message_carries_a_file_by_each_of_its_names(kind: StoreKind) {
    let gallery = Gallery::open(kind).await;
    let [ada, bob] = gallery.app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("pictures", &[&bob]).await;
    let mut hearing = bob.enters(&room).await;
    let file = File::picture(1);
    let uploaded = ada.uploads(&file).await;
    let (id, url) = (&uploaded["id"], &uploaded["url"]);
    let ways = [
        json!({"media_id": id}),
        json!({"media_url": url}),
        json!({"attachments": [{"media_id": id}]}),
        json!({"attachments": [{"media_url": url}]}),
        json!({"media_id": id, "message_type": "image", "content": "with words"}),
    ];
    let socket = ada.connects().await;
    for fields in ways {
        let by_rest = ada.tries_to_send(&room, fields.clone()).await.with_status(201);
        let mut emitted = fields.clone();
        emitted["room_id"] = json!(room.id);
        let by_socket = socket.ask("send_message", emitted).await["message"].clone();
        for message in [&by_rest, &by_socket] {
            carries(message, &[&uploaded]);
            assert_eq!(message["message_type"], "image", "{fields}");
            assert_eq!(message["content"], *fields.get("content").unwrap_or(&Value::Null));
            let heard = hearing.expect("new_message").await["message"].clone();
            assert_eq!(heard["id"], message["id"]);
            carries(&heard, &[&uploaded]);
            assert_eq!(bob.site.sees(&text(&heard, "media_url")).await, file.bytes);
        }
    }
}

async fn a_fresh_address_is_in_every_answer(kind: StoreKind) {
    let gallery = Gallery::open(kind).await;
    let [ada, bob] = gallery.app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("pictures", &[&bob]).await;
    let file = File::picture(1);
    let message = ada.shows(&room, &ada.uploads(&file).await).await;
    let id = text(&message, "id");
    let mut rejoining = bob.connects().await;
    rejoining.ask("join_room", json!({"room_id": room.id, "after_seq": 0})).await;
    let replayed = rejoining.expect_that("new_message", |data| data["message"]["id"] == id.as_str()).await;
    let synced = rejoining.ask("sync", json!({"cursors": {&room.id: 0}})).await;
    let entries = list(&list(&synced, "rooms")[0], "events");
    let entry = entries.iter().find(|entry| entry["data"]["message"]["id"] == id.as_str()).expect("it is in the log");
    let rooms = bob.get("/api/chat/rooms").await.with_status(200);
    let answers = [
        ("the message", bob.get(&format!("/api/chat/messages/{id}")).await.with_status(200)),
        ("the history", bob.history(&room).await.remove(0)),
        ("the list of rooms", list(&rooms, "rooms")[0]["last_message"].clone()),
        ("a replay", replayed["message"].clone()),
        ("sync", entry["data"]["message"].clone()),
    ];
    for (way, message) in answers {
        assert_eq!(bob.site.sees(&text(&message, "media_url")).await, file.bytes, "{way}");
        assert_eq!(bob.site.sees(&text(&message["attachments"][0], "url")).await, file.bytes, "{way}");
        bob.site.sees(&text(&message, "thumbnail_url")).await;
    }
}

#[tokio::test]
async fn several_files_keep_their_order() {
    let gallery = Gallery::open(StoreKind::Local).await;
    let ada = gallery.app.user("ada").await;
    let room = ada.opens_a_group("pictures", &[]).await;
    let mut uploaded = Vec::new();
    for number in 0..10 {
        uploaded.push(ada.uploads(&File::picture(number)).await);
    }
    uploaded.reverse();
    let attachments: Vec<Value> = uploaded.iter().map(|file| json!({"media_id": file["id"]})).collect();
    let message = ada.tries_to_send(&room, json!({"attachments": attachments})).await.with_status(201);
    carries(&message, &uploaded.iter().collect::<Vec<_>>());
    assert_eq!(ada.history(&room).await[0]["attachments"].as_array().map(Vec::len), Some(10));
    let eleven = [attachments, vec![json!({"media_id": uploaded[0]["id"]})]].concat();
    ada.tries_to_send(&room, json!({"attachments": eleven})).await.refused("VALIDATION_ERROR");
}

#[tokio::test]
async fn a_message_is_of_the_kind_of_its_file() {
    let gallery = Gallery::open(StoreKind::Local).await;
    let ada = gallery.app.user("ada").await;
    let room = ada.opens_a_group("files", &[]).await;
    let kinds = [
        (File::picture(1), "image"),
        (File::new("sound.wav", "audio/wav", recording::wav(100)), "audio"),
        (File::new("film.mp4", "video/mp4", recording::mp4(100)), "video"),
        (File::new("paper.pdf", "application/pdf", picture::PDF), "file"),
    ];
    for (file, kind) in kinds {
        let message = ada.shows(&room, &ada.uploads(&file).await).await;
        assert_eq!(message["message_type"], kind, "{}", file.name);
    }
    let without = ada.says(&room, "no file").await;
    assert_eq!(
        (&without["attachments"], &without["media_id"], &without["media_url"]),
        (&json!([]), &Value::Null, &Value::Null)
    );
}

/// What is named in a message and is no file of the sender's: the fields, and what they are.
fn strange(ada: &Value, bob: &Value, deleted: &Value, pending: &Value) -> Vec<(&'static str, Value)> {
    let url = text(ada, "url");
    let forged = |other: &Value| url.replace(&text(ada, "id"), &text(other, "id"));
    vec![
        ("somebody else's", json!({"media_id": bob["id"]})),
        ("somebody else's address", json!({"media_url": bob["url"]})),
        ("the address of somebody else's file with another signature", json!({"media_url": forged(bob)})),
        ("a deleted one", json!({"media_id": deleted["id"]})),
        ("the address of a deleted one", json!({"media_url": deleted["url"]})),
        ("a pending one", json!({"media_id": pending["media_id"]})),
        ("none at all", json!({"media_id": "0199d1c6-7a4e-7cc3-9d5a-000000000001"})),
        ("a foreign address", json!({"media_url": "https://example.com/cat.png"})),
        ("our path elsewhere", json!({"media_url": format!("https://evil.example{}", media_path(ada))})),
        ("a script", json!({"media_url": "javascript:alert(1)"})),
        ("data", json!({"media_url": "data:image/png;base64,AAAA"})),
        ("a file", json!({"media_url": "file:///etc/passwd"})),
        ("a key", json!({"media_url": text(ada, "id")})),
        ("a path with a way out", json!({"media_url": "/api/chat/media/../../auth/me"})),
        ("one of several", json!({"attachments": [{"media_id": ada["id"]}, {"media_id": bob["id"]}]})),
    ]
}

/// C15.
#[tokio::test]
async fn only_files_of_the_sender_are_sent() {
    let gallery = Gallery::open(StoreKind::Local).await;
    let [ada, bob] = gallery.app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("pictures", &[&bob]).await;
    let (hers, his, deleted) = (
        ada.uploads(&File::picture(1)).await,
        bob.uploads(&File::picture(2)).await,
        ada.uploads(&File::picture(3)).await,
    );
    ada.delete(&media_path(&deleted)).await.with_status(204);
    let pending = ada.begins(&File::picture(4)).await;
    let socket = ada.connects().await;
    for (row, fields) in strange(&hers, &his, &deleted, &pending.begun) {
        let reply = ada.tries_to_send(&room, fields.clone()).await;
        assert_eq!(reply.outcome(), "INVALID_MEDIA", "C15 {row}: {reply}");
        reply.refused("INVALID_MEDIA");
        let mut emitted = fields;
        emitted["room_id"] = json!(room.id);
        let answer = socket.emit_with_ack("send_message", emitted).answer().await;
        assert_eq!(outcome_of(&answer), "INVALID_MEDIA", "C15 {row} over the socket: {answer}");
    }
    let malformed = [
        json!({"media_id": "abc"}),
        json!({"media_id": 7}),
        json!({"media_url": 7}),
        json!({"attachments": []}),
        json!({"attachments": "all of them"}),
        json!({"attachments": [{}]}),
        json!({"message_type": "image"}),
        json!({"message_type": "image", "content": "a picture, believe me"}),
    ];
    for fields in malformed {
        let reply = ada.tries_to_send(&room, fields.clone()).await;
        assert_eq!(reply.outcome(), "VALIDATION_ERROR", "{fields}: {reply}");
    }
    assert_eq!(ada.history(&room).await, Vec::<Value>::new());
    // shown to her by him, his file is still not hers to send
    let shown = bob.shows(&room, &his).await;
    ada.tries_to_send(&room, json!({"media_id": his["id"]})).await.refused("INVALID_MEDIA");
    ada.tries_to_send(&room, json!({"media_url": shown["media_url"]})).await.refused("INVALID_MEDIA");
    ada.shows(&room, &hers).await;
}

#[tokio::test]
async fn a_send_with_a_file_can_be_repeated() {
    let gallery = Gallery::open(StoreKind::Local).await;
    let ada = gallery.app.user("ada").await;
    let room = ada.opens_a_group("pictures", &[]).await;
    let (one, other) = (ada.uploads(&File::picture(1)).await, ada.uploads(&File::picture(2)).await);
    let body = json!({"media_id": one["id"], "client_msg_id": "again"});
    let first = ada.tries_to_send(&room, body.clone()).await.with_status(201);
    let second = ada.tries_to_send(&room, body).await.with_status(200);
    assert_eq!(first["id"], second["id"]);
    carries(&second, &[&one]);
    let conflict = json!({"media_id": other["id"], "client_msg_id": "again"});
    ada.tries_to_send(&room, conflict).await.refused("CLIENT_MSG_ID_CONFLICT");
    assert_eq!(ada.history(&room).await.len(), 1);
}

/// Catches a build that answers a repeat which is stored in one transaction with its first as everybody reads it: with marks where
/// each reader's own addresses belong. Seen.
#[tokio::test]
async fn two_sends_of_one_moment_are_answered_with_addresses_that_load() {
    const PAIRS: usize = 100;
    let gallery = Gallery::open(StoreKind::Local).await;
    let ada = gallery.app.user("ada").await;
    let room = ada.opens_a_group("pictures", &[]).await;
    let file = File::picture(1);
    let uploaded = ada.uploads(&file).await;
    let socket = ada.connects().await;
    let send = |pair: usize| {
        let body = json!({"room_id": room.id, "media_id": uploaded["id"], "client_msg_id": format!("pair-{pair}")});
        socket.emit_with_ack("send_message", body)
    };
    let acks: Vec<_> = (0..PAIRS).map(|pair| (send(pair), send(pair))).collect();
    let (mut originals, mut thumbnails) = (BTreeSet::new(), BTreeSet::new());
    for (first, second) in acks {
        let (first, second) = (first.ok().await, second.ok().await);
        assert_eq!((&first["duplicate"], &second["duplicate"]), (&json!(false), &json!(true)));
        assert_eq!(first["message"]["id"], second["message"]["id"]);
        for message in [&first["message"], &second["message"]] {
            let file = &message["attachments"][0];
            originals.extend([text(message, "media_url"), text(file, "url")]);
            thumbnails.extend([text(message, "thumbnail_url"), text(file, "thumbnail_url")]);
        }
    }
    for url in &originals {
        assert_eq!(ada.site.sees(url).await, file.bytes);
    }
    for url in &thumbnails {
        ada.site.sees(url).await;
    }
}

/// An edit changes the words and leaves the file; a reply shows what it replies to.
#[tokio::test]
async fn words_can_change_beside_a_file() {
    let gallery = Gallery::open(StoreKind::Local).await;
    let ada = gallery.app.user("ada").await;
    let room = ada.opens_a_group("pictures", &[]).await;
    let uploaded = ada.uploads(&File::picture(1)).await;
    let message = words_beside(&ada, &room, &uploaded, "before").await;
    let path = format!("/api/chat/messages/{}", text(&message, "id"));
    let edited = ada.patch(&path, json!({"content": "after"})).await.with_status(200);
    assert_eq!(edited["content"], "after");
    carries(&edited, &[&uploaded]);
    let reply = json!({"content": "nice", "reply_to_id": message["id"]});
    let reply = ada.tries_to_send(&room, reply).await.with_status(201);
    assert_eq!(reply["attachments"], json!([]));
    assert_eq!(reply["reply_to"]["content"], "after");
}

async fn words_beside(person: &Person, room: &Room, uploaded: &Value, content: &str) -> Value {
    person.tries_to_send(room, json!({"media_id": uploaded["id"], "content": content})).await.with_status(201)
}
