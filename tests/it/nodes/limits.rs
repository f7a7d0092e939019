//! What a user may do counts for the user, on whichever node they do it.

use std::{ops::RangeInclusive, time::Instant};

use serde_json::json;

use crate::support::{Cluster, Server, outcome_of, workload};

/// Asks on two nodes in turn; answers how often it was let through, and in how many seconds.
async fn in_turn(times: usize, mut ask: impl AsyncFnMut(usize) -> String) -> (usize, f64) {
    let (mut granted, begin) = (0, Instant::now());
    for number in 0..times {
        match ask(number % 2).await.as_str() {
            "OK" => granted += 1,
            outcome => assert_eq!(outcome, "RATE_LIMITED", "the {number}th"),
        }
    }
    (granted, begin.elapsed().as_secs_f64())
}

/// Fails unless as many were granted as may be at once, and what came back meanwhile at so many a second.
fn are_within(at_once: RangeInclusive<f64>, a_second: f64, (granted, seconds): (usize, f64)) {
    let most = at_once.end() + a_second * seconds;
    assert!((*at_once.start()..=most).contains(&(granted as f64)), "{granted} in {seconds} s");
}

/// Catches a build whose nodes count by themselves: everything would be allowed twice. Seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_is_the_same_on_two_nodes_as_on_one() {
    let cluster = Cluster::with(2, Server::settings().with_limits()).await;
    let (here, there) = cluster.pair();
    let ada = here.user("ada").await;
    let both = [ada.clone(), ada.at(there)];
    let room = ada.opens_a_group("busy", &[]).await;

    let sockets = [both[0].connects().await, both[1].connects().await];
    let messages = in_turn(50, async |node| {
        let body = json!({"room_id": room.id, "message_type": "text", "content": "again"});
        outcome_of(&sockets[node].emit_with_ack("send_message", body).answer().await)
    })
    .await;
    are_within(27.0..=40.0, 0.5, messages);
    let requests = in_turn(130, async |node| both[node].get("/api/users/me").await.outcome()).await;
    are_within(90.0..=120.0, 100.0 / 60.0, requests);
    let (logins, _) = in_turn(8, async |node| match both[node].login("a wrong guess").await.outcome().as_str() {
        "INVALID_CREDENTIALS" => "OK".to_owned(),
        other => other.to_owned(),
    })
    .await;
    assert_eq!(logins, 4, "5 attempts a minute for an account, one of which let her in");
    println!("let through: {} messages of 30, {} requests of 100", messages.0, requests.0);
}

/// Catches a build that lets everything through when it cannot ask Redis, and one that lets nothing through. Both seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_each_node_counts_by_itself() {
    let cluster = Cluster::with(2, Server::settings().with_limits()).await;
    let (here, there) = cluster.pair();
    let ada = here.user("ada").await;
    let room = ada.opens_a_group("busy", &[]).await;
    let sockets = [ada.connects().await, ada.at(there).connects().await];
    cluster.redis.freeze();
    let messages = in_turn(100, async |node| {
        outcome_of(&sockets[node].emit_with_ack("send_message", workload::message(&room, "again")).answer().await)
    })
    .await;
    cluster.redis.thaw();
    are_within(58.0..=72.0, 1.0, messages);
}
