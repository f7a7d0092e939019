//! What may be left out: absent, `null` and empty are the same wherever a value may be missing.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{
        DeserializeOwned, Error, IntoDeserializer, MapAccess, SeqAccess, Visitor,
        value::{MapAccessDeserializer, SeqAccessDeserializer},
    },
};

/// Tells an absent field (keep what is there) from `null` (clear it), for partial updates; a text without characters clears it as
/// well.
///
/// # Errors
/// When the value is neither text nor `null`.
pub(crate) fn absent_or_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    unless_empty(deserializer).map(Some)
}

/// A text that may be left out: one without characters is left out.
///
/// # Errors
/// When the value is neither text nor `null`.
pub(crate) fn unless_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::deserialize(deserializer)?.filter(|text: &String| !text.is_empty()))
}

/// A value that is written as a text, such as an id or a time, and may be left out as [`unless_empty`].
///
/// # Errors
/// When the value is neither such a text nor empty nor `null`.
pub(crate) fn value_unless_empty<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: DeserializeOwned,
    D: Deserializer<'de>,
{
    unless_empty(deserializer)?.map(|text| T::deserialize(text.into_deserializer())).transpose()
}

/// As [`absent_or_empty`], for a value that is written as a text.
///
/// # Errors
/// When the value is neither such a text nor empty nor `null`.
pub(crate) fn absent_or_empty_value<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: DeserializeOwned,
    D: Deserializer<'de>,
{
    value_unless_empty(deserializer).map(Some)
}

/// A number, a yes or no, or a list that may be left out: a text without characters, which forms have for what nobody filled in,
/// leaves it out as well.
///
/// # Errors
/// What `T` says about another value.
pub(crate) fn unless_unfilled<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    deserializer.deserialize_any(Filled(PhantomData))
}

/// As [`absent_or_empty`], for a number.
///
/// # Errors
/// What `T` says about another value.
pub(crate) fn absent_or_unfilled<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    unless_unfilled(deserializer).map(Some)
}

/// As [`unless_unfilled`], for what has a value of its own when it is left out.
///
/// # Errors
/// What `T` says about another value.
pub(crate) fn unfilled_is_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Deserialize<'de> + Default,
    D: Deserializer<'de>,
{
    unless_unfilled(deserializer).map(Option::unwrap_or_default)
}

/// As [`value_unless_empty`], for what has a value of its own when it is left out.
///
/// # Errors
/// When the value is neither such a text nor empty nor `null`.
pub(crate) fn empty_is_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: DeserializeOwned + Default,
    D: Deserializer<'de>,
{
    value_unless_empty(deserializer).map(Option::unwrap_or_default)
}

/// Takes any value, and none.
struct Filled<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Filled<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        if text.is_empty() { Ok(None) } else { T::deserialize(text.into_deserializer()).map(Some) }
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        T::deserialize(value.into_deserializer()).map(Some)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        T::deserialize(value.into_deserializer()).map(Some)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        T::deserialize(value.into_deserializer()).map(Some)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        T::deserialize(value.into_deserializer()).map(Some)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Self::Value, A::Error> {
        T::deserialize(SeqAccessDeserializer::new(items)).map(Some)
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(fields)).map(Some)
    }
}
