//! Who takes what they asked for slowly, or not at all, keeps nobody else waiting, and nothing of ours for long.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpSocket,
    time::sleep,
};

use crate::support::{App, File, Person, Room, SOON, Server, machine, media::media_path, within};

/// How soon a slow reader is cut here: two windows of two seconds, and what a busy machine takes.
const CUT: Duration = Duration::from_secs(20);

/// Asks for something, takes a few bytes of the answer now and then, and answers when the connection was cut.
async fn takes_slowly(person: &Person, path: &str, range: &str, bytes: usize) -> Duration {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    let mut stream = within(SOON, "a connection", socket.connect(person.site.addr())).await.unwrap();
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: parlour.test\r\n{range}Authorization: Bearer {}\r\n\r\n", person.token);
    stream.write_all(request.as_bytes()).await.unwrap();
    let begin = Instant::now();
    let mut head = [0; 12];
    within(SOON, "the head of an answer", stream.read_exact(&mut head)).await.unwrap();
    assert!(head.starts_with(b"HTTP/1.1 20"), "{path}: {}", String::from_utf8_lossy(&head));
    let cut = async {
        let mut some = vec![0; bytes];
        loop {
            sleep(Duration::from_millis(100)).await;
            // Nothing is taken by those who ask for no bytes; a cut connection says so to them as well.
            match if bytes == 0 { stream.write_all(b"\r\n").await.map(|()| 1) } else { stream.read(&mut some).await } {
                Ok(read) if read > 0 => {}
                _ => break,
            }
        }
    };
    within(CUT, path, cut).await;
    begin.elapsed()
}

/// Two people of a node that ends slow clients after two seconds, by how little they take and by nothing else.
async fn two_who_may_not_be_slow() -> (App, Person, Person) {
    let settings = Server::settings()
        .with("PARLOUR__SERVER__SLOW_CLIENT_SECONDS", "2")
        .with("PARLOUR__SERVER__SLOW_CLIENT_BYTES", "65536")
        .with("PARLOUR__REALTIME__STALL_TIMEOUT_MS", "600000");
    let app = App::with(settings).await;
    let [ada, eve] = app.users(["ada", "eve"]).await;
    (app, ada, eve)
}

/// Says so many hundreds of messages of 12 kB, never so much at once that a busy machine answers late.
async fn fill(person: &Person, room: &Room, messages: usize) {
    let writer = person.connects().await;
    let content = "語".repeat(4_000);
    for _ in 0..messages / 100 {
        let said = (0..100)
            .map(|_| writer.emit_with_ack("send_message", json!({"room_id": room.id, "content": content})).ok());
        within(SOON * 3, "messages", join_all(said.collect::<Vec<_>>())).await;
    }
}

/// Catches a build that keeps one of a few turns for as long as a client reads its copy: four slow ones kept everybody else from
/// theirs. And one that waits for a slow reader for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_readers_keep_nobody_waiting_and_are_cut() {
    let _share = machine::share().await;
    let (app, ada, eve) = two_who_may_not_be_slow().await;
    let (large, small) = (eve.opens_a_group("large", &[]).await, ada.opens_a_group("small", &[]).await);
    ada.says(&small, "a few words").await;
    fill(&eve, &large, 1_000).await;

    let (own, room) = ("/api/users/me/export", large.path("/export"));
    let slow = [(own, 0), (own, 1_000), (own, 0), (&room, 1_000), (&room, 0), (&room, 1_000)];
    let slow = join_all(slow.map(|(path, bytes)| takes_slowly(&eve, path, "", bytes)));
    let others = async {
        for _ in 0..10 {
            for path in [own, &small.path("/export")] {
                let copy = ada.get(path).await;
                assert_eq!(copy.status, 200, "while others take theirs slowly: {copy}");
                let last: Value = serde_json::from_str(copy.body.lines().last().unwrap()).unwrap();
                assert_eq!(last["type"], "end");
            }
            sleep(Duration::from_millis(100)).await;
        }
    };
    let (cut, ()) = tokio::join!(slow, others);
    assert!(cut.iter().all(|after| *after > Duration::from_millis(1_500)), "nobody is cut at once: {cut:?}");
    assert!(app.server.log().contains("read too slowly"));
    let whole = eve.get(&room).await;
    assert_eq!(
        whole.body.lines().filter(|line| line.contains(r#""type":"message""#)).count(),
        1_000,
        "who reads gets it all"
    );
}

/// The same of files, and of parts of them. Catches a build with so many turns at reading a file, each kept for as long as its
/// client likes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_readers_of_files_keep_nobody_waiting_and_are_cut() {
    let (_app, ada, eve) = two_who_may_not_be_slow().await;
    // Far more than the kernel takes for a client that reads nothing.
    let large = media_path(&eve.uploads(&File::noise(1, 24_000_000)).await);
    let file = File::noise(2, 100_000);
    let small = ada.uploads(&file).await;
    let part = "Range: bytes=1000000-\r\n";
    let slow = [("", 0), ("", 1_000), (part, 0), (part, 1_000), ("", 0), (part, 1_000), ("", 1_000), (part, 0)];
    let slow = join_all(slow.map(|(range, bytes)| takes_slowly(&eve, &large, range, bytes)));
    let others = async {
        for _ in 0..10 {
            assert_eq!(ada.loads(&small).await.ok(), file.bytes);
            sleep(Duration::from_millis(100)).await;
        }
    };
    let (cut, ()) = tokio::join!(slow, others);
    assert!(cut.iter().all(|after| *after > Duration::from_millis(1_500)), "nobody is cut at once: {cut:?}");
}

/// Catches a build that lets one user take as many copies at once as they like.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_takes_two_copies_at_a_time() {
    let mut app = App::start().await;
    let [ada, eve] = app.users(["ada", "eve"]).await;
    let room = eve.opens_a_group("large", &[]).await;
    fill(&eve, &room, 600).await;
    app.limit().await;
    let held = [(); 2].map(|()| eve.request(reqwest::Method::GET, "/api/users/me/export").begin());
    let held = within(SOON, "two copies", join_all(held)).await;
    let refused = eve.get("/api/users/me/export").await;
    refused.refused("RATE_LIMITED");
    assert!(refused.header("retry-after").is_some());
    ada.get("/api/users/me/export").await;
    drop(held);
    crate::support::eventually(SOON, "another copy, when one was given up", async || {
        eve.get("/api/users/me/export").await.status == 200
    })
    .await;
}

/// A copy ends where the log ended when it began, whatever is said meanwhile: who writes as fast as a slow reader reads would
/// never see its end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_ends_where_the_log_ended() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    let room = ada.opens_a_group("growing", &[]).await;
    fill(&ada, &room, 800).await;
    for path in [room.path("/export"), "/api/users/me/export".to_owned()] {
        let before = ada.history(&room).await.len();
        let begun = within(SOON, "a copy begins", ada.request(reqwest::Method::GET, &path).begin()).await;
        let meanwhile = format!("said while {path} was taken");
        ada.says(&room, &meanwhile).await;
        let copy = within(SOON * 3, "the rest of it", begun.text()).await.unwrap();
        let last: Value = serde_json::from_str(copy.lines().last().unwrap()).unwrap();
        assert_eq!(last, json!({"type": "end", "messages": before}), "{path}");
        assert!(!copy.contains(&meanwhile), "{path}");
    }
}
