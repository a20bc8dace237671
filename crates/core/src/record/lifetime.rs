//! How long a session lives: [`Lifetime`].

use std::time::Duration;

use crate::Timestamp;

/// How long a session lives: both clocks, of which the first to run out ends it.
///
/// The idle timeout counts from the last use and slides; the absolute lifetime counts from creation
/// or sign-in and does not. Idle 30 minutes and absolute 24 hours are the default: OWASP's Session
/// Management Cheat Sheet asks for 15 to 30 minutes where the risk is low, and NIST SP 800-63B-4,
/// 2.2.3, for a new sign-in each day.
///
/// ```
/// use std::time::Duration;
/// use tower_keep_core::{Lifetime, Timestamp};
///
/// let lifetime = Lifetime::default();
/// let created = Timestamp::from_millis(0);
/// let later = created + Duration::from_secs(23 * 3600 + 45 * 60);
/// // A quarter of an hour is left of the day, less than the idle timeout.
/// assert_eq!(lifetime.expires_at(created, later).since(later), Duration::from_secs(15 * 60));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lifetime {
    /// How long a session may go unused.
    pub idle: Duration,
    /// How long a session may live in all.
    pub absolute: Duration,
}

impl Lifetime {
    /// NIST SP 800-63B-4, 2.1.3, assurance level 1: at most 30 days, no idle timeout shorter.
    pub const AAL1: Self =
        Self::new(Duration::from_secs(30 * 86_400), Duration::from_secs(30 * 86_400));
    /// NIST SP 800-63B-4, 2.2.3, assurance level 2: at most an hour idle and 24 hours in all.
    pub const AAL2: Self = Self::new(Duration::from_secs(3_600), Duration::from_secs(86_400));
    /// NIST SP 800-63B-4, 2.3.3, assurance level 3: at most 15 minutes idle and 12 hours in all.
    pub const AAL3: Self = Self::new(Duration::from_secs(900), Duration::from_secs(12 * 3_600));
    /// What 'remember me' means unless the layer says otherwise: two weeks idle, 60 days in all.
    pub const REMEMBER: Self =
        Self::new(Duration::from_secs(14 * 86_400), Duration::from_secs(60 * 86_400));

    /// A lifetime of both clocks.
    #[must_use]
    pub const fn new(idle: Duration, absolute: Duration) -> Self {
        Self { idle, absolute }
    }

    /// When a session that began at `created_at` and was used at `now` expires.
    #[must_use]
    pub fn expires_at(&self, created_at: Timestamp, now: Timestamp) -> Timestamp {
        (now + self.idle).min(created_at + self.absolute)
    }
}

impl Default for Lifetime {
    fn default() -> Self {
        Self::new(Duration::from_secs(30 * 60), Duration::from_secs(24 * 3_600))
    }
}
