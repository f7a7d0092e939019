//! Chance that can be repeated: the seed is printed, and taken from `PARLOUR_TEST_SEED` when that is set.

use rand::{SeedableRng, rngs::StdRng};

pub(crate) struct Seed(u64);

impl Seed {
    /// A seed for the test called `test`.
    pub(crate) fn of(test: &str) -> Self {
        let seed = match std::env::var("PARLOUR_TEST_SEED") {
            Ok(text) => text.parse().expect("PARLOUR_TEST_SEED is a whole number"),
            Err(_) => rand::random(),
        };
        println!("{test}: PARLOUR_TEST_SEED={seed}");
        Self(seed)
    }

    pub(crate) fn rng(&self) -> StdRng {
        StdRng::seed_from_u64(self.0)
    }

    /// A generator of its own for each of several actors, so that their choices do not depend on who runs first.
    pub(crate) fn rng_of(&self, actor: u64) -> StdRng {
        StdRng::seed_from_u64(self.0 ^ actor.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }
}
