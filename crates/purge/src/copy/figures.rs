//! What a copy did: [`Copied`].

use tower_keep_core::{SessionId, StoreErrorKind};

/// The most sessions whose failure is told one by one.
const MAX_TOLD: usize = 100;

/// What a copy has done so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Copied {
    /// How often the source was gone through.
    pub passes: u32,
    /// How many live sessions the source had in the last pass.
    pub live: u64,
    /// How many of them the target had before that pass, by reading them there: as they are at the
    /// source, or used later.
    pub verified: u64,
    /// How many sessions the target did not have.
    pub imported: u64,
    /// How many it had in an older state.
    pub updated: u64,
    /// How many were ended at the target because they have ended at the source.
    pub ended: u64,
    /// How many of the last pass were used at the target since, and stay as they are there.
    pub used_there: u64,
    /// How many of the last pass have ended at the target since, and stay so.
    pub ended_there: u64,
    /// How many of the last pass could not be copied.
    pub failed: u64,
    /// The first hundred of those, and what kind of trouble each has;
    /// [`Misconfigured`](StoreErrorKind::Misconfigured) where it has long expired by the target's clock.
    pub failures: Vec<(SessionId, StoreErrorKind)>,
    /// What the last pass had to do.
    changes: u64,
}

/// What became of one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The target did not have it.
    Imported,
    /// The target had it in an older state.
    Updated,
    /// Only its deadline was moved.
    Touched,
    /// It was the same.
    Same,
    /// It was used at the target since.
    UsedThere,
    /// It has ended at the target since.
    EndedThere,
    /// It has ended at the source, and was ended at the target.
    Ended,
    /// It has ended, and there is nothing to do.
    Over,
    /// Somebody else changed it at the same time: the next pass looks again.
    Contended,
    /// It could not be copied.
    Failed(StoreErrorKind),
}

impl Copied {
    /// Whether the last pass found each live session of the source at the target and had nothing to
    /// do.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.passes > 1
            && self.changes == 0
            && self.failed == 0
            && self.verified + self.ended_there == self.live
    }

    pub(super) fn begin_pass(&mut self) {
        let Self { passes, imported, updated, ended, .. } = *self;
        *self = Self { passes: passes + 1, imported, updated, ended, ..Self::default() };
    }

    pub(super) fn add(&mut self, id: SessionId, outcome: Outcome) {
        match outcome {
            Outcome::Imported => self.imported += 1,
            Outcome::Updated => self.updated += 1,
            Outcome::Ended => self.ended += 1,
            Outcome::Same | Outcome::Touched => self.verified += 1,
            Outcome::UsedThere => {
                self.verified += 1;
                self.used_there += 1;
            }
            Outcome::EndedThere => self.ended_there += 1,
            Outcome::Over | Outcome::Contended => {}
            Outcome::Failed(kind) => {
                self.failed += 1;
                if self.failures.len() < MAX_TOLD {
                    self.failures.push((id, kind));
                }
            }
        }
        self.changes += u64::from(matches!(
            outcome,
            Outcome::Imported | Outcome::Updated | Outcome::Ended | Outcome::Contended
        ));
    }
}
