//! Flaws of `create`, and of how fields are kept.

use std::sync::Arc;

use tower_keep_core::{
    Change, Created, Lifetime, NewRecord, OverLimit, Query, SessionId, Store, StoreFuture,
    Timestamp, UserLimit,
};

use super::{Broken, Flaw, pause};
use crate::reference::{Records, live, make_room, matching, put};

/// The id of no session.
const FRESH: SessionId = SessionId::from_bytes([0; 32]);

impl Broken {
    pub(super) fn broken_create<'a>(
        &'a self,
        id: &'a SessionId,
        new: NewRecord,
    ) -> StoreFuture<'a, Created> {
        match self.flaw {
            Flaw::CreateChecksFirst => StoreFuture::new(async move {
                if self.inner.load(id).await?.is_some() {
                    return Ok(Created::Taken);
                }
                pause().await;
                self.overwrite(id, new).await
            }),
            Flaw::CreateOverwrites => self.overwrite(id, new),
            Flaw::CreateRefusesExpired | Flaw::DeletedIdsStayTaken => {
                self.inner.step(|records, now| {
                    if records.contains_key(id) {
                        return Created::Taken;
                    }
                    Created::Created(put(records, *id, new.at(now), now, 0))
                })
            }
            Flaw::CreateKeepsWhatExpired => self.inner.step(|records, now| {
                if live(records, id, now).is_some() {
                    return Created::Taken;
                }
                let mut record = new.at(now);
                if let Some(old) = records.get(id) {
                    record.fields =
                        old.fields.with(record.fields.iter().map(|(n, v)| (n, Some(v))));
                }
                Created::Created(put(records, *id, record, now, 0))
            }),
            Flaw::CreateIsTwoSteps => StoreFuture::new(async move {
                let mut empty = new.clone();
                empty.user = None;
                let answer = self.inner.create(id, empty).await?;
                if let (Created::Created(_), Some(record)) = (answer, self.inner.lock().get_mut(id))
                {
                    Arc::make_mut(record).user = new.user.clone();
                }
                Ok(answer)
            }),
            Flaw::NobodyIsTheEmptyUser => StoreFuture::new(async move {
                let mut new = new.clone();
                new.user = new.user.or(Some("".into()));
                self.inner.create(id, new).await
            }),
            Flaw::ClientIsForgotten => StoreFuture::new(async move {
                let mut new = new.clone();
                new.client = None;
                self.inner.create(id, new).await
            }),
            Flaw::LimitIsRacy => StoreFuture::new(async move {
                let room = self.inner.step(|records, now| room_for(records, now, &new, id));
                let Some(evicted) = room.await? else {
                    return Ok(Created::OverLimit);
                };
                pause().await;
                let put = |records: &mut Records, now| put(records, *id, new.at(now), now, evicted);
                Ok(Created::Created(self.inner.step(put).await?))
            }),
            Flaw::LimitCountsExpired => self.inner.step(|records, now| {
                let room = room_for(records, Timestamp::from_millis(0), &new, id);
                match room {
                    None => Created::OverLimit,
                    Some(evicted) => Created::Created(put(records, *id, new.at(now), now, evicted)),
                }
            }),
            Flaw::LimitEvictsNewest => self.inner.step(|records, now| {
                let evicted = evict_newest(records, now, &new);
                Created::Created(put(records, *id, new.at(now), now, evicted))
            }),
            Flaw::LimitRefusesByEvicting => StoreFuture::new(async move {
                let mut new = new.clone();
                if let Some(limit) = &mut new.user_limit {
                    *limit = UserLimit::new(limit.sessions, OverLimit::EvictOldest);
                }
                self.inner.create(id, new).await
            }),
            Flaw::LimitSpansLayers => StoreFuture::new(async move {
                let spanning = self.inner.step(|records, now| {
                    let others = matching(records, now, &Query::all());
                    let others = others.iter().filter(|it| it.record.user == new.user);
                    let others = others.count();
                    new.user_limit.is_some_and(|limit| others >= limit.sessions as usize)
                });
                if spanning.await? {
                    return Ok(Created::OverLimit);
                }
                self.inner.create(id, new).await
            }),
            Flaw::LimitComesBeforeTaken => StoreFuture::new(async move {
                let full = self.inner.step(|records, now| {
                    let mut records = records.clone();
                    room_for(&mut records, now, &new, &FRESH).is_none()
                });
                if full.await? {
                    return Ok(Created::OverLimit);
                }
                self.inner.create(id, new).await
            }),
            Flaw::TakenEvicts => StoreFuture::new(async move {
                let room = self.inner.step(|records, now| room_for(records, now, &new, id));
                room.await?;
                self.inner.create(id, new).await
            }),
            flaw => StoreFuture::new(async move {
                let mut new = new.clone();
                new.lifetime = lifetime(flaw, new.lifetime);
                new.fields = new
                    .fields
                    .iter()
                    .filter_map(|(name, json)| damaged(flaw, name, json))
                    .fold(Default::default(), |fields: tower_keep_core::Fields, (name, json)| {
                        fields.with([(&*name, Some(&*json))])
                    });
                let cut = cut(flaw, id);
                self.inner.create(&cut, new).await
            }),
        }
    }

    fn overwrite<'a>(&'a self, id: &'a SessionId, new: NewRecord) -> StoreFuture<'a, Created> {
        self.inner.step(|records, now| Created::Created(put(records, *id, new.at(now), now, 0)))
    }
}

fn room_for(records: &mut Records, now: Timestamp, new: &NewRecord, id: &SessionId) -> Option<u32> {
    make_room(records, now, &new.layer, new.user.as_ref(), new.user_limit, id)
}

fn evict_newest(records: &mut Records, now: Timestamp, new: &NewRecord) -> u32 {
    let (Some(user), Some(limit)) = (&new.user, new.user_limit) else {
        return 0;
    };
    let query = Query::from(new.layer.clone()).of_user(user.clone());
    let mut others = matching(records, now, &query);
    others.sort_by_key(|listed| std::cmp::Reverse(listed.record.created_at));
    let over = (others.len() + 1).saturating_sub(limit.sessions as usize);
    for listed in others.iter().take(over) {
        records.remove(&listed.id);
    }
    over as u32
}

/// A change whose values are kept as the flaw keeps them.
pub(super) fn damaged_change(flaw: Flaw, change: &Change) -> Change {
    let mut change = change.clone();
    change.lifetime = lifetime(flaw, change.lifetime);
    let edits = std::mem::take(&mut change.edits);
    for (name, json) in edits.iter() {
        match json {
            None => change.edits.remove(name.to_owned()),
            Some(json) => {
                if let Some((name, json)) = damaged(flaw, name, json) {
                    change.edits.set(name, &json);
                }
            }
        }
    }
    change
}

/// A field as the flaw keeps it.
fn damaged(flaw: Flaw, name: &str, json: &str) -> Option<(String, String)> {
    let (name, json) = (name.to_owned(), json.to_owned());
    match flaw {
        Flaw::NumbersPassThroughFloats => {
            let json = json.parse::<f64>().map_or(json, |number| number.to_string());
            Some((name, json))
        }
        Flaw::NulIsDropped => Some((name, json.replace("\\u0000", ""))),
        Flaw::EmptyNameIsDropped if name.is_empty() => None,
        Flaw::NamesAreTrimmed => Some((name.trim().to_owned(), json)),
        Flaw::NamesFoldCase => Some((name.to_lowercase(), json)),
        Flaw::LongValuesAreDropped if json.len() > 65_535 => None,
        Flaw::ManyFieldsAreDropped if name.starts_with("field 99") => None,
        Flaw::TextIsNormalized => Some((name, json.replace("\\u00e9", "é"))),
        Flaw::DeepValuesAreDropped if json.starts_with(&"[".repeat(65)) => None,
        _ => Some((name, json)),
    }
}

/// A lifetime as the flaw understands it.
pub(super) fn lifetime(flaw: Flaw, lifetime: Lifetime) -> Lifetime {
    match flaw {
        Flaw::AbsoluteIsIgnored => Lifetime::new(lifetime.idle, std::time::Duration::MAX),
        Flaw::IdleIsIgnored => Lifetime::new(lifetime.absolute, lifetime.absolute),
        Flaw::LifetimesWrap => {
            let seconds = |duration: std::time::Duration| {
                std::time::Duration::from_secs(u64::from(duration.as_secs() as u16))
            };
            Lifetime::new(seconds(lifetime.idle), seconds(lifetime.absolute))
        }
        Flaw::NothingIsNoLimit if lifetime.idle.is_zero() => {
            Lifetime::new(lifetime.absolute, lifetime.absolute)
        }
        _ => lifetime,
    }
}

/// An id as the flaw keeps it.
pub(super) fn cut(flaw: Flaw, id: &SessionId) -> Arc<SessionId> {
    let mut bytes = *id.as_bytes();
    match flaw {
        Flaw::IdsAreCut => bytes[16..].fill(0),
        Flaw::IdsPassThroughText => bytes = bytes.map(|byte| byte.min(0x7f)),
        _ => {}
    }
    Arc::new(SessionId::from_bytes(bytes))
}
