//! The tokens of signed URLs: a JWT for one object.

use std::time::{Duration, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, errors::ErrorKind};
use serde_json::{Value, json};

use super::{BUCKET, Failure};

const SECRET: &[u8] = b"the key of the project's signed URLs";

/// A token for `key` that ends after `life`, with these claims besides.
pub(super) fn sign(key: &str, life: Duration, mut claims: Value) -> String {
    let now = UNIX_EPOCH.elapsed().expect("it is after 1970");
    claims["url"] = json!(format!("{BUCKET}/{key}"));
    claims["iat"] = json!(now.as_secs());
    claims["exp"] = json!((now + life).as_secs());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(SECRET))
        .expect("claims can be signed")
}

/// The claims of a token that is valid for `key`.
pub(super) fn verify(token: &str, key: &str) -> Result<Value, Failure> {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.leeway = 0;
    let data = jsonwebtoken::decode::<Value>(token, &DecodingKey::from_secret(SECRET), &validation);
    let claims = data.map_err(|error| match error.kind() {
        ErrorKind::ExpiredSignature => Failure::invalid_jwt("\"exp\" claim timestamp check failed"),
        _ => Failure::invalid_jwt("signature verification failed"),
    })?;
    let claims = claims.claims;
    if claims["url"] != format!("{BUCKET}/{key}") {
        return Err(Failure::invalid_signature());
    }
    Ok(claims)
}
