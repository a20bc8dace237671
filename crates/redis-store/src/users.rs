//! The set of a user's sessions, and its limit.
//!
//! A sorted set per user and layer: the ids, scored by when they cannot be live any more. A session's place
//! is reserved before it is made, so that no live session is ever missing from the set; what is in it and
//! not live is dropped when it is met. A place whose session is still being made is marked by `~` and most of
//! the id, scored by how long it is held: the session is not made later than half of that time.

use std::{collections::HashSet, time::Duration};

use redis::Value;
use tower_keep_core::{
    LayerName, Lifetime, Loaded, OverLimit, SessionId, StoreError, Timestamp, UserId, UserLimit,
};

use crate::{
    error::unexpected,
    hash,
    keep::{ATTEMPTS, Keep, how, millis, restless},
    key::digits,
    script::{EVICT, RELEASE, RESERVE},
    servers::Command,
};

/// So long a place is held for a session that is being made: longer than any call's deadline.
const HOLD: Duration = Duration::from_secs(30);

/// So long an evicted session is kept out that was still being made.
const KEEP_OUT_MILLIS: i64 = 60_000;

/// A place in the set of a user's sessions that is asked for.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    pub(crate) layer: &'a LayerName,
    pub(crate) user: &'a UserId,
    pub(crate) id: &'a SessionId,
    /// The session that this one replaces, which does not count.
    pub(crate) replaces: Option<&'a SessionId>,
    /// When the session's absolute lifetime began, if not now.
    pub(crate) created_at: Option<Timestamp>,
    pub(crate) lifetime: Lifetime,
}

/// How asking for a place ended.
#[derive(Debug)]
pub(crate) enum Reserved {
    /// It is reserved.
    Place(Held),
    /// A live session has the id.
    Taken,
    /// The user has as many as allowed.
    OverLimit,
}

/// A reserved place.
#[derive(Debug)]
pub(crate) struct Held {
    /// Until when the session has to be made, in the server's milliseconds.
    pub(crate) held_until: i64,
    /// How far the place reaches.
    pub(crate) reach: i64,
}

/// What is under an id of the set.
enum Seen {
    /// The user's session, which began then.
    Live(i64),
    /// Nothing, or another's.
    Nothing,
}

impl Keep {
    /// Reserves a place; makes room for it where the oldest are to go.
    pub(crate) async fn reserve(
        &self,
        place: &Place<'_>,
        limit: Option<UserLimit>,
        evicted: &mut u32,
    ) -> Result<Reserved, StoreError> {
        let key = self.keys.user(place.layer, place.user);
        let hold = hold(place);
        let mut tried = HashSet::new();
        let mut dead = Vec::new();
        // Each round makes room for one at least, or finds that there is none.
        for _ in 0..10 * ATTEMPTS {
            let sessions = limit.map_or(0, |limit| limit.sessions.max(1));
            let command = self.ask(&key, place, hold, sessions, &dead);
            let answer = self.link.call(&RESERVE, command).await?;
            let Some(limit) = limit.filter(|_| answer.how == 0) else {
                if answer.how != how::DONE {
                    return Err(unexpected());
                }
                self.look_after(key, place, answer.texts(2)?);
                let held = Held { held_until: answer.number(0)?, reach: answer.number(1)? };
                return Ok(Reserved::Place(held));
            };
            let others = answer.texts(1)?;
            if matches!(self.see(place, &[digits(place.id)]).await?[..], [Seen::Live(_)]) {
                return Ok(Reserved::Taken);
            }
            let mut live = Vec::new();
            let mut missing = Vec::new();
            for (id, seen) in others.iter().zip(self.see(place, &others).await?) {
                match seen {
                    Seen::Live(began) => live.push((began, id.clone())),
                    Seen::Nothing => missing.push(id.clone()),
                }
            }
            // Those that the server keeps although they were said to be dead are being made.
            if missing.iter().any(|id| !tried.contains(id)) {
                tried.extend(missing.iter().cloned());
                dead = missing;
                continue;
            }
            if limit.over == OverLimit::Refuse {
                return Ok(Reserved::OverLimit);
            }
            live.sort();
            let allowed = usize::try_from(sessions).unwrap_or(usize::MAX);
            let over = (others.len() + 1).saturating_sub(allowed);
            let oldest = live.into_iter().map(|(_, id)| (id, ""));
            let victims = oldest.chain(missing.into_iter().map(|id| (id, "held"))).take(over);
            dead = Vec::with_capacity(over);
            for (id, held) in victims {
                *evicted = evicted.saturating_add(self.evict(&id, held).await?);
                dead.push(format!("!{id}"));
            }
        }
        Err(restless())
    }

    /// The call that asks for a place that there is no limit of.
    pub(crate) fn asks(&self, key: &[u8], place: &Place<'_>) -> Command {
        self.ask(key, place, hold(place), 0, &[])
    }

    fn ask(
        &self,
        key: &[u8],
        place: &Place<'_>,
        hold: Duration,
        limit: u32,
        dead: &[String],
    ) -> Command {
        let mut command = RESERVE.on(key);
        command.number(self.link.shift()).arg(digits(place.id));
        command.arg(place.created_at.map_or_else(String::new, |at| at.as_millis().to_string()));
        command.number(millis(place.lifetime.absolute)).number(millis(hold)).number(limit);
        command.arg(place.replaces.map_or_else(String::new, digits));
        command.args(dead);
        command
    }

    /// Reserves a place that there is no limit of; tells how far it reaches.
    pub(crate) async fn place(&self, place: &Place<'_>) -> Result<i64, StoreError> {
        match self.reserve(place, None, &mut 0).await? {
            Reserved::Place(held) => Ok(held.reach),
            Reserved::Taken | Reserved::OverLimit => Err(unexpected()),
        }
    }

    /// Lets the place of a session reach as far as its new lifetime; `None` if it is gone.
    pub(crate) async fn raise(
        &self,
        id: &SessionId,
        lifetime: Lifetime,
        restart: bool,
    ) -> Result<Option<i64>, StoreError> {
        let Some(Loaded { record, .. }) = self.live(id).await? else { return Ok(None) };
        let Some(user) = &record.user else { return Err(unexpected()) };
        let place = Place {
            layer: &record.layer,
            user,
            id,
            replaces: None,
            created_at: (!restart).then_some(record.created_at),
            lifetime,
        };
        self.place(&place).await.map(Some)
    }

    /// Gives places up. What stays because this fails is dropped when it is met.
    pub(crate) async fn release(&self, key: &[u8], ids: &[String]) {
        let mut command = RELEASE.on(key);
        command.number(self.link.shift()).args(ids);
        if let Err(error) = self.link.call(&RELEASE, command).await {
            tracing::debug!(%error, "places in a user's set stay until they are met");
        }
    }

    /// What is under some ids of the set.
    async fn see(&self, place: &Place<'_>, ids: &[String]) -> Result<Vec<Seen>, StoreError> {
        let mut seen = Vec::with_capacity(ids.len());
        let parsed: Vec<Option<SessionId>> = ids.iter().map(|id| id.parse().ok()).collect();
        let commands = parsed.iter().flatten().map(|id| {
            let mut command = Command::new("HMGET");
            command.arg(self.keys.session(id)).args(["@state", "@layer", "@user", "@arriving"]);
            command
        });
        let mut answers = self.link.send_all(commands.collect()).await?.into_iter();
        for id in &parsed {
            let Some(id) = id else {
                seen.push(Seen::Nothing);
                continue;
            };
            let Some(Value::Array(facts)) = answers.next() else { return Err(unexpected()) };
            let is_arriving = matches!(facts.get(3), Some(Value::BulkString(_)));
            let is_there = matches!(facts.first(), Some(Value::BulkString(_)));
            // Seldom: in the middle of a rotation, or expired by a clock that a test turned.
            if is_arriving || (is_there && self.link.shift() != 0) {
                seen.push(match self.live(id).await? {
                    Some(live) if is_place_of(&live.record, place) => {
                        Seen::Live(live.record.created_at.as_millis())
                    }
                    _ => Seen::Nothing,
                });
                continue;
            }
            let fact = |place: usize| facts.get(place).and_then(|fact| hash::text(fact).ok());
            let is_own = fact(1).and_then(|layer| hash::bound_layer(id, layer))
                == Some(place.layer.as_str())
                // The id that is asked for is taken by whoever has it.
                && (id == place.id || fact(2) == Some(place.user.as_str()));
            let began = fact(0).and_then(|state| state.split(',').nth(1)?.parse().ok());
            seen.push(match began {
                Some(began) if is_own || id == place.id => Seen::Live(began),
                _ => Seen::Nothing,
            });
        }
        Ok(seen)
    }

    /// Ends a session to make room; tells how many there were.
    async fn evict(&self, id: &str, held: &str) -> Result<u32, StoreError> {
        let id = id.parse().map_err(|_| unexpected())?;
        let mut command = EVICT.on(&self.keys.session(&id));
        command.number(self.link.shift()).arg(held).number(KEEP_OUT_MILLIS);
        let answer = self.link.call(&EVICT, command).await?;
        Ok(u32::from(answer.how == how::DONE))
    }

    /// Drops the dead among a few places of the set: three with each new one, so that they stay few.
    pub(crate) fn look_after(&self, key: Vec<u8>, place: &Place<'_>, sample: Vec<String>) {
        let own = digits(place.id);
        let sample: HashSet<String> =
            sample.into_iter().filter(|id| id.len() == 64 && *id != own).collect();
        if !sample.is_empty() {
            let keep = self.clone();
            tokio::spawn(async move { keep.drop_dead(&key, sample.into_iter().collect()).await });
        }
    }

    /// Drops those places whose session is not there.
    pub(crate) async fn drop_dead(&self, key: &[u8], ids: Vec<String>) {
        let ids: Vec<(SessionId, String)> =
            ids.into_iter().filter_map(|id| Some((id.parse().ok()?, id))).collect();
        let commands = ids.iter().map(|(id, _)| {
            let mut command = Command::new("EXISTS");
            command.arg(self.keys.session(id));
            command
        });
        let Ok(answers) = self.link.send_all(commands.collect()).await else { return };
        let missing = ids.into_iter().zip(answers);
        let missing = missing.filter(|(_, exists)| matches!(exists, Value::Int(0)));
        let missing: Vec<String> = missing.map(|((_, id), _)| format!("?{id}")).collect();
        if !missing.is_empty() {
            self.release(key, &missing).await;
        }
    }
}

fn hold(place: &Place<'_>) -> Duration {
    (place.lifetime.idle / 2).clamp(Duration::from_secs(2), HOLD)
}

fn is_place_of(record: &tower_keep_core::Record, place: &Place<'_>) -> bool {
    record.layer == *place.layer && record.user.as_ref() == Some(place.user)
}
