//! The operations on one session: [`Keep`].

use std::{borrow::Cow, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use redis::{Cmd, Value};
use tower_keep_core::{
    Applied, Change, Created, Lifetime, Loaded, NewRecord, Receipt, Record, SessionId, StoreError,
    StoreErrorKind, Timestamp, Touch, Touched,
};

use crate::{
    error::unexpected,
    hash::{self, Stored, pairs},
    key::{Keys, digits},
    link::{Answer, Link},
    payload::payload,
    script::{APPLY, CREATE, DELETE, FORGET, SETTLE, TOUCH},
    users::{Place, Reserved},
};

/// How scripts say how they ended.
pub(crate) mod how {
    pub(crate) const GONE: i64 = 0;
    pub(crate) const DONE: i64 = 1;
    /// Another version, or a live session where none may be.
    pub(crate) const OTHER: i64 = 2;
    /// The record comes from another id, which may not have let go yet.
    pub(crate) const ARRIVING: i64 = 3;
    /// The session would outlive its place in the user's set.
    pub(crate) const TOO_FAR: i64 = 4;
    /// The session went to another id.
    pub(crate) const MOVED: i64 = 5;
    /// A later sign-in took the place before the session was there.
    pub(crate) const EVICTED: i64 = 6;
    /// The reserved place is held no more.
    pub(crate) const LATE: i64 = 7;
    /// Something is under the new id, if only a mark.
    pub(crate) const OCCUPIED: i64 = 8;
}

/// So often an operation is begun again because of what others do meanwhile.
pub(crate) const ATTEMPTS: usize = 20;

/// What the server's scripts count up to exactly, in milliseconds: doubles end at 2^53.
const LONGEST: u128 = 1 << 52;

/// The last millisecond that the scripts count up to.
const LATEST: i64 = (1 << 53) - 1;

/// What the operations share.
#[derive(Clone)]
pub(crate) struct Keep {
    pub(crate) link: Link,
    pub(crate) keys: Arc<Keys>,
}

impl Keep {
    pub(crate) async fn load(&self, id: &SessionId) -> Result<Option<Loaded>, StoreError> {
        let live = self.live(id).await?;
        Ok(live.map(|(record, at)| Loaded { record: Arc::new(record), at }))
    }

    /// The live record, and when it was read.
    pub(crate) async fn live(
        &self,
        id: &SessionId,
    ) -> Result<Option<(Record, Timestamp)>, StoreError> {
        let key = self.keys.session(id);
        for _ in 0..ATTEMPTS {
            let (answer, at) = self.link.read(&key).await?;
            match Stored::read(id, &answer)? {
                Stored::Live(record) => {
                    return Ok((!record.is_expired(at)).then_some((record, at)));
                }
                Stored::Arriving(from) if rarely(self.settle(id, &from)).await? => {}
                Stored::Arriving(_) | Stored::Nothing => return Ok(None),
            }
        }
        Err(restless())
    }

    pub(crate) async fn create(
        &self,
        id: &SessionId,
        new: &NewRecord,
    ) -> Result<Created, StoreError> {
        let pairs = pairs(
            id,
            &new.layer,
            new.user.as_ref(),
            new.client.as_ref(),
            new.remember,
            &new.fields,
        );
        let key = self.keys.session(id);
        if let Some(receipt) = self.put(&key, new, &pairs).await? {
            return Ok(Created::Created(receipt));
        }
        let mut evicted = 0;
        for _ in 0..ATTEMPTS {
            let mut held_until = 0;
            if let Some(user) = &new.user {
                let place = Place {
                    layer: &new.layer,
                    user,
                    id,
                    replaces: None,
                    created_at: None,
                    lifetime: new.lifetime,
                };
                match rarely(self.reserve(&place, new.user_limit, &mut evicted)).await? {
                    Reserved::Place(place) => held_until = place.held_until,
                    Reserved::Taken => return Ok(Created::Taken),
                    Reserved::OverLimit => return Ok(Created::OverLimit),
                }
            }
            let mut command = CREATE.on(&key);
            command.arg(self.link.shift());
            lifetime(&mut command, new.lifetime);
            command.arg(if new.user.is_some() { "user" } else { "" }).arg(held_until);
            arguments(&mut command, &pairs);
            let answer = self.link.call(&CREATE, command).await?;
            match answer.how {
                how::DONE => {
                    let receipt = receipt(&answer, evicted)?;
                    self.link.learn(&key, receipt.at);
                    return Ok(Created::Created(receipt));
                }
                how::EVICTED => {
                    if let Some(user) = &new.user {
                        let place = self.keys.user(&new.layer, user);
                        rarely(self.release(&place, &[digits(id)])).await;
                    }
                    return Ok(Created::Created(receipt(&answer, evicted)?));
                }
                how::OTHER => return Ok(Created::Taken),
                how::LATE => {}
                _ if rarely(self.clear_way(id, &answer)).await? => {}
                _ => return Ok(Created::Taken),
            }
        }
        Err(restless())
    }

    /// Makes a session by a plain command, a third of whose cost to the server a script has alone.
    ///
    /// `None` if that cannot be done: the key is taken, if only by the mark of a rotation, or there is a user,
    /// whose limit has to be kept.
    async fn put(
        &self,
        key: &[u8],
        new: &NewRecord,
        pairs: &[(Cow<'static, str>, String)],
    ) -> Result<Option<Receipt>, StoreError> {
        let left = millis(new.lifetime.idle.min(new.lifetime.absolute));
        if new.user.is_some() || left == 0 {
            return Ok(None);
        }
        let Some(now) = self.link.put_at(key) else { return Ok(None) };
        let created = now.as_millis();
        let end = created.saturating_add(left).min(LATEST);
        let state = format!("[1,{created},0,{created},{end}]");
        let own = [("@state", &*state)].into_iter();
        let pairs = pairs.iter().map(|(name, value)| (&**name, &**value));
        let all: Vec<_> = own.chain(pairs).collect();
        let Some(hash) = payload(all.into_iter()) else { return Ok(None) };
        let done = self.link.put(key, left, &hash).await?;
        let expires_at = Timestamp::from_millis(end);
        Ok(done.then_some(Receipt { version: 1, at: now, expires_at, evicted: 0 }))
    }

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
    /// them; the server writes them if its clock agrees.
    fn times(&self, key: &[u8], change: &Change) -> Option<(Timestamp, Timestamp)> {
        let now = self.link.reckoned(key).filter(|_| is_plain(change))?;
        let left = millis(change.lifetime.idle);
        let end = now.as_millis().saturating_add(left).min(absolute_end(change));
        (now.as_millis() > 0).then_some((now, Timestamp::from_millis(end)))
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
        let mut state = String::new();
        if let Some((now, end)) = times {
            let (now, end) = (now.as_millis(), end.as_millis());
            let created = change.created_at.as_millis();
            // How far the place in the user's set reaches, unless the lifetimes were changed since.
            let reach = if change.base_user.is_some() { absolute_end(change) } else { 0 };
            let second = (now - self.link.shift()) / 1_000;
            command.arg(format!("[{base},{created},{reach},"));
            command.arg(format!("{second} {}", second + 1)).arg(end);
            state = format!("[{following},{created},{reach},{now},{end}]");
        } else {
            command.arg("").arg("").arg("");
        }
        let (idle, absolute) = (millis(change.lifetime.idle), millis(change.lifetime.absolute));
        let mode = match (change.clear, change.exact) {
            (true, _) => "clear",
            (false, true) => "bound",
            (false, false) => "merge",
        };
        let restart = if change.restart { "restart" } else { "" };
        let user = if change.user.is_some() { "user" } else { "" };
        command
            .arg(format!("{idle} {absolute} {raised} {base} {following} {mode} {restart} {user}"));
        command.arg(8 + 2 * pairs_of(change)).arg("@state").arg(state);
        edits(&mut command, change);
        command
    }

    pub(crate) async fn touch(&self, id: &SessionId, touch: Touch) -> Result<Touched, StoreError> {
        let key = self.keys.session(id);
        let mut raised = 0;
        for _ in 0..ATTEMPTS {
            let mut command = TOUCH.on(&key);
            command.arg(self.link.shift());
            lifetime(&mut command, touch.lifetime);
            command.arg(raised);
            let answer = self.link.call(&TOUCH, command).await?;
            match answer.how {
                how::DONE => return Ok(Touched::Touched(receipt(&answer, 0)?)),
                how::GONE => return Ok(Touched::Gone),
                how::TOO_FAR => match rarely(self.raise(id, touch.lifetime, false)).await? {
                    Some(reach) => raised = reach,
                    None => return Ok(Touched::Gone),
                },
                how::ARRIVING if rarely(self.settle(id, &origin(&answer)?)).await? => {}
                how::ARRIVING => return Ok(Touched::Gone),
                _ => return Err(unexpected()),
            }
        }
        Err(restless())
    }

    pub(crate) async fn delete(&self, id: &SessionId) -> Result<bool, StoreError> {
        let key = self.keys.session(id);
        for _ in 0..ATTEMPTS {
            let mut command = DELETE.on(&key);
            command.arg(self.link.shift());
            let answer = self.link.call(&DELETE, command).await?;
            match answer.how {
                how::DONE => {
                    if !matches!(answer.rest.get(1), None | Some(Value::Nil))
                        && let Some(layer) = hash::bound_layer(id, answer.text(0)?)
                    {
                        let user = self.keys.user(&layer.into(), &answer.text(1)?.into());
                        rarely(self.release(&user, &[digits(id)])).await;
                    }
                    return Ok(true);
                }
                how::GONE => return Ok(false),
                how::ARRIVING if rarely(self.settle(id, &origin(&answer)?)).await? => {}
                how::ARRIVING => return Ok(false),
                _ => return Err(unexpected()),
            }
        }
        Err(restless())
    }

    /// Finds out whether a record that comes from another id has arrived, and says so in its hash.
    ///
    /// Returns whether it is worth looking again: if not, the other id has not let go, or never will.
    pub(crate) async fn settle(
        &self,
        id: &SessionId,
        from: &SessionId,
    ) -> Result<bool, StoreError> {
        let mut moved = redis::cmd("HGET");
        moved.arg(self.keys.session(from)).arg("@moved");
        let to = self.link.send(&moved).await?;
        if hash::text(&to).is_ok_and(|to| to == digits(id)) {
            self.finish(from, id).await?;
            return Ok(true);
        }
        // Another may have settled it, and cleared the mark of its departure, in between.
        let mut arriving = redis::cmd("HGET");
        arriving.arg(self.keys.session(id)).arg("@arriving");
        let arriving = self.link.send(&arriving).await?;
        Ok(!hash::text(&arriving).is_ok_and(|text| text.starts_with(&digits(from))))
    }

    /// Ends a rotation whose old id has let go: the record is there by itself, the mark goes.
    pub(crate) async fn finish(&self, old: &SessionId, new: &SessionId) -> Result<(), StoreError> {
        let mut settle = SETTLE.on(&self.keys.session(new));
        settle.arg(self.link.shift()).arg(digits(old));
        self.link.call(&SETTLE, settle).await?;
        let mut forget = FORGET.on(&self.keys.session(old));
        forget.arg(self.link.shift()).arg(digits(new));
        self.link.call(&FORGET, forget).await.map(drop)
    }

    /// Clears what a rotation left under an id that is to be made; `false` if a session may live there.
    pub(crate) async fn clear_way(
        &self,
        id: &SessionId,
        answer: &Answer,
    ) -> Result<bool, StoreError> {
        match answer.how {
            how::ARRIVING => self.settle(id, &origin(answer)?).await,
            how::MOVED => {
                let to = answer.text(0)?.parse().map_err(|_| unexpected())?;
                self.finish(id, &to).await?;
                Ok(true)
            }
            _ => Err(unexpected()),
        }
    }
}

/// Work that is seldom needed, apart, so that the operation around it stays small: it is moved and allocated
/// with each request.
fn rarely<'a, T>(work: impl Future<Output = T> + Send + 'a) -> BoxFuture<'a, T> {
    Box::pin(work)
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

/// The id that a script's answer names.
pub(crate) fn origin(answer: &Answer) -> Result<SessionId, StoreError> {
    answer.text(0)?.parse().map_err(|_| unexpected())
}

/// The receipt in the answer of a script.
pub(crate) fn receipt(answer: &Answer, evicted: u32) -> Result<Receipt, StoreError> {
    Ok(Receipt {
        version: answer.text(0)?.parse().map_err(|_| unexpected())?,
        at: Timestamp::from_millis(answer.number(1)?),
        expires_at: Timestamp::from_millis(answer.number(2)?),
        evicted,
    })
}

/// The record in the answer of a script that found another version.
pub(crate) fn other(id: &SessionId, answer: &Answer) -> Result<Loaded, StoreError> {
    let at = Timestamp::from_millis(answer.number(0)?);
    match Stored::part(id, answer.rest.get(1).ok_or_else(unexpected)?)? {
        Stored::Live(record) => Ok(Loaded { record: Arc::new(record), at }),
        _ => Err(unexpected()),
    }
}

/// Adds both clocks, in milliseconds.
pub(crate) fn lifetime(command: &mut Cmd, lifetime: Lifetime) {
    command.arg(millis(lifetime.idle)).arg(millis(lifetime.absolute));
}

pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis().min(LONGEST)).unwrap_or(i64::MAX)
}

pub(crate) fn arguments<N: AsRef<str>>(command: &mut Cmd, pairs: &[(N, String)]) {
    for (name, value) in pairs {
        command.arg(name.as_ref()).arg(&**value);
    }
}

pub(crate) fn restless() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "others changed the session again and again")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::ServerClock,
        servers::{Servers, Settings, Url},
    };

    /// Above a thousand bytes, allocating them costs several times as much.
    #[tokio::test]
    async fn operations_stay_small() {
        let settings = Settings::within(Duration::from_secs(1));
        let url = Url::read("redis://127.0.0.1:1", &settings).unwrap();
        let servers = Servers::connect(url, settings).await.unwrap();
        let link = Link::new(servers, ServerClock::new(None));
        let keep = Keep { link, keys: Arc::new(Keys::new("")) };
        let id = SessionId::from_bytes([0; 32]);
        let new = NewRecord::new("shop".into(), Lifetime::default());
        let record = Record::new("shop".into(), Timestamp::from_millis(0));
        let change = Change::new(&record, Lifetime::default());
        let touch = Touch { created_at: record.created_at, lifetime: Lifetime::default() };
        for (operation, bytes) in [
            ("load", size_of_val(&keep.load(&id))),
            ("create", size_of_val(&keep.create(&id, &new))),
            ("apply", size_of_val(&keep.apply(&id, &change))),
            ("touch", size_of_val(&keep.touch(&id, touch))),
        ] {
            assert!(bytes <= 1_000, "{operation}: {bytes} bytes");
        }
    }
}
