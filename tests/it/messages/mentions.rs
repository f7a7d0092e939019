//! Mentions, and how many of them are unread.

use proptest::{
    prelude::{Strategy, prop_oneof},
    test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner},
};
use rand::Rng;
use serde_json::{Value, json};

use crate::support::{App, Person, Room, SOON, Seed, find, int, list, text, within};

#[tokio::test]
async fn a_name_behind_an_at_sign_is_a_mention_if_its_bearer_is_here() {
    let app = App::start().await;
    let [ada, bob, eve] = app.users(["ada", "bob", "eve"]).await;
    let room = ada.opens_a_group("calls", &[&bob]).await;
    let bobs = json!([bob.id]);
    for (content, mentions) in [
        ("@bob", &bobs),
        ("Hello @BOB.", &bobs),
        ("(@bob), @bob!", &bobs),
        ("你好@bob", &bobs),
        ("@bobby @bo bob", &json!([])),
        ("mail bob@bob or ada@bob.example", &json!([])),
        ("@eve is not here", &json!([])),
    ] {
        assert_eq!(&ada.says(&room, content).await["mentions"], mentions, "{content}");
    }
    let both = ada.says(&room, "@bob and @ada").await;
    assert_eq!(list(&both, "mentions").len(), 2);
    let mut ids = vec![ada.id.clone(), bob.id.clone()];
    ids.sort();
    assert_eq!(ada.history(&room).await.last().unwrap()["mentions"], json!(ids));
    drop(eve);
}

#[tokio::test]
async fn a_forward_calls_whom_its_sender_names_and_nobody_its_original_named() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("calls", &[&bob]).await;
    let original = ada.says(&room, "@bob, come").await;
    let mut request = json!({"room_id": room.id, "forwarded_from_id": original["id"]});
    let silent = ada.post("/api/chat/messages", request.clone()).await.with_status(201);
    assert_eq!((&silent["content"], &silent["mentions"]), (&json!("@bob, come"), &json!([])));
    request["content"] = json!("as I said, @bob");
    let own = ada.post("/api/chat/messages", request).await.with_status(201);
    assert_eq!(own["mentions"], json!([bob.id]));
    assert_eq!(int(&bob.room(&room).await, "mention_count"), 2);
}

/// Mentions of people who are not there, other ones in each message, with as many readings as there may be.
fn strangers(message: char) -> String {
    (10..57).map(|number| format!("@{message}{number}{} ", ".-_".repeat(9))).collect()
}

/// Every name may end in any of the characters behind it, so there are many to look up. Fails on a build that looks up every
/// reading of all names in one query: it has more parameters than SQLite takes, and each message is then tried alone. Seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_name_fifty_people_in_many_ways_are_answered_soon_and_resolved_right() {
    let app = App::start().await;
    let [ada, bob, eve, dot] = app.users(["ada", "bob", "eve", "dot"]).await;
    eve.patch("/api/users/me", json!({"username": "eve.-"})).await.ok();
    let room = ada.opens_a_group("calls", &[&bob, &eve, &dot]).await;
    let content = |message: char| format!("@bob.-._.- {} @eve.-. @dot. @ada", strangers(message));
    let mut named = [bob.id.clone(), eve.id.clone(), dot.id.clone()];
    named.sort();

    let one = within(SOON / 4, "an answer", ada.says(&room, &content('z'))).await;
    assert_eq!(one["mentions"], json!(named), "the 51st calls nobody");
    let socket = ada.connects().await;
    let send = |message| socket.emit_with_ack("send_message", json!({"room_id": room.id, "content": content(message)}));
    let acks: Vec<_> = ('a'..='y').map(send).collect();
    for ack in acks {
        let answer = within(SOON / 4, "an ack", ack.answer()).await;
        assert_eq!((&answer["ok"], &answer["data"]["message"]["mentions"]), (&json!(true), &json!(named)), "{answer}");
    }
    let path = format!("/api/chat/messages/{}", text(&one, "id"));
    let changed = json!({"content": content('z').replace("@bob", "bob")});
    let edited = within(SOON / 4, "an edit", ada.patch(&path, changed)).await.ok();
    assert_eq!(list(&edited, "mentions").len(), 3, "ada is the 50th now");
    assert_eq!(int(&eve.room(&room).await, "mention_count"), 26);
    assert_eq!(int(&bob.room(&room).await, "mention_count"), 25);
    let log = app.server.log();
    assert!(!log.contains("a batch was refused"), "{log}");
}

#[tokio::test]
async fn the_longest_name_that_somebody_bears_is_meant() {
    let app = App::start().await;
    let [ada, bob, eve] = app.users(["ada", "bob", "eve"]).await;
    let room = ada.opens_a_group("calls", &[&bob, &eve]).await;
    eve.patch("/api/users/me", json!({"username": "bob."})).await.ok();
    for (content, meant) in [
        ("@bob", &bob),
        ("@bob.", &eve),
        ("@bob..", &eve),
        ("@bob.-", &eve),
        ("@bob-", &bob),
        ("@bob!.", &bob),
        // of more than two endings all or none are meant, but for the last two
        ("@bob....", &bob),
    ] {
        assert_eq!(ada.says(&room, content).await["mentions"], json!([meant.id]), "{content}");
    }
}

#[derive(Clone, Debug)]
enum Deed {
    Send { who: usize, names: Vec<usize> },
    Edit { which: usize, names: Vec<usize> },
    Delete { which: usize },
    Mark { who: usize, which: usize },
    LeaveAndReturn { who: usize },
}

fn deed() -> impl Strategy<Value = Deed> {
    let names = || proptest::collection::vec(0..3usize, 0..3);
    prop_oneof![
        6 => (0..3usize, names()).prop_map(|(who, names)| Deed::Send { who, names }),
        3 => (0..40usize, names()).prop_map(|(which, names)| Deed::Edit { which, names }),
        2 => (0..40usize).prop_map(|which| Deed::Delete { which }),
        3 => (0..3usize, 0..40usize).prop_map(|(who, which)| Deed::Mark { who, which }),
        1 => (1..3usize).prop_map(|who| Deed::LeaveAndReturn { who }),
    ]
}

fn calling(people: &[Person; 3], names: &[usize]) -> String {
    let names: Vec<String> = names.iter().map(|who| format!("@{}", people[*who].name)).collect();
    format!("so {}", names.join(" and "))
}

/// What somebody has not read, counted one by one.
fn counted(history: &[Value], reader: &Person, mark: i64) -> (i64, i64) {
    let unread: Vec<&Value> = history
        .iter()
        .filter(|message| int(message, "seq") > mark && message["sender_id"] != reader.id.as_str())
        .filter(|message| message["is_deleted"] == false)
        .collect();
    // By what it says now, whoever was called at first.
    let names_reader = |message: &&&Value| text(message, "content").contains(&format!("@{}", reader.name));
    let mentions = unread.iter().filter(names_reader).count();
    (i64::try_from(unread.len()).unwrap(), i64::try_from(mentions).unwrap())
}

async fn follow(people: &[Person; 3], deeds: &[Deed]) -> Result<(), TestCaseError> {
    let room = people[0].opens_a_group("calls", &[&people[1], &people[2]]).await;
    let mut sent: Vec<(Value, usize)> = Vec::new();
    for deed in deeds {
        match deed {
            Deed::Send { who, names } => {
                sent.push((people[*who].says(&room, &calling(people, names)).await, *who));
            }
            Deed::Edit { which, names } if !sent.is_empty() => {
                let (message, who) = &sent[which % sent.len()];
                let path = format!("/api/chat/messages/{}", text(message, "id"));
                // what is deleted is edited no more
                people[*who].patch(&path, json!({"content": calling(people, names)})).await;
            }
            Deed::Delete { which } if !sent.is_empty() => {
                let (message, who) = &sent[which % sent.len()];
                people[*who].delete(&format!("/api/chat/messages/{}", text(message, "id"))).await.ok();
            }
            Deed::Mark { who, which } if !sent.is_empty() => {
                let (message, _) = &sent[which % sent.len()];
                let mark = people[*who].post(&room.path("/read"), json!({"up_to_seq": message["seq"]})).await.ok();
                let history = people[0].history(&room).await;
                let expected = counted(&history, &people[*who], int(&mark, "last_read_seq"));
                proptest::prop_assert_eq!((int(&mark, "unread_count"), int(&mark, "mention_count")), expected);
            }
            Deed::LeaveAndReturn { who } => {
                people[*who].post(&room.path("/leave"), json!({})).await.ok();
                returns(&people[*who], &people[0], &room).await;
            }
            _ => {}
        }
    }
    everybody_counts_right(people, &room).await
}

/// Whoever left too often is not put back at once, but asked.
async fn returns(person: &Person, owner: &Person, room: &Room) {
    let answer = owner.post(&room.path("/members"), json!({"user_ids": [person.id]})).await.ok();
    if list(&answer, "members").is_empty() {
        let mine = person.get("/api/chat/invitations").await.ok();
        let code = text(find(list(&mine, "invitations"), "room_id", &room.id), "invitation_code");
        person.post(&format!("/api/chat/invites/{code}/join"), json!({})).await.ok();
    }
}

async fn everybody_counts_right(people: &[Person; 3], room: &Room) -> Result<(), TestCaseError> {
    let history = people[0].history(room).await;
    for reader in people {
        let details = reader.room(room).await;
        let mark = int(find(list(&details, "members"), "user_id", &reader.id), "last_read_seq");
        let expected = counted(&history, reader, mark);
        let listed = reader.get("/api/chat/rooms").await.with_status(200);
        for shown in [&details, find(list(&listed, "rooms"), "id", &room.id)] {
            let told = (int(shown, "unread_count"), int(shown, "mention_count"));
            proptest::prop_assert_eq!(told, expected, "what {} has not read", reader.name);
        }
    }
    Ok(())
}

/// Catches a build that keeps counters instead of counting, one that leaves mentions of edited messages behind, and one that
/// counts one's own. The last two seen.
#[test]
fn unread_messages_and_mentions_are_counted_right_whatever_happens() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut seed = [0; 32];
    Seed::of("unread_messages_and_mentions_are_counted_right_whatever_happens").rng().fill_bytes(&mut seed);
    let (app, people) = runtime.block_on(async {
        let app = App::start().await;
        let people = app.users(["ada", "bob", "cyd"]).await;
        (app, people)
    });
    let config = Config { cases: 20, failure_persistence: None, max_shrink_iters: 100, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let outcome = runner.run(&proptest::collection::vec(deed(), 1..40), |deeds| {
        runtime.block_on(within(SOON * 3, "a sequence of deeds", follow(&people, &deeds)))
    });
    drop(app);
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
