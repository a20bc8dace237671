//! The two rounds of a proposal, member by member: [`Members::prepare`] and [`Members::accept`], and
//! [`Members::deliver`] to those that were not there.

use std::sync::Arc;

use super::{
    ballot::Ballot,
    calls::{Call, Calls},
    error::NoQuorum,
    members::{Held, Members},
    value::{Phase, Value},
    vote::Vote,
};
use crate::{Applied, Created, LayerName, Record, SessionId, StoreError};

/// How often one member is tried whose record changes meanwhile.
const TRIES: usize = 4;

/// What a member answers to the first round.
enum Answer {
    Promised(Promise),
    /// It has promised a higher ballot.
    Refused(Ballot),
    /// It holds nothing, and so has no vote.
    Nothing,
}

/// A member that takes no proposal below the ballot from now on.
pub(super) struct Promise {
    pub(super) member: usize,
    /// Its record with the promise in it.
    record: Arc<Record>,
    /// The last proposal that it has taken.
    pub(super) accepted: Option<(Ballot, Value)>,
}

/// The promises of a round, and the highest ballot that stood in its way.
pub(super) struct Prepared {
    pub(super) promises: Vec<Promise>,
    pub(super) highest: Ballot,
    failures: Vec<StoreError>,
}

impl Prepared {
    /// Why there was no quorum, if it was not for a higher ballot.
    pub(super) fn failure(self, members: &Members) -> Option<StoreError> {
        let stopped = self.failures.len() > members.len() - members.quorum;
        stopped.then(|| NoQuorum::error(members.quorum, self.failures))
    }
}

/// How a second round ended.
pub(super) struct Taken {
    /// The members that have taken the proposal.
    pub(super) members: Vec<usize>,
    /// Whether others may have.
    pub(super) or_others: bool,
}

impl Members {
    /// The first round: asks all that have a vote to take no proposal below the ballot. Where the
    /// session is about to begin, in a layer, those that hold nothing get a vote by it.
    pub(super) async fn prepare(
        self: &Arc<Self>,
        id: SessionId,
        held: &[Option<Held>],
        ballot: Ballot,
        begins: Option<&LayerName>,
    ) -> Prepared {
        let mut calls = Calls::new(held.iter().enumerate().filter_map(|(member, held)| {
            let held = match held {
                Some(Held::Nothing) if begins.is_none() => return None,
                held => held.clone(),
            };
            let (members, begins) = (Arc::clone(self), begins.cloned());
            let call: Call<Answer> =
                Box::pin(async move { members.promise(member, id, held, ballot, begins).await });
            Some((member, call))
        }));
        let mut prepared = Prepared { promises: Vec::new(), highest: ballot, failures: Vec::new() };
        while let Some((_, answer)) =
            self.next(&mut calls, prepared.promises.len() >= self.quorum).await
        {
            match answer {
                Ok(Answer::Promised(promise)) => prepared.promises.push(promise),
                Ok(Answer::Refused(higher)) => prepared.highest = prepared.highest.max(higher),
                Ok(Answer::Nothing) => {}
                Err(failure) => prepared.failures.push(failure),
            }
        }
        prepared
    }

    /// The second round: asks those that promised to take the value.
    pub(super) async fn accept(
        self: &Arc<Self>,
        id: SessionId,
        promises: Vec<Promise>,
        ballot: Ballot,
        value: &Value,
    ) -> Taken {
        let mut calls = Calls::new(promises.into_iter().map(|promise| {
            let (members, value) = (Arc::clone(self), value.clone());
            let member = promise.member;
            let call: Call<bool> =
                Box::pin(async move { members.take(promise, id, ballot, value).await });
            (member, call)
        }));
        let mut taken = Taken { members: Vec::new(), or_others: false };
        while let Some((member, answer)) =
            self.next(&mut calls, taken.members.len() >= self.quorum).await
        {
            match answer {
                Ok(true) => taken.members.push(member),
                Ok(false) => {}
                Err(_) => taken.or_others = true,
            }
        }
        taken.or_others |= !taken.members.is_empty();
        taken
    }

    /// Gives a value that is decided to a member that lacks it. A member that holds nothing gets it too,
    /// unless the session has ended: what is not there need not be told so.
    pub(super) async fn deliver(
        &self,
        member: usize,
        id: SessionId,
        ballot: Ballot,
        value: &Value,
    ) -> Result<bool, StoreError> {
        let now = self.now();
        for _ in 0..TRIES {
            match self.load(member, &id).await? {
                Held::Nothing => {
                    let is_over = matches!(value.state.phase, Phase::Ended(_));
                    if is_over || value.record().is_expired(now) {
                        return Ok(false);
                    }
                    let vote = Vote { promised: ballot, accepted: Some((ballot, value.clone())) };
                    let new = vote.to_create(&value.record().layer, now)?;
                    if let Created::Created(_) = self.create(member, &id, new).await? {
                        return Ok(true);
                    }
                }
                Held::Vote(record, vote) => {
                    let has_it = vote.accepted.is_some_and(|(accepted, _)| accepted >= ballot);
                    if has_it || vote.promised > ballot {
                        return Ok(false);
                    }
                    let vote = Vote { promised: ballot, accepted: Some((ballot, value.clone())) };
                    let change = vote.to_replace(&record, now)?;
                    if let Applied::Applied(_) = self.apply(member, &id, &change).await? {
                        return Ok(true);
                    }
                }
            }
        }
        Ok(false)
    }

    async fn promise(
        &self,
        member: usize,
        id: SessionId,
        held: Option<Held>,
        ballot: Ballot,
        begins: Option<LayerName>,
    ) -> Result<Answer, StoreError> {
        let now = self.now();
        let mut held = match held {
            Some(held) => held,
            None => self.load(member, &id).await?,
        };
        for _ in 0..TRIES {
            held = match held {
                Held::Nothing => {
                    let Some(layer) = &begins else {
                        return Ok(Answer::Nothing);
                    };
                    let new = Vote { promised: ballot, accepted: None }.to_create(layer, now)?;
                    match self.create(member, &id, new.clone()).await? {
                        Created::Created(receipt) => {
                            let mut record = new.at(now);
                            record.version = receipt.version;
                            let record = Arc::new(record);
                            let promise = Promise { member, record, accepted: None };
                            return Ok(Answer::Promised(promise));
                        }
                        Created::Taken | Created::OverLimit => self.load(member, &id).await?,
                    }
                }
                Held::Vote(_, vote) if vote.promised >= ballot => {
                    return Ok(Answer::Refused(vote.promised));
                }
                Held::Vote(record, vote) => {
                    let vote = Vote { promised: ballot, accepted: vote.accepted };
                    let change = vote.to_promise(&record, now)?;
                    match self.apply(member, &id, &change).await? {
                        Applied::Applied(receipt) => {
                            let mut record = change.applied_to(&record, now);
                            record.version = receipt.version;
                            let record = Arc::new(record);
                            let promise = Promise { member, record, accepted: vote.accepted };
                            return Ok(Answer::Promised(promise));
                        }
                        Applied::Conflict(loaded) => Held::of(loaded)?,
                        Applied::Gone => Held::Nothing,
                    }
                }
            };
        }
        Ok(Answer::Nothing)
    }

    /// Whether the member has taken the value. Nothing may have changed there since its promise.
    async fn take(
        &self,
        promise: Promise,
        id: SessionId,
        ballot: Ballot,
        value: Value,
    ) -> Result<bool, StoreError> {
        let vote = Vote { promised: ballot, accepted: Some((ballot, value)) };
        let change = vote.to_replace(&promise.record, self.now())?;
        match self.apply(promise.member, &id, &change).await? {
            Applied::Applied(_) => Ok(true),
            Applied::Gone => Ok(false),
            // Somebody may have brought it there already.
            Applied::Conflict(loaded) => Ok(match Held::of(loaded)? {
                Held::Vote(_, vote) => {
                    vote.accepted.is_some_and(|(accepted, _)| accepted == ballot)
                }
                Held::Nothing => false,
            }),
        }
    }
}
