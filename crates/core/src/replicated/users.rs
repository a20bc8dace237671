//! The places of users' sessions: a value of its own for each user.
//!
//! A place is taken before its session is live, so that no live session is missing; one whose session
//! has ended is dropped when it is met.

use std::{collections::BTreeMap, sync::Arc};

use sha2::{Digest, Sha256};
use tokio::sync::SemaphorePermit;

use super::{
    begin::{is_taken, may_be_under_way},
    change::Decision,
    keep::{Keep, Place},
    value::{Id, Phase, State, Value},
};
use crate::{
    Fields, LayerName, OverLimit, Record, SessionId, StoreError, StoreErrorKind, Timestamp, UserId,
    UserLimit,
};

/// The layer of the values in which places are kept.
pub(super) const LAYER: &str = "tower-keep.users";

/// How often a place is tried for while others sign in too.
const TRIES: usize = 64;

/// So many places of other sessions are looked at with each new one, so that those of dead sessions
/// do not become more and more.
const LOOKS: usize = 3;

/// When a session began, and until when it may need its place.
type Span = (Timestamp, Timestamp);

type Places = BTreeMap<SessionId, Span>;

impl Keep {
    /// Gets a session its place among those of its user. Where the user would have too many, the oldest
    /// are ended; how many, or `None` if it is refused and ended itself. The session that is moved does
    /// not count.
    pub(super) async fn settle(
        self: &Arc<Self>,
        id: SessionId,
        place: &Place,
        limit: Option<UserLimit>,
        moved: Option<SessionId>,
    ) -> Result<Option<u32>, StoreError> {
        let user = id_of(&place.layer, &place.user);
        let _turn = self.sign_in_turn(&user).await?;
        let mut evicted = 0;
        for _ in 0..TRIES {
            let now = self.register.now();
            let found = self.register.read(user).await?;
            let step = found.as_ref().map(|found| found.step);
            let mut places = places(found.as_ref(), now);
            let others: Vec<SessionId> = places
                .keys()
                .copied()
                .filter(|other| *other != id && Some(*other) != moved)
                .collect();
            if let Some(limit) = limit {
                let mut live = Vec::new();
                for other in others {
                    match self.holds_place(other, place).await? {
                        Some(began) => live.push((began, other)),
                        None => drop(places.remove(&other)),
                    }
                }
                let most = usize::try_from(limit.sessions).unwrap_or(usize::MAX).max(1);
                let excess = (live.len() + 1).saturating_sub(most);
                if excess > 0 && limit.over == OverLimit::Refuse {
                    self.end(id).await?;
                    return Ok(None);
                }
                live.sort_unstable();
                // They end before their places go, so that none lives without one.
                for (_, oldest) in live.into_iter().take(excess) {
                    evicted += u32::from(self.end(oldest).await?);
                    places.remove(&oldest);
                }
            } else {
                for other in others.into_iter().take(LOOKS) {
                    if self.holds_place(other, place).await?.is_none() {
                        places.remove(&other);
                    }
                }
            }
            places.insert(id, (place.created_at, place.until));
            if self.put(user, step, &places).await? {
                return Ok(Some(evicted));
            }
        }
        Err(StoreError::new(StoreErrorKind::TimedOut, "the user signs in too often at once"))
    }

    /// Gives up the place of a session that has ended.
    pub(super) fn leave_behind(self: &Arc<Self>, id: SessionId, record: &Record) {
        let Some(user) = &record.user else { return };
        let user = id_of(&record.layer, user);
        let keep = Arc::clone(self);
        // If it fails, the place is dropped when it is met.
        tokio::spawn(async move { drop(keep.leave(user, id).await) });
    }

    async fn leave(&self, user: SessionId, id: SessionId) -> Result<(), StoreError> {
        let _turn = self.sign_in_turn(&user).await?;
        for _ in 0..TRIES {
            let found = self.register.read(user).await?;
            let mut places = places(found.as_ref(), self.register.now());
            if places.remove(&id).is_none() {
                break;
            }
            if self.put(user, found.map(|found| found.step), &places).await? {
                break;
            }
        }
        Ok(())
    }

    /// The ids of a user's sessions in order, some of which may have ended.
    pub(super) async fn ids_of(
        &self,
        layer: &LayerName,
        user: &UserId,
    ) -> Result<Vec<SessionId>, StoreError> {
        let found = self.register.read(id_of(layer, user)).await?;
        Ok(places(found.as_ref(), self.register.now()).into_keys().collect())
    }

    /// When the session in a place began, if it is live or about to be.
    async fn holds_place(
        self: &Arc<Self>,
        id: SessionId,
        place: &Place,
    ) -> Result<Option<Timestamp>, StoreError> {
        let now = self.register.now();
        let found = self.register.read(id).await?;
        let Some(value) = found.filter(|value| is_taken(value, now)) else { return Ok(None) };
        let belongs = value.is_of(&place.layer, &place.user);
        let waits = match value.state.phase {
            Phase::Pending(Some(Id(from))) => {
                self.has_moved(from, id).await? || may_be_under_way(&value, now)
            }
            Phase::Pending(None) | Phase::Live => true,
            Phase::Ended(_) => false,
        };
        Ok((belongs && waits).then(|| value.record().created_at))
    }

    /// Replaces a user's places if nobody else did meanwhile.
    async fn put(
        &self,
        user: SessionId,
        step: Option<u64>,
        places: &Places,
    ) -> Result<bool, StoreError> {
        self.register
            .change(user, |value, now| {
                if value.map(|value| value.step) != step {
                    return Decision::Leave(false);
                }
                Decision::Write(state(places, now), true)
            })
            .await
    }

    async fn sign_in_turn(&self, user: &SessionId) -> Result<SemaphorePermit<'_>, StoreError> {
        let queue = &self.sign_ins[usize::from(user.as_bytes()[0]) % self.sign_ins.len()];
        queue.acquire().await.map_err(|cause| StoreError::new(StoreErrorKind::Unavailable, cause))
    }
}

/// The id under which the places of a user are kept. No token leads there.
fn id_of(layer: &LayerName, user: &UserId) -> SessionId {
    let mut digest = Sha256::new();
    digest.update(LAYER);
    for part in [layer.as_str(), user.as_str()] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    SessionId::from_bytes(digest.finalize().into())
}

fn places(value: Option<&Value>, now: Timestamp) -> Places {
    let Some(value) = value else { return Places::new() };
    let places = value.record().fields.iter().filter_map(|(id, span)| {
        let span: Span = serde_json::from_str(span).ok()?;
        Some((id.parse().ok()?, span))
    });
    places.filter(|(_, (_, until))| *until > now).collect()
}

fn state(places: &Places, now: Timestamp) -> State {
    let texts: Vec<(String, String)> = places
        .iter()
        .map(|(id, (from, until))| {
            (id.to_string(), format!("[{},{}]", from.as_millis(), until.as_millis()))
        })
        .collect();
    let fields: Fields = texts.iter().map(|(id, span)| (&**id, &**span)).collect();
    let mut record = Record::new(LAYER.into(), now);
    record.expires_at = places.values().map(|(_, until)| *until).max().unwrap_or(now);
    record.fields = fields;
    let reach = record.expires_at;
    State::new(Phase::Live, record, reach)
}
