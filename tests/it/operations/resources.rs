//! What a node spends on sockets that are gone, and on those that catch up.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, future::join_all, stream};
use serde_json::json;

use crate::support::{
    App, Person, Room, SOON, Server, checker, eventually, machine, websocket::WebSocket, within, workload,
};

/// Connects and leaves `count` times, each way in turn, and waits until the node has forgotten all of them.
async fn come_and_go(app: &App, person: &Person, room: &Room, count: usize) {
    let visit = async |number: usize| {
        let socket = person.connects_with(json!({"cursors": {&room.id: 0}})).await;
        socket.ask("ping", json!({})).await;
        match number % 2 {
            0 => socket.leave().await,
            _ => drop(socket),
        }
    };
    within(SOON * 6, "visits", stream::iter(0..count).map(visit).buffer_unordered(32).collect::<Vec<_>>()).await;
    eventually(SOON * 2, "no socket is left", async || {
        let metrics = app.site.get("/metrics").send().await.body;
        metrics.lines().any(|line| line == "parlour_sockets 0")
    })
    .await;
}

/// Catches a build where a socket holds itself alive, for instance through its own extensions: it lost some 20 MB for
/// every thousand visits. Fails on a build that keeps the connection in its socket's extensions, seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_thousand_visits_leave_nothing_behind() {
    let _share = machine::share().await;
    let app = App::start().await;
    let ada = app.user("ada").await;
    let room = ada.opens_a_group("hotel", &[]).await;
    let mut after = Vec::new();
    for _ in 0..3 {
        come_and_go(&app, &ada, &room, 1_000).await;
        after.push(app.server.rss_kib());
    }
    let grown = after[2].saturating_sub(after[1]);
    assert!(grown < 8 * 1024, "the last thousand visits cost {grown} KiB; resident after each: {after:?}");
}

/// How long after its ack a message in a quiet room may come while another room is busy with replays.
const PROMPT: Duration = Duration::from_millis(500);

/// Catches a build that reads deep replays in the task that delivers, and lets that room's full queue hold up delivery to
/// all others. Fails on a build that does both, seen: a message is heard 1 to 3 s late.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deep_replays_in_one_room_keep_no_other_waiting() {
    let _alone = machine::alone().await;
    // as many may be replayed as there will be, so that the room can go on meanwhile
    let app = App::with(Server::settings().with("PARLOUR__REALTIME__REPLAY_EVENTS", "8000")).await;
    let [ada, bob, cyd] = app.users(["ada", "bob", "cyd"]).await;
    let busy = ada.opens_a_group("busy", &[&bob]).await;
    let quiet = ada.opens_a_group("quiet", &[&cyd]).await;
    let writer = ada.connects().await;
    workload::Writer::new("past").send(&writer, &busy, 890).await;
    let mut sockets = Vec::new();
    for _ in 0..300 {
        // without a client that reads what it hears: that is the node's work, not the test's
        sockets.push(WebSocket::namespace(app.site.addr(), &bob.token).await);
    }
    let _open = bob.enters(&busy).await;
    let (mut listener, speaker) = (cyd.enters(&quiet).await, ada.connects().await);

    let over = Cell::new(false);
    let join = async {
        let join = format!(r#"420["join_room",{{"room_id":"{}","after_seq":1}}]"#, busy.id);
        let joins = sockets.iter_mut().map(async |socket| {
            socket.writer.text(&join).await;
            socket.reader.next_starting("430").await
        });
        let answers = join_all(joins).await;
        over.set(true);
        let given = answers.iter().filter_map(|answer| {
            let digits = answer.split(r#""replayed":"#).nth(1)?.chars().take_while(char::is_ascii_digit);
            Some(digits.collect::<String>().parse::<u32>().expect("a number"))
        });
        // a machine that is busy with other things refuses some
        let deep = given.inspect(|replayed| assert!(*replayed >= 890, "{replayed} replayed")).count();
        assert!(deep >= 30, "only {deep} joins were answered; the first: {}", answers[0]);
    };
    // the busy room stays busy: more happens there than may wait for it
    let load = async {
        let mut tick = tokio::time::interval(Duration::from_millis(2));
        let (mut acks, mut number) = (Vec::new(), 0);
        while !over.get() && number < 1_000 {
            tick.tick().await;
            number += 1;
            acks.push(writer.emit_with_ack("send_message", workload::message(&busy, &format!("now-{number}"))));
        }
        for ack in acks {
            ack.outcome().await;
        }
    };
    let probe = async {
        let mut slowest = Duration::ZERO;
        while !over.get() {
            let sent = speaker.ask("send_message", json!({"room_id": quiet.id, "content": "still prompt?"})).await;
            // an ack waits for the database, which is as busy as the machine; delivery waits for nothing
            let acked = Instant::now();
            listener.expect_that("new_message", |data| data["message"]["id"] == sent["message"]["id"]).await;
            let heard = acked.elapsed();
            assert!(heard < PROMPT, "heard {heard:?} after it was acked");
            slowest = slowest.max(heard);
        }
        slowest
    };
    let ((), (), slowest) = within(SOON * 4, "300 replays", async { tokio::join!(join, load, probe) }).await;
    println!("the slowest message in the quiet room came {slowest:?} after its ack");
    assert!(checker::seqs(&listener.leftovers(), &quiet.id).is_empty(), "every message was heard once");
}
