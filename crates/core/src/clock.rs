//! Where time comes from: [`Clock`], the system's and one for tests.

use std::{
    fmt,
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// A point in time, in whole milliseconds since the Unix epoch.
///
/// Milliseconds are what every store can keep exactly. Arithmetic saturates, so that a hostile or
/// mistaken duration never panics.
///
/// ```
/// use std::time::Duration;
/// use tower_keep_core::Timestamp;
///
/// let noon = Timestamp::from_millis(1_795_262_400_000);
/// assert_eq!((noon + Duration::from_secs(60)).since(noon), Duration::from_secs(60));
/// assert_eq!(noon.to_string(), "2026-11-21T12:00:00Z");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The last representable point, for what never ends.
    pub const MAX: Self = Self(i64::MAX);

    /// Makes a timestamp from milliseconds since the Unix epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The time that passed from `earlier` to this point; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        let millis = self.0.saturating_sub(earlier.0);
        Duration::from_millis(u64::try_from(millis).unwrap_or(0))
    }
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        // Not by `as_millis`, which computes in 128 bits.
        let millis = duration.as_secs().saturating_mul(1_000);
        let millis = millis.saturating_add(duration.subsec_millis().into());
        Self(self.0.saturating_add(i64::try_from(millis).unwrap_or(i64::MAX)))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Self(0) + after,
            Err(before) => Self(
                i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |millis| -millis),
            ),
        }
    }
}

impl From<Timestamp> for SystemTime {
    fn from(timestamp: Timestamp) -> Self {
        let distance = Duration::from_millis(timestamp.0.unsigned_abs());
        let moved = if timestamp.0 < 0 {
            UNIX_EPOCH.checked_sub(distance)
        } else {
            UNIX_EPOCH.checked_add(distance)
        };
        moved.unwrap_or(UNIX_EPOCH)
    }
}

/// Writes the point as RFC 3339 in UTC; as milliseconds where the year has more than four digits.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000)
            .ok()
            .and_then(|time| time.format(&Rfc3339).ok());
        match text {
            Some(text) => f.write_str(&text),
            None => write!(f, "{}ms", self.0),
        }
    }
}

/// A source of the current time.
///
/// The layer and the stores that have no clock of their own ask it, so that tests move time by hand
/// instead of sleeping.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The current time. It is not required to be monotonic.
    fn now(&self) -> Timestamp;
}

/// The clock of the operating system.
///
/// On Linux it is as precise as the kernel's tick, 1 to 10 milliseconds: an expiry needs no more, and
/// a request that asks twice saves the time of a hash.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[inline]
    fn now(&self) -> Timestamp {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
        Timestamp(now.tv_sec.saturating_mul(1_000).saturating_add(now.tv_nsec / 1_000_000))
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    #[inline]
    fn now(&self) -> Timestamp {
        #[allow(clippy::disallowed_methods, reason = "the one place that may")]
        SystemTime::now().into()
    }
}

/// A clock that stands still until it is told to move.
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use tower_keep_core::{Clock, TestClock};
///
/// let clock = Arc::new(TestClock::default());
/// let start = clock.now();
/// clock.advance(Duration::from_secs(1_800));
/// assert_eq!(clock.now().since(start), Duration::from_secs(1_800));
/// ```
#[derive(Debug)]
pub struct TestClock(AtomicI64);

impl TestClock {
    /// Starts the clock at `start`.
    #[must_use]
    pub fn new(start: Timestamp) -> Self {
        Self(AtomicI64::new(start.0))
    }

    /// Moves the clock forward.
    pub fn advance(&self, duration: Duration) {
        self.set(self.now() + duration);
    }

    /// Sets the clock, backwards too.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.0, Ordering::SeqCst);
    }
}

/// Starts in November 2026.
impl Default for TestClock {
    fn default() -> Self {
        Self::new(Timestamp(1_795_262_400_000))
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

impl<C: Clock + ?Sized> Clock for std::sync::Arc<C> {
    #[inline]
    fn now(&self) -> Timestamp {
        (**self).now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        assert_eq!(Timestamp::MAX + Duration::MAX, Timestamp::MAX);
        let first = Timestamp::from_millis(i64::MIN);
        assert_eq!(first.since(Timestamp::MAX), Duration::ZERO);
        assert!(Timestamp::MAX.since(first) > Duration::ZERO);
    }

    #[test]
    fn extreme_points_have_a_text() {
        assert!(Timestamp::MAX.to_string().ends_with("ms"));
        assert_eq!(Timestamp::from_millis(-1).to_string(), "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn system_time_converts_both_ways() {
        for millis in [0, 1, -1, 1_795_262_400_123] {
            let timestamp = Timestamp::from_millis(millis);
            assert_eq!(Timestamp::from(SystemTime::from(timestamp)), timestamp);
        }
    }
}
