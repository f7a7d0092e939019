//! A transport that carries no socket of a namespace does not stay, and makes no room for more.

use std::time::Duration;

use serde_json::json;

use crate::support::{App, SOON, Server, eventually, polling, websocket::WebSocket};

const UNKNOWN_SESSION: &str = r#"{"code":"1","message":"Session ID unknown"}"#;

/// How a client comes to be without a namespace: what it sends, and what it hears of each.
fn ways(token: &str) -> Vec<(&'static str, Vec<(String, &'static str)>)> {
    let connect = format!("40{}", json!({"token": token}));
    vec![
        ("it never connects", vec![]),
        ("it is refused", vec![(r#"40{"token":"none"}"#.to_owned(), "44")]),
        ("there is no such namespace", vec![("40/nowhere,".to_owned(), "44/nowhere,")]),
        ("it leaves", vec![(connect, "42[\"connected\""), ("41".to_owned(), "")]),
    ]
}

async fn app() -> App {
    App::with(Server::settings().with("PARLOUR__REALTIME__CONNECT_TIMEOUT_MS", "1500")).await
}

/// Fails on a build that looks only once whether a namespace was joined, seen.
#[tokio::test]
async fn a_websocket_without_a_namespace_is_closed() {
    let app = app().await;
    let ada = app.user("ada").await;
    let watch = async |what: &'static str, packets: Vec<(String, &'static str)>| {
        let mut socket = WebSocket::engine(app.site.addr()).await;
        for (packet, answer) in packets {
            socket.writer.text(&packet).await;
            if !answer.is_empty() {
                socket.reader.next_starting(answer).await;
            }
        }
        socket.reader.until_closed(SOON, what).await;
    };
    futures_util::future::join_all(ways(&ada.token).into_iter().map(|(what, packets)| watch(what, packets))).await;
}

#[tokio::test]
async fn a_polling_session_without_a_namespace_is_closed() {
    let app = app().await;
    let ada = app.user("ada").await;
    for (what, packets) in ways(&ada.token) {
        let path = polling::open(&app.site).await.unwrap();
        for (packet, answer) in packets {
            assert_eq!(app.site.post(&path).body(packet).send().await.body, "ok", "{what}");
            let mut heard = String::new();
            while !heard.contains(answer) {
                heard.push_str(&app.site.get(&path).send().await.body);
            }
        }
        let is_over = async || app.site.get(&path).send().await.body == UNKNOWN_SESSION;
        eventually(SOON, what, is_over).await;
    }
}

/// Joins the namespace again. Fails on a build that passes over a CONNECT which comes at once.
async fn join_again(socket: &mut WebSocket, token: &str) {
    socket.writer.text(&format!("40{}", json!({"token": token}))).await;
    socket.reader.next_starting("40").await;
}

/// Who comes back to the namespace in time stays; who leaves it again does not. Fails on a build that looks once.
#[tokio::test]
async fn a_transport_that_has_a_namespace_again_stays() {
    let app = app().await;
    let ada = app.user("ada").await;
    let mut socket = WebSocket::namespace(app.site.addr(), &ada.token).await;
    socket.writer.text("41").await;
    join_again(&mut socket, &ada.token).await;
    // longer than the connect timeout, in pieces that show that it is there
    for number in 0..10 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        socket.writer.text(&format!(r#"42{number}["ping",1]"#)).await;
        socket.reader.next_starting(&format!("43{number}")).await;
    }
    socket.writer.text("41").await;
    socket.reader.until_closed(SOON, "the end after the second leave").await;
}

/// The value of a metric without labels.
async fn gauge(app: &App, name: &str) -> f64 {
    let metrics = app.site.get("/metrics").send().await.body;
    assert!(metrics.contains(&format!("# HELP {name} ")), "{metrics}");
    assert!(metrics.contains(&format!("# TYPE {name} gauge")), "{metrics}");
    let line = metrics.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
}

#[tokio::test]
async fn a_gauge_counts_transports_without_a_namespace() {
    const NAME: &str = "parlour_transports_without_namespace";
    let app = App::start().await;
    let ada = app.user("ada").await;
    assert!(gauge(&app, NAME).await.abs() < 0.1);
    let is = async |count: f64| {
        let holds = async || (gauge(&app, NAME).await - count).abs() < 0.1;
        eventually(SOON, &format!("{count} transports"), holds).await;
    };
    let bare = WebSocket::engine(app.site.addr()).await;
    let path = polling::open(&app.site).await.unwrap();
    is(2.0).await;
    let mut joined = WebSocket::namespace(app.site.addr(), &ada.token).await;
    app.site.post(&path).body(format!("40{}", json!({"token": ada.token}))).send().await;
    is(1.0).await;
    joined.writer.text("41").await;
    is(2.0).await;
    join_again(&mut joined, &ada.token).await;
    is(1.0).await;
    drop(bare);
    is(0.0).await;
    drop(joined);
    app.site.post(&path).body("41").send().await;
    is(1.0).await;
    app.site.post(&path).body("1").send().await;
    is(0.0).await;
}

/// Who leaves the namespace and stays has not made room: a user has as many transports as sockets. Fails on a build that counts
/// sockets of the namespace only: there were 400 idle ones.
#[tokio::test]
async fn leaving_the_namespace_makes_no_room_for_more() {
    let app = App::with_limits().await;
    let ada = app.user("ada").await;
    let mut sockets = Vec::new();
    for _ in 0..14 {
        let mut socket = WebSocket::namespace(app.site.addr(), &ada.token).await;
        socket.writer.text("41").await;
        socket.writer.text("3").await;
        sockets.push(socket);
    }
    // the first ones end long before the connect timeout
    for socket in &mut sockets[..4] {
        socket.reader.until_closed(Duration::from_secs(5), "a transport too many").await;
    }
}
