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
        while inbound.connect().is_some() {
            inbound.go_on();
            read.append(inbound.ready());
        }
    }
    (inbound, read)
}

#[test]
fn what_follows_a_connect_is_held_until_it_may() {
    let packets = ["421[\"ping\",1]", "40{\"token\":\"x\"}", "41", "40", "422[\"ping\",2]", "40/other,", "2"];
    let frames: Vec<Vec<u8>> = packets.iter().map(|packet| masked(0x81, packet.as_bytes())).collect();
    let bytes = frames.concat();
    for step in [1, 7, usize::MAX] {
        let (mut inbound, mut read, mut rounds) = (Inbound::new(LIMIT), Vec::new(), Vec::new());
        for piece in bytes.chunks(step) {
            let passed = inbound.take(piece);
            read.extend_from_slice(&piece[..passed]);
            read.append(inbound.ready());
        }
        while inbound.connect().is_some() {
            rounds.push(std::mem::take(&mut read));
            inbound.go_on();
            read.append(inbound.ready());
        }
        assert_eq!(rounds, [frames[..2].concat(), frames[2..4].concat()], "{step} bytes at a time");
        assert_eq!(read, frames[4..].concat(), "{step} bytes at a time");
    }
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
