//! Writes what most changes are, plain ones: fields that are set or removed in the state that was read.
//!
//! The server compares the whole state with the one that was read, so that its script need not reckon: it
//! calls two commands where fields are only set and the end of the session stays, else three, or four if fields
//! are removed.

use std::{sync::Arc, time::Duration};

use tower_keep_core::{Applied, Change, Loaded, Receipt, SessionId, StoreError, Timestamp};

use crate::{
    cache::Cached,
    edits::{edits, pairs_of},
    hash::{self, Stored},
    keep::{Keep, LATEST, millis},
    script::{EDIT, EDIT_EXACT, SET, SET_EXACT, Script},
    servers::Command,
};

/// What is reckoned here may be behind what others reckoned by so much.
const LATE: Duration = Duration::from_secs(1);

/// A change that would move the end of the session by less than this leaves it where it is: a second of thirty
/// minutes.
const SLIGHT: Duration = Duration::from_secs(1);

impl Keep {
    /// Writes a plain change to the state that it is based on, or says what else is there; `None` if the change
    /// is not plain, or is to be written over what is there.
    pub(crate) async fn apply_plain(
        &self,
        id: &SessionId,
        key: &[u8],
        change: &Change,
    ) -> Result<Option<Applied>, StoreError> {
        let Some(times) = self.times(key, change) else { return Ok(None) };
        let plain = Plain::new(change, times);
        let reply = self.link.run(plain.script, || plain.command(key, change)).await?;
        let Times { now: at, end: expires_at } = plain.times;
        if reply.is(1) {
            let version = change.base_version.saturating_add(1);
            self.cache.follow(id, change, plain.state, plain.times);
            return Ok(Some(Applied::Applied(Receipt { version, at, expires_at, evicted: 0 })));
        }
        if reply.is(0) {
            return Ok(None);
        }
        Ok(match Stored::read(id, &reply)? {
            Stored::Nothing => Some(Applied::Gone),
            Stored::Live(record, state)
                if !change.fits(record.version) && !record.is_expired(at) =>
            {
                let record = Arc::new(record);
                self.cache
                    .keep(id, Cached::read(state, &record, at, self.cache.find(id).as_deref()));
                Some(Applied::Conflict(Loaded { record, at }))
            }
            Stored::Live(..) | Stored::Arriving(_) => None,
        })
    }

    /// The time and the session's end after a change that only sets and removes fields, as this side reckons
    /// them.
    ///
    /// The server writes them where the state is still the one that was read; it says by its own clock whether
    /// the session has ended.
    fn times(&self, key: &[u8], change: &Change) -> Option<Times> {
        let reckoned = self.link.reckoned(key).filter(|_| is_plain(change))?;
        // Another one may have reckoned a little better. The change must not come before what it follows, and
        // so cannot end the session earlier either. A clock that is far behind is wrong: the server knows.
        if change.base_last_active.since(reckoned) > LATE {
            return None;
        }
        let now = reckoned.max(change.base_last_active);
        let left = millis(change.lifetime.idle);
        let end = now.as_millis().saturating_add(left).min(absolute_end(change));
        let mut end = Timestamp::from_millis(end);
        let base_end = change.base_expires_at;
        if end >= base_end && end.since(base_end) < SLIGHT.min(change.lifetime.idle / 1_000) {
            end = base_end;
        }
        // What has expired is not there, unless a test turned the clock.
        let is_live = now.as_millis() > 0 && base_end > now;
        is_live.then_some(Times { now, end })
    }
}

/// When a change is made, and when the session ends then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) now: Timestamp,
    pub(crate) end: Timestamp,
}

/// How a plain change is written.
struct Plain {
    times: Times,
    /// Whether the end of the session stays, and nothing is removed.
    only_sets: bool,
    script: &'static Script,
    /// The state that it sets.
    state: String,
}

/// Whether a change only sets and removes fields, and so few that the server's scripts take them at once.
fn is_plain(change: &Change) -> bool {
    !change.clear
        && !change.restart
        && change.user.is_none()
        && change.edits.len() < 1_000
        && change.base_version < 1 << 50
}

/// When a session's absolute lifetime ends, in the server's milliseconds.
fn absolute_end(change: &Change) -> i64 {
    change.created_at.as_millis().saturating_add(millis(change.lifetime.absolute)).min(LATEST)
}

impl Plain {
    fn new(change: &Change, times: Times) -> Self {
        let Times { now, end } = times;
        let reach = reach(change);
        let version = change.base_version.saturating_add(1);
        let removes =
            change.remember == Some(false) || change.edits.iter().any(|(_, json)| json.is_none());
        let only_sets = end == change.base_expires_at && !removes;
        let script: &Script = match (only_sets, change.exact) {
            (true, true) => &SET_EXACT,
            (true, false) => &SET,
            (false, true) => &EDIT_EXACT,
            (false, false) => &EDIT,
        };
        let state = hash::state(version, change.created_at, reach, now, end);
        Self { times, only_sets, script, state }
    }

    fn command(&self, key: &[u8], change: &Change) -> Command {
        let mut command = self.script.on(key);
        command.arg(before(change));
        if !self.only_sets {
            command.number(self.times.end.as_millis()).number(4 + 2 * pairs_of(change));
        }
        command.arg(&self.state);
        edits(&mut command, change);
        command
    }
}

/// The state that a change is based on.
fn before(change: &Change) -> String {
    let (active, end) = (change.base_last_active, change.base_expires_at);
    hash::state(change.base_version, change.created_at, reach(change), active, end)
}

/// How far the place in the user's set reaches, unless the lifetimes were changed since.
fn reach(change: &Change) -> i64 {
    if change.base_user.is_some() { absolute_end(change) } else { 0 }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tower_keep_core::{Lifetime, Record};

    use super::*;
    use crate::keep::tests::unconnected;

    #[tokio::test]
    async fn end_of_a_session_that_is_changed_all_the_time_goes_on() {
        let keep = unconnected().await;
        let begin = Timestamp::from_millis(1_795_262_400_000);
        let lifetime = Lifetime::default();
        let mut record = Record::new("shop".into(), begin);
        record.expires_at = begin + lifetime.idle;
        for step in 1..50 {
            keep.link.learn(b"key", begin + step * Duration::from_millis(400), Instant::now());
            let Times { now, end } = keep.times(b"key", &Change::new(&record, lifetime)).unwrap();
            assert!((now + lifetime.idle).since(end) < SLIGHT, "step {step}");
            (record.last_active, record.expires_at) = (now, end);
        }
    }

    #[tokio::test]
    async fn clock_that_is_behind_another_ends_no_session_earlier() {
        let keep = unconnected().await;
        let now = Timestamp::from_millis(1_795_262_400_000);
        let mut record = Record::new("shop".into(), now);
        let ends = |record: &Record| {
            let change = Change::new(record, Lifetime::default());
            keep.times(b"key", &change).map(|times| times.end)
        };
        keep.link.learn(b"key", now, Instant::now());
        let later = |seconds| now + Duration::from_secs(seconds);
        record.expires_at = later(1_800);
        assert!(ends(&record) <= Some(later(1_800)));
        record.last_active = now + Duration::from_millis(900);
        record.expires_at = record.last_active + Duration::from_secs(1_800);
        assert_eq!(ends(&record), Some(record.expires_at));
        record.last_active = later(60);
        record.expires_at = later(1_860);
        assert_eq!(ends(&record), None);
    }
}
