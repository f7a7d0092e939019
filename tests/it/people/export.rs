//! Copies to take away.

use serde_json::{Value, json};

use crate::support::{App, Person, Room, int, machine, text, workload};

async fn copy(person: &Person, path: &str) -> Vec<Value> {
    let reply = person.get(path).await;
    assert_eq!(reply.status, 200, "{reply}");
    assert_eq!(reply.header("content-type"), Some("application/x-ndjson"));
    assert!(reply.header("content-disposition").is_some_and(|header| header.starts_with("attachment")));
    reply.body.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
}

fn of_type<'a>(copy: &'a [Value], kind: &str) -> Vec<&'a Value> {
    copy.iter().filter(|line| line["type"] == kind).collect()
}

#[tokio::test]
async fn an_admin_takes_a_whole_room() {
    let app = App::start().await;
    let [ada, bob, eve] = app.users(["ada", "bob", "eve"]).await;
    let room = ada.opens_a_group("copied", &[&bob]).await;
    let socket = ada.connects().await;
    workload::Writer::new("ada").send(&socket, &room, 450).await;
    let gone = bob.says(&room, "to be deleted").await;
    bob.delete(&format!("/api/chat/messages/{}", text(&gone, "id"))).await.ok();

    let copied = copy(&ada, &room.path("/export")).await;
    assert_eq!(copied[0]["room"]["id"], room.id.as_str());
    assert_eq!(of_type(&copied, "member").len(), 2);
    let messages: Vec<Value> = of_type(&copied, "message").iter().map(|line| line["message"].clone()).collect();
    assert_eq!(messages, ada.history(&room).await, "every message, as history shows it");
    assert_eq!(copied.last().unwrap(), &json!({"type": "end", "messages": 451}));
    assert!(!json!(copied).to_string().contains("to be deleted"));

    bob.get(&room.path("/export")).await.refused("PERMISSION_DENIED");
    eve.get(&room.path("/export")).await.refused("ROOM_NOT_FOUND");
    let direct = ada.opens_a_direct_room_with(&bob).await;
    ada.get(&direct.path("/export")).await.refused("PERMISSION_DENIED");
}

#[tokio::test]
async fn an_admin_who_came_later_takes_what_they_may_read() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens(json!({"history": "since_joined"}), &[]).await;
    ada.says(&room, "before bob").await;
    ada.post(&room.path("/members"), json!({"user_ids": [bob.id]})).await.ok();
    ada.makes(&bob, "admin", &room).await;
    ada.says(&room, "with bob").await;
    let copied = copy(&bob, &room.path("/export")).await;
    assert_eq!(of_type(&copied, "message").len(), 1);
    assert!(!json!(copied).to_string().contains("before bob"));
}

#[tokio::test]
async fn everybody_takes_what_they_left_here() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("shared", &[&bob]).await;
    let question = ada.says(&room, "what ada said").await;
    let body = json!({"room_id": room.id, "content": "what bob said", "reply_to_id": question["id"]});
    bob.post("/api/chat/messages", body).await.with_status(201);
    bob.post(&format!("/api/chat/messages/{}/reactions", text(&question, "id")), json!({"emoji": "👍"})).await.ok();
    bob.post(&room.path("/read"), json!({"up_to_seq": question["seq"]})).await.ok();
    bob.post(&room.path("/leave"), json!({})).await.ok();

    let copied = copy(&bob, "/api/users/me/export").await;
    assert_eq!(copied[0]["user"]["email"], bob.email.as_str());
    for kind in ["session", "membership", "message", "reaction", "read_mark"] {
        assert_eq!(of_type(&copied, kind).len(), 1, "{kind}: {copied:?}");
    }
    assert_eq!(of_type(&copied, "message")[0]["message"]["content"], "what bob said");
    assert_eq!(of_type(&copied, "reaction")[0]["reaction"]["emoji"], "👍");
    assert_eq!(copied.last().unwrap()["type"], "end");
    assert!(!json!(copied).to_string().contains("what ada said"), "what others said is theirs");
    app.site.get("/api/users/me/export").send().await.refused("UNAUTHORIZED");
}

/// Catches a build that gathers the copy before it sends it. Seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_copy_needs_no_more_memory_than_a_small_one() {
    let _share = machine::share().await;
    let app = App::start().await;
    let ada = app.user("ada").await;
    let room = ada.opens_a_group("large", &[]).await;
    let socket = ada.connects().await;
    let small = ada.opens_a_group("small", &[]).await;
    ada.says(&small, "a few words").await;
    workload::Writer::new("ada").send(&socket, &room, 20_000).await;
    copy(&ada, &small.path("/export")).await;
    let before = app.server.peak_rss_kib();
    let copied = copy(&ada, &room.path("/export")).await;
    assert_eq!(int(copied.last().unwrap(), "messages"), 20_000);
    let size: usize = copied.iter().map(|line| line.to_string().len()).sum();
    let grown = app.server.peak_rss_kib().saturating_sub(before) * 1024;
    assert!(grown < u64::try_from(size).unwrap() / 3, "{size} bytes of copy took {grown} more bytes of memory");
}

/// Marks come in pages, like messages: each of them once, in the order of the log, and none that came later.
#[tokio::test]
async fn a_copy_has_every_read_mark_of_who_marked_often() {
    const MARKS: i64 = 450;
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let (long, short) = (ada.opens_a_group("long", &[&bob]).await, ada.opens_a_group("short", &[&bob]).await);
    let (sending, reading) = (ada.connects().await, bob.connects().await);
    workload::Writer::new("ada").send(&sending, &long, MARKS.unsigned_abs()).await;
    ada.says(&short, "a word").await;
    let end = ada.last_seq(&long).await;
    let marked: Vec<i64> = (end - MARKS + 1..=end).collect();
    for seq in &marked {
        reading.ask("mark_as_read", json!({"room_id": long.id, "up_to_seq": seq})).await;
    }
    bob.says(&long, "read").await;
    let other = ada.last_seq(&short).await;
    reading.ask("mark_as_read", json!({"room_id": short.id, "up_to_seq": other})).await;

    let copied = copy(&bob, "/api/users/me/export").await;
    let of = |room: &Room| -> Vec<i64> {
        let marks = of_type(&copied, "read_mark").into_iter().map(|line| &line["read_mark"]);
        marks.filter(|mark| mark["room_id"] == room.id.as_str()).map(|mark| int(mark, "seq")).collect()
    };
    assert_eq!(of(&long)[..marked.len()], marked);
    assert_eq!(of(&short), [other]);
    assert_eq!(copied.last().unwrap(), &json!({"type": "end", "messages": 1}));
}
