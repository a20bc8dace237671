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

/// So long a sign-in may take: one that began earlier has died on its way.
const SIGN_IN: Duration = Duration::from_secs(60);

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

/// What becomes of something that is put under an id.
enum Put {
    Done(State),
    Taken,
    /// The session that was there has another id now.
    MovedTo(SessionId),
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
        new: &NewRecord,
    ) -> Result<Created, StoreError> {
        let absolute = new.lifetime.absolute;
        let begun = self.begin(id, |now| (new.at(now), now + absolute)).await?;
        let Some(record) = begun else { return Ok(Created::Taken) };
        let mut receipt = Receipt::of(&record, record.last_active);
        if let Some(place) = Place::of(&record, record.created_at + absolute) {
            match self.settle(id, &place, new.user_limit, None).await? {
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

    /// Puts a session under an id that is free, live at once if it has no user; `None` if it is taken.
    async fn begin(
        &self,
        id: SessionId,
        make: impl Fn(Timestamp) -> (Record, Timestamp),
    ) -> Result<Option<Record>, StoreError> {
        self.put_under(id, |now| {
            let (record, reach) = make(now);
            let phase = if record.user.is_some() { Phase::Pending(None) } else { Phase::Live };
            State::new(phase, record, reach)
        })
        .await
        .map(|state| state.map(|state| Record::clone(&state.record)))
    }

    /// Puts something under an id that is free; `None` if it is taken.
    pub(super) async fn put_under(
        &self,
        id: SessionId,
        make: impl Fn(Timestamp) -> State,
    ) -> Result<Option<State>, StoreError> {
        let mut seen_to = None;
        loop {
            let put = self.register.change(id, |value, now| {
                if value.is_some_and(|value| is_taken(value, now)) {
                    return Decision::Leave(Put::Taken);
                }
                // A session that was moved from here may still look here whether it was.
                match value.map(|value| value.state.phase) {
                    Some(Phase::Ended(Some(Id(to)))) if seen_to != Some(to) => {
                        Decision::Leave(Put::MovedTo(to))
                    }
                    _ => {
                        let state = make(now);
                        Decision::Write(state.clone(), Put::Done(state))
                    }
                }
            });
            match put.await? {
                Put::Done(state) => return Ok(Some(state)),
                Put::Taken => return Ok(None),
                Put::MovedTo(to) => {
                    self.start(to, Some(id)).await?;
                    seen_to = Some(to);
                }
            }
        }
    }

    /// Lets a session live that waited for its place, or for the end of another one. One that was
    /// evicted meanwhile stays ended.
    pub(super) async fn start(
        &self,
        id: SessionId,
        from: Option<SessionId>,
    ) -> Result<(), StoreError> {
        let waits = Phase::Pending(from.map(Id));
        self.register
            .change(id, |value, _| match value.filter(|value| value.state.phase == waits) {
                Some(Value { state: State { record, reach, .. }, .. }) => {
                    let (record, reach) = (Arc::clone(record), *reach);
                    Decision::Write(State { phase: Phase::Live, record, reach }, ())
                }
                None => Decision::Leave(()),
            })
            .await
    }

    /// Ends a session whether it lives or waits; tells whether it did.
    pub(super) async fn end(&self, id: SessionId) -> Result<bool, StoreError> {
        self.register
            .change(id, |value, now| match value.filter(|value| value.lasts(now)) {
                Some(value) => {
                    let record = value.record();
                    Decision::Write(State::ended(record, None, record.expires_at), true)
                }
                None => Decision::Leave(false),
            })
            .await
    }

    /// Whether a session was moved from one id to the other.
    pub(super) async fn has_moved(
        &self,
        from: SessionId,
        to: SessionId,
    ) -> Result<bool, StoreError> {
        let old = self.register.read(from).await?;
        Ok(old.is_some_and(|old| old.state.phase == Phase::Ended(Some(Id(to)))))
    }

    pub(super) fn start_behind(self: &Arc<Self>, id: SessionId, from: SessionId) {
        let keep = Arc::clone(self);
        // If it fails, the next one to meet the session does it.
        tokio::spawn(async move { drop(keep.start(id, Some(from)).await) });
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

/// Whether an id is not free.
pub(super) fn is_taken(value: &Value, now: Timestamp) -> bool {
    let has_died = value.state.phase == Phase::Pending(None) && !may_be_under_way(value, now);
    value.lasts(now) && !has_died
}

/// Whether what a session waits for may still come.
pub(super) fn may_be_under_way(value: &Value, now: Timestamp) -> bool {
    now.since(value.since) <= SIGN_IN
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
