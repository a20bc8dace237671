//! What a sweeper did: [`SweeperReport`].

use tower_keep_core::StoreErrorKind;

/// What a [`Sweeper`](crate::Sweeper) has done since it was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SweeperReport {
    /// How many runs there were.
    pub runs: u64,
    /// How many sessions they removed.
    pub sessions: u64,
    /// How many of them found another process sweeping.
    pub busy: u64,
    /// How many of them ended with an error.
    pub failures: u64,
    /// How the last run ended; `None` before the first.
    pub last: Option<SweepRun>,
}

/// How one run of a [`Sweeper`](crate::Sweeper) ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SweepRun {
    /// All that had expired is removed, or the sweeper was stopped before it was.
    Swept {
        /// How many sessions were removed.
        sessions: u64,
    },
    /// Another process sweeps the store.
    Busy {
        /// How many sessions were removed before that was found.
        sessions: u64,
    },
    /// The store failed.
    Failed {
        /// How many sessions were removed before that.
        sessions: u64,
        /// What kind of trouble it has.
        kind: StoreErrorKind,
    },
}

impl SweepRun {
    /// How many sessions the run removed.
    #[must_use]
    pub fn sessions(&self) -> u64 {
        match self {
            Self::Swept { sessions } | Self::Busy { sessions } | Self::Failed { sessions, .. } => {
                *sessions
            }
        }
    }
}

impl SweeperReport {
    pub(super) fn add(&mut self, run: SweepRun) {
        self.runs += 1;
        self.sessions += run.sessions();
        self.busy += u64::from(matches!(run, SweepRun::Busy { .. }));
        self.failures += u64::from(matches!(run, SweepRun::Failed { .. }));
        self.last = Some(run);
        #[cfg(feature = "metrics")]
        count(run);
    }
}

#[cfg(feature = "metrics")]
fn count(run: SweepRun) {
    metrics::counter!("tower_keep_sweeper_runs_total").increment(1);
    metrics::counter!("tower_keep_sweeper_sessions_total").increment(run.sessions());
    match run {
        SweepRun::Swept { .. } => {}
        SweepRun::Busy { .. } => metrics::counter!("tower_keep_sweeper_busy_total").increment(1),
        SweepRun::Failed { .. } => {
            metrics::counter!("tower_keep_sweeper_failures_total").increment(1);
        }
    }
}
