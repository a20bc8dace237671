//! The time of the server, without asking it each time: [`ServerClock`].

use std::{
    sync::{
        Arc,
        atomic::{
            AtomicI64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    time::{Duration, Instant},
};

use redis::{ErrorKind, RedisError, Value};
use tower_keep_core::Timestamp;

/// So long an estimate of the server's time is good.
const GOOD_FOR_MILLIS: i64 = 10_000;

/// What was asked longer ago than this tells too little of the time: the answer may have lain here unread.
const LATEST_ANSWER: Duration = Duration::from_secs(1);

/// The time of the server: asked once in ten seconds, and reckoned on from then.
///
/// It tells the time that a record was read at, from which the layer sees whether a touch is due, and dates new
/// sessions and most changes, so that the server need not make texts of numbers. A record expires by the
/// server's own clock.
#[derive(Clone, Debug)]
pub(crate) struct ServerClock(Arc<Reckoning>);

#[derive(Debug)]
struct Reckoning {
    origin: Instant,
    /// What to add to the time since `origin`, and when that was found out, in milliseconds.
    offset: AtomicI64,
    asked: AtomicI64,
    /// What tests turn the clock by.
    turned: Option<Arc<AtomicI64>>,
}

impl ServerClock {
    pub(crate) fn new(turned: Option<Arc<AtomicI64>>) -> Self {
        Self(Arc::new(Reckoning {
            origin: Instant::now(),
            offset: AtomicI64::new(0),
            asked: AtomicI64::new(-GOOD_FOR_MILLIS),
            turned,
        }))
    }

    /// Milliseconds since this clock was made.
    fn elapsed(&self) -> i64 {
        i64::try_from(self.0.origin.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// The time, unless it is due to ask for it. It is never later than the server's.
    pub(crate) fn now(&self) -> Option<Timestamp> {
        // A turned clock is one of a test, which is told the time to the millisecond.
        if self.0.turned.is_some() { None } else { self.estimate() }
    }

    /// As [`now`](Self::now), and good enough where a clock is turned.
    pub(crate) fn estimate(&self) -> Option<Timestamp> {
        let elapsed = self.elapsed();
        // After this the offset is the one that was found out then.
        let good = elapsed - self.0.asked.load(Acquire) < GOOD_FOR_MILLIS;
        let now = elapsed.saturating_add(self.0.offset.load(Relaxed)).saturating_add(self.shift());
        good.then(|| Timestamp::from_millis(now))
    }

    /// Takes a time that the server told, and when it was asked.
    pub(crate) fn learn(&self, now: Timestamp, asked: Instant) {
        self.take(now.as_millis().saturating_sub(self.shift()), asked);
    }

    /// Has the time asked for anew: the next answer may be another server's.
    pub(crate) fn forget(&self) {
        self.0.asked.store(self.elapsed() - GOOD_FOR_MILLIS, Relaxed);
    }

    fn take(&self, now: i64, asked: Instant) {
        if asked.elapsed() > LATEST_ANSWER {
            return;
        }
        // A part of a millisecond that was cut off must not make this clock the later one.
        let elapsed = self.elapsed() + 1;
        self.0.offset.store(now.saturating_sub(elapsed), Relaxed);
        self.0.asked.store(elapsed, Release);
    }

    /// The clock of another server, turned by the same.
    pub(crate) fn another(&self) -> Self {
        Self::new(self.0.turned.clone())
    }

    /// Takes the answer to `TIME`, and when it was asked.
    pub(crate) fn set(&self, answer: &Value, asked: Instant) -> Result<Timestamp, RedisError> {
        let now = millis(answer).ok_or((ErrorKind::Parse, "a time of no known form"))?;
        self.take(now, asked);
        Ok(Timestamp::from_millis(now.saturating_add(self.shift())))
    }

    /// What a test turned the server's clock by, in milliseconds.
    pub(crate) fn shift(&self) -> i64 {
        self.0.turned.as_ref().map_or(0, |turned| turned.load(Relaxed))
    }
}

/// The milliseconds in an answer to `TIME`.
fn millis(answer: &Value) -> Option<i64> {
    let Value::Array(parts) = answer else { return None };
    let part =
        |place: usize| -> Option<i64> { crate::hash::text(parts.get(place)?).ok()?.parse().ok() };
    Some(part(0)?.saturating_mul(1_000).saturating_add(part(1)? / 1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_reckoned_from_fresh_answers_until_another_server_may_tell_it() {
        let clock = ServerClock::new(None);
        let told = Timestamp::from_millis(1_795_262_400_000);
        let long_ago = Instant::now().checked_sub(2 * LATEST_ANSWER).unwrap();
        clock.learn(told, long_ago);
        assert_eq!(clock.now(), None);
        clock.learn(told, Instant::now());
        assert!(clock.now().is_some_and(|now| now.since(told) < LATEST_ANSWER));
        clock.forget();
        assert_eq!(clock.now(), None);
    }
}
