//! Passwords: Argon2id (RFC 9106), away from the threads that serve requests, and only so many at once.

use std::sync::Arc;

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use tokio::sync::Semaphore;

use crate::error::{Error, Result};

/// Hashes passwords and compares them.
#[derive(Clone)]
pub(super) struct Passwords {
    /// Each hash takes about 19 MiB and one core for some ten milliseconds.
    permits: Arc<Semaphore>,
    /// Of no password: what is compared where there is no account, so that this takes as long.
    decoy: Arc<str>,
}

impl Passwords {
    pub(super) fn new(workers: usize) -> Result<Self> {
        let decoy = hash(&rand::random::<[u8; 16]>())?;
        Ok(Self { permits: Arc::new(Semaphore::new(workers.max(1))), decoy: decoy.into() })
    }

    /// A password as it is stored, in PHC string format.
    pub(super) async fn hash(&self, password: String) -> Result<String> {
        self.work(move || hash(password.as_bytes())).await
    }

    /// Whether `password` is the one that was stored as `stored`. It takes as long when nothing was.
    pub(super) async fn verify(&self, password: String, stored: Option<String>) -> Result<bool> {
        let decoy = Arc::clone(&self.decoy);
        self.work(move || {
            let parsed = PasswordHash::new(stored.as_deref().unwrap_or(&decoy)).map_err(Error::internal)?;
            let matches = Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok();
            Ok(matches && stored.is_some())
        })
        .await
    }

    /// The permit goes with the work: a request that is given up does not let another one start beside it.
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

    #[tokio::test]
    async fn only_the_password_that_was_stored_matches() {
        let passwords = Passwords::new(1).unwrap();
        let stored = passwords.hash("correct horse".to_owned()).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert!(passwords.verify("correct horse".to_owned(), Some(stored.clone())).await.unwrap());
        assert!(!passwords.verify("wrong horse".to_owned(), Some(stored)).await.unwrap());
        assert!(!passwords.verify("correct horse".to_owned(), None).await.unwrap());
    }
}
