//! The sessions, each a value of its own: [`Keep`].

use std::{sync::Arc, time::Duration};

use tokio::sync::Semaphore;

use super::{
    change::Decision,
    register::Register,
    value::{Id, Phase, State, Value},
};
use crate::{
    Applied, Change, Created, LayerName, Loaded, NewRecord, Receipt, Record, SessionId, StoreError,
    StoreErrorKind, Timestamp, Touch, Touched, UserId,
};

/// How often an operation goes on that has to see to something else first.
const ROUNDS: usize = 8;

/// The sessions, and the places of users' sessions.
#[derive(Debug)]
pub(super) struct Keep {
    pub(super) register: Arc<Register>,
    /// The sign-ins of one user in this process come one after another.
    pub(super) sign_ins: Box<[Semaphore]>,
}

/// What a change of a session comes to.
pub(super) enum Step<T> {
    Done(T),
    /// The session waits for the end of another one.
    Waits(SessionId),
    /// It needs a place among those of its user first.
    NeedsPlace(Place),
}

/// A session's place among those of its user.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) layer: LayerName,
    pub(super) user: UserId,
    pub(super) created_at: Timestamp,
    pub(super) until: Timestamp,
}

impl Keep {
    pub(super) fn new(register: Register) -> Self {
        let register = Arc::new(register);
        Self { register, sign_ins: (0..64).map(|_| Semaphore::new(1)).collect() }
    }

    pub(super) async fn load(
        self: &Arc<Self>,
        id: SessionId,
    ) -> Result<Option<Loaded>, StoreError> {
        let now = self.register.now();
        Ok(self.live(id).await?.map(|value| value.loaded(now)))
    }

    pub(super) async fn create(
        self: &Arc<Self>,
        id: SessionId,
        new: NewRecord,
    ) -> Result<Created, StoreError> {
        let (absolute, limit) = (new.lifetime.absolute, new.user_limit);
        let begun = self.begin(id, |now| (new.clone().at(now), now + absolute)).await?;
        let Some(record) = begun else { return Ok(Created::Taken) };
        let mut receipt = Receipt::of(&record, record.last_active);
        if let Some(place) = Place::of(&record, record.created_at + absolute) {
            match self.settle(id, &place, limit, None).await? {
                Some(evicted) => receipt.evicted = evicted,
                None => return Ok(Created::OverLimit),
            }
            self.start(id, None).await?;
        }
        Ok(Created::Created(receipt))
    }

    pub(super) async fn import(
        self: &Arc<Self>,
        id: SessionId,
        record: &Record,
    ) -> Result<Created, StoreError> {
        let now = self.register.now();
        let receipt = Receipt::of(record, now);
        if record.is_expired(now) && self.live(id).await?.is_none() {
            return Ok(Created::Created(receipt));
        }
        let begun = self.begin(id, |_| (record.clone(), record.expires_at)).await?;
        if begun.is_none() {
            return Ok(Created::Taken);
        }
        if let Some(place) = Place::of(record, record.expires_at) {
            self.settle(id, &place, None, None).await?;
            self.start(id, None).await?;
        }
        Ok(Created::Created(receipt))
    }

    pub(super) async fn apply(
        self: &Arc<Self>,
        id: SessionId,
        change: &Change,
    ) -> Result<Applied, StoreError> {
        self.step(id, |value, reach, now| {
            let Some(value) = value else {
                return Decision::Leave(Step::Done(Applied::Gone));
            };
            if !change.fits(value.record().version) {
                return Decision::Leave(Step::Done(Applied::Conflict(value.loaded(now))));
            }
            let record = change.applied_to(value.record(), now);
            let applied = Applied::Applied(Receipt::of(&record, now));
            write(value, record, change.lifetime.absolute, reach, applied)
        })
        .await
    }

    pub(super) async fn touch(
        self: &Arc<Self>,
        id: SessionId,
        touch: Touch,
    ) -> Result<Touched, StoreError> {
        self.step(id, |value, reach, now| {
            let Some(value) = value else {
                return Decision::Leave(Step::Done(Touched::Gone));
            };
            let record = value.record().touched(touch.lifetime, now);
            let touched = Touched::Touched(Receipt::of(&record, now));
            write(value, record, touch.lifetime.absolute, reach, touched)
        })
        .await
    }

    pub(super) async fn delete(self: &Arc<Self>, id: SessionId) -> Result<bool, StoreError> {
        let deleted = self
            .step(id, |value, _, _| match value {
                None => Decision::Leave(Step::Done(None)),
                Some(value) => {
                    let record = value.record();
                    let ended = State::ended(record, None, record.expires_at);
                    Decision::Write(ended, Step::Done(Some(Arc::clone(record))))
                }
            })
            .await?;
        if let Some(record) = &deleted {
            self.leave_behind(id, record);
        }
        Ok(deleted.is_some())
    }

    /// The session, if it is live.
    pub(super) async fn live(self: &Arc<Self>, id: SessionId) -> Result<Option<Value>, StoreError> {
        let now = self.register.now();
        let Some(value) = self.register.read(id).await?.filter(|value| value.lasts(now)) else {
            return Ok(None);
        };
        match value.state.phase {
            Phase::Live => Ok(Some(value)),
            Phase::Pending(Some(Id(from))) if self.has_moved(from, id).await? => {
                self.start_behind(id, from);
                Ok(Some(value))
            }
            Phase::Pending(_) | Phase::Ended(_) => Ok(None),
        }
    }

    /// Changes a session; `decide` sees it only if it is live, and how far a place reaches that was got
    /// for it meanwhile.
    pub(super) async fn step<T>(
        self: &Arc<Self>,
        id: SessionId,
        mut decide: impl FnMut(Option<&Value>, Timestamp, Timestamp) -> Decision<Step<T>>,
    ) -> Result<T, StoreError> {
        let mut reach = Timestamp::from_millis(i64::MIN);
        let mut may_wait = true;
        for _ in 0..ROUNDS {
            let step = self.register.change(id, |value, now| {
                let value = value.filter(|value| value.lasts(now));
                match value.map(|value| value.state.phase) {
                    Some(Phase::Pending(Some(Id(from)))) if may_wait => {
                        Decision::Leave(Step::Waits(from))
                    }
                    Some(Phase::Live) => decide(value, reach, now),
                    _ => decide(None, reach, now),
                }
            });
            match step.await? {
                Step::Done(answer) => return Ok(answer),
                Step::Waits(from) => {
                    may_wait = self.has_moved(from, id).await?;
                    if may_wait {
                        self.start(id, Some(from)).await?;
                    }
                }
                Step::NeedsPlace(place) => {
                    self.settle(id, &place, None, None).await?;
                    reach = place.until;
                }
            }
        }
        Err(StoreError::new(StoreErrorKind::TimedOut, "others change the session at once"))
    }
}

impl Place {
    /// The place of a session of this record; `None` if it has no user.
    pub(super) fn of(record: &Record, until: Timestamp) -> Option<Self> {
        let user = record.user.clone()?;
        let until = until.max(record.expires_at);
        Some(Self { layer: record.layer.clone(), user, created_at: record.created_at, until })
    }
}

/// Writes the record of a live session, unless it would outlive its place.
fn write<T>(
    value: &Value,
    record: Record,
    absolute: Duration,
    granted: Timestamp,
    answer: T,
) -> Decision<Step<T>> {
    let is_same_user = record.user == value.record().user;
    let reach = if is_same_user { value.state.reach.max(granted) } else { granted };
    if let Some(place) = Place::of(&record, record.created_at + absolute)
        && record.expires_at > reach
    {
        return Decision::Leave(Step::NeedsPlace(place));
    }
    Decision::Write(State::new(Phase::Live, record, reach), Step::Done(answer))
}
