//! Random choices that can be repeated: [`Random`].

use std::fmt;

use super::failure::Checked;
use crate::Token;

/// The variable that repeats a run with the seed which a failure names.
const VARIABLE: &str = "CONFORMANCE_SEED";

/// A small generator (xorshift64*), so that the suite needs no further dependency.
pub(super) struct Random {
    seed: u64,
    state: u64,
}

impl Random {
    /// Begins at the seed in `CONFORMANCE_SEED`, else at a random one.
    pub(super) fn new() -> Checked<Self> {
        let asked_for = std::env::var(VARIABLE).ok().and_then(|seed| seed.parse().ok());
        let seed = match asked_for {
            Some(seed) => seed,
            None => {
                let id = Token::random()?.id();
                let [a, b, c, d, e, f, g, h, ..] = *id.as_bytes();
                u64::from_be_bytes([a, b, c, d, e, f, g, h])
            }
        };
        Ok(Self {
            seed,
            // The state must not be zero.
            state: seed | 1,
        })
    }

    /// A number below `bound`, which is at least one.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        let number = self.state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(number).unwrap_or(0) % bound
    }
}

/// How to repeat the run.
impl fmt::Display for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "repeat with {VARIABLE}={}", self.seed)
    }
}
