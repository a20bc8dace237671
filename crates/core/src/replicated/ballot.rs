//! The order of proposals: [`Ballot`].

use serde::{Deserialize, Serialize};

use crate::{StoreError, StoreErrorKind, randomness};

/// The number of a proposal. No two proposals have the same one: of two that are made at once the
/// proposer, a random number, decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Ballot(u64, u64);

impl Ballot {
    /// A ballot above another one.
    pub(super) fn above(highest: Self) -> Result<Self, StoreError> {
        let bytes = randomness::draw()
            .map_err(|cause| StoreError::new(StoreErrorKind::Unavailable, cause.to_string()))?;
        let proposer = bytes.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte));
        Ok(Self(highest.0.saturating_add(1), proposer))
    }

    /// A short name of the proposal, which tells it from others of the same step.
    pub(super) fn origin(self) -> u32 {
        (self.1 & u64::from(u32::MAX)) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ballot_is_above_all_before_it_and_unlike_any_other() {
        let first = Ballot::above(Ballot::default()).unwrap();
        let (one, other) = (Ballot::above(first).unwrap(), Ballot::above(first).unwrap());
        assert!(one > first && other > first && one != other);
    }
}
