//! When a sweeper runs: [`Schedule`].

use std::time::Duration;

/// The longest wait after failures, unless the interval itself is longer.
const MAX_WAIT: Duration = Duration::from_secs(3_600);

/// A rest is so many times as long as the step before it.
const REST_PER_STEP: u32 = 4;

/// The shortest rest: what tokio's timer can tell.
const MIN_REST: Duration = Duration::from_millis(1);

/// The longest rest, so that a slow store is swept all the same.
const MAX_REST: Duration = Duration::from_secs(1);

/// The longest interval.
const MAX_INTERVAL: Duration = Duration::from_secs(366 * 86_400);

/// When runs begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    interval: Duration,
    /// How many runs in a row have failed.
    failures: u32,
}

impl Schedule {
    pub(super) fn new(interval: Duration) -> Self {
        Self { interval: interval.min(MAX_INTERVAL), failures: 0 }
    }

    /// Takes note of how a run ended.
    pub(super) fn note(&mut self, failed: bool) {
        self.failures = if failed { self.failures.saturating_add(1) } else { 0 };
    }

    /// How long to wait for the first run: up to a quarter of the interval, so that what expired
    /// while no process ran goes soon.
    pub(super) fn first_wait(&self, chance: f64) -> Duration {
        self.interval.mul_f64(chance / 4.0)
    }

    /// How long to wait for the next run: three to five quarters of the interval, doubled for each
    /// failure in a row.
    pub(super) fn wait(&self, chance: f64) -> Duration {
        let doubled = self.interval.saturating_mul(2_u32.saturating_pow(self.failures.min(16)));
        doubled.min(MAX_WAIT.max(self.interval)).mul_f64(0.75 + chance / 2.0)
    }
}

/// How long to rest after a step that took so long.
pub(super) fn rest_after(step: Duration) -> Duration {
    step.saturating_mul(REST_PER_STEP).clamp(MIN_REST, MAX_REST)
}

/// A number from 0 to 1. Where the system has no randomness, the middle is as good: only the waits of
/// several processes are the same then.
pub(super) fn chance() -> f64 {
    getrandom::u32().map_or(0.5, |drawn| f64::from(drawn) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn waits_spread_around_the_interval() {
        let schedule = Schedule::new(MINUTE);
        assert_eq!(schedule.wait(0.0), Duration::from_secs(45));
        assert_eq!(schedule.wait(1.0), Duration::from_secs(75));
        assert_eq!(schedule.first_wait(1.0), Duration::from_secs(15));
        let drawn: Vec<f64> = (0..100).map(|_| chance()).collect();
        assert!(drawn.iter().all(|chance| (0.0..=1.0).contains(chance)));
        assert!(
            drawn.iter().any(|chance| *chance < 0.5) && drawn.iter().any(|chance| *chance > 0.5)
        );
    }

    #[test]
    fn failures_double_the_wait_up_to_an_hour_and_a_success_ends_that() {
        let mut schedule = Schedule::new(MINUTE);
        for minutes in [2, 4, 8, 16, 32, 60, 60] {
            schedule.note(true);
            assert_eq!(schedule.wait(0.5), minutes * MINUTE);
        }
        (0..100).for_each(|_| schedule.note(true));
        assert_eq!(schedule.wait(0.5), 60 * MINUTE);
        schedule.note(false);
        assert_eq!(schedule.wait(0.5), MINUTE);
        let mut slow = Schedule::new(24 * 60 * MINUTE);
        slow.note(true);
        assert_eq!(slow.wait(0.5), 24 * 60 * MINUTE);
    }

    #[test]
    fn extreme_intervals_do_not_overflow() {
        let mut schedule = Schedule::new(Duration::MAX);
        schedule.note(true);
        assert!(schedule.wait(1.0) > MAX_INTERVAL);
        assert_eq!(rest_after(Duration::MAX), MAX_REST);
        assert_eq!(rest_after(Duration::ZERO), MIN_REST);
    }
}
