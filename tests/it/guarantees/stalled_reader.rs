//! One client that stops reading does not slow the others, and does not stay.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{App, SOON, checker, clock::age, int, list, machine, within};

/// How long a client that takes nothing may stay.
const GONE: Duration = Duration::from_secs(45);

/// G9. Catches a build that buffers without bound for a slow reader, one whose room waits for its slowest socket, one
/// that relies on the ping timeout (which never fires for it), and one whose full buffer drops a broadcast silently. All
/// seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_stops_reading_is_gone_and_hurts_nobody() {
    let _alone = machine::alone().await;
    let app = App::start().await;
    let [ada, bob, cyd] = app.users(["ada", "bob", "cyd"]).await;
    let room = ada.opens_a_group("flooded", &[&bob, &cyd]).await;
    // so that the others see when bob is gone
    bob.says(&room, "hello").await;
    let stalled = bob.enters(&room).await;
    let mut witness = cyd.enters(&room).await;
    let writer = ada.connects().await;
    let start = ada.last_seq(&room).await;
    let before_kib = app.server.rss_kib();
    stalled.stop_reading();
    let stalled_at = Instant::now();

    // About 4 kB each, at most 64 in flight: far more than the buffers of both kernels take.
    let content = "x".repeat(4_000);
    let gone = std::cell::Cell::new(false);
    let write = async {
        let (mut slowest, mut peak_kib) = (Duration::ZERO, 0);
        let mut flood = tokio::time::interval(Duration::from_millis(20));
        while !gone.get() {
            flood.tick().await;
            let begin = Instant::now();
            let acks: Vec<_> = (0..16)
                .map(|_| writer.emit_with_ack("send_message", json!({"room_id": room.id, "content": content})))
                .collect();
            for ack in acks {
                ack.ok().await;
            }
            slowest = slowest.max(begin.elapsed());
            peak_kib = peak_kib.max(app.server.rss_kib());
        }
        (slowest, peak_kib)
    };
    let watch = async {
        let (mut seqs, mut offline, mut latest) = (Vec::new(), None, Duration::ZERO);
        while offline.is_none() {
            let event = within(GONE, "the next event", witness.stream()).await.expect("the witness stays connected");
            if checker::is_entry(&event, &room.id) {
                seqs.push(int(&event.data, "seq"));
                if event.name == "new_message" {
                    latest = latest.max(age(&event.data["message"]["created_at"]));
                }
            } else if event.name == "user_offline" && event.data["user_id"] == bob.id.as_str() {
                offline = Some(event.at);
            }
        }
        gone.set(true);
        (seqs, offline.unwrap(), latest)
    };
    let ((slowest, peak_kib), (mut seqs, offline, latest)) =
        within(GONE + SOON, "the end of the stalled reader", async { tokio::join!(write, watch) }).await;

    assert!(offline - stalled_at <= GONE, "gone after {:?}", offline - stalled_at);
    assert!(slowest < Duration::from_secs(2), "others waited {slowest:?} for an ack");
    println!(
        "others waited {slowest:?} for an ack, and heard messages {latest:?} after they were stored at the latest"
    );
    assert!(latest < SOON / 2, "others heard a message {latest:?} after it was stored");
    let grown_kib = peak_kib.saturating_sub(before_kib);
    assert!(grown_kib < 128 * 1024, "the node grew by {grown_kib} KiB for one stalled reader");

    let last = ada.last_seq(&room).await;
    while seqs.last().copied().unwrap_or(start) < last {
        let event = within(SOON, "the next event", witness.stream()).await.expect("the witness stays connected");
        if checker::is_entry(&event, &room.id) {
            seqs.push(int(&event.data, "seq"));
        }
    }
    checker::dense("the witness", &seqs, start, last);

    // on return it syncs
    drop(stalled);
    let back = bob.connects().await;
    let mut seqs: Vec<i64> = Vec::new();
    while seqs.last().copied().unwrap_or(start) < last {
        let after = seqs.last().copied().unwrap_or(start);
        let page = back.ask("sync", json!({"cursors": {&room.id: after}, "limit": 20})).await;
        let entries = list(&page["rooms"][0], "events");
        assert!(!entries.is_empty(), "sync makes progress");
        seqs.extend(entries.iter().map(|entry| int(&entry["data"], "seq")));
        if seqs.len() >= 2_000 {
            break;
        }
    }
    checker::dense("the returned reader", &seqs, start, start + i64::try_from(seqs.len()).unwrap());
}
