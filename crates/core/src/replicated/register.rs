//! One value for each id, as if in one place: [`Register`].

use std::{pin::Pin, sync::Arc};

use tokio::sync::{Semaphore, SemaphorePermit};

use super::{
    ask::{Answers, Verdict},
    ballot::Ballot,
    change::Decision,
    members::Members,
    value::Value,
};
use crate::{SessionId, StoreError, StoreErrorKind, Timestamp};

/// Ids share a place in so many queues.
const QUEUES: usize = 64;

/// So many members are brought up to date at once behind the answers.
const ERRANDS: usize = 256;

/// One value for each id, that is read and changed as if it were in one place.
#[derive(Debug)]
pub(super) struct Register {
    pub(super) members: Arc<Members>,
    /// The changes of one id in this process come one after another, so that they do not outbid each
    /// other.
    turns: Box<[Semaphore]>,
    errands: Arc<Semaphore>,
}

impl Register {
    pub(super) fn new(members: Members) -> Self {
        Self {
            members: Arc::new(members),
            turns: (0..QUEUES).map(|_| Semaphore::new(1)).collect(),
            errands: Arc::new(Semaphore::new(ERRANDS)),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.members.now()
    }

    /// The value that is decided, if there is one. Members that lack it get it behind the answer.
    pub(super) async fn read(self: &Arc<Self>, id: SessionId) -> Result<Option<Value>, StoreError> {
        let (verdict, answers) = Answers::ask(&self.members, id).await?;
        let decided = match verdict {
            Verdict::Agreed(ballot, value) => Some((ballot, value)),
            Verdict::Nothing => None,
            // Decides it, so that nobody reads anything else afterwards.
            Verdict::Divided => {
                return self.change(id, |value, _| Decision::Leave(value.cloned())).await;
            }
        };
        let value = decided.as_ref().map(|(_, value)| value.clone());
        self.mend_behind(id, decided, answers);
        Ok(value)
    }

    /// Brings all members up to date; tells how many were not.
    pub(super) async fn mend(self: &Arc<Self>, id: SessionId) -> Result<u64, StoreError> {
        let (verdict, answers) = Answers::ask(&self.members, id).await?;
        match verdict {
            Verdict::Agreed(ballot, value) => {
                self.mend_after(id, Some((ballot, value)), answers).await
            }
            Verdict::Nothing => self.mend_after(id, None, answers).await,
            Verdict::Divided => self.decide(id).await,
        }
    }

    /// Lets a proposal be decided that somebody left half way.
    async fn decide(self: &Arc<Self>, id: SessionId) -> Result<u64, StoreError> {
        self.change(id, |_, _| Decision::<()>::Confirm(())).await.map(|()| 1)
    }

    async fn mend_after(
        self: &Arc<Self>,
        id: SessionId,
        decided: Option<(Ballot, Value)>,
        mut answers: Answers,
    ) -> Result<u64, StoreError> {
        answers.complete().await;
        if answers.are_ahead(decided.as_ref().map(|(ballot, _)| *ballot)) {
            return self.decide(id).await;
        }
        Ok(match decided {
            Some((ballot, value)) => {
                deliver(&self.members, id, ballot, &value, answers.lacking(ballot)).await
            }
            None => 0,
        })
    }

    pub(super) async fn turn(&self, id: &SessionId) -> Result<SemaphorePermit<'_>, StoreError> {
        let queue = &self.turns[usize::from(id.as_bytes()[0]) % QUEUES];
        queue.acquire().await.map_err(|cause| StoreError::new(StoreErrorKind::Unavailable, cause))
    }

    /// Brings all members up to date behind the answer, where something was decided and where not.
    pub(super) fn mend_behind(
        self: &Arc<Self>,
        id: SessionId,
        decided: Option<(Ballot, Value)>,
        answers: Answers,
    ) {
        let ballot = decided.as_ref().map(|(ballot, _)| *ballot);
        let is_whole = ballot.is_none_or(|ballot| answers.lacking(ballot).is_empty());
        if answers.are_complete() && is_whole && !answers.are_ahead(ballot) {
            return;
        }
        let Ok(errand) = Arc::clone(&self.errands).try_acquire_owned() else { return };
        let register = Arc::clone(self);
        // Boxed, since what it comes to may need a repair again.
        let mending: Pin<Box<dyn Future<Output = _> + Send>> =
            Box::pin(async move { register.mend_after(id, decided, answers).await });
        tokio::spawn(async move {
            // If it fails, the next one to meet the session does it.
            drop(mending.await);
            drop(errand);
        });
    }

    /// Gives a value that was decided to others behind the answer.
    pub(super) fn deliver_behind(
        &self,
        id: SessionId,
        ballot: Ballot,
        value: Value,
        to: Vec<usize>,
    ) {
        if to.is_empty() {
            return;
        }
        let Ok(errand) = Arc::clone(&self.errands).try_acquire_owned() else { return };
        let members = Arc::clone(&self.members);
        tokio::spawn(async move {
            deliver(&members, id, ballot, &value, to).await;
            drop(errand);
        });
    }
}

/// Gives members a value that is decided; tells how many took it. One that fails gets it when it is
/// met again.
async fn deliver(
    members: &Members,
    id: SessionId,
    ballot: Ballot,
    value: &Value,
    to: Vec<usize>,
) -> u64 {
    let mut delivered = 0;
    for member in to {
        delivered += u64::from(members.deliver(member, id, ballot, value).await.unwrap_or(false));
    }
    delivered
}
