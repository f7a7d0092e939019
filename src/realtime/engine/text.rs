//! Socket.IO packets that the library takes for something else than they are, written so that it takes them right.
//!
//! It reads the name of an event only where that needs no unescaping, an ack's number only where it fits 63 bits and its
//! list follows at once, and passes over what is for a namespace that nobody joined. An event with such a name or number
//! becomes one under a name that nobody can guess, with the number and the whole list as its arguments; its answer comes
//! under the same name, and becomes the ack on its way out.

use std::sync::LazyLock;

use rand::distr::{Alphanumeric, SampleString};

use crate::realtime::ATTACHMENTS;

/// Digits of the longest number that an ack may have.
const ID_DIGITS: usize = 64;

/// Digits that always fit the library's number.
const SAFE_DIGITS: usize = 18;

/// The name of events that carry another, of this process.
pub(in crate::realtime) static ENVELOPE: LazyLock<String> =
    LazyLock::new(|| Alphanumeric.sample_string(&mut rand::rng(), 16));

/// How the list of a carried event begins, and that of its answer: `["<envelope>","`.
static OPENING: LazyLock<String> = LazyLock::new(|| format!(r#"["{}",""#, *ENVELOPE));

/// What no session survives.
const BAD_PACKET: &str = "4x";

/// What is to be done with a packet from a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The library takes it right; binary packets that must follow.
    Plain { attachments: usize },
    /// The library ends the session over it.
    Bad,
    /// It must be written anew ([`rewrite`]).
    Rewrite,
    /// More of it must be seen.
    More,
}

/// Reads no further into an Engine.IO packet than is needed.
pub(super) fn judge(packet: impl Iterator<Item = u8>, is_whole: bool) -> Verdict {
    match PacketReader(packet).packet() {
        Some(verdict) => verdict,
        None if is_whole => Verdict::Bad,
        None => Verdict::More,
    }
}

struct PacketReader<I>(I);

impl<I: Iterator<Item = u8>> PacketReader<I> {
    /// `None` where the bytes end too early.
    fn packet(&mut self) -> Option<Verdict> {
        const PLAIN: Verdict = Verdict::Plain { attachments: 0 };
        match self.0.next()? {
            b'1' | b'2' | b'3' => return Some(PLAIN),
            b'4' => {}
            _ => return Some(Verdict::Bad),
        }
        let (has_attachments, is_event) = match self.0.next()? {
            b'0' | b'1' => return Some(PLAIN),
            b'2' => (false, true),
            b'3' => (false, false),
            b'5' => (true, true),
            b'6' => (true, false),
            _ => return Some(Verdict::Bad),
        };
        let attachments = if has_attachments {
            match self.attachments()? {
                Some(attachments) => attachments,
                None => return Some(Verdict::Bad),
            }
        } else {
            0
        };
        let mut next = self.0.next()?;
        if next == b'/' {
            // Nobody is in a namespace of another name, and what is sent there without having joined is a fault.
            next = self.0.next()?;
            if next != b',' {
                return Some(Verdict::Rewrite);
            }
            next = self.0.next()?;
        }
        if !is_event {
            return Some(Verdict::Plain { attachments });
        }
        let (mut digits, mut is_odd) = (0, false);
        while next != b'[' {
            match next {
                b'0' if digits == 0 => {}
                b'0'..=b'9' => digits += 1,
                next if is_space(next) => is_odd = true,
                _ => return Some(Verdict::Bad),
            }
            next = self.0.next()?;
        }
        if is_odd || digits > SAFE_DIGITS {
            return Some(Verdict::Rewrite);
        }
        let has_escape = self.name()?;
        Some(match has_escape {
            Some(true) => Verdict::Rewrite,
            Some(false) => Verdict::Plain { attachments },
            None => Verdict::Bad,
        })
    }

    /// The number of attachments; inside, `None` where it is none.
    fn attachments(&mut self) -> Option<Option<usize>> {
        let mut number: Option<usize> = None;
        loop {
            match self.0.next()? {
                b'-' => return Some(number),
                digit @ b'0'..=b'9' => {
                    let more = number.unwrap_or(0) * 10 + usize::from(digit - b'0');
                    if more > ATTACHMENTS {
                        return Some(None);
                    }
                    number = Some(more);
                }
                _ => return Some(None),
            }
        }
    }

    /// Whether the name, the first of the list, has an escape; inside, `None` where there is no name.
    fn name(&mut self) -> Option<Option<bool>> {
        let mut next = self.0.next()?;
        while is_space(next) {
            next = self.0.next()?;
        }
        if next != b'"' {
            return Some(None);
        }
        loop {
            match self.0.next()? {
                b'"' => return Some(Some(false)),
                b'\\' => return Some(Some(true)),
                0..0x20 => return Some(None),
                _ => {}
            }
        }
    }
}

/// White space: JSON skips it, and `Number(' ')` is 0.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Writes a packet anew for which the verdict was to do so.
pub(super) fn rewrite(packet: &str) -> String {
    try_rewrite(packet).unwrap_or_else(|| BAD_PACKET.to_owned())
}

fn try_rewrite(packet: &str) -> Option<String> {
    let (kind, rest) =
        if packet.starts_with("45") { packet.split_at(packet.find('-')? + 1) } else { packet.split_at_checked(2)? };
    let rest = rest.strip_prefix("/,").unwrap_or(rest);
    let (number, list) = rest.split_at(rest.find('[')?);
    let id = number_of(number)?;
    let has_escape = PacketReader(list.bytes().skip(1)).name().flatten()?;
    let is_far = id.is_some_and(|id| id.len() > SAFE_DIGITS);
    let near = id.filter(|_| !is_far).unwrap_or_default();
    if !is_far && !has_escape {
        return Some(format!("{kind}{near}{list}"));
    }
    let far = id.filter(|_| is_far).unwrap_or_default();
    Some(format!(r#"{kind}{near}{}{far}",{list}]"#, *OPENING))
}

/// The number of an ack without leading zeros. Node's server reads it with `Number`, for which a space alone is 0.
fn number_of(number: &str) -> Option<Option<&str>> {
    if number.is_empty() {
        return Some(None);
    }
    let digits = number.trim_matches(|c: char| c.is_ascii_whitespace());
    let significant = digits.trim_start_matches('0');
    let is_number = significant.bytes().all(|byte| byte.is_ascii_digit()) && significant.len() <= ID_DIGITS;
    is_number.then_some(Some(if significant.is_empty() { "0" } else { significant }))
}

/// What an event carries: the number of its ack where the library can't, and the list as it came.
pub(in crate::realtime) fn carried(list: &str) -> Option<(&str, std::ops::Range<usize>)> {
    let (far, rest) = list.strip_prefix(OPENING.as_str())?.split_once("\",")?;
    let start = list.len() - rest.len();
    Some((far, start..list.len() - 1))
}

/// The ack that an answer stands for: `42["<envelope>","<number>",…]` is `43<number>[…]`.
pub(super) fn ack(packet: &str) -> Option<String> {
    let (kind, list) = match packet.as_bytes() {
        [b'4', b'2', b'[', ..] => ("43".to_owned(), &packet[2..]),
        [b'4', b'5', ..] => {
            let (attachments, list) = packet[2..].split_once('-')?;
            (format!("46{attachments}-"), list)
        }
        _ => return None,
    };
    let (number, rest) = list.strip_prefix(OPENING.as_str())?.split_once("\",")?;
    Some(format!("{kind}{number}[{rest}"))
}

/// Whether a packet to a client may be such an answer.
pub(super) fn may_be_ack(packet: &[u8]) -> bool {
    let list = match packet {
        [b'4', b'2', list @ ..] => list,
        [b'4', b'5', rest @ ..] => {
            let dash = rest.iter().take(4).position(|byte| *byte == b'-');
            dash.map_or(&[][..], |dash| &rest[dash + 1..])
        }
        _ => return false,
    };
    list.starts_with(OPENING.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(packet: &str) -> Verdict {
        let verdict = judge(packet.bytes(), true);
        // However little of it is there at first, it comes to the same.
        for end in 0..packet.len() {
            let early = judge(packet.bytes().take(end), false);
            assert!(early == Verdict::More || early == verdict, "{packet:?} after {end} bytes: {early:?}");
        }
        verdict
    }

    #[test]
    fn what_the_library_takes_right_is_left_alone() {
        for packet in [
            "1",
            "2",
            "3",
            "40",
            r#"40{"token":"a\"b"}"#,
            "41",
            r#"42["ping"]"#,
            r#"42["ping","\""]"#,
            r#"421["ping",{"a":1}]"#,
            r#"42/,1["ping"]"#,
            r#"42007["ping"]"#,
            r#"42999999999999999["größe"]"#,
            r#"420000000000000000000000007["ping"]"#,
            "430[]",
            r#"42[ "ping" , 1 ] "#,
            "40/admin,",
        ] {
            assert_eq!(of(packet), Verdict::Plain { attachments: 0 }, "{packet}");
        }
        assert_eq!(of(r#"452-7["ping",{"_placeholder":true,"num":0}]"#), Verdict::Plain { attachments: 2 });
    }

    #[test]
    fn what_ends_a_session_is_known_as_such() {
        for packet in [
            "",
            "0",
            "5",
            "6",
            "9",
            "bAQID",
            "4",
            "4x",
            "47",
            "42",
            "42{}",
            "42[",
            "42[1]",
            "42abc[\"x\"]",
            "45-[\"x\"]",
            "4511-[\"x\"]",
            "4599999999999999999999999-[\"x\"]",
            "42[\"a\u{1}b\"]",
            "421 x[\"ping\"]",
        ] {
            assert_eq!(of(packet), Verdict::Bad, "{packet:?}");
        }
    }

    #[test]
    fn an_odd_packet_is_written_anew() {
        let opening = OPENING.as_str();
        for (packet, expected) in [
            (r#"421 ["ping",1]"#, r#"421["ping",1]"#.to_owned()),
            (r#"42 ["ping",1]"#, r#"420["ping",1]"#.to_owned()),
            (r#"42 1["ping",1]"#, r#"421["ping",1]"#.to_owned()),
            ("42\t\r\n7 \n[\"ping\"]", r#"427["ping"]"#.to_owned()),
            (r#"42/,1 ["ping",1]"#, r#"421["ping",1]"#.to_owned()),
            (r#"421 2["ping",1]"#, BAD_PACKET.to_owned()),
            (r#"42/admin,1["ping",1]"#, BAD_PACKET.to_owned()),
            (r#"429223372036854775808["ping",1]"#, format!(r#"42{opening}9223372036854775808",["ping",1]]"#)),
            (r#"421["say \"hi\"",1]"#, format!(r#"421{opening}",["say \"hi\"",1]]"#)),
            (r#"42["\u00e9"]"#, format!(r#"42{opening}",["\u00e9"]]"#)),
            (
                r#"451-1 ["p\u0069ng",{"_placeholder":true,"num":0}]"#,
                format!(r#"451-1{opening}",["p\u0069ng",{{"_placeholder":true,"num":0}}]]"#),
            ),
        ] {
            assert_eq!(of(packet), Verdict::Rewrite, "{packet}");
            assert_eq!(rewrite(packet), expected, "{packet}");
        }
        assert_eq!(rewrite(&format!("42{}[\"ping\"]", "9".repeat(65))), BAD_PACKET);
    }

    #[test]
    fn a_carried_event_comes_out_as_it_went_in() {
        let list = r#"["say \"hi\"",{"a":[1,"]"]}] "#;
        let packet = rewrite(&format!("4218446744073709551616{list}"));
        let (far, range) = carried(&packet[2..]).unwrap();
        assert_eq!((far, &packet[2..][range]), ("18446744073709551616", list));
        assert_eq!(carried(list), None);
    }

    #[test]
    fn an_answer_becomes_the_ack_that_it_stands_for() {
        let opening = OPENING.as_str();
        for (answer, expected) in [
            (format!(r#"42{opening}18446744073709551616",{{"ok":true}}]"#), r#"4318446744073709551616[{"ok":true}]"#),
            (format!(r#"451-{opening}9",{{"num":0}}]"#), r#"461-9[{"num":0}]"#),
        ] {
            assert!(may_be_ack(answer.as_bytes()));
            assert_eq!(ack(&answer).as_deref(), Some(expected));
        }
        for other in [r#"42["new_message",{}]"#, "430[]", "2", r#"451-["x"]"#, "45"] {
            assert!(!may_be_ack(other.as_bytes()), "{other}");
        }
    }
}
