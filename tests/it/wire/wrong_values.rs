//! Values of the wrong kind, in every place that takes one: each is refused in words of the wire, never in those of a parser or of
//! the language that the server is written in.

use std::collections::BTreeSet;

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
    let invitation = "0199d1c6-7a4e-7cc3-9d5a-3b1f0f6a2c11";
    for (name, real) in [("id", room.id.as_str()), ("user_id", ada.id.as_str()), ("invitation_id", invitation)] {
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
                    let answers = &operation["responses"][reply.status.as_str()];
                    assert!(!answers.is_null(), "{method} {path} is answered as is not documented: {reply}");
                    is_plain(&format!("{method} {path}"), &reply.body);
                    refused += usize::from(reply.status == 422);
                }
            }
        }
    }
    assert!(refused > 300, "{refused} of them were refused");
}

/// Values of which at most one kind fits any field.
fn kinds() -> [Value; 9] {
    [
        json!(1.5),
        json!(-1),
        json!("x"),
        json!([1]),
        json!({"x": 1}),
        json!(true),
        json!(1e300),
        json!(99_999_999_999_999_999_999.0_f64),
        json!(u64::MAX),
    ]
}

/// A body for each field of these with a value of each kind, and what is no object.
fn wrong_fields<'a>(fields: impl Iterator<Item = &'a str>) -> Vec<Value> {
    let mut bodies: Vec<Value> = kinds().iter().map(|kind| json!([kind])).collect();
    bodies.extend(kinds().into_iter().filter(|kind| !kind.is_object()));
    bodies.extend(fields.flat_map(|field| kinds().map(|kind| json!({field: kind}))));
    bodies
}

/// What a declared type may be called in JSON, and what a value is.
fn fits(schema: &Value, value: &Value) -> bool {
    let declared = match &schema["type"] {
        Value::String(one) => vec![one.as_str()],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        // Another schema; almost all of those are texts of some form.
        _ => vec!["string", "object"],
    };
    let is = |name: &&str| match *name {
        "string" => value.is_string(),
        "integer" => value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => value.is_null(),
    };
    declared.iter().any(is)
}

#[tokio::test]
async fn bodies_are_refused_in_plain_words_that_name_the_field() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    let room = ada.opens_a_group("room", &[]).await;
    let document = app.site.get("/openapi.json").send().await.with_status(200);
    let mut named = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let Some(schema) = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].as_str()
            else {
                continue;
            };
            let name = schema.rsplit('/').next().unwrap();
            let fields = &document["components"]["schemas"][name]["properties"];
            let (path, method) =
                (filled(path, &ada, &room, "", ""), Method::from_bytes(method.to_uppercase().as_bytes()).unwrap());
            for body in wrong_fields(fields.as_object().unwrap().keys().map(String::as_str)) {
                let reply = ada.request(method.clone(), &path).json(&body).send().await;
                let what = format!("{method} {path} {body}");
                assert!(reply.status.as_u16() < 500, "{what}: {reply}");
                let status = reply.status.as_u16().to_string();
                assert!(!operation["responses"][&status].is_null(), "{what} is answered as is not documented: {reply}");
                is_plain(&what, &reply.body);
                let Some((field, value)) = body.as_object().and_then(|body| body.iter().next()) else { continue };
                if !fits(&fields[field], value) {
                    let reply = reply.refused("VALIDATION_ERROR");
                    let errors = reply["errors"].as_array().unwrap();
                    let names =
                        |error: &Value| error["field"].as_str().is_some_and(|it| it.starts_with(field.as_str()));
                    assert!(errors.iter().any(names), "{what} names no field: {errors:?}");
                    named += 1;
                }
            }
        }
    }
    assert!(named > 300, "{named} of them named a field");
}

#[tokio::test]
async fn payloads_are_refused_in_plain_words() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    let socket = ada.connects().await;
    let document = app.site.get("/openapi.json").send().await.with_status(200);
    let schemas = document["components"]["schemas"].as_object().unwrap().values();
    let documented = schemas.filter_map(|schema| schema["properties"].as_object()).flat_map(|fields| fields.keys());
    let of_events = ["cursors", "is_typing", "message_ids", "up_to_seq", "after_seq", "token", "user_ids"];
    let fields: BTreeSet<&str> = documented.map(String::as_str).chain(of_events).collect();
    let payloads = wrong_fields(fields.into_iter());
    for event in ClientEvent::ALL {
        if *event == ClientEvent::Ping {
            continue;
        }
        for payload in &payloads {
            let answer = socket.emit_with_ack(event.name(), payload.clone()).outcome().await.expect("an answer");
            assert_ne!(answer["error"]["code"], "INTERNAL", "{event:?} {payload}: {answer}");
            is_plain(&format!("{event:?} {payload}"), &answer.to_string());
        }
    }
}
