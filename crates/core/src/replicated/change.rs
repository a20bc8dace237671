//! Replacing the value of an id in one step: [`Register::change`].

use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::Duration,
};

use super::{
    ask::{Answers, Verdict},
    ballot::Ballot,
    error::Unknown,
    register::Register,
    value::{State, Value},
};
use crate::{LayerName, SessionId, StoreError, StoreErrorKind, Timestamp};

/// How often a change is tried against those of other processes.
const ATTEMPTS: u32 = 16;

/// The longest pause before an attempt.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// What becomes of a value.
pub(super) enum Decision<T> {
    /// It stays.
    Leave(T),
    /// It stays, and is decided once more, so that no proposal before it can be.
    Confirm(T),
    /// It is replaced.
    Write(State, T),
}

/// What is proposed, and what is answered once it is decided.
struct Proposal<T> {
    value: Value,
    answer: T,
    /// The step that is a change of ours, if one is.
    ours: Option<Mark>,
}

/// A step in the history of a value, and the proposal that it comes from.
#[derive(Clone, Copy)]
struct Mark {
    step: u64,
    origin: u32,
}

/// What follows from the promises of a quorum.
enum Plan<T> {
    Answer(T),
    Propose(Proposal<T>),
}

impl Register {
    /// Replaces the value by what `decide` makes of it, in one step. `decide` may be asked several
    /// times, each time with the value as it is then.
    ///
    /// An error may mean that the change will be carried out still, by whoever finds it.
    pub(super) async fn change<T>(
        self: &Arc<Self>,
        id: SessionId,
        mut decide: impl FnMut(Option<&Value>, Timestamp) -> Decision<T>,
    ) -> Result<T, StoreError> {
        let _turn = self.turn(&id).await?;
        let mut highest = Ballot::default();
        let mut begins: Option<LayerName> = None;
        // Changes of ours that some members may have taken, with what they would answer.
        let mut tried: Vec<(Mark, T)> = Vec::new();
        for attempt in 0..ATTEMPTS {
            // Whoever waits with a proposal on its way may wait until nobody remembers it.
            if tried.is_empty() {
                pause(attempt).await;
            }
            let (verdict, answers) = match Answers::ask(&self.members, id).await {
                Ok(asked) => asked,
                Err(error) if tried.is_empty() => return Err(error),
                Err(_) => return Err(Unknown::error()),
            };
            let agreed = match &verdict {
                Verdict::Agreed(ballot, value) => Some((Some(*ballot), Some(value))),
                Verdict::Nothing => Some((None, None)),
                Verdict::Divided => None,
            };
            // What is known to be decided may need no change; nor does it say what becomes of ours.
            if let Some((ballot, value)) = agreed.filter(|_| tried.is_empty()) {
                match decide(value, self.now()) {
                    Decision::Leave(answer) => {
                        self.mend_behind(id, ballot.zip(value.cloned()), answers);
                        return Ok(answer);
                    }
                    Decision::Confirm(_) => {}
                    Decision::Write(state, _) => {
                        begins = value.is_none().then(|| state.record.layer.clone());
                    }
                }
            }

            let ballot = Ballot::above(highest.max(answers.highest()))?;
            let prepared = self.members.prepare(id, &answers.held, ballot, begins.as_ref()).await;
            highest = prepared.highest;
            if prepared.promises.len() < self.members.quorum {
                match prepared.failure(&self.members) {
                    None => continue,
                    Some(error) if tried.is_empty() => return Err(error),
                    Some(_) => return Err(Unknown::error()),
                }
            }

            let promises = prepared.promises;
            let last = promises.iter().filter_map(|promise| promise.accepted.as_ref());
            let last = last.max_by_key(|(ballot, _)| *ballot).cloned();
            let is_agreed = agreed.map(|(ballot, _)| ballot) == Some(last.as_ref().map(|it| it.0));
            let homes = promises.iter().fold(0, |homes, promise| homes | 1 << promise.member);
            let last = last.map(|(_, value)| value);
            let plan = if let Some(ours) = fate(&tried, last.as_ref())? {
                let (mark, answer) = tried.swap_remove(ours);
                match last {
                    Some(value) if !is_agreed => {
                        Plan::Propose(Proposal { value, answer, ours: Some(mark) })
                    }
                    _ => Plan::Answer(answer),
                }
            } else {
                let now = self.now();
                let decision = decide(last.as_ref(), now);
                plan(decision, last, is_agreed, |state, last| {
                    let lasts = last.filter(|last| last.lasts(now));
                    let homes = lasts.map_or(homes, |last| last.homes);
                    Value::next(last, state, ballot.origin(), now, homes)
                })
            };
            let Proposal { value, answer, ours } = match plan {
                Plan::Answer(answer) => return Ok(answer),
                Plan::Propose(proposal) => proposal,
            };

            let is_new = ours.is_some_and(|mark| mark.origin == ballot.origin());
            let taken = self.members.accept(id, promises, ballot, &value).await;
            if taken.members.len() >= self.members.quorum {
                let others = (0..self.members.len()).filter(|it| !taken.members.contains(it));
                self.deliver_behind(id, ballot, value, others.collect());
                return Ok(answer);
            }
            if let Some(mark) = ours.filter(|_| taken.or_others || !is_new) {
                tried.push((mark, answer));
            }
        }
        if tried.is_empty() {
            let cause = "others change the session at once";
            return Err(StoreError::new(StoreErrorKind::TimedOut, cause));
        }
        Err(Unknown::error())
    }
}

/// Which of our changes is part of the value, if one is.
///
/// It is an error if the value no longer remembers what its steps came from. One that is not a part of
/// it never will be, once another proposal is decided that follows it.
fn fate<T>(tried: &[(Mark, T)], value: Option<&Value>) -> Result<Option<usize>, StoreError> {
    let Some(value) = value else { return Ok(None) };
    let mut is_unknown = false;
    for (place, (mark, _)) in tried.iter().enumerate() {
        match value.origin_of(mark.step) {
            Some(origin) if origin == mark.origin => return Ok(Some(place)),
            Some(_) => {}
            None => is_unknown |= mark.step < value.step,
        }
    }
    if is_unknown { Err(Unknown::error()) } else { Ok(None) }
}

/// What a decision comes to. What it was made on may not be decided yet, and has to be before anybody
/// is told of it.
fn plan<T>(
    decision: Decision<T>,
    last: Option<Value>,
    is_agreed: bool,
    next: impl FnOnce(State, Option<&Value>) -> Value,
) -> Plan<T> {
    match (decision, last) {
        (Decision::Leave(answer), Some(value)) if !is_agreed => {
            Plan::Propose(Proposal { value, answer, ours: None })
        }
        (Decision::Confirm(answer), Some(value)) => {
            Plan::Propose(Proposal { value, answer, ours: None })
        }
        (Decision::Leave(answer) | Decision::Confirm(answer), _) => Plan::Answer(answer),
        (Decision::Write(state, answer), last) => {
            let value = next(state, last.as_ref());
            let ours = Some(Mark { step: value.step, origin: value.origin });
            Plan::Propose(Proposal { value, answer, ours })
        }
    }
}

/// Waits before another attempt, longer each time, and by chance, so that rivals do not meet again.
async fn pause(attempt: u32) {
    if attempt == 0 {
        return;
    }
    let ceiling = Duration::from_millis(1 << attempt.min(6)).min(LONGEST_PAUSE);
    let chance = RandomState::new().hash_one(attempt) % 1_000;
    tokio::time::sleep(ceiling.mul_f64(chance as f64 / 1_000.0)).await;
}
