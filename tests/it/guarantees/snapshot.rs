//! A snapshot and the events after it are as good as a fresh snapshot.

use std::collections::BTreeMap;

use proptest::{
    prelude::{Just, Strategy, prop_oneof},
    test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner},
};
use rand::Rng;
use serde_json::{Value, json};

use crate::support::{App, Person, Room, SOON, Seed, checker, int, list, text, within};

/// Something that somebody does; numbers choose among what there is.
#[derive(Clone, Debug)]
enum Deed {
    Send {
        who: usize,
        reply_to: Option<usize>,
    },
    Edit {
        which: usize,
    },
    Delete {
        which: usize,
    },
    React {
        who: usize,
        which: usize,
        emoji: usize,
        take: bool,
    },
    Pin {
        which: usize,
        take: bool,
    },
    Rename {
        number: u32,
    },
    ChangeRole {
        who: usize,
        viewer: bool,
    },
    Remove {
        who: usize,
    },
    Add {
        who: usize,
    },
    /// The observer takes a snapshot and goes on from there.
    Snapshot,
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        6 => (0..3usize, proptest::option::of(0..50usize)).prop_map(|(who, reply_to)| Deed::Send { who, reply_to }),
        3 => (0..50usize).prop_map(|which| Deed::Edit { which }),
        2 => (0..50usize).prop_map(|which| Deed::Delete { which }),
        4 => (0..3usize, 0..50usize, 0..3usize, proptest::bool::weighted(0.3))
            .prop_map(|(who, which, emoji, take)| Deed::React { who, which, emoji, take }),
        1 => (0..50usize, proptest::bool::ANY).prop_map(|(which, take)| Deed::Pin { which, take }),
        1 => (0..1_000u32).prop_map(|number| Deed::Rename { number }),
        1 => (1..3usize, proptest::bool::ANY).prop_map(|(who, viewer)| Deed::ChangeRole { who, viewer }),
        1 => (1..3usize).prop_map(|who| Deed::Remove { who }),
        1 => (1..3usize).prop_map(|who| Deed::Add { who }),
        1 => Just(Deed::Snapshot),
    ]
}

/// The room as a client knows it.
#[derive(Clone, Debug, PartialEq)]
struct Replica {
    seq: i64,
    name: Value,
    /// Messages by id.
    messages: BTreeMap<String, Value>,
    /// Roles by user.
    members: BTreeMap<String, Value>,
}

/// The part of a message that does not depend on when it was asked for.
fn shown(message: &Value) -> Value {
    let mut kept = json!({"reply_to": Value::Null});
    for key in [
        "id",
        "seq",
        "sender_id",
        "content",
        "is_edited",
        "edited_at",
        "is_deleted",
        "deleted_at",
        "created_at",
        "reply_to_id",
        "is_pinned",
        "reply_count",
    ] {
        kept[key] = message[key].clone();
    }
    // whose they are, an event says by its user
    let counts = list(message, "reactions").iter().map(|one| (text(one, "emoji"), one["count"].clone()));
    kept["reactions"] = Value::Object(counts.collect());
    if message["reply_to"].is_object() {
        kept["reply_to"] =
            json!({"content": message["reply_to"]["content"], "is_deleted": message["reply_to"]["is_deleted"]});
    }
    kept
}

impl Replica {
    async fn fresh(observer: &Person, room: &Room) -> Self {
        let details = observer.room(room).await;
        let messages = observer.history(room).await;
        let members = list(&details, "members").iter().filter(|member| member["is_active"] == true);
        Self {
            seq: int(&details, "last_seq"),
            name: details["name"].clone(),
            messages: messages.iter().map(|message| (text(message, "id"), shown(message))).collect(),
            members: members.map(|member| (text(member, "user_id"), member["role"].clone())).collect(),
        }
    }

    fn apply(&mut self, name: &str, data: &Value) {
        let seq = int(data, "seq");
        assert_eq!(seq, self.seq + 1, "{name} is out of its place: {data}");
        self.seq = seq;
        match name {
            "new_message" => {
                let message = shown(&data["message"]);
                let answered = message["reply_to_id"].as_str().and_then(|id| self.messages.get_mut(id));
                if let Some(answered) = answered {
                    answered["reply_count"] = json!(int(answered, "reply_count") + 1);
                }
                self.messages.insert(text(&message, "id"), message);
            }
            "reaction_added" | "reaction_removed" => {
                let message = self.messages.get_mut(&text(data, "message_id")).expect("it was sent before");
                let counts = message["reactions"].as_object_mut().expect("counts by emoji");
                let emoji = text(data, "emoji");
                let before = counts.get(&emoji).and_then(Value::as_i64).unwrap_or(0);
                let after = if name == "reaction_added" { before + 1 } else { before - 1 };
                counts.insert(emoji, json!(after));
                counts.retain(|_, count| *count != 0);
            }
            "message_pinned" | "message_unpinned" => {
                let message = self.messages.get_mut(&text(data, "message_id")).expect("it was sent before");
                message["is_pinned"] = json!(name == "message_pinned");
            }
            "message_edited" => {
                let id = text(data, "message_id");
                self.messages.insert(id.clone(), shown(&data["message"]));
                self.preview(&id, &data["message"]["content"], &data["message"]["is_deleted"]);
            }
            "message_deleted" => {
                let id = text(data, "message_id");
                let message = self.messages.get_mut(&id).expect("only what was sent is deleted");
                message["content"] = Value::Null;
                message["is_deleted"] = json!(true);
                message["is_pinned"] = json!(false);
                message["reactions"] = json!({});
                message["deleted_at"] = data["deleted_at"].clone();
                self.preview(&id, &Value::Null, &json!(true));
            }
            "member_added" | "member_updated" => {
                self.members.insert(text(&data["member"], "user_id"), data["member"]["role"].clone());
            }
            "member_removed" => {
                self.members.remove(&text(data, "user_id"));
            }
            "room_updated" => self.name = data["room"]["name"].clone(),
            other => panic!("{other} should not happen here"),
        }
    }

    /// What replies show of a message follows it.
    fn preview(&mut self, id: &str, content: &Value, is_deleted: &Value) {
        for reply in self.messages.values_mut().filter(|message| message["reply_to_id"] == id) {
            reply["reply_to"] = json!({"content": content, "is_deleted": is_deleted});
        }
    }
}

/// Does one thing; what the rules forbid at that moment is refused, and changes nothing.
async fn perform(deed: &Deed, people: &[Person; 3], room: &Room, sent: &mut Vec<(String, usize)>) {
    let pick = |which: usize| (!sent.is_empty()).then(|| sent[which % sent.len()].clone());
    let path = |(id, _): &(String, usize)| format!("/api/chat/messages/{id}");
    let reply = match deed {
        Deed::Send { who, reply_to } => {
            let mut body =
                json!({"room_id": room.id, "message_type": "text", "content": format!("message {}", sent.len())});
            if let Some((id, _)) = reply_to.and_then(pick) {
                body["reply_to_id"] = json!(id);
            }
            let reply = people[*who].post("/api/chat/messages", body).await;
            if reply.status == 201 {
                sent.push((text(&reply.json(), "id"), *who));
            }
            reply
        }
        Deed::Edit { which } => {
            let Some(message) = pick(*which) else { return };
            people[message.1].patch(&path(&message), json!({"content": format!("edit {which}")})).await
        }
        Deed::Delete { which } => {
            let Some(message) = pick(*which) else { return };
            people[message.1].delete(&path(&message)).await
        }
        Deed::React { who, which, emoji, take } => {
            let Some(message) = pick(*which) else { return };
            let emoji = ["%F0%9F%91%8D", "%F0%9F%8E%89", "%E2%9D%A4%EF%B8%8F"][*emoji];
            let path = format!("{}/reactions/{emoji}", path(&message));
            if *take { people[*who].delete(&path).await } else { people[*who].put(&path, json!({})).await }
        }
        Deed::Pin { which, take } => {
            let Some(message) = pick(*which) else { return };
            let path = format!("{}/pin", path(&message));
            if *take { people[0].delete(&path).await } else { people[0].put(&path, json!({})).await }
        }
        Deed::Rename { number } => people[0].patch(&room.path(""), json!({"name": format!("name {number}")})).await,
        Deed::ChangeRole { who, viewer } => {
            let role = if *viewer { "viewer" } else { "member" };
            people[0].patch(&room.path(&format!("/members/{}", people[*who].id)), json!({"role": role})).await
        }
        Deed::Remove { who } => people[0].delete(&room.path(&format!("/members/{}", people[*who].id))).await,
        Deed::Add { who } => people[0].post(&room.path("/members"), json!({"user_ids": [people[*who].id]})).await,
        Deed::Snapshot => return,
    };
    assert!(reply.status.as_u16() < 500, "{reply}");
}

/// Runs `deeds` in a room of its own, with an observer who follows live, one who syncs at the end, and one whose
/// connection is replayed everything.
async fn follow(people: &[Person; 3], deeds: &[Deed]) -> Result<(), TestCaseError> {
    let room = people[0].opens_a_group("watched", &[&people[1], &people[2]]).await;
    let observer = &people[0];
    let mut live = Replica::fresh(observer, &room).await;
    let (mut late, mut replayed) = (live.clone(), live.clone());
    let mut socket = observer.connects_with(json!({"cursors": {&room.id: live.seq}})).await;
    let mut sent = Vec::new();
    for deed in deeds {
        if matches!(deed, Deed::Snapshot) {
            live = Replica::fresh(observer, &room).await;
            socket = observer.connects_with(json!({"cursors": {&room.id: live.seq}})).await;
        }
        perform(deed, people, &room, &mut sent).await;
    }
    let fresh = Replica::fresh(observer, &room).await;

    while live.seq < fresh.seq {
        let event = socket.next().await;
        if checker::is_entry(&event, &room.id) {
            live.apply(&event.name, &event.data);
        }
    }
    let answer = socket.ask("sync", json!({"cursors": {&room.id: late.seq}, "limit": 1_000})).await;
    for entry in list(&answer["rooms"][0], "events") {
        late.apply(&text(entry, "event"), &entry["data"]);
    }
    let mut back = observer.connects_with(json!({"cursors": {&room.id: replayed.seq}})).await;
    while replayed.seq < fresh.seq {
        let event = back.next().await;
        if checker::is_entry(&event, &room.id) {
            replayed.apply(&event.name, &event.data);
        }
    }
    proptest::prop_assert_eq!(&live, &fresh, "who followed live knows another room");
    proptest::prop_assert_eq!(&late, &fresh, "who synced knows another room");
    proptest::prop_assert_eq!(&replayed, &fresh, "who came back knows another room");
    Ok(())
}

/// G4b. Catches a build that forgets to log a kind of change, one that logs it in another transaction, and one whose
/// event says less than the change. Fails on a build that tells of no edit, seen.
#[test]
fn a_snapshot_and_the_events_after_it_make_a_fresh_snapshot() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut seed = [0; 32];
    Seed::of("a_snapshot_and_the_events_after_it_make_a_fresh_snapshot").rng().fill_bytes(&mut seed);
    let (app, people) = runtime.block_on(async {
        let app = App::start().await;
        let people = app.users(["ada", "bob", "cyd"]).await;
        (app, people)
    });
    let config = Config { cases: 24, failure_persistence: None, max_shrink_iters: 100, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let outcome = runner.run(&proptest::collection::vec(deed(), 1..60), |deeds| {
        runtime.block_on(within(SOON * 3, "a sequence of deeds", follow(&people, &deeds)))
    });
    drop(app);
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
