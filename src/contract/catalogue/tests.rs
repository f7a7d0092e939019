use std::collections::HashSet;

use super::*;

/// The events as the README lists them.
fn table() -> String {
    let mut table = "| a client emits | to | with | and the ack says |\n|---|---|---|---|\n".to_owned();
    for event in ClientEvent::ALL {
        let names: Vec<String> = [event.name()].iter().chain(event.aliases()).map(|name| format!("`{name}`")).collect();
        let (payload, ack) = event.types();
        let summary = event.summary().trim_end_matches('.');
        let summary = summary[..1].to_lowercase() + &summary[1..];
        table.push_str(&format!("| {} | {summary} | `{payload}` | `{ack}` |\n", names.join(", ")));
    }
    let list = |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    table.push_str("\n| the server emits | |\n|---|---|\n");
    table.push_str(&format!("| entries of a room's log, each with its `seq` | {} |\n", list(Durable::NAMES)));
    table.push_str(&format!("| the rest | {} |\n", list(&[SocketEvent::NAMES, Ephemeral::NAMES].concat())));
    table
}

/// With `UPDATE_README` in the environment it writes what it wants.
#[test]
fn the_readme_lists_these_events() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = std::fs::read_to_string(path).unwrap();
    let (before, rest) = readme.split_once("<!-- events -->\n").unwrap();
    let (listed, after) = rest.split_once("<!-- /events -->").unwrap();
    if std::env::var_os("UPDATE_README").is_some() {
        let wanted = format!("{before}<!-- events -->\n{}<!-- /events -->{after}", table());
        std::fs::write(path, wanted).unwrap();
    } else {
        assert_eq!(listed, table(), "UPDATE_README=1 cargo test the_readme_lists_these_events");
    }
}

#[test]
fn a_name_leads_back_to_its_event() {
    for event in ClientEvent::ALL {
        assert_eq!(ClientEvent::named(event.name()), Some(*event));
    }
    assert_eq!(ClientEvent::named("message_edited"), Some(ClientEvent::EditMessage));
    assert_eq!(ClientEvent::named("disconnect"), None);
}

#[test]
fn a_name_that_is_nearly_right_leads_to_the_right_one() {
    for (wrong, right) in [
        ("send_mesage", Some("send_message")),
        ("sendMessage", Some("send_message")),
        ("JOIN_ROOM", Some("join_room")),
        ("hello", None),
        ("", None),
    ] {
        assert_eq!(ClientEvent::nearest(wrong), right, "{wrong}");
    }
}

#[test]
fn no_two_events_have_one_name() {
    for names in [ClientEvent::NAMES.to_vec(), [Durable::NAMES, SocketEvent::NAMES, Ephemeral::NAMES].concat()] {
        let distinct: HashSet<&str> = names.iter().copied().collect();
        assert_eq!(distinct.len(), names.len(), "{names:?}");
    }
}
