//! Names and values as an address or a form has them: every value is text, and is read as what is wanted.

use std::{borrow::Cow, fmt};

use serde::{
    de::{self, Deserializer, Error as _, IntoDeserializer, Unexpected, Visitor, value::MapDeserializer},
    forward_to_deserialize_any,
};

/// Why values do not fit.
#[derive(Debug)]
pub(super) struct Misfit(String);

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Misfit {}

impl de::Error for Misfit {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

type Pair<'a> = (Cow<'a, str>, Text<'a>);

/// A deserializer of the names and values of a form, or of the part of an address after `?`.
pub(super) fn deserializer(text: &[u8]) -> MapDeserializer<'_, impl Iterator<Item = Pair<'_>>, Misfit> {
    MapDeserializer::new(form_urlencoded::parse(text).map(|(name, value)| (name, Text(value))))
}

/// A value.
pub(super) struct Text<'a>(Cow<'a, str>);

impl Text<'_> {
    /// A whole number, by the rule of JSON: `50.0` and `5e1` are 50.
    fn whole<T: std::str::FromStr>(&self) -> Option<T> {
        let text = self.0.trim();
        text.parse().ok().or_else(|| {
            let number: f64 = text.parse().ok().filter(|number: &f64| number.fract() == 0.0)?;
            // Displayed without a fraction, it is read like any other; one that is too large is not.
            format!("{number}").parse().ok()
        })
    }

    fn is_not(&self, wanted: &str) -> Misfit {
        Misfit::invalid_type(Unexpected::Str(&self.0), &wanted)
    }
}

impl<'a> IntoDeserializer<'a, Misfit> for Text<'a> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Text<'de> {
    type Error = Misfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.0 {
            Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
            Cow::Owned(text) => visitor.visit_string(text),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        visitor.visit_enum(self.0.into_deserializer())
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match &*self.0 {
            "true" => visitor.visit_bool(true),
            "false" => visitor.visit_bool(false),
            _ => Err(self.is_not("true or false")),
        }
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.whole() {
            Some(number) => visitor.visit_i64(number),
            None => Err(self.is_not("a whole number")),
        }
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.whole() {
            Some(number) => visitor.visit_u64(number),
            None => self.deserialize_i64(visitor),
        }
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.deserialize_i64(visitor)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.deserialize_u64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.0.trim().parse() {
            Ok(number) => visitor.visit_f64(number),
            Err(_) => Err(self.is_not("a number")),
        }
    }

    forward_to_deserialize_any! {
        i8 i16 i128 u8 u16 u128 f32 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct
        identifier ignored_any
    }
}
