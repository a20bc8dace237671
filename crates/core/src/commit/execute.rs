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
#[allow(clippy::large_enum_variant, reason = "it is taken apart at once, where it was made")]
enum Start<'a> {
    Nothing(Head),
    Work(Turn<&'a Turns>, Work),
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
    let (turn, mut work) = match start(exchange, moment, observed) {
        Err(error) => return Begun::Ended(Err(error)),
        Ok(Start::Nothing(head)) => return Begun::Ended(Ok(head)),
        Ok(Start::Work(turn, work)) => (turn, work),
        Ok(Start::Busy) => {
            let exchange = Arc::clone(exchange);
            return Begun::Running(Commit::new(await_turn(exchange, moment, observed)));
        }
    };
    if exchange.manager().store().answers_at_once()
        && let Some(outcome) = at_once(exchange, &mut work)
    {
        return Begun::Ended(settle(exchange, turn, moment, work, outcome));
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
        match start(&exchange, moment, observed)? {
            Start::Nothing(head) => return Ok(head),
            Start::Work(turn, work) => {
                let turn = turn.held_by(Arc::clone(&exchange));
                return finish(Arc::clone(&exchange), turn, moment, work).await;
            }
            Start::Busy => {}
        }
    }
}

async fn finish(
    exchange: Arc<Exchange>,
    turn: Turn<Arc<Exchange>>,
    moment: Moment,
    mut work: Work,
) -> Result<Head, Error> {
    let outcome = carry_out(&exchange, &mut work, Patience::Queue).await;
    settle(&exchange, turn, moment, work, outcome)
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

/// Takes out of the state what is to be written. What handlers write meanwhile is for the next
/// commit.
fn start(exchange: &Exchange, moment: Moment, observed: bool) -> Result<Start<'_>, Error> {
    let manager = exchange.manager();
    let mut state = exchange.state();
    if state.busy {
        return Ok(Start::Busy);
    }
    let ended = |state: &mut State| match moment {
        // There is nothing to wait for any more: the head is as good as sent.
        Moment::Response => state.head(),
        Moment::Save => Head::default(),
    };
    if let Some(failure) = state.failure.clone() {
        ended(&mut state);
        return Err(failure);
    }
    let touch_due = state.live.as_ref().is_some_and(|live| manager.is_touch_due(live, &state));
    let plan = state.plan(touch_due || moment == Moment::Save);
    match plan {
        Plan::Drop => {
            state.discard();
            manager.events().late_commit();
            return late(moment).map(|()| Start::Nothing(ended(&mut state)));
        }
        Plan::Nothing if state.gone => {
            return late(moment).map(|()| Start::Nothing(ended(&mut state)));
        }
        Plan::Nothing => return Ok(Start::Nothing(ended(&mut state))),
        _ if plan.makes_token() && state.phase == Phase::HeadSent => {
            return Err(ErrorKind::HeadSent.into());
        }
        _ => {}
    }
    let work = Work {
        plan,
        observed,
        touch_due,
        live: state.live.clone(),
        doomed: state.doomed.take(),
        pending: state.pending.take(),
        sign_in: state.sign_in.take(),
        remember: state.remember.take(),
        rotate: std::mem::take(&mut state.rotate),
        destroyed: state.destroyed,
        lost_updates: 0,
        attempts: 0,
    };
    Ok(Start::Work(exchange.take_turn(state), work))
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
    let Some(id) = work.doomed else {
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

/// Puts the outcome into the state, and gives the turn back.
fn settle<D: Deref<Target: AsRef<Turns>>>(
    exchange: &Exchange,
    mut turn: Turn<D>,
    moment: Moment,
    work: Work,
    outcome: Result<Outcome, Error>,
) -> Result<Head, Error> {
    let mut state = turn.end();
    let outcome = put(&mut state, exchange, moment, work, outcome);
    match moment {
        Moment::Response => {
            let head = state.head();
            outcome.map(|()| head)
        }
        Moment::Save => outcome.map(|()| Head::default()),
    }
}

fn put(
    state: &mut State,
    exchange: &Exchange,
    moment: Moment,
    work: Work,
    outcome: Result<Outcome, Error>,
) -> Result<(), Error> {
    match outcome {
        Ok(Outcome::Done(done)) => {
            // Without a response there is nobody to renew a cookie for.
            let has_response = state.phase != Phase::Detached;
            if done.message.is_some() && (has_response || work.plan.makes_token()) {
                state.message = done.message;
            }
            keep(state, done.live, work.destroyed);
            Ok(())
        }
        Ok(Outcome::Gone | Outcome::Contended) => {
            state.end();
            // After a sign-out that came too late, the request may begin a new session.
            state.gone = work.plan != Plan::Destroy;
            if work.has_changes() {
                exchange.manager().events().late_commit();
            }
            if work.plan == Plan::Destroy { Ok(()) } else { late(moment) }
        }
        // Nothing that the handler did is lost, so its answer stands. The next request tries again.
        Err(_) if work.plan == Plan::Touch && moment == Moment::Response => Ok(()),
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
        state.doomed = live.map(|live| live.id).or(state.doomed);
    }
}
