//! Forged access tokens: the claims of a genuine one, changed, and signed with whatever the forger has.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::server::SECRET;

/// The claims of `token`, unchecked.
pub(crate) fn claims(token: &str) -> Value {
    part(token, 1)
}

/// The header of `token`.
pub(crate) fn header(token: &str) -> Value {
    part(token, 0)
}

fn part(token: &str, which: usize) -> Value {
    let part = token.split('.').nth(which).expect("a JWT has three parts");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
}

/// Signs `claims` with the node's own key: what only the node, or who stole its secret, can do.
pub(crate) fn sign(claims: &Value) -> String {
    sign_with(Algorithm::HS256, claims, SECRET)
}

pub(crate) fn sign_with(algorithm: Algorithm, claims: &Value, secret: &str) -> String {
    jsonwebtoken::encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret.as_bytes()))
        .expect("claims can be signed")
}

/// A token with this header and these claims, and whatever stands for a signature.
pub(crate) fn assembled(header: &Value, claims: &Value, signature: &str) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{signature}", encode(header), encode(claims))
}

/// The claims of `token` with `key` set to `value`; `null` removes it.
pub(crate) fn changed(token: &str, key: &str, value: Value) -> Value {
    let mut claims = claims(token);
    if value.is_null() {
        claims.as_object_mut().expect("claims are an object").remove(key);
    } else {
        claims[key] = value;
    }
    claims
}

/// Seconds since 1970, `offset` from now.
#[allow(clippy::disallowed_methods, reason = "the node under test has the clock of the machine")]
pub(crate) fn seconds_from_now(offset: i64) -> Value {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a sane clock");
    json!(i64::try_from(now.as_secs()).expect("a sane clock") + offset)
}
