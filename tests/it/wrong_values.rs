//! Values of the wrong kind, in every place that takes one: each is refused in words of the wire, never in those of a parser or of
//! the language that the server is written in.

use parlour::contract::ClientEvent;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{App, Person, Room};

/// What no client can make sense of.
const FOREIGN: [&str; 17] = [
    "invalid digit",
    "target type",
    "UUID parsing",
    "invalid character",
    "premature end",
    "expected struct",
    "invalid type",
    "invalid value",
    "unknown variant",
    "i64",
    "u64",
    "u16",
    "usize",
    "Option",
    "Vec<",
    "input contains",
    "serde",
];

/// Values of which at most one kind fits anywhere.
const IN_ADDRESSES: [&str; 8] =
    ["many", "-1", "1.5", "99999999999999999999", "0199d1c6", "2026-13-45", "%5B1%5D", "true%00"];

fn is_plain(what: &str, answer: &str) {
    for word in FOREIGN {
        assert!(!answer.contains(word), "{what} is answered with `{word}`: {answer}");
    }
}

/// A path of the document with real ids in it, but for one parameter.
fn filled(path: &str, ada: &Person, room: &Room, but: &str, value: &str) -> String {
    let mut path = path.to_owned();
    for (name, real) in [("id", room.id.as_str()), ("user_id", ada.id.as_str())] {
        path = path.replace(&format!("{{{name}}}"), if name == but { value } else { real });
    }
    let rest = path.replace(&format!("{{{but}}}"), value);
    // Whatever else there is: any text will do.
    rest.split('/').map(|part| if part.starts_with('{') { "x" } else { part }).collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn addresses_are_refused_in_plain_words() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    let room = ada.opens_a_group("room", &[]).await;
    let document = app.site.get("/openapi.json").send().await.with_status(200);
    let mut refused = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let (name, place) = (parameter["name"].as_str().unwrap(), parameter["in"].as_str().unwrap());
                for value in IN_ADDRESSES {
                    let path = match place {
                        "path" => filled(path, &ada, &room, name, value),
                        "query" => format!("{}?{name}={value}", filled(path, &ada, &room, "", "")),
                        _ => continue,
                    };
                    let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
                    let request = ada.request(method.clone(), &path).json(&json!({}));
                    let reply = request.send().await;
                    assert!(reply.status.as_u16() < 500, "{method} {path}: {reply}");
                    is_plain(&format!("{method} {path}"), &reply.body);
                    refused += usize::from(reply.status == 422);
                }
            }
        }
    }
    assert!(refused > 300, "{refused} of them were refused");
}

/// Bodies of every operation, and payloads of every event, with each of their fields of each wrong kind.
fn wrong_fields() -> Vec<Value> {
    const FIELDS: [&str; 30] = [
        "room_id",
        "message_id",
        "message_ids",
        "up_to_seq",
        "after_seq",
        "cursors",
        "limit",
        "user_ids",
        "user_id",
        "status",
        "token",
        "is_typing",
        "emoji",
        "content",
        "room_type",
        "visibility",
        "member_ids",
        "max_members",
        "role",
        "email",
        "password",
        "username",
        "refresh_token",
        "client_msg_id",
        "message_type",
        "attachments",
        "reply_to_id",
        "size",
        "until",
        "muted_until",
    ];
    let kinds = [json!(1.5), json!(-1), json!("x"), json!([1]), json!({"x": 1}), json!(true), json!(1e300)];
    let mut bodies: Vec<Value> = kinds.iter().map(|kind| json!([kind])).chain(kinds.iter().cloned()).collect();
    bodies.extend(FIELDS.iter().flat_map(|field| kinds.iter().map(move |kind| json!({*field: kind}))));
    bodies
}

#[tokio::test]
async fn bodies_are_refused_in_plain_words() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    let room = ada.opens_a_group("room", &[]).await;
    let document = app.site.get("/openapi.json").send().await.with_status(200);
    let bodies = wrong_fields();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            // Nobody is logged out, and nothing erased, by what is tried here.
            if operation["requestBody"].is_null() || method == "delete" {
                continue;
            }
            let (path, method) =
                (filled(path, &ada, &room, "", ""), Method::from_bytes(method.to_uppercase().as_bytes()).unwrap());
            for body in &bodies {
                let reply = ada.request(method.clone(), &path).json(body).send().await;
                assert!(reply.status.as_u16() < 500, "{method} {path} {body}: {reply}");
                is_plain(&format!("{method} {path} {body}"), &reply.body);
            }
        }
    }
}

#[tokio::test]
async fn payloads_are_refused_in_plain_words() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    let socket = ada.connects().await;
    for event in ClientEvent::ALL {
        if *event == ClientEvent::Ping {
            continue;
        }
        for payload in wrong_fields() {
            let answer = socket.emit_with_ack(event.name(), payload.clone()).outcome().await.expect("an answer");
            is_plain(&format!("{event:?} {payload}"), &answer.to_string());
        }
    }
}
