//! What a client's WebSocket brings, on its way to the library: passed on as it is, but for the messages that the library
//! would take wrong.
//!
//! Almost all that arrives is looked at where it lies. Only a message whose beginning is not there yet, that came in
//! fragments, or that must be written anew ([`text`]) is held until it is whole.

use tungstenite::protocol::frame::coding::CloseCode;

use super::{
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
    held: Vec<u8>,
    /// How much of it must be there before it is looked at again, which begins anew each time.
    look_at: usize,
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
        if self.held.is_empty() {
            while at < bytes.len() {
                match self.step(&bytes[at..]) {
                    Step::Pass(passed) => at += passed,
                    Step::Replace(replaced, by) => {
                        self.ready.extend_from_slice(&by);
                        self.hold(&bytes[at + replaced..]);
                        return at;
                    }
                    Step::Wait => {
                        self.held.extend_from_slice(&bytes[at..]);
                        return at;
                    }
                }
            }
            return at;
        }
        self.hold(bytes);
        0
    }

    /// Takes bytes that come after what is held.
    fn hold(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
        if self.held.len() < self.look_at {
            return;
        }
        self.look_at = 0;
        let mut held = std::mem::take(&mut self.held);
        let mut at = 0;
        while at < held.len() {
            match self.step(&held[at..]) {
                Step::Pass(passed) => {
                    self.ready.extend_from_slice(&held[at..at + passed]);
                    at += passed;
                }
                Step::Replace(replaced, by) => {
                    self.ready.extend_from_slice(&by);
                    at += replaced;
                }
                Step::Wait => break,
            }
        }
        held.drain(..at);
        self.held = held;
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
                self.look_at = whole.min(2 * there);
                Step::Wait
            }
            Verdict::Rewrite if !is_whole => {
                self.look_at = whole;
                Step::Wait
            }
            Verdict::Rewrite => match head.payload(bytes) {
                Some(payload) => Step::Replace(there, self.rewritten(payload)),
                None => Step::Wait,
            },
            verdict => {
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
mod tests {
    use super::*;

    const LIMIT: usize = 128 * 1024;

    /// A frame as a client masks it.
    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = frame::build(first & 0x0f, payload, true);
        bytes[0] = first;
        let head = Head::parse(&bytes).unwrap();
        let mask = [0x37, 0xfa, 0x21, 0x3d];
        bytes[head.size - 4..head.size].copy_from_slice(&mask);
        bytes[head.size..].iter_mut().zip(mask.into_iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
        bytes
    }

    /// What is read of bytes that arrive `step` at a time.
    fn through(bytes: &[u8], step: usize) -> (Inbound, Vec<u8>) {
        let mut inbound = Inbound::new(LIMIT);
        let mut read = Vec::new();
        for piece in bytes.chunks(step) {
            let passed = inbound.take(piece);
            read.extend_from_slice(&piece[..passed]);
            read.append(inbound.ready());
        }
        (inbound, read)
    }

    fn messages(mut bytes: &[u8]) -> Vec<(u8, String)> {
        let mut messages = Vec::new();
        while let Some(head) = Head::parse(bytes) {
            let payload = head.payload(bytes).expect("whole frames");
            bytes = &bytes[usize::try_from(head.total()).unwrap()..];
            messages.push((head.opcode, String::from_utf8_lossy(&payload).into_owned()));
        }
        assert!(bytes.is_empty());
        messages
    }

    #[test]
    fn plain_messages_pass_as_they_are() {
        let long = format!(r#"421["ping","{}"]"#, "x".repeat(70_000));
        let mut bytes = Vec::new();
        for message in ["2probe", "3", r#"40{"token":"\u00e9"}"#, &long, r#"42["ping","say \"hi\""]"#] {
            bytes.append(&mut masked(0x81, message.as_bytes()));
        }
        bytes.append(&mut masked(0x81, br#"451-["ping",{"_placeholder":true,"num":0}]"#));
        bytes.append(&mut masked(0x89, b"ping"));
        bytes.append(&mut masked(0x02, b"some"));
        bytes.append(&mut masked(0x80, b"thing"));
        for step in [1, 2, 3, 7, 100, 4096, usize::MAX] {
            let (inbound, read) = through(&bytes, step);
            assert!(read == bytes, "{step} bytes at a time");
            assert_eq!(inbound.fault(), None, "{step} bytes at a time");
        }
    }

    #[test]
    fn odd_messages_and_fragments_are_written_anew_in_their_place() {
        let mut bytes = masked(0x81, br#"421["ping",1]"#);
        bytes.append(&mut masked(0x81, br#"422 ["ping",2]"#));
        bytes.append(&mut masked(0x81, br#"423["ping",3]"#));
        bytes.append(&mut masked(0x01, br#"424 [""#));
        bytes.append(&mut masked(0x89, b"between"));
        bytes.append(&mut masked(0x80, br#"ping",4]"#));
        bytes.append(&mut masked(0x81, br#"425["ping",5]"#));
        for step in [1, 2, 3, 7, 100, usize::MAX] {
            let (inbound, read) = through(&bytes, step);
            let read = messages(&read);
            let texts: Vec<_> = read.iter().filter(|(opcode, _)| *opcode == frame::TEXT).collect();
            let expected: Vec<_> = (1..=5).map(|n| (frame::TEXT, format!(r#"42{n}["ping",{n}]"#))).collect();
            assert_eq!(texts, expected.iter().collect::<Vec<_>>(), "{step} bytes at a time");
            assert!(read.contains(&(frame::PING, "between".to_owned())));
            assert_eq!(inbound.fault(), None, "{step} bytes at a time");
        }
    }

    /// Fails on a build that reads what is there from its start for each byte that arrives: that takes minutes.
    #[test]
    fn a_long_name_that_arrives_byte_by_byte_costs_little() {
        let name = masked(0x81, format!(r#"42["{}"]"#, "n".repeat(120_000)).as_bytes());
        let odd = masked(0x81, format!(r#"42 ["{}"]"#, "o".repeat(120_000)).as_bytes());
        let begin = std::time::Instant::now();
        let (inbound, read) = through(&[name, odd].concat(), 1);
        assert!(begin.elapsed() < std::time::Duration::from_secs(20), "{:?}", begin.elapsed());
        assert_eq!((inbound.fault(), messages(&read).len()), (None, 2));
    }

    #[test]
    fn what_ends_a_session_is_known_by_its_code() {
        let unmasked = frame::build(frame::TEXT, b"2", false);
        let halves = [masked(0x01, &[b'4'; 100_000]), masked(0x80, &[b'4'; 100_000])].concat();
        let binaries = [masked(0x02, &[0; 100_000]), masked(0x80, &[0; 100_000])].concat();
        for (what, bytes, fault) in [
            ("a reserved bit", masked(0xc1, b"2"), CloseCode::Protocol),
            ("no mask", unmasked, CloseCode::Protocol),
            ("an unknown opcode", masked(0x83, b"2"), CloseCode::Protocol),
            ("a continuation of nothing", masked(0x80, b"2"), CloseCode::Protocol),
            ("a long ping", masked(0x89, &[b'p'; 126]), CloseCode::Protocol),
            ("a large text", masked(0x81, &[b'4'; LIMIT + 1]), CloseCode::Size),
            ("large fragments", halves, CloseCode::Size),
            ("large binary fragments", binaries, CloseCode::Size),
            ("no packet", masked(0x81, b"9"), CloseCode::Policy),
            ("no list", masked(0x81, b"42{}"), CloseCode::Policy),
            ("bytes that nothing announced", masked(0x82, b"bytes"), CloseCode::Policy),
            ("another namespace", masked(0x81, br#"42/admin,1["ping"]"#), CloseCode::Policy),
        ] {
            for step in [1, 1000, usize::MAX] {
                assert_eq!(through(&bytes, step).0.fault(), Some(fault), "{what}, {step} bytes at a time");
            }
        }
    }
}
