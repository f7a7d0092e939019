//! Engine.IO over long polling, for the same [`Socket`](super::Socket).

use std::sync::Arc;

use reqwest::StatusCode;
use serde_json::Value;
use tokio::{sync::mpsc, task::JoinHandle};

use super::{
    incoming::Incoming,
    rest::Site,
    socket::{Outbox, Outgoing, Refusal},
    text,
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
        'session: while let Ok(reply) = polled.get(&poll_path).try_send_patiently().await {
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
