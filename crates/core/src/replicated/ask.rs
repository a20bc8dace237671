//! What the members hold for an id, taken together: [`Answers`].

use std::{sync::Arc, time::Duration};

use super::{
    ballot::Ballot,
    calls::Calls,
    error::NoQuorum,
    members::{Held, Members},
    value::Value,
};
use crate::{SessionId, StoreError};

/// So long the other members are waited for where a quorum has answered and is divided, since a change
/// that is under way mostly ends by itself.
const PATIENCE: Duration = Duration::from_millis(50);

/// What the members hold for an id, and the calls that are still under way.
pub(super) struct Answers {
    members: Arc<Members>,
    /// By member; `None` where it has not answered.
    pub(super) held: Vec<Option<Held>>,
    failures: Vec<StoreError>,
    calls: Calls<Held>,
}

/// What follows from the answers.
#[derive(Clone, Debug)]
pub(super) enum Verdict {
    /// A quorum holds this value, which thereby is decided.
    Agreed(Ballot, Value),
    /// So many hold nothing that nothing can be decided.
    Nothing,
    /// A quorum has a vote, and no value is that of a quorum.
    Divided,
}

impl Answers {
    /// Asks all members, and waits for as many as it takes to know.
    pub(super) async fn ask(
        members: &Arc<Members>,
        id: SessionId,
    ) -> Result<(Verdict, Self), StoreError> {
        let mut resting = members.resting();
        let mut is_first_look = true;
        let awake = (0..members.len()).filter(|member| !resting.contains(member));
        let mut answers = Self {
            members: Arc::clone(members),
            held: vec![None; members.len()],
            failures: Vec::new(),
            calls: members.load_each(awake, id),
        };
        loop {
            if let Some(verdict) = answers.verdict() {
                return Ok((verdict, answers));
            }
            let is_divided = answers.voters() >= members.quorum;
            if answers.calls.are_over() && !is_divided && !resting.is_empty() {
                answers.calls = members.load_each(std::mem::take(&mut resting), id);
            }
            // A member that was asked before the session began and another one that was asked after it
            // make no quorum, though both have it now.
            let is_doubtful = !is_divided && answers.voters() > 0;
            if answers.calls.are_over() && is_doubtful && std::mem::take(&mut is_first_look) {
                answers.calls = members.load_each(answers.empty(), id);
            }
            if answers.calls.are_over() {
                return match is_divided {
                    true => Ok((Verdict::Divided, answers)),
                    false => Err(NoQuorum::error(members.quorum, answers.failures)),
                };
            }
            if !is_divided {
                answers.receive().await;
            } else if tokio::time::timeout(PATIENCE, answers.receive()).await.is_err() {
                return Ok((Verdict::Divided, answers));
            }
        }
    }

    /// Waits for all members that answer in time.
    pub(super) async fn complete(&mut self) {
        while !self.calls.are_over() {
            self.receive().await;
        }
    }

    pub(super) fn are_complete(&self) -> bool {
        self.calls.are_over()
    }

    /// The highest ballot that a member has promised.
    pub(super) fn highest(&self) -> Ballot {
        let votes = self.held.iter().flatten().filter_map(|held| match held {
            Held::Vote(_, vote) => Some(vote.promised),
            Held::Nothing => None,
        });
        votes.max().unwrap_or_default()
    }

    /// The members that have answered and lack a value which is decided.
    pub(super) fn lacking(&self, ballot: Ballot) -> Vec<usize> {
        let lacks = |held: &Option<Held>| match held {
            None => false,
            Some(Held::Nothing) => true,
            Some(Held::Vote(_, vote)) => {
                vote.accepted.as_ref().is_none_or(|(accepted, _)| *accepted < ballot)
            }
        };
        (0..self.held.len()).filter(|member| lacks(&self.held[*member])).collect()
    }

    /// Whether a member has taken a proposal after the one that was decided, or one where none was. A
    /// quorum that has a vote can decide it still.
    pub(super) fn are_ahead(&self, decided: Option<Ballot>) -> bool {
        let is_ahead = self.held.iter().flatten().any(|held| match held {
            Held::Nothing => false,
            Held::Vote(_, vote) => {
                vote.accepted.as_ref().is_some_and(|(accepted, _)| Some(*accepted) > decided)
            }
        });
        is_ahead && self.voters() >= self.members.quorum
    }

    /// The members that held nothing when they were asked.
    fn empty(&self) -> Vec<usize> {
        let is_empty = |member: &usize| matches!(self.held[*member], Some(Held::Nothing));
        (0..self.held.len()).filter(is_empty).collect()
    }

    async fn receive(&mut self) {
        if let Some((member, answer)) = self.calls.next().await {
            match answer {
                Ok(held) => self.held[member] = Some(held),
                Err(error) => self.failures.push(error),
            }
        }
    }

    /// How many have a vote: a member that holds nothing has none.
    fn voters(&self) -> usize {
        self.held.iter().flatten().filter(|held| matches!(held, Held::Vote(..))).count()
    }

    fn verdict(&self) -> Option<Verdict> {
        let quorum = self.members.quorum;
        let mut empty = 0;
        let mut counts: Vec<(Ballot, &Value, usize)> = Vec::new();
        for held in self.held.iter().flatten() {
            let Held::Vote(_, vote) = held else {
                empty += 1;
                continue;
            };
            match &vote.accepted {
                None => empty += 1,
                Some((ballot, value)) => {
                    match counts.iter_mut().find(|(counted, _, _)| counted == ballot) {
                        Some((_, _, count)) => *count += 1,
                        None => counts.push((*ballot, value, 1)),
                    }
                }
            }
        }
        if let Some((ballot, value, _)) = counts.into_iter().find(|(_, _, count)| *count >= quorum)
        {
            return Some(Verdict::Agreed(ballot, value.clone()));
        }
        (empty > self.members.len() - quorum).then_some(Verdict::Nothing)
    }
}
