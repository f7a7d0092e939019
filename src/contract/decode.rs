//! From text to requests: what does not fit is refused with the name of the field, whichever transport carried it.

use serde::Deserialize;

use crate::error::{Error, Result};

/// Reads one JSON value and nothing after it. `whole` names what was read where no field of it can be blamed.
///
/// # Errors
/// `VALIDATION_ERROR`.
pub fn json<'a, T: Deserialize<'a>>(text: &'a [u8], whole: &str) -> Result<T> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| misfit(&error, whole))?;
    deserializer.end().map_err(|error| Error::field(whole, "invalid", error.to_string()))?;
    Ok(value)
}

/// Reads pairs of names and values, as of a form or of an address.
///
/// # Errors
/// `VALIDATION_ERROR`.
pub fn form<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T> {
    let deserializer = serde_urlencoded::Deserializer::new(form_urlencoded::parse(text));
    serde_path_to_error::deserialize(deserializer).map_err(|error| misfit(&error, "body"))
}

/// Names the field. Of a missing one serde tells the name in its sentence only; the path ends at what lacks it.
fn misfit<E: std::error::Error>(error: &serde_path_to_error::Error<E>, whole: &str) -> Error {
    let sentence = error.inner().to_string();
    let parent = Some(error.path().to_string()).filter(|path| path != ".");
    let missing = sentence.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
    match (parent, missing) {
        (Some(parent), Some(name)) => Error::field(format!("{parent}.{name}"), "required", "is required"),
        (None, Some(name)) => Error::field(name, "required", "is required"),
        (Some(path), None) => Error::field(path, "invalid", sentence),
        (None, None) => Error::field(whole, "invalid", sentence),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{account::Register, command::MarkAsRead, list::PageQuery, room::CreateRoom};

    fn fields<T>(result: Result<T>) -> Vec<(String, &'static str)> {
        match result {
            Err(Error::Validation(errors)) => errors.into_iter().map(|error| (error.field, error.code)).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn json_that_does_not_fit_names_the_field() {
        let register = |text: &str| fields(json::<Register>(text.as_bytes(), "body"));
        assert_eq!(register(r#"{"email":"a@b.c","password":"12345678","is_superuser":true}"#), []);
        assert_eq!(register("{}"), [("email".to_owned(), "required")]);
        assert_eq!(register(r#"{"email":42,"password":"x"}"#), [("email".to_owned(), "invalid")]);
        for syntax in ["", "{", "[]", "null", "{} x", "\u{feff}{}", "\0"] {
            assert_eq!(register(syntax).len(), 1, "{syntax:?}");
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
    fn a_form_that_does_not_fit_names_the_field() {
        let page = |text: &str| fields(form::<PageQuery>(text.as_bytes()));
        assert_eq!(page("page=2&size=10&other=1"), []);
        for bad in ["page=1e20", "page=x", "page=", "page=9223372036854775808"] {
            assert_eq!(page(bad), [("page".to_owned(), "invalid")], "{bad}");
        }
    }
}
