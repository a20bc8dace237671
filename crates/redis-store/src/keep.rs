//! The operations on one session: [`Keep`].

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use redis::Value;
use tower_keep_core::{
    Lifetime, Loaded, Receipt, SessionId, StoreError, StoreErrorKind, Timestamp, Touch, Touched,
};

use crate::{
    cache::{Cache, Cached},
    error::unexpected,
    hash::{self, Stored},
    key::{Keys, digits},
    link::{Answer, Link},
    script::{DELETE, TOUCH},
    servers::Command,
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
    /// The place in the user's set is gone.
    pub(crate) const UNPLACED: i64 = 9;
}

/// So often an operation is begun again because of what others do meanwhile.
pub(crate) const ATTEMPTS: usize = 20;

/// The longest duration, in milliseconds: added to the time of today it stays below 2^53, up to which the
/// doubles of the scripts are exact.
const LONGEST: u128 = 1 << 52;

/// The last millisecond that the scripts count up to.
pub(crate) const LATEST: i64 = (1 << 53) - 1;

/// What the operations share.
#[derive(Clone)]
pub(crate) struct Keep {
    pub(crate) link: Link,
    pub(crate) keys: Arc<Keys>,
    pub(crate) cache: Cache,
}

impl Keep {
    pub(crate) async fn load(&self, id: &SessionId) -> Result<Option<Loaded>, StoreError> {
        let key = self.keys.session(id);
        let known = self.cache.find(id);
        if let Some(known) = &known
            && self.link.reckoned(&key).is_some_and(|now| known.may_be_used(now))
        {
            let (state, at) = self.link.state(&key).await?;
            if known.is_of(&state) {
                let record = Arc::clone(&known.record);
                return Ok((!record.is_expired(at)).then_some(Loaded { record, at }));
            }
        }
        let keep = |state: &str, Loaded { record, at }: &Loaded| {
            self.cache.keep(id, Cached::read(state, record, *at, known.as_deref()));
        };
        let live = self.read(id, &key, keep).await?;
        if live.is_none() {
            self.cache.forget(id);
        }
        Ok(live)
    }

    /// The live record, read whole.
    pub(crate) async fn live(&self, id: &SessionId) -> Result<Option<Loaded>, StoreError> {
        self.read(id, &self.keys.session(id), |_, _| {}).await
    }

    /// Reads a live record whole, and shows it and its state before it is given away.
    async fn read(
        &self,
        id: &SessionId,
        key: &[u8],
        show: impl Fn(&str, &Loaded) + Send,
    ) -> Result<Option<Loaded>, StoreError> {
        for _ in 0..ATTEMPTS {
            let (answer, at) = self.link.read(key).await?;
            match Stored::read(id, &answer)? {
                Stored::Live(record, state) if !record.is_expired(at) => {
                    let live = Loaded { record: Arc::new(record), at };
                    show(state, &live);
                    return Ok(Some(live));
                }
                Stored::Arriving(from) if rarely(self.settle(id, &from)).await? => {}
                Stored::Live(..) | Stored::Arriving(_) | Stored::Nothing => return Ok(None),
            }
        }
        Err(restless())
    }

    pub(crate) async fn touch(&self, id: &SessionId, touch: Touch) -> Result<Touched, StoreError> {
        let key = self.keys.session(id);
        self.cache.forget(id);
        let mut raised = 0;
        for _ in 0..ATTEMPTS {
            let mut command = TOUCH.on(&key);
            command.number(self.link.shift());
            lifetime(&mut command, touch.lifetime);
            command.number(raised);
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
        self.cache.forget(id);
        for _ in 0..ATTEMPTS {
            let mut command = DELETE.on(&key);
            command.number(self.link.shift());
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
}

/// Work that is seldom needed, apart, so that the operation around it stays small: it is moved and allocated
/// with each request.
pub(crate) fn rarely<'a, T>(work: impl Future<Output = T> + Send + 'a) -> BoxFuture<'a, T> {
    Box::pin(work)
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
        Stored::Live(record, _) => Ok(Loaded { record: Arc::new(record), at }),
        _ => Err(unexpected()),
    }
}

/// Adds both clocks, in milliseconds.
pub(crate) fn lifetime(command: &mut Command, lifetime: Lifetime) {
    command.number(millis(lifetime.idle)).number(millis(lifetime.absolute));
}

pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis().min(LONGEST)).unwrap_or(i64::MAX)
}

pub(crate) fn arguments<N: AsRef<str>>(command: &mut Command, pairs: &[(N, String)]) {
    for (name, value) in pairs {
        command.arg(name.as_ref()).arg(value);
    }
}

pub(crate) fn restless() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "others changed the session again and again")
}

#[cfg(test)]
pub(crate) mod tests {
    use tower_keep_core::{Change, NewRecord, Record};

    use super::*;
    use crate::{
        clock::ServerClock,
        servers::{Servers, Settings, Url},
    };

    /// One that has no server.
    pub(crate) async fn unconnected() -> Keep {
        let settings = Settings::within(Duration::from_secs(1));
        let url = Url::read("redis://127.0.0.1:1", &settings).unwrap();
        let servers = Servers::connect(url, settings).await.unwrap();
        let link = Link::new(servers, ServerClock::new(None));
        Keep { link, keys: Arc::new(Keys::new("")), cache: Cache::of(0) }
    }

    /// With the room for its deadline, which takes 120 bytes, an allocation of more than a thousand bytes costs
    /// several times as much.
    #[tokio::test]
    async fn operations_stay_small() {
        let keep = unconnected().await;
        let id = SessionId::from_bytes([0; 32]);
        let new = NewRecord::new("shop".into(), Lifetime::default());
        let record = Record::new("shop".into(), Timestamp::from_millis(0));
        let change = Change::new(&record, Lifetime::default());
        let touch = Touch { created_at: record.created_at, lifetime: Lifetime::default() };
        // As the store calls it: with what it was given.
        let (borrowed, id_again) = (&keep, &id);
        let create = async move { borrowed.create(id_again, &new).await };
        for (operation, bytes) in [
            ("load", size_of_val(&keep.load(&id))),
            ("create", size_of_val(&create)),
            ("apply", size_of_val(&keep.apply(&id, &change))),
            ("touch", size_of_val(&keep.touch(&id, touch))),
        ] {
            assert!(bytes <= 880, "{operation}: {bytes} bytes");
        }
    }
}
