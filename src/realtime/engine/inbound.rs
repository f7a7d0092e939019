//! What a client's WebSocket brings, on its way to the library: passed on as it is, but for the messages that the library
//! would take wrong.
//!
//! Almost all that arrives is looked at where it lies. Only a message whose beginning is not there yet, that came in
//! fragments, or that must be written anew ([`text`]) is buffered until it is whole.

use tungstenite::protocol::frame::coding::CloseCode;

use super::{
    connects::is_connect,
    frame::{self, Head},
    text::{self, Verdict},
};

/// The head of a frame that no limit allows.
const TOO_LARGE: [u8; 14] = [0x81, 0xff, 0, 0, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// Follows the frames of one client.
#[derive(Debug, Default)]
pub(super) struct Inbound {
    /// Bytes of one message.
    limit: usize,
    /// What waits to be read before all else.
    ready: Vec<u8>,
    /// The beginning of a frame of which more must arrive.
    buffered: Vec<u8>,
    /// How much of it must be there before it is looked at again, which begins anew each time.
    check_at: usize,
    /// Bytes of the present frame that are passed on without being looked at.
    left: u64,
    /// A text that arrives in fragments, unmasked.
    text: Option<Vec<u8>>,
    /// The size so far of binary data that arrives in fragments.
    binary: Option<u64>,
    /// Binary messages that must follow.
    attachments: usize,
    /// Nothing is looked at any more: the library ends the session over what came.
    is_broken: bool,
    /// Why the session will end, where that is known.
    fault: Option<CloseCode>,
    /// Whether the client has said that it goes.
    is_leaving: bool,
    /// The last packet that was passed on is a CONNECT: what follows is buffered until it goes on.
    connect: Option<String>,
}

/// What is to be done with the beginning of some bytes.
enum Step {
    /// So many are passed on.
    Pass(usize),
    /// So many are replaced by these.
    Replace(usize, Vec<u8>),
    /// More must arrive.
    Wait,
}

impl Inbound {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Puts a packet before what the client sends.
    pub(super) fn insert(&mut self, packet: &str) {
        self.ready.extend_from_slice(&frame::build(frame::TEXT, packet.as_bytes(), true));
    }

    /// Whether a packet can be put in: not in the middle of a frame.
    pub(super) fn is_between_frames(&self) -> bool {
        self.left == 0 && !self.is_broken
    }

    /// The CONNECT that was passed on, and after which nothing is.
    pub(super) fn connect(&self) -> Option<&str> {
        self.connect.as_deref().filter(|_| self.left == 0)
    }

    /// What was buffered since a CONNECT may follow it.
    pub(super) fn go_on(&mut self) {
        self.connect = None;
        self.buffer(&[]);
    }

    /// What waits to be read.
    pub(super) fn ready(&mut self) -> &mut Vec<u8> {
        &mut self.ready
    }

    pub(super) fn fault(&self) -> Option<CloseCode> {
        self.fault
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.is_leaving
    }

    /// Takes bytes that arrived; so many from their start are passed on, the others are kept here.
    pub(super) fn take(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        if self.buffered.is_empty() && self.connect().is_none() {
            while at < bytes.len() {
                if self.connect().is_some() {
                    self.buffered.extend_from_slice(&bytes[at..]);
                    return at;
                }
                match self.step(&bytes[at..]) {
                    Step::Pass(passed) => at += passed,
                    Step::Replace(replaced, by) => {
                        self.ready.extend_from_slice(&by);
                        self.buffer(&bytes[at + replaced..]);
                        return at;
                    }
                    Step::Wait => {
                        self.buffered.extend_from_slice(&bytes[at..]);
                        return at;
                    }
                }
            }
            return at;
        }
        self.buffer(bytes);
        0
    }

    /// Takes bytes that come after what is buffered.
    fn buffer(&mut self, bytes: &[u8]) {
        self.buffered.extend_from_slice(bytes);
        if self.buffered.len() < self.check_at || self.connect().is_some() {
            return;
        }
        self.check_at = 0;
        let mut buffered = std::mem::take(&mut self.buffered);
        let mut at = 0;
        while at < buffered.len() && self.connect().is_none() {
            match self.step(&buffered[at..]) {
                Step::Pass(passed) => {
                    self.ready.extend_from_slice(&buffered[at..at + passed]);
                    at += passed;
                }
                Step::Replace(replaced, by) => {
                    self.ready.extend_from_slice(&by);
                    at += replaced;
                }
                Step::Wait => break,
            }
        }
        buffered.drain(..at);
        self.buffered = buffered;
    }

    fn step(&mut self, bytes: &[u8]) -> Step {
        if self.is_broken {
            return Step::Pass(bytes.len());
        }
        if self.left > 0 {
            let passed = usize::try_from(self.left).map_or(bytes.len(), |left| left.min(bytes.len()));
            self.left -= passed as u64;
            return Step::Pass(passed);
        }
        let Some(head) = Head::parse(bytes) else { return Step::Wait };
        if let Some(fault) = self.fault_of(&head) {
            return self.give_up(fault, bytes.len());
        }
        match head.opcode {
            frame::TEXT if head.is_final => self.text(&head, bytes),
            frame::TEXT => self.fragment(&head, bytes),
            frame::CONTINUATION if self.text.is_some() => self.fragment(&head, bytes),
            frame::BINARY | frame::CONTINUATION => {
                let size = self.binary.unwrap_or(0).saturating_add(head.length);
                if size > self.limit as u64 {
                    return self.give_up(CloseCode::Size, bytes.len());
                }
                self.binary = (!head.is_final).then_some(size);
                if head.is_final {
                    self.expect_binary();
                }
                self.pass(&head, bytes)
            }
            frame::CLOSE => {
                self.is_leaving = true;
                self.pass(&head, bytes)
            }
            _ => self.pass(&head, bytes),
        }
    }

    /// What is wrong with a frame.
    fn fault_of(&self, head: &Head) -> Option<CloseCode> {
        let is_in_message = self.text.is_some() || self.binary.is_some();
        let fits = match head.opcode {
            frame::CONTINUATION => is_in_message,
            frame::TEXT | frame::BINARY => !is_in_message,
            frame::CLOSE | frame::PING | frame::PONG => head.is_final && head.length < 126,
            _ => false,
        };
        if head.reserved != 0 || head.mask.is_none() || !fits {
            return Some(CloseCode::Protocol);
        }
        (head.length > self.limit as u64).then_some(CloseCode::Size)
    }

    fn give_up(&mut self, fault: CloseCode, bytes: usize) -> Step {
        self.fault = Some(fault);
        self.is_broken = true;
        match fault {
            // The library takes a little more, so that a packet may grow.
            CloseCode::Size => Step::Replace(bytes, TOO_LARGE.to_vec()),
            _ => Step::Pass(bytes),
        }
    }

    fn pass(&mut self, head: &Head, bytes: &[u8]) -> Step {
        let passed = usize::try_from(head.total()).map_or(bytes.len(), |total| total.min(bytes.len()));
        self.left = head.total() - passed as u64;
        Step::Pass(passed)
    }

    fn expect_binary(&mut self) {
        match self.attachments.checked_sub(1) {
            Some(attachments) => self.attachments = attachments,
            None => self.fault = Some(CloseCode::Policy),
        }
    }

    /// A text in one frame.
    fn text(&mut self, head: &Head, bytes: &[u8]) -> Step {
        let whole = usize::try_from(head.total()).unwrap_or(usize::MAX);
        let there = whole.min(bytes.len());
        let is_whole = there == whole;
        match text::judge(head.unmasked(&bytes[head.size..there]), is_whole) {
            Verdict::More => {
                self.check_at = whole.min(2 * there);
                Step::Wait
            }
            Verdict::Rewrite if !is_whole => {
                self.check_at = whole;
                Step::Wait
            }
            Verdict::Rewrite => match head.payload(bytes) {
                Some(payload) => Step::Replace(there, self.rewritten(payload)),
                None => Step::Wait,
            },
            verdict => {
                if is_connect(head.unmasked(&bytes[head.size..there])) {
                    // The library may have to be given it again.
                    let Some(payload) = head.payload(bytes) else {
                        self.check_at = whole;
                        return Step::Wait;
                    };
                    self.connect = String::from_utf8(payload).ok();
                }
                self.note(verdict, bytes.get(head.size).zip(head.mask).map(|(byte, [mask, ..])| byte ^ mask));
                self.pass(head, bytes)
            }
        }
    }

    /// A part of a text, which is put together here.
    fn fragment(&mut self, head: &Head, bytes: &[u8]) -> Step {
        let Some(payload) = head.payload(bytes) else { return Step::Wait };
        let mut text = self.text.take().unwrap_or_default();
        let consumed = head.size + payload.len();
        text.extend_from_slice(&payload);
        if text.len() > self.limit {
            return self.give_up(CloseCode::Size, bytes.len());
        }
        if !head.is_final {
            self.text = Some(text);
            return Step::Replace(consumed, Vec::new());
        }
        let whole = match text::judge(text.iter().copied(), true) {
            Verdict::Rewrite => self.rewritten(text),
            verdict => {
                if is_connect(text.iter().copied()) {
                    self.connect = std::str::from_utf8(&text).map(str::to_owned).ok();
                }
                self.note(verdict, text.first().copied());
                frame::build(frame::TEXT, &text, true)
            }
        };
        Step::Replace(consumed, whole)
    }

    fn rewritten(&mut self, payload: Vec<u8>) -> Vec<u8> {
        let packet = match String::from_utf8(payload) {
            Ok(packet) => text::rewrite(&packet),
            Err(error) => return frame::build(frame::TEXT, error.as_bytes(), true),
        };
        self.note(text::judge(packet.bytes(), true), Some(b'4'));
        frame::build(frame::TEXT, packet.as_bytes(), true)
    }

    /// Learns from a packet that is passed on.
    fn note(&mut self, verdict: Verdict, kind: Option<u8>) {
        match verdict {
            // A text between a packet and its attachments ends the session, but for the packets below Socket.IO.
            Verdict::Plain { attachments } if kind == Some(b'4') => {
                if self.attachments > 0 {
                    self.fault = Some(CloseCode::Policy);
                }
                self.attachments = attachments;
            }
            Verdict::Plain { .. } => self.is_leaving |= kind == Some(b'1'),
            Verdict::Bad | Verdict::Rewrite | Verdict::More => self.fault = Some(CloseCode::Policy),
        }
    }
}

#[cfg(test)]
mod tests;
