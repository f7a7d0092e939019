//! JSON as the contract means it, whatever type it is read into: an object is an object and not an array, `50.0` is a whole
//! number, and a refusal names what is expected in the words of JSON.

use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, Expected, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    Visitor,
};

/// The greatest number up to which every whole number has a place of its own among floating-point numbers.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A deserializer that is held to the contract, and everything inside it.
pub(super) struct Strict<D>(pub(super) D);

/// What may stand in a place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Any,
    Boolean,
    Whole,
    Number,
    Text,
    List,
    Object,
}

macro_rules! ask {
    ($($method:ident $kind:ident,)+) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.0.$method(Held { visitor, kind: Kind::$kind })
        })+
    };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Strict<D> {
    type Error = D::Error;

    ask! {
        deserialize_any Any,
        deserialize_bool Boolean,
        deserialize_i8 Whole,
        deserialize_i16 Whole,
        deserialize_i32 Whole,
        deserialize_i64 Whole,
        deserialize_i128 Whole,
        deserialize_u8 Whole,
        deserialize_u16 Whole,
        deserialize_u32 Whole,
        deserialize_u64 Whole,
        deserialize_u128 Whole,
        deserialize_f32 Number,
        deserialize_f64 Number,
        deserialize_char Text,
        deserialize_str Text,
        deserialize_string Text,
        deserialize_bytes Text,
        deserialize_byte_buf Text,
        deserialize_option Any,
        deserialize_unit Any,
        deserialize_seq List,
        deserialize_map Object,
        deserialize_identifier Text,
        deserialize_ignored_any Any,
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_unit_struct(name, Held { visitor, kind: Kind::Any })
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_newtype_struct(name, Held { visitor, kind: Kind::Any })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_tuple(len, Held { visitor, kind: Kind::List })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_tuple_struct(name, len, Held { visitor, kind: Kind::List })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_struct(name, fields, Held { visitor, kind: Kind::Object })
    }

    /// Words of a list are text, never an object with one of them as its only name.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_str(Word(visitor))
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

/// A visitor that checks what may be at its position.
struct Held<V> {
    visitor: V,
    kind: Kind,
}

impl<'de, V: Visitor<'de>> Held<V> {
    fn allow<E: Error>(&self, kinds: &[Kind], found: Unexpected<'_>) -> Result<(), E> {
        let fits = self.kind == Kind::Any || kinds.contains(&self.kind);
        if fits { Ok(()) } else { Err(E::invalid_type(found, &self.kind)) }
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Held<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind == Kind::Any { self.visitor.expecting(f) } else { Expected::fmt(&self.kind, f) }
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<V::Value, E> {
        self.allow(&[Kind::Boolean], Unexpected::Bool(value))?;
        self.visitor.visit_bool(value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<V::Value, E> {
        self.allow(&[Kind::Whole, Kind::Number], Unexpected::Signed(value))?;
        self.visitor.visit_i64(value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<V::Value, E> {
        self.allow(&[Kind::Whole, Kind::Number], Unexpected::Unsigned(value))?;
        self.visitor.visit_u64(value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<V::Value, E> {
        if self.kind != Kind::Number && value.fract() == 0.0 && value.abs() <= EXACT {
            self.allow(&[Kind::Whole], Unexpected::Float(value))?;
            #[allow(clippy::cast_possible_truncation, reason = "it is whole, and small enough")]
            return self.visitor.visit_i64(value as i64);
        }
        self.allow(&[Kind::Number], Unexpected::Float(value))?;
        self.visitor.visit_f64(value)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<V::Value, E> {
        self.allow(&[Kind::Text], Unexpected::Str(value))?;
        self.visitor.visit_str(value)
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<V::Value, E> {
        self.allow(&[Kind::Text], Unexpected::Str(value))?;
        self.visitor.visit_borrowed_str(value)
    }

    fn visit_string<E: Error>(self, value: String) -> Result<V::Value, E> {
        self.allow(&[Kind::Text], Unexpected::Str(&value))?;
        self.visitor.visit_string(value)
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_none()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.visitor.visit_some(Strict(deserializer))
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.allow(&[], Unexpected::Unit)?;
        self.visitor.visit_unit()
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.visitor.visit_newtype_struct(Strict(deserializer))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        self.allow(&[Kind::List], Unexpected::Other("array"))?;
        self.visitor.visit_seq(Inside(access))
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        self.allow(&[Kind::Object], Unexpected::Other("object"))?;
        self.visitor.visit_map(Inside(access))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_enum(data)
    }
}

impl Expected for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "a value",
            Self::Boolean => "true or false",
            Self::Whole => "a whole number",
            Self::Number => "a number",
            Self::Text => "text",
            Self::List => "an array",
            Self::Object => "an object",
        })
    }
}

/// Takes the name of a variant.
struct Word<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for Word<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Expected::fmt(&Kind::Text, f)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<V::Value, E> {
        self.0.visit_enum(value.into_deserializer())
    }
}

/// What stands in an array or an object, held to the same rules.
struct Inside<A>(A);

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Inside<A> {
    type Error = A::Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, A::Error> {
        self.0.next_element_seed(Inside(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Inside<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        self.0.next_key_seed(seed)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, A::Error> {
        self.0.next_value_seed(Inside(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, T: DeserializeSeed<'de>> DeserializeSeed<'de> for Inside<T> {
    type Value = T::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T::Value, D::Error> {
        self.0.deserialize(Strict(deserializer))
    }
}
