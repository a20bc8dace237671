//! Writes a change.

use std::{fmt::Write, sync::Arc, time::Duration};

use redis::Cmd;
use tower_keep_core::{Applied, Change, Loaded, Receipt, SessionId, StoreError, Timestamp};

use crate::{
    error::unexpected,
    hash,
    keep::{ATTEMPTS, Keep, LATEST, how, millis, origin, other, rarely, receipt, restless},
    key::digits,
    script::APPLY,
    users::Place,
};

/// What is reckoned here may be behind what others reckoned by so much.
const LATE: Duration = Duration::from_secs(1);

impl Keep {
    pub(crate) async fn apply(
        &self,
        id: &SessionId,
        change: &Change,
    ) -> Result<Applied, StoreError> {
        let key = self.keys.session(id);
        let mut raised = 0;
        let mut former = None;
        for _ in 0..ATTEMPTS {
            if let Some(user) = &change.user {
                let live = rarely(self.live(id)).await?;
                let Some((record, at)) = live else { return Ok(Applied::Gone) };
                if !change.fits(record.version) {
                    return Ok(Applied::Conflict(Loaded { record: Arc::new(record), at }));
                }
                let place = Place {
                    layer: &record.layer,
                    user,
                    id,
                    replaces: None,
                    created_at: (!change.restart).then_some(record.created_at),
                    lifetime: change.lifetime,
                };
                raised = rarely(self.place(&place)).await?;
                former = record
                    .user
                    .filter(|former| former != user)
                    .map(|user| self.keys.user(&record.layer, &user));
            }
            let times = self.times(&key, change);
            let command = self.change(&key, change, raised, times);
            let answer = self.link.call(&APPLY, command).await?;
            match answer.how {
                how::DONE => {
                    if let Some(former) = former {
                        rarely(self.release(&former, &[digits(id)])).await;
                    }
                    let version = change.base_version.saturating_add(1);
                    return Ok(Applied::Applied(match times.filter(|_| answer.is_short()) {
                        // It was the version that was read, and the times were good.
                        Some((at, expires_at)) => Receipt { version, at, expires_at, evicted: 0 },
                        None => receipt(&answer, 0)?,
                    }));
                }
                how::OTHER => return Ok(Applied::Conflict(other(id, &answer)?)),
                how::GONE => return Ok(Applied::Gone),
                how::TOO_FAR if change.user.is_some() => {}
                how::TOO_FAR => {
                    match rarely(self.raise(id, change.lifetime, change.restart)).await? {
                        Some(reach) => raised = reach,
                        None => return Ok(Applied::Gone),
                    }
                }
                how::ARRIVING if rarely(self.settle(id, &origin(&answer)?)).await? => {}
                how::ARRIVING => return Ok(Applied::Gone),
                _ => return Err(unexpected()),
            }
        }
        Err(restless())
    }

    /// The time and the session's end after a change that only sets and removes fields, as this side reckons
    /// them.
    ///
    /// The server writes them where the state is still the one that was read; it says by its own clock whether
    /// the session has ended.
    fn times(&self, key: &[u8], change: &Change) -> Option<(Timestamp, Timestamp)> {
        let reckoned = self.link.reckoned(key).filter(|_| is_plain(change))?;
        // Another one may have reckoned a little better. The change must not come before what it follows, and
        // so cannot end the session earlier either. A clock that is far behind is wrong: the server knows.
        if change.base_last_active.since(reckoned) > LATE {
            return None;
        }
        let now = reckoned.max(change.base_last_active);
        let left = millis(change.lifetime.idle);
        let end = now.as_millis().saturating_add(left).min(absolute_end(change));
        // What has expired is not there, unless a test turned the clock.
        let is_live = now.as_millis() > 0 && change.base_expires_at > now;
        is_live.then_some((now, Timestamp::from_millis(end)))
    }

    fn change(
        &self,
        key: &[u8],
        change: &Change,
        raised: i64,
        times: Option<(Timestamp, Timestamp)>,
    ) -> Cmd {
        let mut command = APPLY.on(key);
        command.arg(self.link.shift());
        let base = change.base_version;
        let following = base.saturating_add(1);
        let after = match times {
            Some((now, end)) => {
                let created = change.created_at;
                // How far the place in the user's set reaches, unless the lifetimes were changed since.
                let reach = if change.base_user.is_some() { absolute_end(change) } else { 0 };
                let (active, expires) = (change.base_last_active, change.base_expires_at);
                command
                    .arg(hash::state(base, created, reach, active, expires))
                    .arg(end.as_millis());
                hash::state(following, created, reach, now, end)
            }
            None => {
                command.arg(format!("[{base},")).arg("");
                format!("[{following},")
            }
        };
        let (idle, absolute) = (millis(change.lifetime.idle), millis(change.lifetime.absolute));
        let mode = match (change.clear, change.exact) {
            (true, _) => "clear",
            (false, true) => "bound",
            (false, false) => "merge",
        };
        let restart = if change.restart { "restart" } else { "" };
        let user = if change.user.is_some() { "user" } else { "" };
        let mut rest = String::with_capacity(64);
        // Writing to a string does not fail.
        let _ = write!(rest, "{idle} {absolute} {raised} {mode} {restart} {user}");
        command.arg(rest);
        command.arg(7 + 2 * pairs_of(change)).arg("@state").arg(after);
        edits(&mut command, change);
        command
    }
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

/// How many fields of the hash a change sets, apart from the state.
pub(crate) fn pairs_of(change: &Change) -> usize {
    let sets = change.edits.iter().filter(|(_, json)| json.is_some()).count();
    let remembers = change.remember == Some(true);
    sets + usize::from(change.user.is_some()) + usize::from(remembers)
}

/// Adds the names and values that a change sets, and the names that it removes.
pub(crate) fn edits(command: &mut Cmd, change: &Change) {
    let remembers = change.remember == Some(true);
    if let Some(user) = &change.user {
        command.arg("@user").arg(user.as_str());
    }
    if remembers {
        command.arg("@remember").arg("true");
    }
    for (name, json) in change.edits.iter() {
        if let Some(json) = json {
            command.arg(&*hash::field(name)).arg(json);
        }
    }
    if change.remember == Some(false) {
        command.arg("@remember");
    }
    for (name, json) in change.edits.iter() {
        // What a cleared session held is gone already.
        if json.is_none() && !change.clear {
            command.arg(&*hash::field(name));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tower_keep_core::{Lifetime, Record};

    use super::*;
    use crate::keep::tests::unconnected;

    #[tokio::test]
    async fn clock_that_is_behind_another_ends_no_session_earlier() {
        let keep = unconnected().await;
        let now = Timestamp::from_millis(1_795_262_400_000);
        let mut record = Record::new("shop".into(), now);
        let ends = |record: &Record| {
            let change = Change::new(record, Lifetime::default());
            keep.times(b"key", &change).map(|(_, end)| end)
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
