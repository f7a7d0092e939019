//! Engine.IO over long polling, for the same [`Socket`](super::Socket).

use std::{collections::VecDeque, sync::Arc};

use reqwest::StatusCode;
use serde_json::Value;
use tokio::{sync::mpsc, task::JoinHandle};

use super::{
    SOON,
    incoming::Incoming,
    rest::{Reply, Site},
    socket::{Outbox, Outgoing, Refusal},
    text, within,
};

/// Where a polling session starts.
pub(crate) const PATH: &str = "/socket.io/?EIO=4&transport=polling";

/// Separates packets in one body.
pub(crate) const SEPARATOR: char = '\x1e';

/// Packets that python-engineio takes in one answer.
const PACKETS: usize = 16;

/// Opens a session, and gives its path.
pub(crate) async fn open(site: &Site) -> Result<String, Refusal> {
    let reply = site.get(PATH).send().await;
    if reply.status != StatusCode::OK {
        return Err(Refusal(format!("HTTP {}", reply.status.as_u16())));
    }
    let open: Value = serde_json::from_str(reply.body.trim_start_matches('0')).expect("an open packet");
    Ok(format!("{PATH}&sid={}", text(&open, "sid")))
}

/// A polling session in the test's own hands: nothing is asked or answered but by the test.
pub(crate) struct Poller {
    pub(crate) site: Site,
    pub(crate) path: String,
    kept: VecDeque<String>,
}

impl Poller {
    /// A session that has joined nothing.
    pub(crate) async fn engine(site: &Site) -> Self {
        let path = open(site).await.expect("a session");
        Self { site: site.clone(), path, kept: VecDeque::new() }
    }

    /// A session that has joined the namespace and heard `connected`.
    pub(crate) async fn namespace(site: &Site, token: &str) -> Self {
        let mut poller = Self::engine(site).await;
        poller.post(&format!(r#"40{{"token":"{token}"}}"#)).await;
        poller.next_starting(r#"42["connected""#).await;
        poller
    }

    /// Where its WebSocket begins.
    pub(crate) fn upgrade_path(&self) -> String {
        self.path.replace("transport=polling", "transport=websocket")
    }

    /// Sends packets, which must be taken.
    pub(crate) async fn post(&self, packets: &str) {
        let reply = self.try_post(packets).await;
        assert_eq!((reply.status.as_u16(), reply.body.as_str()), (200, "ok"), "{packets}: {reply}");
    }

    pub(crate) async fn try_post(&self, packets: &str) -> Reply {
        self.site.post(&self.path).body(packets.to_owned()).send().await
    }

    pub(crate) async fn poll(&self) -> Reply {
        self.site.get(&self.path).send().await
    }

    /// A poll that somebody else waits for.
    pub(crate) fn poll_meanwhile(&self) -> JoinHandle<Reply> {
        let request = self.site.get(&self.path);
        tokio::spawn(request.send())
    }

    /// The next packet; pings and what only ends a poll are passed over.
    pub(crate) async fn next(&mut self) -> String {
        loop {
            if let Some(packet) = self.kept.pop_front() {
                match packet.as_str() {
                    "2" => self.post("3").await,
                    "6" => {}
                    _ => return packet,
                }
            } else {
                let reply = self.poll().await;
                assert_eq!(reply.status.as_u16(), 200, "{reply}");
                self.kept.extend(reply.body.split(SEPARATOR).map(str::to_owned));
            }
        }
    }

    /// The next packet that begins so; others are passed over.
    pub(crate) async fn next_starting(&mut self, prefix: &str) -> String {
        within(SOON, prefix, async {
            loop {
                let packet = self.next().await;
                if packet.starts_with(prefix) {
                    return packet;
                }
            }
        })
        .await
    }
}

/// Runs a polling session: one task polls, one posts.
pub(crate) async fn carry(
    site: &Site,
    incoming: Arc<Incoming>,
    outbox: Outbox,
    mut outgoing: mpsc::UnboundedReceiver<Outgoing>,
) -> Result<Vec<JoinHandle<()>>, Refusal> {
    let path = open(site).await?;
    let (polled, posted) = (site.clone(), site.clone());
    let (poll_path, post_path) = (path.clone(), path);
    let poll = tokio::spawn(async move {
        // The server holds a poll for up to its ping interval; the test that waits has a deadline of its own.
        'session: while let Ok(reply) = polled.get(&poll_path).try_send_in_time().await {
            if reply.status != StatusCode::OK {
                break;
            }
            if reply.body.split(SEPARATOR).count() > PACKETS {
                return incoming.end("an answer had more packets than some clients take");
            }
            for packet in reply.body.split(SEPARATOR) {
                if !incoming.packet(packet, &outbox) {
                    break 'session;
                }
            }
        }
        incoming.end("the session ended");
    });
    let polling = poll.abort_handle();
    let post = tokio::spawn(async move {
        while let Some(first) = outgoing.recv().await {
            let mut body = String::new();
            let mut next = Some(first);
            while let Some(out) = next {
                match out {
                    Outgoing::Packet(packet) => {
                        if !body.is_empty() {
                            body.push(SEPARATOR);
                        }
                        body.push_str(&packet);
                    }
                    Outgoing::Cut(..) | Outgoing::StopReading => polling.abort(),
                }
                // a body stays well below the server's limit for one request
                next = if body.len() < 32 * 1024 { outgoing.try_recv().ok() } else { None };
            }
            if !matches!(posted.post(&post_path).body(body).try_send().await, Ok(reply) if reply.status == StatusCode::OK)
            {
                break;
            }
        }
    });
    Ok(vec![poll, post])
}
