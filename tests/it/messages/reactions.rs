//! Reactions: emojis under messages.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{App, SOON, Transport, int, list, outcome_of, text, within};

fn path(message: &Value, rest: &str) -> String {
    format!("/api/chat/messages/{}{rest}", text(message, "id"))
}

#[tokio::test]
async fn an_emoji_is_put_and_taken_alike_over_rest_and_socket() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("views", &[&bob]).await;
    let message = ada.says(&room, "what do you think?").await;
    let mut adas = ada.enters(&room).await;
    let mut seq = int(&message, "seq");
    for transport in [Transport::WebSocket, Transport::Polling] {
        let bobs = bob.connects_by(transport, json!({})).await;
        let reaction = json!({"message_id": message["id"], "emoji": "🎉"});
        let put = bobs.ask("add_reaction", reaction.clone()).await;
        assert_eq!(put, json!({"reactions": [{"emoji": "🎉", "count": 1, "mine": true}]}));
        let again = bob.post(&path(&message, "/reactions"), json!({"emoji": "🎉"})).await.with_status(200);
        assert_eq!(again, put, "putting it there again changes nothing");
        seq += 1;
        let added = adas.expect("reaction_added").await;
        let expected =
            json!({"room_id": room.id, "seq": seq, "message_id": message["id"], "user_id": bob.id, "emoji": "🎉"});
        assert_eq!(added, expected);

        let seen = &ada.history(&room).await[0];
        assert_eq!(seen["reactions"], json!([{"emoji": "🎉", "count": 1, "mine": false}]));
        assert_eq!(bobs.ask("remove_reaction", reaction).await, json!({"reactions": []}));
        let nothing = bob.delete(&path(&message, "/reactions/%F0%9F%8E%89")).await.with_status(200);
        assert_eq!(nothing, json!({"reactions": []}), "there is none to take");
        seq += 1;
        assert_eq!(int(&adas.expect("reaction_removed").await, "seq"), seq);
    }
    assert_eq!(ada.last_seq(&room).await, seq, "what changed nothing is no entry");
}

#[tokio::test]
async fn any_emoji_will_do_and_nothing_else() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    let room = ada.opens_a_group("views", &[]).await;
    let message = ada.says(&room, "look").await;
    for emoji in ["👍", "👍🏿", "👩‍👩‍👧‍👦", "🏳️‍🌈", "🇫🇷", "3️⃣", "❤️", "☺"]
    {
        ada.post(&path(&message, "/reactions"), json!({"emoji": emoji})).await.with_status(200);
    }
    assert_eq!(list(&ada.history(&room).await[0], "reactions").len(), 8);
    for wrong in [json!(""), json!("x"), json!(":+1:"), json!("👍👍"), json!("👍 "), json!("🇫"), json!(7), Value::Null]
    {
        ada.post(&path(&message, "/reactions"), json!({"emoji": wrong})).await.refused("VALIDATION_ERROR");
    }
    ada.put(&path(&message, "/reactions/yes"), json!({})).await.refused("VALIDATION_ERROR");
}

#[tokio::test]
async fn a_message_carries_twenty_kinds() {
    let app = App::start().await;
    let [ada, bob, cyd] = app.users(["ada", "bob", "cyd"]).await;
    let room = ada.opens_a_group("views", &[&bob, &cyd]).await;
    let message = ada.says(&room, "look").await;
    let faces: Vec<String> = (0x1f600..0x1f615).filter_map(char::from_u32).map(String::from).collect();
    for (face, person) in faces[..20].iter().zip([&ada, &cyd].into_iter().cycle()) {
        person.post(&path(&message, "/reactions"), json!({"emoji": face})).await.with_status(200);
    }
    bob.post(&path(&message, "/reactions"), json!({"emoji": faces[20]})).await.refused("VALIDATION_ERROR");
    let joined = bob.post(&path(&message, "/reactions"), json!({"emoji": faces[3]})).await.with_status(200);
    assert_eq!(list(&joined, "reactions")[3], json!({"emoji": faces[3], "count": 2, "mine": true}));
}

/// Catches a build in which one person takes all the kinds that a message may carry.
#[tokio::test]
async fn one_person_leaves_room_for_the_reactions_of_others() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("views", &[&bob]).await;
    let message = ada.says(&room, "look").await;
    let faces: Vec<String> = (0x1f600..0x1f615).filter_map(char::from_u32).map(String::from).collect();
    let socket = ada.connects().await;
    let mut put = 0;
    for face in &faces[..20] {
        let reaction = json!({"message_id": message["id"], "emoji": face});
        match outcome_of(&socket.emit_with_ack("add_reaction", reaction).answer().await).as_str() {
            "OK" => put += 1,
            other => assert_eq!(other, "VALIDATION_ERROR", "{face}"),
        }
    }
    assert!((1..20).contains(&put), "{put} kinds by one person");
    ada.post(&path(&message, "/reactions"), json!({"emoji": faces[0]})).await.with_status(200);
    bob.post(&path(&message, "/reactions"), json!({"emoji": faces[20]})).await.with_status(200);
    ada.delete(&path(&message, &format!("/reactions/{}", faces[0]))).await.ok();
    ada.post(&path(&message, "/reactions"), json!({"emoji": faces[19]})).await.with_status(200);
}

/// Catches a build that asks whoever takes a reaction back whether they may put one.
#[tokio::test]
async fn a_reaction_may_be_taken_back_by_who_may_not_put_one_any_more() {
    let app = App::start().await;
    let [ada, bob, cyd] = app.users(["ada", "bob", "cyd"]).await;
    let room = ada.opens_a_group("views", &[&bob, &cyd]).await;
    let message = ada.says(&room, "look").await;
    for person in [&bob, &cyd] {
        person.post(&path(&message, "/reactions"), json!({"emoji": "👍"})).await.with_status(200);
    }
    ada.makes(&bob, "viewer", &room).await;
    ada.patch(&room.path(&format!("/members/{}", cyd.id)), json!({"muted_until": "2999-01-01T00:00:00Z"})).await.ok();
    let taken = bob.connects().await.ask("remove_reaction", json!({"message_id": message["id"], "emoji": "👍"})).await;
    assert_eq!(taken["reactions"][0]["count"], 1);
    cyd.delete(&path(&message, "/reactions/👍")).await.ok();
    assert_eq!(ada.history(&room).await[0]["reactions"], json!([]));
    bob.post(&path(&message, "/reactions"), json!({"emoji": "👍"})).await.refused("PERMISSION_DENIED");
}

/// Catches a build that counts outside the room's lock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_who_react_at_once_are_fifty() {
    let app = App::start().await;
    let people = app.crowd(50).await;
    let others: Vec<_> = people[1..].iter().collect();
    let room = people[0].opens_a_group("views", &others).await;
    let message = people[0].says(&room, "all at once").await;
    let put =
        people.iter().map(async |person| person.post(&path(&message, "/reactions"), json!({"emoji": "👍"})).await);
    for reply in within(SOON * 6, "50 reactions", join_all(put)).await {
        reply.with_status(200);
    }
    let seen = &people[7].history(&room).await[0];
    assert_eq!(seen["reactions"], json!([{"emoji": "👍", "count": 50, "mine": true}]));
    assert_eq!(people[0].last_seq(&room).await, int(&message, "seq") + 50);
}

#[tokio::test]
async fn reactions_go_with_their_message_and_who_may_not_speak_does_not_react() {
    let app = App::start().await;
    let [ada, bob, eve] = app.users(["ada", "bob", "eve"]).await;
    let room = ada.opens_a_group("views", &[&bob]).await;
    let message = ada.says(&room, "look").await;
    let react = json!({"emoji": "👍"});
    eve.post(&path(&message, "/reactions"), react.clone()).await.refused("MESSAGE_NOT_FOUND");
    bob.post(&path(&message, "/reactions"), react.clone()).await.with_status(200);
    let place = room.path(&format!("/members/{}", bob.id));
    ada.patch(&place, json!({"muted_until": "2999-01-01T00:00:00Z"})).await.ok();
    bob.post(&path(&message, "/reactions"), json!({"emoji": "🎉"})).await.refused("PERMISSION_DENIED");
    ada.patch(&place, json!({"muted_until": null, "role": "viewer"})).await.ok();
    bob.post(&path(&message, "/reactions"), json!({"emoji": "🎉"})).await.refused("PERMISSION_DENIED");

    ada.delete(&path(&message, "")).await.ok();
    ada.post(&path(&message, "/reactions"), react).await.refused("MESSAGE_NOT_FOUND");
    assert_eq!(ada.history(&room).await[0]["reactions"], json!([]));
}

#[tokio::test]
async fn two_people_react_in_their_direct_room() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens_a_direct_room_with(&bob).await;
    let message = ada.says(&room, "look").await;
    bob.post(&path(&message, "/reactions"), json!({"emoji": "👍"})).await.with_status(200);
}
