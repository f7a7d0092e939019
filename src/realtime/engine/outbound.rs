//! What the library writes to a client's WebSocket: passed on as it is, but for the few frames that are not as they should be.

use tungstenite::protocol::frame::coding::CloseCode;

use super::{
    frame::{self, Head},
    text,
};

/// Follows the frames to one client.
#[derive(Debug)]
pub(super) struct Outbound {
    /// What waits to be written before all else.
    pending: Vec<u8>,
    /// Bytes of the present frame that are still to come.
    left: u64,
    /// The library's answer to the probe of an upgrade, which the client has got already.
    skips_probe: bool,
    /// The library's first ping, which comes at once instead of after the interval.
    skips_ping: bool,
    /// Whether the library has said that it ends the session.
    is_closing: bool,
    /// Whether a close frame followed the socket's end: nothing does after that.
    is_closed: bool,
}

/// What is to be done with the beginning of what the library writes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Write {
    /// So many bytes are written as they are.
    Plain(usize),
    /// So many bytes are not written; the first ping is among them, and must be answered.
    Ping(usize),
    /// So many bytes are not written, perhaps others instead.
    Replaced(usize),
    /// So many bytes are a close frame without a code.
    Close(usize),
}

impl Outbound {
    /// Of a session that begins with this WebSocket.
    pub(super) fn fresh() -> Self {
        Self { pending: Vec::new(), left: 0, skips_probe: false, skips_ping: true, is_closing: false, is_closed: false }
    }

    /// Of a session that becomes a WebSocket.
    pub(super) fn upgraded() -> Self {
        Self { skips_probe: true, skips_ping: false, ..Self::fresh() }
    }

    /// What must be written first.
    pub(super) fn pending(&mut self) -> &mut Vec<u8> {
        &mut self.pending
    }

    /// Whether the first ping is still to come.
    pub(super) fn skips_ping(&self) -> bool {
        self.skips_ping
    }

    pub(super) fn is_closing(&self) -> bool {
        self.is_closing
    }

    /// Looks at what is to be written.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> Write {
        if self.is_closed {
            return Write::Replaced(bytes.len());
        }
        if self.left > 0 {
            return Write::Plain(usize::try_from(self.left).map_or(bytes.len(), |left| left.min(bytes.len())));
        }
        let mut at = 0;
        while let Some(rest) = bytes.get(at..)
            && let Some(head) = Head::parse(rest)
        {
            let total = usize::try_from(head.total()).unwrap_or(usize::MAX);
            // The library writes whole frames; of one that is not, nothing is changed.
            if let Some(frame) = rest.get(..total)
                && let Some(change) = self.change(&head, frame, at == 0)
            {
                return if at == 0 { change } else { Write::Plain(at) };
            }
            at = at.saturating_add(total);
        }
        Write::Plain(if at == 0 { bytes.len() } else { at.min(bytes.len()) })
    }

    /// What is to be done with a frame that must not be written as it is; it is done only if it is the first.
    fn change(&mut self, head: &Head, frame: &[u8], is_first: bool) -> Option<Write> {
        let payload = &frame[head.size..];
        let total = frame.len();
        match (head.opcode, payload) {
            (frame::TEXT, b"2") if self.skips_ping => {
                self.skips_ping = !is_first;
                Some(Write::Ping(total))
            }
            (frame::TEXT, b"3probe") if self.skips_probe => {
                self.skips_probe = !is_first;
                Some(Write::Replaced(total))
            }
            // python-socketio does not come back after an Engine.IO close packet, and Node's client does; Node's server ends a
            // WebSocket without one. A client that must not reconnect was informed by Socket.IO.
            (frame::TEXT, b"1") => {
                self.is_closing |= is_first;
                Some(Write::Replaced(total))
            }
            // The server ended the socket, which is all that the session is for. The library would wait for the client to go.
            (frame::TEXT, b"41") => {
                if is_first {
                    self.is_closed = true;
                    self.pending.extend_from_slice(frame);
                    let code = u16::from(CloseCode::Normal).to_be_bytes();
                    self.pending.extend_from_slice(&frame::build(frame::CLOSE, &code, false));
                }
                Some(Write::Replaced(total))
            }
            (frame::TEXT, payload) if text::may_be_ack(payload) => {
                let ack = std::str::from_utf8(payload).ok().and_then(text::ack)?;
                if is_first {
                    self.pending.extend_from_slice(&frame::build(frame::TEXT, ack.as_bytes(), false));
                }
                Some(Write::Replaced(total))
            }
            (frame::CLOSE, []) => Some(Write::Close(total)),
            _ => None,
        }
    }

    /// Notes that so many of `bytes` were written.
    pub(super) fn written(&mut self, mut bytes: &[u8], mut count: usize) {
        loop {
            let inside = usize::try_from(self.left).map_or(count, |left| left.min(count));
            self.left -= inside as u64;
            count -= inside;
            bytes = &bytes[inside..];
            if count == 0 {
                return;
            }
            self.left = Head::parse(bytes).map_or(count as u64, |head| head.total());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::realtime::engine::text::ENVELOPE;

    fn frames(texts: &[&str]) -> Vec<u8> {
        texts.iter().flat_map(|text| frame::build(frame::TEXT, text.as_bytes(), false)).collect()
    }

    /// What a client reads of what the library writes, when the connection takes `step` bytes at a time.
    fn through(mut outbound: Outbound, mut bytes: &[u8], step: usize) -> (Vec<u8>, usize) {
        let (mut read, mut pings) = (Vec::new(), 0);
        while !bytes.is_empty() {
            let skipped = match outbound.scan(bytes) {
                Write::Plain(plain) => {
                    let written = plain.min(step);
                    read.extend_from_slice(&bytes[..written]);
                    outbound.written(bytes, written);
                    written
                }
                Write::Ping(count) => {
                    pings += 1;
                    count
                }
                Write::Replaced(count) => {
                    read.append(outbound.pending());
                    count
                }
                Write::Close(count) => {
                    read.extend_from_slice(b"closed");
                    count
                }
            };
            bytes = &bytes[skipped..];
        }
        (read, pings)
    }

    #[test]
    fn only_what_must_be_is_changed() {
        let long = format!(r#"42["new_message","{}"]"#, "x".repeat(70_000));
        let envelope = ENVELOPE.as_str();
        let answer = format!(r#"42["{envelope}","18446744073709551616",{{"ok":true}}]"#);
        let mut written = frames(&["0{}", "2", &long, "2", &answer, "430[1]", "1"]);
        written.extend_from_slice(&[0x88, 0]);
        let mut expected = frames(&["0{}", &long, "2", r#"4318446744073709551616[{"ok":true}]"#, "430[1]"]);
        expected.extend_from_slice(b"closed");
        for step in [1, 7, 1000, usize::MAX] {
            assert_eq!(through(Outbound::fresh(), &written, step), (expected.clone(), 1), "{step} bytes at a time");
        }
    }

    #[test]
    fn an_upgraded_session_is_not_told_twice_of_its_probe() {
        let written = frames(&["3probe", "42[\"x\"]", "2"]);
        assert_eq!(through(Outbound::upgraded(), &written, 5), (frames(&["42[\"x\"]", "2"]), 0));
    }
}
