//! Figures of all sessions, by one pass through the servers' tables: [`Analytics`].

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use redis::Value;
use tower_keep_core::{
    LayerName, Loaded, SessionId, Stats, StoreError, StoreErrorKind, Timestamp, UserId,
};

use crate::{
    find::{MOST_SCANNED, Spot},
    hash::{self, State, bound_layer},
    keep::Keep,
    servers::Command,
};

/// Figures of the live sessions, as [`RedisStore::analytics`](crate::RedisStore::analytics) finds them.
///
/// How many were created and destroyed is counted where it happens, by the layer's `Counters` and, with the
/// feature `metrics`, by the `metrics` facade; what was created and neither destroyed nor evicted nor active has expired.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Analytics {
    /// How many there are, of how many users, and when the oldest and the newest began.
    pub stats: Stats,
    /// How many have which value in the field that was asked for, by its JSON text.
    pub by_value: BTreeMap<String, u64>,
    /// How many lack that field.
    pub without: u64,
    /// How many began within the last minute, the last hour and the last day.
    pub began: Within,
    /// How many end within the next minute, the next hour and the next day, if nobody uses them.
    pub ending: Within,
    /// How long they have been used, from their beginning to their last use, on average.
    pub mean_length: Duration,
}

/// How many lie within a minute, an hour and a day of now, each with those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Within {
    /// Within a minute.
    pub minute: u64,
    /// Within an hour.
    pub hour: u64,
    /// Within a day.
    pub day: u64,
}

impl Within {
    fn count(&mut self, distance: Duration) {
        const MINUTE: Duration = Duration::from_secs(60);
        self.minute += u64::from(distance < MINUTE);
        self.hour += u64::from(distance < 60 * MINUTE);
        self.day += u64::from(distance < 24 * 60 * MINUTE);
    }
}

/// What is known of a live session without its fields.
struct Known {
    layer: LayerName,
    user: Option<UserId>,
    created_at: Timestamp,
    last_active: Timestamp,
    expires_at: Timestamp,
    /// When it was asked for.
    at: Timestamp,
    /// The field that was asked for.
    value: Option<String>,
}

impl Keep {
    pub(crate) async fn stats(&self, layer: Option<&LayerName>) -> Result<Stats, StoreError> {
        Ok(self.analytics(layer, None).await?.stats)
    }

    /// One pass; it asks for what it counts, and for no other field.
    pub(crate) async fn analytics(
        &self,
        layer: Option<&LayerName>,
        field: Option<&str>,
    ) -> Result<Analytics, StoreError> {
        let mut found = Analytics::default();
        let mut users: HashSet<(LayerName, UserId)> = HashSet::new();
        let mut seen: HashSet<SessionId> = HashSet::new();
        let mut length = Duration::ZERO;
        let shards = self.link.shards().await?;
        let mut spot = Some(Spot::BEGIN);
        while let Some(here) = spot {
            let (next, mut ids) = self.scan(&shards, here, MOST_SCANNED).await?;
            // Redis may show a key twice.
            ids.retain(|id| seen.insert(*id));
            for known in self.known(&ids, field).await? {
                if layer.is_some_and(|layer| known.layer != *layer) {
                    continue;
                }
                let stats = &mut found.stats;
                let began = known.created_at;
                stats.active += 1;
                stats.oldest = Some(stats.oldest.map_or(began, |oldest| oldest.min(began)));
                stats.newest = Some(stats.newest.map_or(began, |newest| newest.max(began)));
                found.began.count(known.at.since(began));
                found.ending.count(known.expires_at.since(known.at));
                length = length.saturating_add(known.last_active.since(began));
                if let Some(user) = known.user {
                    stats.signed_in += 1;
                    users.insert((known.layer, user));
                }
                match known.value {
                    Some(value) => *found.by_value.entry(value).or_default() += 1,
                    None => found.without += 1,
                }
            }
            spot = next;
        }
        found.stats.users = u64::try_from(users.len()).unwrap_or(u64::MAX);
        let active = u32::try_from(found.stats.active).unwrap_or(u32::MAX);
        found.mean_length = length.checked_div(active).unwrap_or_default();
        Ok(found)
    }

    /// What is known of the live sessions among some ids.
    async fn known(
        &self,
        ids: &[SessionId],
        field: Option<&str>,
    ) -> Result<Vec<Known>, StoreError> {
        let field = field.map(hash::field);
        let commands = ids.iter().map(|id| -> Command {
            let mut command = Command::new("HMGET");
            command.arg(self.keys.session(id)).args(["@state", "@layer", "@user", "@arriving"]);
            command.args(field.as_deref());
            command
        });
        let answers = self.link.ask_all(commands.collect()).await?;
        let mut found = Vec::with_capacity(ids.len());
        for (id, (answer, at)) in ids.iter().zip(answers) {
            match answer.and_then(|answer| read(id, &answer, at)) {
                Ok(Read::Known(known)) if known.expires_at > at => found.push(known),
                Ok(Read::Known(_) | Read::Nothing) => {}
                Ok(Read::Arriving) => {
                    let Some(Loaded { record, at }) = self.live(id).await? else { continue };
                    let name = field.as_deref().map(|name| name.strip_prefix('@').unwrap_or(name));
                    let value = name.and_then(|name| record.fields.get(name));
                    found.push(Known {
                        value: value.map(ToOwned::to_owned),
                        layer: record.layer.clone(),
                        user: record.user.clone(),
                        created_at: record.created_at,
                        last_active: record.last_active,
                        expires_at: record.expires_at,
                        at,
                    });
                }
                Err(error) if error.kind() == StoreErrorKind::Corrupt => {
                    tracing::warn!(session = %id.short(), %error, "a damaged hash is left out");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }
}

/// What is under a key, as far as it was asked for.
enum Read {
    Known(Known),
    Arriving,
    Nothing,
}

fn read(id: &SessionId, answer: &Value, at: Timestamp) -> Result<Read, StoreError> {
    let Value::Array(facts) = answer else { return Err(crate::error::unexpected()) };
    let fact = |place: usize| match facts.get(place) {
        None | Some(Value::Nil) => Ok(None),
        Some(fact) => hash::text(fact).map(Some),
    };
    let Some(state) = fact(0)? else {
        return Ok(if fact(3)?.is_some() { Read::Arriving } else { Read::Nothing });
    };
    let state = State::read(state).ok_or_else(|| crate::error::corrupt("a state that is none"))?;
    let layer = fact(1)?.and_then(|layer| bound_layer(id, layer));
    let other_key = || crate::error::corrupt("a hash that was not written under this key");
    Ok(Read::Known(Known {
        layer: layer.ok_or_else(other_key)?.into(),
        user: fact(2)?.map(UserId::from),
        created_at: state.created_at,
        last_active: state.last_active,
        expires_at: state.expires_at,
        at,
        value: fact(4)?.map(ToOwned::to_owned),
    }))
}
