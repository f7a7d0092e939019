//! A client that hangs up before the answer: what was committed all the same has bitten all the same.

use std::time::{Duration, Instant};

use rand::{RngExt, rngs::StdRng};
use serde_json::json;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::support::{
    App, Person, Room, SOON, Seed, Server, Socket, ids,
    journal::{self, complete, give_table},
    list, within,
};

/// How long a loss of rights may take to bite.
const BITE: Duration = Duration::from_secs(2);

const TRIES: u64 = 60;

/// Sends a request without a body on a connection of its own, and resets that connection `after` a moment.
async fn ask_and_hang_up(person: &Person, method: &str, path: &str, after: Duration) {
    let mut stream = within(SOON, "TCP connect", TcpStream::connect(person.site.addr())).await.expect("the node runs");
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: parlour.test\r\nAuthorization: Bearer {}\r\nContent-Length: 0\r\n\r\n",
        person.token
    );
    stream.write_all(request.as_bytes()).await.expect("a fresh connection takes a request");
    // the moment is what is varied, nothing is waited for
    tokio::time::sleep(after).await;
    let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
}

/// Some moment of a request that usually takes so long, or soon after it.
fn some_moment(rng: &mut StdRng, usual: Duration) -> Duration {
    usual.mul_f64(rng.random_range(0.0..2.0))
}

/// A node on which nothing but the notice of a change tells of it.
async fn without_sweep() -> App {
    App::with(Server::settings().with("PARLOUR__REALTIME__SWEEP_INTERVAL_MS", "600000")).await
}

/// Catches a build that commits in the request's own task and tells of it afterwards: when the client hangs up during the
/// commit, the login is over and its sockets go on. Fails on a build where `commit` does not outlive its caller, seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_whose_client_hangs_up_still_ends_the_sockets() {
    let mut rng = Seed::of("a_logout_whose_client_hangs_up_still_ends_the_sockets").rng();
    let app = without_sweep().await;
    let ada = app.user("ada").await;
    let patient = ada.on_another_device().await;
    let begin = Instant::now();
    patient.post("/api/auth/logout", json!({})).await.with_status(204);
    let usual = begin.elapsed();
    let mut committed = 0;
    for _ in 0..TRIES {
        let device = ada.on_another_device().await;
        let socket = device.connects().await;
        ask_and_hang_up(&device, "POST", "/api/auth/logout", some_moment(&mut rng, usual)).await;
        // it is answered after whatever the node did first; a request that the node never began changes nothing
        if device.get("/api/auth/me").await.status == 401 {
            committed += 1;
            socket.closed_within(BITE).await;
        }
    }
    assert!(committed > 0, "no logout was committed: the clients hung up too soon to prove anything");
}

/// Fires a removal of `victim` from each room but the first, and hangs up each time; gives those of them that they are no longer in.
async fn remove_and_hang_up<'a>(owner: &Person, victim: &Person, rooms: &'a [Room], seed: &Seed) -> Vec<&'a Room> {
    let mut rng = seed.rng();
    let (first, rooms) = rooms.split_first().expect("some rooms");
    let begin = Instant::now();
    owner.removes(victim, first).await;
    let usual = begin.elapsed();
    for room in rooms {
        let path = room.path(&format!("/members/{}", victim.id));
        ask_and_hang_up(owner, "DELETE", &path, some_moment(&mut rng, usual)).await;
    }
    // a change of the owner's own, in line behind all of these
    owner.opens_a_group("afterwards", &[]).await;
    let page = victim.get("/api/chat/rooms?page_size=100").await.with_status(200);
    let left = ids(list(&page, "rooms"));
    rooms.iter().filter(|room| !left.contains(&room.id)).collect()
}

/// Hears the end of each of these rooms; what was heard of others is left for later.
async fn loses(socket: &mut Socket, rooms: &[&Room]) {
    for room in rooms {
        within(
            BITE,
            "member_removed",
            socket.expect_that("member_removed", |data| data["room_id"] == room.id.as_str()),
        )
        .await;
    }
}

/// Catches a build that commits in the request's own task and tells of it afterwards: whoever was removed hears the room,
/// or of its activity, as before. Fails on a build where `commit` does not outlive its caller, seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removal_whose_client_hangs_up_still_ends_what_is_heard() {
    let seed = Seed::of("a_removal_whose_client_hangs_up_still_ends_what_is_heard");
    let app = without_sweep().await;
    let [ada, bob, cyd] = app.users(["ada", "bob", "cyd"]).await;
    let mut rooms = Vec::new();
    for number in 0..TRIES {
        rooms.push(ada.opens_a_group(&format!("room {number}"), &[&bob, &cyd]).await);
    }
    let (mut inside, mut away) = (bob.hears_everything().await, bob.connects().await);
    let (mut witness, mut away_witness) = (cyd.hears_everything().await, cyd.connects().await);
    away.heard().await;
    away_witness.heard().await;

    let lost = remove_and_hang_up(&ada, &bob, &rooms, &seed).await;
    assert!(!lost.is_empty(), "no removal was committed: the clients hung up too soon to prove anything");
    loses(&mut inside, &lost).await;
    loses(&mut away, &lost).await;

    for room in &lost {
        ada.says(room, "now we can talk").await;
    }
    for room in &lost {
        witness.expect_that("new_message", |data| data["room_id"] == room.id.as_str()).await;
        away_witness.expect_that("room_activity", |data| data["room_id"] == room.id.as_str()).await;
    }
    for (where_, socket) in [("inside", &mut inside), ("away", &mut away)] {
        let heard = socket.heard().await;
        let news = heard.iter().filter(|event| ["new_message", "room_activity"].contains(&event.name.as_str()));
        let news: Vec<_> =
            news.filter(|event| lost.iter().any(|room| event.data["room_id"] == room.id.as_str())).collect();
        assert!(news.is_empty(), "{where_}: {news:?}");
    }
}

/// Catches a build that wakes the followers in the request's own task: what they make of the change comes when they next look at
/// all rooms, a minute later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_whose_client_hangs_up_still_reaches_the_followers() {
    let seed = Seed::of("a_change_whose_client_hangs_up_still_reaches_the_followers");
    let app = App::with(Server::settings().with("PARLOUR_TEST_JOURNALS", "1")).await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let db = app.server.database().await;
    give_table(&db, journal::ONE).await;
    let mut rooms = Vec::new();
    for number in 0..TRIES {
        rooms.push(ada.opens_a_group(&format!("room {number}"), &[&bob]).await);
    }
    let lost = remove_and_hang_up(&ada, &bob, &rooms, &seed).await;
    assert!(!lost.is_empty(), "no removal was committed: the clients hung up too soon to prove anything");
    let mut ends = Vec::new();
    for room in lost {
        ends.push((room, ada.last_seq(room).await));
    }
    complete(&db, journal::ONE, &ends).await;
}
