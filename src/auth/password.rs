//! Passwords: Argon2id (RFC 9106) of one form of each text, away from the threads that serve requests, and only so many at once.

use std::sync::Arc;

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use tokio::sync::Semaphore;
use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::error::{Error, Result};

/// What came of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Wrong,
    Right,
    /// It is the password, but it was stored before passwords had one form: it should be stored anew.
    Outdated,
}

/// Hashes passwords and compares them.
#[derive(Clone)]
pub(super) struct Passwords {
    /// Each hash takes about 19 MiB and one core for some ten milliseconds.
    permits: Arc<Semaphore>,
    /// The hash that is compared if there is no account, so that this takes the same time.
    decoy: Arc<str>,
}

impl Passwords {
    pub(super) fn new(workers: usize) -> Result<Self> {
        let decoy = hash(&rand::random::<[u8; 16]>())?;
        Ok(Self { permits: Arc::new(Semaphore::new(workers.max(1))), decoy: decoy.into() })
    }

    /// A password as it is stored, in PHC string format. A letter with an accent is written in one way or another by the
    /// keyboards of different systems; all are the same password (RFC 8265, section 4.2.2).
    pub(super) async fn hash(&self, password: &str) -> Result<String> {
        let password: String = password.nfc().collect();
        self.work(move || hash(password.as_bytes())).await
    }

    /// Whether `password` is the one that was stored as `stored`. It takes as long when nothing was.
    pub(super) async fn verify(&self, password: String, stored: Option<String>) -> Result<Comparison> {
        let decoy = Arc::clone(&self.decoy);
        self.work(move || {
            let parsed = PasswordHash::new(stored.as_deref().unwrap_or(&decoy)).map_err(Error::internal)?;
            let matches = |text: &str| Argon2::default().verify_password(text.as_bytes(), &parsed).is_ok();
            // Both forms are always compared, so that the time reveals nothing.
            let as_given = matches(&password);
            let verdict = if is_nfc(&password) {
                if as_given { Comparison::Right } else { Comparison::Wrong }
            } else {
                let in_one_form = matches(&password.nfc().collect::<String>());
                match (as_given, in_one_form) {
                    (true, _) => Comparison::Outdated,
                    (false, true) => Comparison::Right,
                    (false, false) => Comparison::Wrong,
                }
            };
            Ok(if stored.is_some() { verdict } else { Comparison::Wrong })
        })
        .await
    }

    /// The work owns the permit: a cancelled request does not let another one start before the work ends.
    async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(Error::internal)?;
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        })
        .await
        .map_err(Error::internal)?
    }
}

/// The crate's defaults are what OWASP recommends: Argon2id, 19 MiB, 2 passes, 1 lane
/// (<https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html>).
fn hash(password: &[u8]) -> Result<String> {
    Ok(Argon2::default().hash_password(password).map_err(Error::internal)?.to_string())
}

impl std::fmt::Debug for Passwords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Passwords").field("free", &self.permits.available_permits()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn verdict(passwords: &Passwords, password: &str, stored: Option<&str>) -> Comparison {
        passwords.verify(password.to_owned(), stored.map(str::to_owned)).await.unwrap()
    }

    #[tokio::test]
    async fn only_the_password_that_was_stored_matches() {
        let passwords = Passwords::new(1).unwrap();
        let stored = passwords.hash("correct horse").await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert_eq!(verdict(&passwords, "correct horse", Some(&stored)).await, Comparison::Right);
        assert_eq!(verdict(&passwords, "wrong horse", Some(&stored)).await, Comparison::Wrong);
        assert_eq!(verdict(&passwords, "correct horse", None).await, Comparison::Wrong);
        assert_eq!(verdict(&passwords, "caf\u{e9} cre\u{300}me", None).await, Comparison::Wrong);
    }

    /// What was stored by a version that hashed passwords as they were given is still a password, by the same keyboard.
    #[tokio::test]
    async fn a_password_has_one_form_and_old_ones_are_known() {
        let passwords = Passwords::new(1).unwrap();
        let (composed, decomposed) = ("cr\u{e8}me br\u{fb}l\u{e9}e", "cre\u{300}me bru\u{302}le\u{301}e");
        let stored = passwords.hash(decomposed).await.unwrap();
        for password in [composed, decomposed] {
            assert_eq!(verdict(&passwords, password, Some(&stored)).await, Comparison::Right, "{password:?}");
        }
        let old = hash(decomposed.as_bytes()).unwrap();
        assert_eq!(verdict(&passwords, decomposed, Some(&old)).await, Comparison::Outdated);
        assert_eq!(verdict(&passwords, composed, Some(&old)).await, Comparison::Wrong);
        let old = hash(composed.as_bytes()).unwrap();
        for password in [composed, decomposed] {
            assert_eq!(verdict(&passwords, password, Some(&old)).await, Comparison::Right, "{password:?}");
        }
    }
}
