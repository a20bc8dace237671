//! Carrying a plan out: [`commit`].

use std::{
    ops::Deref,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use super::{
    Commit, Plan,
    write::{Done, Outcome, Patience, Work},
};
use crate::{
    Error, ErrorKind,
    layer::Manager,
    session::{Exchange, Head, Live, Phase, State, Turn, Turns},
    store::within,
    transport::Message,
};

/// When a commit happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// At the end of the handler: what cannot be written because the session has ended is dropped.
    Response,
    /// When a handler asks: it is told so.
    Save,
}

/// How far a commit is.
pub(crate) enum Begun {
    Ended(Result<Head, Error>),
    Running(Commit),
}

/// What there is to do.
enum Decision {
    Nothing(Head),
    /// To carry out a plan; also whether the idle deadline is to be moved.
    Work(Plan, bool),
    /// Another handle of the request is asking the store, and its end must be awaited.
    Busy,
}

/// Commits what a request has written so far, and tells what the head of its response must say.
///
/// A store that answers at once has done it when this returns.
pub(crate) fn commit(exchange: &Arc<Exchange>, moment: Moment) -> Begun {
    // The response holds the exchange; whoever else does may go on with the session. Nobody who does
    // not by now will.
    let observed = moment == Moment::Save || Arc::strong_count(exchange) > 1;
    let mut state = exchange.state();
    let (plan, touch_due) = match decide(exchange.manager(), &mut state, moment) {
        Err(error) => return Begun::Ended(Err(error)),
        Ok(Decision::Nothing(head)) => return Begun::Ended(Ok(head)),
        Ok(Decision::Work(plan, touch_due)) => (plan, touch_due),
        Ok(Decision::Busy) => {
            let exchange = Arc::clone(exchange);
            return Begun::Running(Commit::new(await_turn(exchange, moment, observed)));
        }
    };
    let mut work = Work::taken_from(&mut state, plan, touch_due, observed);
    let turn = exchange.take_turn(state);
    if exchange.manager().store().answers_at_once()
        && let Some(outcome) = at_once(exchange, &mut work)
    {
        return Begun::Ended(settle(exchange, turn, moment, &mut work, outcome));
    }
    let exchange = Arc::clone(exchange);
    let turn = turn.held_by(Arc::clone(&exchange));
    Begun::Running(Commit::new(finish(exchange, turn, moment, work)))
}

async fn await_turn(
    exchange: Arc<Exchange>,
    moment: Moment,
    observed: bool,
) -> Result<Head, Error> {
    loop {
        exchange.freed().await;
        let (turn, work) = {
            let mut state = exchange.state();
            match decide(exchange.manager(), &mut state, moment)? {
                Decision::Nothing(head) => return Ok(head),
                Decision::Work(plan, touch_due) => {
                    let work = Work::taken_from(&mut state, plan, touch_due, observed);
                    (exchange.take_turn(state), work)
                }
                Decision::Busy => continue,
            }
        };
        let turn = turn.held_by(Arc::clone(&exchange));
        return finish(Arc::clone(&exchange), turn, moment, work).await;
    }
}

async fn finish(
    exchange: Arc<Exchange>,
    turn: Turn<Arc<Exchange>>,
    moment: Moment,
    mut work: Work,
) -> Result<Head, Error> {
    let outcome = carry_out(&exchange, &mut work, Patience::Queue).await;
    settle(&exchange, turn, moment, &mut work, outcome)
}

/// Carries the work out where the store answers at once and no other writer is in the way.
fn at_once(exchange: &Exchange, work: &mut Work) -> Option<Result<Outcome, Error>> {
    let commit = pin!(carry_out(exchange, work, Patience::None));
    match commit.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(Outcome::Contended)) => None,
        Poll::Ready(outcome) => Some(outcome),
        // It promised to answer. What became of the call is unknown.
        Poll::Pending => Some(Err(ErrorKind::TimedOut.into())),
    }
}

/// Decides what to do about a state.
fn decide(manager: &Manager, state: &mut State, moment: Moment) -> Result<Decision, Error> {
    if state.busy {
        return Ok(Decision::Busy);
    }
    let touch_due = state.live.as_ref().is_some_and(|live| manager.is_touch_due(live, state));
    let plan = state.plan(touch_due || moment == Moment::Save);
    let outcome = match plan {
        _ if state.failure.is_some() => state.failure.clone().map_or(Ok(()), Err),
        Plan::Drop => {
            state.discard();
            manager.events().late_commit();
            late(moment)
        }
        Plan::Nothing if state.gone => late(moment),
        Plan::Nothing => Ok(()),
        _ if plan.makes_token() && state.phase == Phase::HeadSent => {
            return Err(ErrorKind::HeadSent.into());
        }
        _ => return Ok(Decision::Work(plan, touch_due)),
    };
    // There is nothing to wait for any more: the head is as good as sent.
    let head = match moment {
        Moment::Response => state.head(),
        Moment::Save => Head::default(),
    };
    outcome.map(|()| Decision::Nothing(head))
}

/// What a commit to a session that has ended is: nothing to a response, an error to a `save`.
fn late(moment: Moment) -> Result<(), Error> {
    match moment {
        Moment::Response => Ok(()),
        Moment::Save => Err(ErrorKind::Gone.into()),
    }
}

async fn carry_out(
    exchange: &Exchange,
    work: &mut Work,
    patience: Patience,
) -> Result<Outcome, Error> {
    let manager = exchange.manager();
    work.freshen()?;
    match work.plan {
        Plan::Nothing | Plan::Drop => Ok(Outcome::Gone),
        Plan::Touch => work.touch(manager).await,
        Plan::Create => work.create(manager, exchange.client()).await,
        Plan::Apply | Plan::Rotate => work.change(manager, patience).await,
        Plan::Destroy => destroy(exchange, work).await,
        Plan::Replace => match destroy(exchange, work).await? {
            Outcome::Gone | Outcome::Contended => Ok(Outcome::Gone),
            Outcome::Done(_) => work.create(manager, exchange.client()).await,
        },
    }
}

/// Deletes the session. If it was not there any more, the client may hold the token of another
/// session by now, and is told nothing.
async fn destroy(exchange: &Exchange, work: &mut Work) -> Result<Outcome, Error> {
    let manager = exchange.manager();
    let Some(id) = work.doomed.as_deref().copied() else {
        return Ok(Outcome::Gone);
    };
    let was_there = within(manager.settings().store_timeout, manager.store().delete(&id))
        .await
        .inspect_err(|error| manager.events().outage("delete", error))?;
    work.doomed = None;
    if !was_there {
        return Ok(Outcome::Gone);
    }
    manager.events().destroyed(1);
    Ok(Outcome::Done(Done { live: None, message: Some(Message::Forget) }))
}

/// Settles the outcome, and gives the turn back.
fn settle<D: Deref<Target: AsRef<Turns>>>(
    exchange: &Exchange,
    mut turn: Turn<D>,
    moment: Moment,
    work: &mut Work,
    outcome: Result<Outcome, Error>,
) -> Result<Head, Error> {
    let mut state = turn.end();
    let message = put(&mut state, exchange, moment, work, outcome);
    match moment {
        Moment::Response => {
            let head = state.head();
            message.map(|message| Head { message: message.or(head.message), ..head })
        }
        Moment::Save => {
            if let Some(message) = message? {
                state.message = Some(Box::new(message));
            }
            Ok(Head::default())
        }
    }
}

/// Puts the outcome into the state; tells what the client must hear of it.
fn put(
    state: &mut State,
    exchange: &Exchange,
    moment: Moment,
    work: &mut Work,
    outcome: Result<Outcome, Error>,
) -> Result<Option<Message>, Error> {
    match outcome {
        Ok(Outcome::Done(done)) => {
            keep(state, done.live, work.destroyed);
            // Without a response there is nobody to renew a cookie for.
            let has_response = state.phase != Phase::Detached;
            Ok(done.message.filter(|_| has_response || work.plan.makes_token()))
        }
        Ok(Outcome::Gone | Outcome::Contended) => {
            state.end();
            // After a sign-out that came too late, the request may begin a new session.
            state.gone = work.plan != Plan::Destroy;
            if work.has_changes() {
                exchange.manager().events().late_commit();
            }
            if work.plan == Plan::Destroy { Ok(None) } else { late(moment).map(|()| None) }
        }
        // Nothing that the handler did is lost, so its answer stands. The next request tries again.
        Err(_) if work.plan == Plan::Touch && moment == Moment::Response => Ok(None),
        Err(error) => {
            if error.is_indeterminate() {
                // Writing it again could do it twice.
                state.failure = Some(error.clone());
            } else if moment == Moment::Save {
                work.put_back(state);
            }
            Err(error)
        }
    }
}

/// Goes on with the session as it is in the store now, unless the handler destroyed it meanwhile.
fn keep(state: &mut State, live: Option<Live>, destroyed: u32) {
    if state.destroyed == destroyed {
        state.live = live;
        state.pending.outdate();
    } else {
        state.doomed = live.map(|live| Box::new(live.id)).or(state.doomed.take());
    }
}
