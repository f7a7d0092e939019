//! From text to requests: what does not fit is refused with the name of the field, whichever transport carried it.

mod parameters;
mod plain;
mod strict;

use serde::{Deserialize, de::DeserializeOwned};

pub(crate) use self::plain::plain;
use self::strict::Strict;
use super::FieldError;

/// What some programs write before a text in UTF-8. It means nothing (RFC 8259, section 8.1).
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads one JSON value and nothing after it. `whole` names what was read where no field of it can be blamed. Nothing at all,
/// and `null`, are an object without fields.
///
/// # Errors
/// What does not fit, and where.
pub fn json<'a, T: Deserialize<'a>>(text: &'a [u8], whole: &str) -> Result<T, FieldError> {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text).trim_ascii();
    let text = if text.is_empty() || text == b"null" { b"{}" } else { text };
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(Strict(&mut deserializer)).map_err(|error| misfit(&error, whole))?;
    deserializer.end().map_err(|error| FieldError::new(whole, "invalid", error.to_string()))?;
    Ok(value)
}

/// Reads the pairs of names and values of a form.
///
/// # Errors
/// What does not fit, and where.
pub fn form<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, FieldError> {
    pairs(text, "body")
}

/// Reads the part of an address after `?`. A name without a value is not given.
///
/// # Errors
/// What does not fit, and where.
pub fn query<T: DeserializeOwned>(text: &str) -> Result<T, FieldError> {
    let has_value = |pair: &&str| pair.split_once('=').is_some_and(|(_, value)| !value.is_empty());
    let given: Vec<&str> = text.split('&').filter(has_value).collect();
    pairs(given.join("&").as_bytes(), "query")
}

fn pairs<'a, T: Deserialize<'a>>(text: &'a [u8], whole: &str) -> Result<T, FieldError> {
    serde_path_to_error::deserialize(parameters::deserializer(text)).map_err(|error| misfit(&error, whole))
}

/// Names the field. For a missing field, serde has the name only in its message; the path ends at its parent.
fn misfit<E: std::error::Error>(error: &serde_path_to_error::Error<E>, whole: &str) -> FieldError {
    let sentence = error.inner().to_string();
    let parent = Some(error.path().to_string()).filter(|path| path != "." && path != "?");
    let missing = sentence.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
    let twice = sentence.strip_prefix("duplicate field `").and_then(|rest| rest.split('`').next());
    match (parent, missing.or(twice)) {
        (_, Some(name)) if twice.is_some() => FieldError::new(name, "invalid", "is given more than once"),
        (Some(parent), Some(name)) => FieldError::new(format!("{parent}.{name}"), "required", "is required"),
        (None, Some(name)) => FieldError::new(name, "required", "is required"),
        (Some(path), None) => FieldError::new(path, "invalid", plain(&sentence)),
        (None, None) => FieldError::new(whole, "invalid", plain(&sentence)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{account::Register, command::MarkAsRead, list::PageQuery, room::CreateRoom};

    fn fields<T>(result: Result<T, FieldError>) -> Vec<(String, &'static str)> {
        match result {
            Err(error) => vec![(error.field, error.code)],
            _ => Vec::new(),
        }
    }

    #[test]
    fn json_that_does_not_fit_names_the_field() {
        let register = |text: &str| fields(json::<Register>(text.as_bytes(), "body"));
        assert_eq!(register(r#"{"email":"a@b.c","password":"12345678","is_superuser":true}"#), []);
        assert_eq!(register("{}"), [("email".to_owned(), "required")]);
        assert_eq!(register(r#"{"email":42,"password":"x"}"#), [("email".to_owned(), "invalid")]);
        for absent in ["", " \n", "null", "\u{feff}{}", "{}"] {
            assert_eq!(register(absent), [("email".to_owned(), "required")], "{absent:?}");
        }
        for syntax in ["{", "[]", "\0", "x {}", r#"["a@b.c","12345678",null,null]"#, "5", r#""text""#] {
            assert_eq!(register(syntax), [("body".to_owned(), "invalid")], "{syntax:?}");
        }
        let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
        assert_eq!(register(&deep).len(), 1);
        assert_eq!(
            fields(json::<CreateRoom>(br#"{"room_type":"group","member_ids":["abc"]}"#, "body")),
            [("member_ids[0]".to_owned(), "invalid")]
        );
        assert_eq!(fields(json::<MarkAsRead>(br#"{"up_to_seq":1}"#, "payload")), [("room_id".to_owned(), "required")]);
    }

    #[test]
    fn numbers_and_objects_are_those_of_json() {
        let read = |up_to: &str| {
            let text = format!(r#"{{"room_id":"0199d1c6-7a4e-7cc3-9d5a-3b1f0f6a2c11","up_to_seq":{up_to}}}"#);
            json::<MarkAsRead>(text.as_bytes(), "payload").map(|read| read.mark.up_to_seq)
        };
        for (text, number) in [("50", 50), ("50.0", 50), ("5e1", 50), ("-1.0", -1), ("9223372036854775807", i64::MAX)] {
            assert_eq!(read(text).unwrap(), Some(number), "{text}");
        }
        assert_eq!(read("null").unwrap(), None);
        for bad in ["50.5", "1e20", r#""50""#, "[50]", "{}", "true"] {
            assert!(read(bad).is_err(), "{bad}");
        }
        let member = r#""member_ids":["0199d1c6-7a4e-7cc3-9d5a-3b1f0f6a2c11"]"#;
        let room = |fields: &str| json::<CreateRoom>(format!(r#"{{"room_type":"group",{fields}}}"#).as_bytes(), "body");
        assert_eq!(room(member).unwrap().member_ids.len(), 1);
        assert_eq!(room(r#""member_ids":null,"max_members":5.0"#).unwrap().max_members, Some(5));
        let file = |file: &str| room(&format!(r#"{member},"name":{file}"#)).map(|room| room.name);
        assert_eq!(file(r#""x""#).unwrap().as_deref(), Some("x"));
        let room_type =
            |text: &str| fields(json::<CreateRoom>(format!(r#"{{"room_type":{text}}}"#).as_bytes(), "body"));
        assert_eq!(room_type(r#""direct""#), []);
        for bad in ["5", "[]", r#"{"group":null}"#, r#""channel""#, "null"] {
            assert_eq!(room_type(bad), [("room_type".to_owned(), "invalid")], "{bad}");
        }
    }

    #[test]
    fn what_is_expected_is_said_in_the_words_of_json() {
        for text in [r#"{"email":42,"password":"x"}"#, "[]", r#"{"email":"x","password":[]}"#, r#"{"email":null}"#] {
            let error = json::<Register>(text.as_bytes(), "body").map(|_| ()).unwrap_err().detail;
            for word in ["struct", "Register", "String", "sequence", "map", "i64"] {
                assert!(!error.contains(word), "{text}: {error}");
            }
        }
    }

    #[test]
    fn a_query_that_does_not_fit_names_the_field() {
        let page = |text: &str| fields(query::<PageQuery>(text));
        for good in
            ["", "page=2&size=10&other=1", "page=", "page", "page=&size=", "&&=&page=1", "page=50.0&page_size=5e1"]
        {
            assert_eq!(page(good), [], "{good}");
        }
        for bad in
            ["page=1e20", "page=x", "page=50.5", "page=9223372036854775808", "page=1&page=2", "page=NaN", "page=inf"]
        {
            assert_eq!(page(bad), [("page".to_owned(), "invalid")], "{bad}");
        }
    }
}
