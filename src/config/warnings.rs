//! Settings that are allowed but probably a mistake.

use super::{Config, load, validate};

impl Config {
    /// Warnings at the start of a server, each as a sentence.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        validate::short_key(&self.auth.secret_key).into_iter().chain(load::near_misses(names)).collect()
    }
}
