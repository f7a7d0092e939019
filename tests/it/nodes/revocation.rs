//! Losing a right on one node ends what sockets on another could do with it.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{
    App, Cluster, Person, SOON, Socket, Transport, checker, eventually, machine, people::PASSWORD, within, workload,
};

/// How long a loss of rights may take to bite, with a Redis, and without.
const BITE: Duration = Duration::from_secs(2);
const LATE: Duration = Duration::from_secs(30);

/// People who lose their place in a room.
const KICKS: usize = 25;

/// What ends logins, told on the first node.
async fn end(how: &str, phone: &Person) {
    match how {
        "logout" => drop(phone.post("/api/auth/logout", json!({})).await.with_status(204)),
        "password" => {
            let change = json!({"current_password": PASSWORD, "password": "a much better password"});
            phone.patch("/api/users/me", change).await.with_status(200);
        }
        "deactivation" => drop(phone.delete("/api/users/me").await.ok()),
        other => unreachable!("{other}"),
    }
}

/// One user's device on the second node, whose login `how` ends.
async fn victim(how: &str, phone: &Person, there: &App, transport: Transport) -> Socket {
    // Only a change of the password ends other logins than the one that asks.
    let device = if how == "password" { phone.on_another_device().await } else { phone.clone() };
    let socket = device.at(there).connects_by(transport, json!({})).await;
    socket.ask("ping", json!({})).await;
    socket
}

/// G8. Catches a build whose logout ends the sockets of the node that was asked, and no others. Seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_ends_on_one_node_ends_its_sockets_on_the_other() {
    let cluster = Cluster::start(2).await;
    let (here, there) = cluster.pair();
    for how in ["logout", "password", "deactivation"] {
        for (transport, name) in [(Transport::WebSocket, "ws"), (Transport::Polling, "polling")] {
            let phone = here.user(&format!("{how}-{name}")).await;
            let mut socket = victim(how, &phone, there, transport).await;
            // Followed by now: a word on the user's own channel has come around.
            let room = phone.opens_a_group("to be followed", &[]).await;
            within(BITE, "room_created", socket.expect("room_created")).await;
            end(how, &phone).await;
            let bitten = async {
                socket.expect("session_revoked").await;
                socket.closed_within(BITE).await;
            };
            within(BITE, &format!("{how} by {transport:?}"), bitten).await;
            assert!(!room.id.is_empty());
        }
    }
}

/// G8. Kicks, bans and lower roles, on open sockets of the other node, under load. Catches a build that looks at a membership
/// only when a socket joins, and one whose other nodes hear of it by their sweep. Both seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loss_of_rights_in_a_room_bites_on_the_other_node() {
    let _share = machine::share().await;
    let cluster = Cluster::start(2).await;
    let (here, there) = cluster.pair();
    let people = here.crowd(KICKS + 3).await;
    let others: Vec<&Person> = people[1..].iter().collect();
    let (owner, viewer, stays) = (&people[0], &people[1], people[2].at(there));
    let room = owner.opens_a_group("strict", &others).await;
    let mut victims: Vec<(Person, Socket)> = Vec::new();
    for person in &people[3..] {
        let person = person.at(there);
        let socket = person.enters(&room).await;
        victims.push((person, socket));
    }
    let views = viewer.at(there).enters(&room).await;
    let mut witness = stays.enters(&room).await;
    let writer = owner.connects().await;
    let start = owner.last_seq(&room).await;

    let mut load = workload::Writer::new("load");
    let over = std::cell::Cell::new(false);
    let write = load.send_until(&writer, &room, |_| over.get());
    let lose = async {
        let mut lost = Vec::new();
        for (number, (victim, _)) in victims.iter().enumerate() {
            if number % 2 == 0 {
                owner.removes(victim, &room).await;
            } else {
                owner.put(&room.path(&format!("/bans/{}", victim.id)), json!({})).await.ok();
            }
            lost.push(Instant::now());
        }
        owner.makes(viewer, "viewer", &room).await;
        views.ask_in_vain("send_message", workload::message(&room, "as a viewer"), "PERMISSION_DENIED").await;
        // the load goes on beyond the time in which a kick must bite
        tokio::time::sleep(BITE).await;
        over.set(true);
        lost
    };
    let ((), lost) = within(SOON * 4, "the losses", async { tokio::join!(write, lose) }).await;

    let last = owner.last_seq(&room).await;
    witness.expect_that("new_message", |data| data["seq"] == last).await;
    for ((victim, socket), lost) in victims.iter_mut().zip(lost) {
        for event in socket.heard().await.iter().filter(|event| checker::is_entry(event, &room.id)) {
            let late = event.at.saturating_duration_since(lost);
            assert!(late <= BITE, "{} heard {} {late:?} after", victim.name, event.name);
        }
        socket.ask_in_vain("send_message", workload::message(&room, "too late"), "ROOM_NOT_FOUND").await;
        socket.ask_in_vain("typing", json!({"room_id": room.id}), "ROOM_NOT_FOUND").await;
    }
    let mut seqs = checker::seqs(&witness.heard().await, &room.id);
    seqs.push(last);
    checker::dense("who stayed", &seqs, start, last);
}

/// G8 without Redis. Catches a build that relies on being told. Seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_a_loss_of_rights_bites_within_thirty_seconds() {
    let mut cluster = Cluster::start(2).await;
    cluster.redis.kill_9().await;
    for node in &cluster.nodes {
        node.has_bus("unreachable").await;
    }
    let (here, there) = cluster.pair();
    let (owner, kicked) = (here.user("owner").await, here.user("kicked").await);
    let room = owner.opens_a_group("strict", &[&kicked]).await;
    let mut listener = kicked.at(there).enters(&room).await;
    let mut sockets = Vec::new();
    for how in ["logout", "password", "deactivation"] {
        let phone = here.user(how).await;
        sockets.push((how, victim(how, &phone, there, Transport::WebSocket).await));
        end(how, &phone).await;
    }
    let began = Instant::now();
    owner.removes(&kicked, &room).await;
    within(SOON, "the kick", listener.expect("member_removed")).await;
    println!("without Redis the kick bit {:?} after", began.elapsed());
    for (how, socket) in sockets {
        eventually(LATE.saturating_sub(began.elapsed()), how, async || !socket.is_open()).await;
        println!("without Redis {how} bit {:?} after", began.elapsed());
    }
}
