//! Signing up, in, and out.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{User, unless_empty};

/// Create an account.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"email": "ada@example.com", "password": "correct horse battery", "username": "ada"}))]
pub struct Register {
    /// At most 254 characters, no domain that ends in `.invalid`; unique without regard to case.
    #[schema(
        min_length = 5,
        max_length = 254,
        pattern = r"^[!#-'*+./0-9=?A-Z^-~-]{1,64}@[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)+$"
    )]
    pub email: String,
    /// 8 to 128 characters.
    #[schema(min_length = 8, max_length = 128)]
    pub password: String,
    /// 3 to 32 letters, digits, `_`, `-` or `.`; unique without regard to case.
    #[serde(default, deserialize_with = "unless_empty")]
    #[schema(max_length = 32, pattern = r"^([A-Za-z0-9_.-]{3,32})?$")]
    pub username: Option<String>,
    /// 1 to 100 characters.
    #[serde(default, deserialize_with = "unless_empty")]
    #[schema(max_length = 100)]
    pub full_name: Option<String>,
}

/// Sign in, by e-mail address or user name. The OAuth2 password form sends either as `username`.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"email": "ada@example.com", "password": "correct horse battery"}))]
pub struct Login {
    #[schema(max_length = 254)]
    pub email: Option<String>,
    #[schema(max_length = 254)]
    pub username: Option<String>,
    #[schema(max_length = 128)]
    pub password: String,
}

impl Login {
    /// The e-mail address or user name. A form that has a field for each may leave one empty.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        let email = self.email.as_deref();
        email.filter(|email| !email.is_empty()).or(self.username.as_deref()).or(email)
    }
}

/// Exchange a refresh token.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"refresh_token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e30.c2lnbmF0dXJl"}))]
pub struct Refresh {
    #[schema(min_length = 1, max_length = 4096)]
    pub refresh_token: String,
}

/// A pair of tokens, and their user.
#[derive(Serialize, ToSchema)]
pub struct Tokens {
    /// For `Authorization: Bearer` and the socket's `auth.token`.
    pub access_token: String,
    /// For `POST /api/auth/refresh`, which returns the next pair.
    pub refresh_token: String,
    /// `bearer`.
    pub token_type: &'static str,
    /// Seconds until the access token expires.
    pub expires_in: u64,
    pub user: User,
}
