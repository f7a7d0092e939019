//! What the router documents.

use std::collections::HashSet;

use axum::http::header;

use super::*;
use crate::contract::ErrorCode;

#[test]
fn every_route_is_documented_with_its_answers() {
    let api = serde_json::to_value(document()).unwrap();
    assert_eq!(api["openapi"], "3.1.0");
    assert_eq!(api["info"]["version"], env!("CARGO_PKG_VERSION"));
    let mut ids = HashSet::new();
    for (path, item) in api["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let place = format!("{method} {path}");
            assert!(ids.insert(text(&operation["operationId"])), "{place}: {}", operation["operationId"]);
            let responses = operation["responses"].as_object().unwrap();
            assert!(responses.keys().any(|status| status.starts_with('2')), "{place}");
            for status in ["429", "500", "503"] {
                assert!(responses.contains_key(status), "{place} {status}");
            }
            for (status, response) in responses.iter().filter(|(status, _)| is_refusal(status)) {
                let problem = &response["content"]["application/problem+json"];
                assert_eq!(problem["schema"]["$ref"], "#/components/schemas/Problem", "{place} {status}");
                assert!(!problem["examples"].as_object().unwrap().is_empty(), "{place} {status}");
            }
            let bodies = operation["requestBody"]["content"].as_object();
            // Bytes, and forms with bytes in them, have no example in JSON.
            let bodies = bodies.into_iter().flatten().filter(|(kind, _)| kind.starts_with("application/json"));
            for (_, body) in bodies {
                let schema = api.pointer(&body["schema"]["$ref"].as_str().unwrap()[1..]).unwrap();
                assert!(schema["example"].is_object(), "{place}");
            }
            let parameters = operation["parameters"].as_array();
            let documented = parameters.into_iter().flatten().filter(|parameter| parameter["in"] == "path").count();
            assert_eq!(documented, path.matches('{').count(), "{place}");
        }
    }
    for path in ["/api/auth/jwt/login", "/api/auth/jwt/logout", "/api/auth/me", "/api/users/users"] {
        assert!(api["paths"].get(path).is_some(), "{path}");
    }
}

/// Whether an answer has the status of its code; 416 belongs to parts of files, and no code has it.
fn is_refusal(status: &str) -> bool {
    status.starts_with(['4', '5']) && status != "416"
}

#[test]
fn every_code_that_a_handler_names_is_one() {
    let known: HashSet<&str> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
    let api = serde_json::to_value(together(routes().map(|(_, routes)| routes)).into_openapi()).unwrap();
    let items = api["paths"].as_object().unwrap().values();
    for operation in items.flat_map(|item| item.as_object().unwrap().values()) {
        for (status, response) in operation["responses"].as_object().unwrap() {
            if !is_refusal(status) {
                continue;
            }
            for word in text(&response["description"]).split(", ") {
                assert!(known.contains(word), "{} {status}: {word}", operation["operationId"]);
                let code = ErrorCode::ALL.iter().find(|code| code.as_str() == word).unwrap();
                assert_eq!(&code.status().to_string(), status, "{} {word}", operation["operationId"]);
            }
        }
    }
}

#[test]
fn every_reference_of_the_document_leads_somewhere() {
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|value| references(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let api = serde_json::to_value(document()).unwrap();
    let mut found = Vec::new();
    references(&api, &mut found);
    assert!(found.len() > 20);
    for reference in found {
        assert!(api.pointer(&reference[1..]).is_some(), "{reference}");
    }
}

/// A text without a bound is a promise that nobody keeps: every one of a request says how long it may be, or which form it has,
/// every number from where to where, every list how many it takes.
#[test]
fn every_field_of_a_request_has_its_bounds() {
    fn unbounded(api: &Value, schema: &Value, place: &str, found: &mut Vec<String>) {
        if let Some(reference) = schema["$ref"].as_str() {
            return unbounded(api, api.pointer(&reference[1..]).unwrap(), place, found);
        }
        let has = |keys: &[&str]| keys.iter().any(|key| schema.get(key).is_some());
        let is = |kind: &str| {
            schema["type"] == kind || schema["type"].as_array().is_some_and(|all| all.iter().any(|one| one == kind))
        };
        let is_bounded = (!is("string") || has(&["maxLength", "enum", "format"]))
            && (!is("integer") || (has(&["minimum"]) && has(&["maximum"])))
            && (!is("array") || has(&["maxItems"]));
        if !is_bounded {
            found.push(format!("{place}: {schema}"));
        }
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            unbounded(api, field, &format!("{place}.{name}"), found);
        }
        for part in ["oneOf", "anyOf", "allOf"].iter().filter_map(|key| schema[*key].as_array()).flatten() {
            unbounded(api, part, place, found);
        }
        if schema["items"].is_object() {
            unbounded(api, &schema["items"], &format!("{place}[]"), found);
        }
    }
    let api = serde_json::to_value(document()).unwrap();
    let mut found = Vec::new();
    for (path, item) in api["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let place = format!("{method} {path}");
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                unbounded(&api, &parameter["schema"], &format!("{place} {}", text(&parameter["name"])), &mut found);
            }
            for (kind, body) in operation["requestBody"]["content"].as_object().into_iter().flatten() {
                if kind != "application/octet-stream" {
                    unbounded(&api, &body["schema"], &place, &mut found);
                }
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn codes_have_the_names_of_the_wire() {
    let api = serde_json::to_value(document()).unwrap();
    let known: Vec<&str> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(api["components"]["schemas"]["ErrorCode"]["enum"], serde_json::json!(known));
    let too_many = &api["paths"]["/api/chat/messages"]["post"]["responses"]["429"];
    assert_eq!(too_many["headers"]["retry-after"]["schema"]["type"], "integer");
}

#[tokio::test]
async fn the_page_is_served_from_here_alone() {
    let server = Server::start().await;
    let request = |path: &str| Request::get(path).body(Body::empty()).unwrap();
    for file in ["/docs/", "/docs/swagger-initializer.js"] {
        let response = server.raw(request(file)).await;
        assert_eq!(response.status(), StatusCode::OK, "{file}");
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
        assert!(policy.starts_with("default-src 'self';") && !policy.contains("http"), "{policy}");
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert!(!body.contains("://"), "{file} names another host: {body}");
        assert!(file == "/docs/" || body.contains(r#""validatorUrl": "none""#), "{body}");
    }
    let (status, api) = read(server.raw(request("/openapi.json")).await).await;
    assert_eq!((status, api), (StatusCode::OK, serde_json::to_value(document()).unwrap()));
}
