//! Reading JSON answers in one word.

use serde_json::Value;

/// The string at `key`.
#[track_caller]
pub(crate) fn text(value: &Value, key: &str) -> String {
    match &value[key] {
        Value::String(text) => text.clone(),
        other => panic!("`{key}` should be a string, is {other} in {value}"),
    }
}

/// The whole number at `key`.
#[track_caller]
pub(crate) fn int(value: &Value, key: &str) -> i64 {
    value[key].as_i64().unwrap_or_else(|| panic!("`{key}` should be a number in {value}"))
}

/// The array at `key`.
#[track_caller]
pub(crate) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().unwrap_or_else(|| panic!("`{key}` should be an array in {value}"))
}

/// The `id` of each entry.
#[track_caller]
pub(crate) fn ids(values: &[Value]) -> Vec<String> {
    values.iter().map(|value| text(value, "id")).collect()
}

/// The entry whose `key` is `wanted`.
#[track_caller]
pub(crate) fn find<'a>(values: &'a [Value], key: &str, wanted: &str) -> &'a Value {
    values
        .iter()
        .find(|value| value[key] == wanted)
        .unwrap_or_else(|| panic!("nothing with {key} = {wanted} among {values:?}"))
}
