//! JSON that is written once.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// JSON that was encoded once, for any number of recipients.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Encoded(Arc<RawValue>);

impl Encoded {
    /// Writes `value` as JSON.
    ///
    /// # Panics
    /// Never for the types of the contract: they have string keys and no fallible parts.
    #[must_use]
    pub fn new(value: &impl Serialize) -> Self {
        Self(Arc::from(serde_json::value::to_raw_value(value).expect("contract types serialise")))
    }

    /// JSON that is written already.
    ///
    /// # Errors
    /// When it is none.
    pub fn from_json(text: String) -> serde_json::Result<Self> {
        RawValue::from_string(text).map(|raw| Self(Arc::from(raw)))
    }

    /// The JSON text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.get()
    }
}
