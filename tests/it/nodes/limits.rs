//! What a user may do counts for the user, on whichever node they do it.

use serde_json::json;

use crate::support::{Cluster, Server, machine, outcome_of, workload};

/// Asks on two nodes in turn; answers how often it was let through.
async fn in_turn(times: usize, mut ask: impl AsyncFnMut(usize) -> String) -> usize {
    let mut granted = 0;
    for number in 0..times {
        match ask(number % 2).await.as_str() {
            "OK" => granted += 1,
            outcome => assert_eq!(outcome, "RATE_LIMITED", "the {number}th"),
        }
    }
    granted
}

/// Catches a build whose nodes count by themselves: everything would be allowed twice. Seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_is_the_same_on_two_nodes_as_on_one() {
    let _share = machine::share().await;
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
    assert!((27..=40).contains(&messages), "30 messages at once, and one more every 2 s: {messages}");
    let requests = in_turn(130, async |node| both[node].get("/api/users/me").await.outcome()).await;
    assert!((90..=120).contains(&requests), "100 requests a minute: {requests}");
    let logins = in_turn(8, async |node| match both[node].login("a wrong guess").await.outcome().as_str() {
        "INVALID_CREDENTIALS" => "OK".to_owned(),
        other => other.to_owned(),
    })
    .await;
    assert_eq!(logins, 4, "5 attempts a minute for an account, one of which let her in");
    println!("let through: {messages} messages of 30, {requests} requests of 100");
}

/// Catches a build that lets everything through when it cannot ask Redis, and one that lets nothing through. Both seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_each_node_counts_by_itself() {
    let _share = machine::share().await;
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
    assert!((58..=72).contains(&messages), "30 messages at once a node, and one more every 2 s: {messages}");
}
