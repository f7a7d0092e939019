//! Somebody in more rooms than a socket joins, as when others put them there: none of their own goes unheard.

use serde_json::{Value, json};

use crate::support::{App, Cluster, Person, Room, SOON, Socket, eventually, ids, int, list, machine, text, within};

/// More than a socket joins by itself (1,000), and more than one answer tells of.
const ROOMS: usize = 1_100;

/// Requests at a time.
const AT_ONCE: usize = 20;

/// Puts somebody into that many groups.
async fn floods(eve: &Person, ann: &Person, count: usize) -> Vec<Room> {
    let mut rooms = Vec::with_capacity(count);
    for first in (0..count).step_by(AT_ONCE) {
        let names: Vec<String> = (first..count.min(first + AT_ONCE)).map(|number| format!("flood {number}")).collect();
        let some = names.iter().map(async |name| eve.opens_a_group(name, &[ann]).await);
        rooms.extend(within(SOON * 3, "some groups", futures_util::future::join_all(some)).await);
    }
    rooms
}

async fn hears_of(socket: &mut Socket, room: &Room) -> Value {
    let of_room = |data: &Value| data["room_id"] == room.id.as_str();
    within(SOON, "room_activity", socket.expect_that("room_activity", of_room)).await
}

/// Catches a build that knows only the newest 1,000 rooms of a user: what happens in the others would be told to nobody. And one
/// that joins the newest before those that the client names, or that cuts a list without saying so. Fails on the build before, seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_put_into_a_thousand_groups_hears_their_own() {
    let _share = machine::share().await;
    let app = App::start().await;
    let [eve, ann, bob] = app.users(["eve", "ann", "bob"]).await;
    // one that ann was added to, and one that she takes part in
    let (added, own) = (bob.opens_a_group("added", &[&ann]).await, bob.opens_a_group("own", &[&ann]).await);
    ann.says(&own, "hello").await;
    let cursor = ann.last_seq(&added).await;
    let flood = floods(&eve, &ann, ROOMS).await;
    let total = i64::try_from(ROOMS + 2).expect("a small number");

    let mut plain = ann.connects().await;
    plain.ask("ping", json!({})).await;
    for (room, from) in [(&added, &bob), (&own, &bob), (&flood[0], &eve), (&flood[ROOMS - 1], &eve)] {
        let said = from.says(room, "are you there?").await;
        let activity = hears_of(&mut plain, room).await;
        assert_eq!(activity["last_message"]["id"], said["id"]);
    }
    let late = eve.opens_a_group("late", &[&ann]).await;
    plain.expect_that("room_created", |data| data["room"]["id"] == late.id.as_str()).await;
    ann.post(&late.path("/leave"), json!({})).await.ok();

    let mut all = ann.hears_everything().await;
    let joined = all.heard().await;
    let joined: Vec<&Value> =
        joined.iter().filter(|event| event.name == "room_joined").map(|event| &event.data["room_id"]).collect();
    assert_eq!(joined.len(), 1_000);
    assert!(joined.contains(&&json!(own.id)), "the room that ann takes part in is among them");
    let said = bob.says(&own, "by the way").await;
    all.expect_that("new_message", |data| data["message"]["id"] == said["id"]).await;
    // not among the thousand that it has joined
    eve.says(&flood[1], "and here").await;
    hears_of(&mut all, &flood[1]).await;

    let mut back = ann.connects_with(json!({"rooms": "all", "cursors": {&added.id: cursor}})).await;
    let missed = back.expect_that("new_message", |data| data["room_id"] == added.id.as_str()).await;
    assert_eq!(missed["seq"], cursor + 1, "what was missed comes first");
    back.expect_that("room_joined", |data| data["room_id"] == added.id.as_str()).await;

    everything_is_listed(&ann, &plain, &own, total).await;
}

/// Page by page, and by `sync`.
async fn everything_is_listed(ann: &Person, socket: &Socket, own: &Room, total: i64) {
    let (mut seen, mut page) = (std::collections::BTreeSet::new(), 1);
    loop {
        let answer = ann.get(&format!("/api/chat/rooms?page_size=100&page={page}")).await.with_status(200);
        assert_eq!(int(&answer, "total"), total);
        seen.extend(ids(list(&answer, "rooms")));
        if answer["has_more"] != true {
            break;
        }
        page += 1;
    }
    assert_eq!(seen.len(), usize::try_from(total).expect("not negative"));

    let synced = socket.ask("sync", json!({"cursors": {}})).await;
    let joined = list(&synced, "joined");
    assert_eq!(synced["has_more"], true, "some are left out");
    assert!(joined.len() < seen.len());
    assert_eq!(text(&joined[0], "id"), own.id, "the rooms that ann takes part in come first");
    let cursors: serde_json::Map<String, Value> =
        joined.iter().map(|room| (text(room, "id"), room["last_seq"].clone())).collect();
    let rest = socket.ask("sync", json!({"cursors": cursors})).await;
    assert_eq!(rest.get("has_more"), None, "the rest fits");
    let mut told = ids(joined);
    told.extend(ids(list(&rest, "joined")));
    assert_eq!(told.into_iter().collect::<std::collections::BTreeSet<_>>(), seen);
    assert!(list(&rest, "left").is_empty());
}

/// The same over two nodes: a node asks the others for news of every room of its users. Catches a build that follows the newest 1,000.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_node_tells_of_rooms_that_are_not_among_the_newest() {
    let _share = machine::share().await;
    let cluster = Cluster::start(2).await;
    let (here, there) = cluster.pair();
    let [eve, ann, bob] = here.users(["eve", "ann", "bob"]).await;
    let added = bob.opens_a_group("added", &[&ann]).await;
    floods(&eve, &ann, ROOMS).await;
    let mut anns = ann.at(there).connects().await;
    anns.ask("ping", json!({})).await;
    let hears = async || {
        bob.says(&added, "are you there?").await;
        anns.heard()
            .await
            .iter()
            .any(|event| event.name == "room_activity" && event.data["room_id"] == added.id.as_str())
    };
    // It follows a thousand channels, one after the other.
    eventually(SOON, "news of the room", hears).await;
}
