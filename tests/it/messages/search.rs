//! Search: by any part of a word, in any language, and only what one may read.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{App, Person, SOON, clock, int, list, machine, text, within, workload};

async fn found(person: &Person, query: &str) -> Vec<String> {
    let page = person.get(&format!("/api/chat/search?{query}")).await.with_status(200);
    list(&page, "messages").iter().map(|message| text(message, "content")).collect()
}

/// `q` with what else is asked, percent-encoded.
fn q(text: &str) -> String {
    form_urlencoded::Serializer::new(String::new()).append_pair("q", text).finish()
}

#[tokio::test]
async fn a_part_of_a_word_is_enough_in_any_language() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    let room = ada.opens_a_group("tongues", &[]).await;
    for content in [
        "we run qwen3.6 here",
        "Die Straße nach Süden",
        "你好，世界",
        "Καλημέρα ΚΟΣΜΕ",
        "สวัสดีชาวโลก",
        "50% off_now \"quoted\"",
    ] {
        ada.says(&room, content).await;
    }
    for (query, content) in [
        ("qwen", "we run qwen3.6 here"),
        ("WEN3.6", "we run qwen3.6 here"),
        ("run here", "we run qwen3.6 here"),
        ("strasse", "Die Straße nach Süden"),
        ("ß", "Die Straße nach Süden"),
        ("SU\u{308}D", "Die Straße nach Süden"),
        ("你好", "你好，世界"),
        ("界", "你好，世界"),
        ("κοσμε", "Καλημέρα ΚΟΣΜΕ"),
        ("ชาวโลก", "สวัสดีชาวโลก"),
        ("50%", "50% off_now \"quoted\""),
        ("f_n", "50% off_now \"quoted\""),
        ("\"quo", "50% off_now \"quoted\""),
    ] {
        assert_eq!(found(&ada, &q(query)).await, [content], "{query}");
    }
    for query in ["qwen7", "run away", "世好", "5% off", "' OR 1=1--", "* OR content:x", "NOT qwen"] {
        assert_eq!(found(&ada, &q(query)).await, Vec::<String>::new(), "{query}");
    }
    for wrong in [
        "",
        "q=",
        "q=%20",
        "q=%00",
        "q=a%20b%20c%20d%20e%20f%20g%20h%20i%20j%20k",
        "q=x&page=0",
        "q=x&room_id=7",
        "q=x&before=now",
    ] {
        ada.get(&format!("/api/chat/search?{wrong}")).await.refused("VALIDATION_ERROR");
    }
    ada.get(&format!("/api/chat/search?q={}", "x".repeat(201))).await.refused("VALIDATION_ERROR");
}

#[tokio::test]
async fn only_what_one_may_read_is_found_as_it_is_now() {
    let app = App::start().await;
    let [ada, bob, eve] = app.users(["ada", "bob", "eve"]).await;
    let room = ada.opens_a_group("shared", &[&bob]).await;
    let own = ada.opens_a_group("own", &[]).await;
    let message = ada.says(&room, "the needle in the hay").await;
    ada.says(&own, "another needle").await;
    assert_eq!(found(&bob, "q=needle").await, ["the needle in the hay"]);
    assert_eq!(found(&ada, "q=needle").await, ["another needle", "the needle in the hay"], "the newest first");
    assert!(found(&eve, "q=needle").await.is_empty());
    bob.get(&format!("/api/chat/search?q=needle&room_id={}", own.id)).await.refused("ROOM_NOT_FOUND");

    let path = format!("/api/chat/messages/{}", text(&message, "id"));
    ada.patch(&path, json!({"content": "the thread in the hay"})).await.ok();
    assert!(found(&bob, "q=needle").await.is_empty(), "it was edited away");
    assert_eq!(found(&bob, "q=thread").await.len(), 1);
    ada.delete(&path).await.ok();
    assert!(found(&bob, "q=thread").await.is_empty(), "deleted text is found never");
    bob.post(&room.path("/leave"), json!({})).await.ok();
    ada.says(&room, "a needle again").await;
    assert!(found(&bob, "q=needle").await.is_empty());
}

#[tokio::test]
async fn a_search_is_narrowed_by_room_sender_and_time() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let (one, two) = (ada.opens_a_group("one", &[&bob]).await, ada.opens_a_group("two", &[&bob]).await);
    ada.says(&one, "fish of ada in one").await;
    bob.says(&one, "fish of bob in one").await;
    let last = ada.says(&two, "fish of ada in two").await;
    let at = text(&last, "created_at");
    for (query, count) in [
        (format!("q=fish&room_id={}", one.id), 2),
        (format!("q=fish&sender_id={}", bob.id), 1),
        (format!("q=fish&room_id={}&sender_id={}", two.id, bob.id), 0),
        (format!("q=fish&before={at}"), 2),
        (format!("q=fish&after={at}"), 0),
        ("q=fish&after=2020-01-01T00:00:00Z".to_owned(), 3),
        (format!("q=fish&before={}", clock::rfc3339_in(Duration::from_secs(60))), 3),
    ] {
        assert_eq!(found(&ada, &query).await.len(), count, "{query}");
    }
    let page = ada.get("/api/chat/search?q=fish&page=2&page_size=2").await.with_status(200);
    assert_eq!((int(&page, "total"), list(&page, "messages").len(), &page["has_more"]), (3, 1, &json!(false)));
    let first = &list(&page, "messages")[0];
    assert_eq!(first["excerpt"], "<mark>fish</mark> of ada in one");
}

/// With so many messages the index answers, not a comparison of each. Catches a build whose index misses what it should
/// hold, one that shows what was deleted after it was indexed, and one that forgets who may read. All seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_index_finds_what_comparing_would() {
    let _share = machine::share().await;
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let rooms = [ada.opens_a_group("one", &[&bob]).await, ada.opens_a_group("two", &[]).await];
    let socket = ada.connects().await;
    let early = ada.says(&rooms[0], "early needle-0815 你好").await;
    let hidden = ada.says(&rooms[1], "hidden needle-0816").await;
    // bob's one room alone has more than are compared one by one
    for (room, (name, count)) in rooms.iter().zip([("filler0", 5_100), ("filler1", 900)]) {
        workload::Writer::new(name).send(&socket, room, count).await;
    }
    let late = ada.says(&rooms[0], "late needle-0817").await;
    assert_eq!(found(&ada, "q=NEEDLE-08").await, ["late needle-0817", "hidden needle-0816", "early needle-0815 你好"]);
    // the early ones are in the index by now or soon; whichever it is, the answers are the same
    ada.sees_indexed(&[&rooms[0], &rooms[1]]).await;
    assert_eq!(found(&ada, "q=NEEDLE-08").await, ["late needle-0817", "hidden needle-0816", "early needle-0815 你好"]);
    assert_eq!(found(&ada, &q("你好")).await, ["early needle-0815 你好"]);
    assert_eq!(found(&ada, &format!("q=needle&room_id={}", rooms[1].id)).await, ["hidden needle-0816"]);
    assert_eq!(found(&bob, "q=needle").await.len(), 2);
    let many = ada.get("/api/chat/search?q=filler").await.with_status(200);
    assert_eq!((int(&many, "total"), list(&many, "messages").len()), (1_000, 20), "counted to a thousand");

    let path = |message: &Value| format!("/api/chat/messages/{}", text(message, "id"));
    ada.patch(&path(&early), json!({"content": "early pin 您好"})).await.ok();
    ada.delete(&path(&late)).await.ok();
    assert_eq!(found(&ada, "q=needle").await, ["hidden needle-0816"]);
    assert_eq!(found(&ada, "q=early%20pin").await, ["early pin 您好"]);
    ada.delete(&path(&hidden)).await.ok();
    assert!(found(&ada, "q=needle").await.is_empty());
}

/// Threat E9. Searches take turns; whoever asks for something else does not wait for them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_searches_at_once_leave_the_server_alive() {
    let _share = machine::share().await;
    let app = App::start().await;
    let ada = app.user("ada").await;
    let room = ada.opens_a_group("busy", &[]).await;
    let socket = ada.connects().await;
    workload::Writer::new("filler").send(&socket, &room, 3_000).await;
    // two letters: each search compares every message
    let searches = (0..200).map(async |_| ada.get("/api/chat/search?q=zz").await.outcome());
    let probes = async {
        for _ in 0..20 {
            let began = std::time::Instant::now();
            assert_eq!(app.site.get("/healthz").send().await.status, 200);
            ada.says(&room, "going on").await;
            assert!(began.elapsed() < SOON / 4, "a probe and a message took {:?}", began.elapsed());
        }
    };
    let (outcomes, ()) = tokio::join!(futures_util::future::join_all(searches), probes);
    let answered = |outcome: &String| outcome == "OK" || outcome == "SERVICE_UNAVAILABLE";
    assert!(outcomes.iter().all(answered), "{outcomes:?}");
    assert!(outcomes.iter().any(|outcome| outcome == "OK"));
}

/// Threat P2. Catches a build in which everybody's searches wait in one line: those of others would come too late.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_searches_much_waits_alone() {
    let _share = machine::share().await;
    let app = App::start().await;
    let [ada, eve] = app.users(["ada", "eve"]).await;
    let (quiet, busy) = (ada.opens_a_group("quiet", &[]).await, eve.opens_a_group("busy", &[]).await);
    ada.says(&quiet, "a needle").await;
    workload::Writer::new("filler").send(&eve.connects().await, &busy, 3_000).await;
    // two letters: each search compares every message
    let flood =
        futures_util::future::join_all((0..200).map(async |_| eve.get("/api/chat/search?q=zz").await.outcome()));
    let calm = async {
        for _ in 0..5 {
            assert_eq!(found(&ada, "q=needle").await, ["a needle"]);
            for path in ["/api/users?search=eve", "/api/chat/rooms/public?search=quiet", &quiet.path("/messages")] {
                ada.get(path).await.with_status(200);
            }
        }
    };
    let (outcomes, ()) = tokio::join!(flood, calm);
    assert!(outcomes.iter().all(|outcome| outcome == "OK" || outcome == "SERVICE_UNAVAILABLE"), "{outcomes:?}");
    assert!(outcomes.iter().any(|outcome| outcome == "OK"));
    assert_eq!(eve.get("/api/chat/search?q=zz").await.outcome(), "OK", "it is her turn again");
}

/// A text that repeats itself has each of its trigrams at thousands of places. Catches a build that asks the index for all of a
/// long term: SQLite compares each of them with each place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_terms_that_repeat_themselves_are_found_as_soon_as_others() {
    let _share = machine::share().await;
    let app = App::start().await;
    let ada = app.user("ada").await;
    let room = ada.opens_a_group("echo", &[]).await;
    let socket = ada.connects().await;
    workload::Writer::new("filler").send(&socket, &room, 5_000).await;
    let text = format!("{}b", "a".repeat(100)).repeat(39);
    for number in 0..60 {
        socket.ask("send_message", json!({"room_id": room.id, "content": format!("{text} {number}")})).await;
    }
    ada.says(&room, &"a".repeat(180)).await;
    ada.sees_indexed(&[&room]).await;
    for (term, total) in [("a".repeat(180), 1), ("a".repeat(100), 61), (format!("{}b", "a".repeat(100)), 60)] {
        let page = ada.get(&format!("/api/chat/search?q={term}")).await.with_status(200);
        assert_eq!(int(&page, "total"), total, "{term}");
    }
}

/// Few messages may have much text. Catches a build that compares them all, one by one: a common word then takes too long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn common_words_in_long_messages_are_found() {
    let _share = machine::share().await;
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("essays", &[&bob]).await;
    let socket = ada.connects().await;
    for part in 0..15 {
        let said = (0..100).map(|number| {
            let word = if number % 2 == 0 { "hello report " } else { "привет отчёт " };
            let content = format!("{part}-{number} {}", word.repeat(300));
            socket.emit_with_ack("send_message", json!({"room_id": room.id, "content": content})).ok()
        });
        within(SOON * 3, "messages", join_all(said.collect::<Vec<_>>())).await;
    }
    ada.sees_indexed(&[&room]).await;
    for (term, total) in [("hello", 750), ("report", 750), ("привет", 750), ("hello%20report", 750)] {
        let page = bob.get(&format!("/api/chat/search?q={term}")).await.with_status(200);
        assert_eq!(int(&page, "total"), total, "{term}");
    }
    for term in ["e", "о", "7-7"] {
        bob.get(&format!("/api/chat/search?q={term}")).await.with_status(200);
    }
}
