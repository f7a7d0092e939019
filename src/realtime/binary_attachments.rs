//! Binary attachments of an event: bytes that follow the packet, whose text has a placeholder for each.

use std::{borrow::Cow, collections::VecDeque};

use axum::body::Bytes;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::{
    contract::event::Encoded,
    error::{Error, Result},
};

/// The binary attachments of one packet, in order.
#[derive(Default)]
pub(super) struct BinaryAttachments(VecDeque<Bytes>);

/// A value whose placeholders are the bytes again.
pub(super) struct Part<'a> {
    value: Cow<'a, Value>,
    attachments: &'a BinaryAttachments,
}

impl BinaryAttachments {
    pub(super) fn new(binaries: Option<VecDeque<Bytes>>) -> Self {
        Self(binaries.unwrap_or_default())
    }

    /// The memory that they take.
    pub(super) fn bytes(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    /// The value with the bytes in the place of their placeholders; nothing if there are none.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` when a placeholder stands for none of them, or for one that another stands for too.
    pub(super) fn put_back(&self, data: &Encoded) -> Result<Option<Part<'_>>> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let misfit = || Error::field("payload", "attachment", "each placeholder must stand for a different attachment");
        let value: Value = serde_json::from_str(data.as_str()).map_err(|_| misfit())?;
        if !self.fit(&value, &mut vec![false; self.0.len()]) {
            return Err(misfit());
        }
        Ok(Some(Part { value: Cow::Owned(value), attachments: self }))
    }

    /// Whether each placeholder has its own bytes: one that is used often would make an answer as large as one likes.
    fn fit(&self, value: &Value, used: &mut [bool]) -> bool {
        match value {
            Value::Array(values) => values.iter().all(|value| self.fit(value, used)),
            Value::Object(_) if is_placeholder(value) => number_of(value)
                .and_then(|number| used.get_mut(number))
                .is_some_and(|used| !std::mem::replace(used, true)),
            Value::Object(fields) => fields.values().all(|value| self.fit(value, used)),
            _ => true,
        }
    }

    /// The bytes that a placeholder stands for.
    fn of(&self, placeholder: &Value) -> Option<&Bytes> {
        self.0.get(number_of(placeholder)?)
    }
}

fn number_of(placeholder: &Value) -> Option<usize> {
    usize::try_from(placeholder.get("num")?.as_u64()?).ok()
}

impl Part<'_> {
    /// Its size as it is sent, more or less.
    pub(super) fn bytes(&self) -> usize {
        Encoded::new(&self.value).as_str().len() + self.attachments.bytes()
    }
}

fn is_placeholder(value: &Value) -> bool {
    value.get("_placeholder").is_some_and(|it| *it == Value::Bool(true))
}

impl Serialize for Part<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let part = |value| Part { value: Cow::Borrowed(value), attachments: self.attachments };
        match self.value.as_ref() {
            value if is_placeholder(value) => match self.attachments.of(value) {
                Some(bytes) => serializer.serialize_bytes(bytes),
                None => value.serialize(serializer),
            },
            Value::Array(values) => serializer.collect_seq(values.iter().map(part)),
            Value::Object(fields) => serializer.collect_map(fields.iter().map(|(name, value)| (name, part(value)))),
            value => value.serialize(serializer),
        }
    }
}
