//! Our own tokens: JSON Web Tokens (RFC 7519), signed with HS256 and nothing else.

use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    config,
    contract::{ErrorCode, SessionId, Timestamp, UserId},
    error::{Error, Result},
};

/// Bytes of a token that are looked at; ours have some 500.
const MAX_BYTES: usize = 8 * 1024;

/// How much earlier than its `nbf` says a token counts: clocks differ. There is no such leeway for its end.
const NOT_BEFORE_LEEWAY: Duration = Duration::from_secs(60);

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Access,
    Refresh,
}

/// What a token says. It names a login and decides nothing else.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Claims {
    iss: String,
    aud: String,
    pub(super) sub: UserId,
    pub(super) sid: SessionId,
    pub(super) jti: Uuid,
    iat: i64,
    /// Ours have none: the clock of the node that checks a token may be behind that of the one which signed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
    exp: i64,
    typ: Kind,
}

impl Claims {
    /// When the token ends.
    pub(super) fn expires_at(&self) -> Timestamp {
        Timestamp(self.exp.saturating_mul(1000))
    }
}

/// Signs tokens and checks them.
pub(super) struct Signer {
    signing: EncodingKey,
    checking: DecodingKey,
    rules: Validation,
    issuer: String,
    audience: String,
    access_life: Duration,
    refresh_life: Duration,
}

impl Signer {
    pub(super) fn new(config: &config::Auth) -> Self {
        let secret = config.secret_key.expose().as_bytes();
        // The crate looks at `aud` and `iss` only where a token has them, and knows the machine's clock only: when a token
        // begins and ends is looked at here, by our clock.
        let mut rules = Validation::new(Algorithm::HS256);
        rules.validate_exp = false;
        rules.validate_nbf = false;
        rules.validate_aud = true;
        rules.set_audience(&[&config.audience]);
        rules.set_issuer(&[&config.issuer]);
        rules.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
        Self {
            signing: EncodingKey::from_secret(secret),
            checking: DecodingKey::from_secret(secret),
            rules,
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
            access_life: config.access_token_life(),
            refresh_life: config.refresh_token_life(),
        }
    }

    /// How long a token of this kind lives.
    pub(super) fn life(&self, kind: Kind) -> Duration {
        match kind {
            Kind::Access => self.access_life,
            Kind::Refresh => self.refresh_life,
        }
    }

    /// A token for a login.
    pub(super) fn sign(
        &self,
        kind: Kind,
        user: UserId,
        session: SessionId,
        jti: Uuid,
        now: Timestamp,
    ) -> Result<String> {
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: user,
            sid: session,
            jti,
            iat: now.seconds(),
            nbf: None,
            exp: now.plus(self.life(kind)).seconds(),
            typ: kind,
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.signing).map_err(Error::internal)
    }

    /// What a token says, if it is ours, of this kind, and good at this time.
    ///
    /// # Errors
    /// `UNAUTHORIZED`, `TOKEN_EXPIRED`, `WRONG_TOKEN_TYPE`.
    pub(super) fn verify(&self, token: &str, kind: Kind, now: Timestamp) -> Result<Claims> {
        if token.len() > MAX_BYTES {
            return Err(Error::UNAUTHORIZED);
        }
        let claims =
            jsonwebtoken::decode::<Claims>(token, &self.checking, &self.rules).map_err(|_| Error::UNAUTHORIZED)?.claims;
        if claims.expires_at() <= now {
            return Err(Error::Refused(ErrorCode::TokenExpired, "the token has expired"));
        }
        if claims.nbf.is_some_and(|nbf| Timestamp(nbf.saturating_mul(1000)) > now.plus(NOT_BEFORE_LEEWAY)) {
            return Err(Error::UNAUTHORIZED);
        }
        if claims.typ == kind {
            Ok(claims)
        } else {
            Err(Error::Refused(ErrorCode::WrongTokenType, "wrong type of token for this request"))
        }
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{clock, config::Config};

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn signer() -> Signer {
        let mut config = Config::load(None).unwrap().auth;
        config.secret_key = SECRET.to_owned().into();
        Signer::new(&config)
    }

    fn good_claims() -> Value {
        let now = clock::now().seconds();
        json!({
            "iss": "parlour", "aud": "parlour", "sub": UserId::new(), "sid": SessionId::new(), "jti": Uuid::now_v7(),
            "iat": now, "nbf": now, "exp": now + 60, "typ": "access",
        })
    }

    fn signed(algorithm: Algorithm, secret: &str, claims: &Value) -> String {
        jsonwebtoken::encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
    }

    fn code(token: &str) -> Option<ErrorCode> {
        signer().verify(token, Kind::Access, clock::now()).err().map(|error| error.code())
    }

    #[test]
    fn a_good_token_is_accepted_once_signed_and_as_what_it_is() {
        assert_eq!(code(&signed(Algorithm::HS256, SECRET, &good_claims())), None);
        let signer = signer();
        let refresh =
            signer.sign(Kind::Refresh, UserId::new(), SessionId::new(), Uuid::now_v7(), clock::now()).unwrap();
        assert!(signer.verify(&refresh, Kind::Refresh, clock::now()).is_ok());
        assert_eq!(code(&refresh), Some(ErrorCode::WrongTokenType));
    }

    #[test]
    fn claims_that_do_not_fit_are_refused() {
        let now = clock::now().seconds();
        let table = [
            ("exp", json!(now - 6), ErrorCode::TokenExpired),
            ("exp", json!(null), ErrorCode::Unauthorized),
            ("exp", json!("soon"), ErrorCode::Unauthorized),
            ("nbf", json!(now + 3600), ErrorCode::Unauthorized),
            ("nbf", json!(now + 90), ErrorCode::Unauthorized),
            ("nbf", json!("soon"), ErrorCode::Unauthorized),
            ("aud", json!("other"), ErrorCode::Unauthorized),
            ("aud", json!(null), ErrorCode::Unauthorized),
            ("iss", json!("other"), ErrorCode::Unauthorized),
            ("iss", json!(null), ErrorCode::Unauthorized),
            ("sub", json!("nobody"), ErrorCode::Unauthorized),
            ("sub", json!(null), ErrorCode::Unauthorized),
            ("sid", json!(null), ErrorCode::Unauthorized),
            ("typ", json!("admin"), ErrorCode::Unauthorized),
            ("typ", json!(null), ErrorCode::Unauthorized),
        ];
        for (claim, value, expected) in table {
            let mut claims = good_claims();
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(claim);
            } else {
                claims[claim] = value.clone();
            }
            assert_eq!(code(&signed(Algorithm::HS256, SECRET, &claims)), Some(expected), "{claim} = {value}");
        }
    }

    #[test]
    fn clocks_may_differ_by_a_minute() {
        let now = clock::now().seconds();
        for (claim, value) in [("nbf", json!(now + 30)), ("nbf", json!(null)), ("iat", json!(now + 3600))] {
            let mut claims = good_claims();
            claims[claim] = value.clone();
            assert_eq!(code(&signed(Algorithm::HS256, SECRET, &claims)), None, "{claim} = {value}");
        }
        let signer = signer();
        let sign = |now| signer.sign(Kind::Access, UserId::new(), SessionId::new(), Uuid::now_v7(), now).unwrap();
        let earlier = Timestamp(clock::now().0 - 90_000);
        assert!(signer.verify(&sign(clock::now()), Kind::Access, earlier).is_ok(), "a clock that was set back");
    }

    #[test]
    fn signatures_that_do_not_fit_are_refused() {
        let claims = good_claims();
        let good = signed(Algorithm::HS256, SECRET, &claims);
        let (unsigned, _) = good.rsplit_once('.').unwrap();
        let (_, payload) = unsigned.split_once('.').unwrap();
        let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0"; // {"alg":"none","typ":"JWT"}
        for bad in [
            signed(Algorithm::HS384, SECRET, &claims),
            signed(Algorithm::HS512, SECRET, &claims),
            signed(Algorithm::HS256, "another secret of some 32 bytes!", &claims),
            format!("{unsigned}."),
            format!("{none}.{payload}."),
            format!("{none}.{payload}"),
            String::new(),
            "garbage".to_owned(),
            "a.b.c".to_owned(),
            "x".repeat(64 * 1024),
        ] {
            assert_eq!(code(&bad), Some(ErrorCode::Unauthorized), "{}", &bad[..bad.len().min(60)]);
        }
    }
}
