//! Changes that leave all as it was, and those that take everything away which may go.

use serde_json::{Value, json};

use crate::support::{App, File, Gallery, SOON, list, outcome_of, store::StoreKind, text};

const BAD: &str = "VALIDATION_ERROR";

/// What nobody sees, alone: blanks, and what needs a letter to stand at.
const UNSEEN: [&str; 13] = [
    " ",
    "\u{200d}",
    "\u{2060}",
    "\u{fe0e}",
    "\u{fe0f}",
    "\u{fe0e}\u{fe0f}",
    "\u{e0100}",
    "\u{e0041}",
    "\u{301}",
    " \u{301}\u{300}",
    "\u{20e3}",
    "\u{7}",
    "\u{1bca0}",
];

/// A message, and a name, is something that is seen.
#[tokio::test]
async fn what_shows_nothing_says_nothing() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    let room = ada.opens_a_group("seen", &[]).await;
    let socket = ada.connects().await;
    let message = ada.says(&room, "words").await;
    let path = format!("/api/chat/messages/{}", text(&message, "id"));
    for unseen in UNSEEN {
        for reply in [
            ada.tries_to_send(&room, json!({"content": unseen})).await,
            ada.patch(&path, json!({"content": unseen})).await,
            ada.patch(&room.path(""), json!({"name": unseen})).await,
            ada.patch("/api/users/me", json!({"full_name": unseen})).await,
        ] {
            assert_eq!(reply.outcome(), BAD, "{unseen:?}: {reply}");
            assert_eq!(reply.json()["errors"][0]["detail"], "must not be blank", "{unseen:?}: {reply}");
        }
        let send = json!({"room_id": room.id, "content": unseen});
        let answer = socket.emit_with_ack("send_message", send).answer().await;
        assert_eq!(outcome_of(&answer), BAD, "{unseen:?}: {answer}");
    }
    for seen in ["e\u{301}", "❤\u{fe0f}", "葛\u{e0100}", "1\u{fe0f}\u{20e3}", "👩\u{200d}💻", "\u{1}x"] {
        ada.says(&room, seen).await;
    }
}

/// Catches a build that writes an entry, or marks a message as edited, where a change leaves all as it was.
#[tokio::test]
async fn a_change_that_changes_nothing_is_no_event() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens(json!({"description": "about"}), &[&bob]).await;
    let message = ada.says(&room, "as it is").await;
    let path = format!("/api/chat/messages/{}", text(&message, "id"));
    let mut hearing = bob.enters(&room).await;
    let before = ada.last_seq(&room).await;
    let socket = ada.connects().await;

    for edited in [
        ada.patch(&path, json!({"content": "as it is"})).await.ok(),
        socket.ask("edit_message", json!({"message_id": message["id"], "content": "as it is"})).await["message"]
            .clone(),
    ] {
        assert_eq!((&edited["is_edited"], &edited["edited_at"]), (&json!(false), &Value::Null), "{edited}");
    }
    bob.patch(&path, json!({"content": "as it is"})).await.refused("PERMISSION_DENIED");
    ada.patch(&room.path(""), json!({"description": "about", "visibility": "private"})).await.ok();
    let place = room.path(&format!("/members/{}", bob.id));
    ada.patch(&place, json!({"role": "member", "muted_until": null})).await.ok();
    assert_eq!(ada.last_seq(&room).await, before);
    let heard = hearing.heard().await;
    assert!(heard.iter().all(|event| event.data["seq"].is_null()), "no entry of the log: {heard:?}");

    ada.patch(&path, json!({"content": "other"})).await.ok();
    assert_eq!(hearing.expect_within(SOON, "message_edited").await["seq"], before + 1);
}

/// The words beside a picture can be left out from the start, taken away, and given back.
#[tokio::test]
async fn a_picture_needs_no_words() {
    let gallery = Gallery::open(StoreKind::Local).await;
    let ada = gallery.app.user("ada").await;
    let room = ada.opens_a_group("pictures", &[]).await;
    let mut hearing = ada.enters(&room).await;
    for (number, nothing) in [json!(null), json!("")].into_iter().enumerate() {
        let uploaded = ada.uploads(&File::picture(u32::try_from(number).unwrap())).await;
        let silent = json!({"media_id": uploaded["id"], "content": nothing});
        let message = ada.tries_to_send(&room, silent).await.with_status(201);
        assert_eq!(message["content"], Value::Null);
        let path = format!("/api/chat/messages/{}", text(&message, "id"));
        ada.patch(&path, json!({"content": "a caption"})).await.ok();
        hearing.expect("message_edited").await;
        let edited = ada.patch(&path, json!({"content": nothing})).await.ok();
        assert_eq!((&edited["content"], &edited["is_edited"]), (&Value::Null, &json!(true)));
        assert_eq!(list(&edited, "attachments").len(), 1, "the picture stays");
        assert_eq!(hearing.expect("message_edited").await["content"], Value::Null);
        ada.patch(&path, json!({})).await.refused(BAD);
    }
    ada.tries_to_upload_for("", &File::picture(9)).await.with_status(201);
    ada.tries_to_upload_for("x", &File::picture(9)).await.refused(BAD);
    let words = ada.says(&room, "words").await;
    let path = format!("/api/chat/messages/{}", text(&words, "id"));
    for nothing in [json!(null), json!(""), json!("  ")] {
        ada.patch(&path, json!({"content": nothing})).await.refused(BAD);
    }
    assert!(ada.get("/api/chat/search?q=caption").await.ok()["total"] == 0, "it is not found by what it says no more");
}
