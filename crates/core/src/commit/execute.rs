//! Carrying a plan out: [`execute`].

use std::sync::Arc;

use super::{
    Plan,
    write::{Done, Outcome, Work},
};
use crate::{
    Error, ErrorKind,
    session::{Exchange, Live, Phase, State},
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

/// Commits what a request has written so far.
pub(crate) async fn execute(
    exchange: Arc<Exchange>,
    moment: Moment,
    observed: bool,
) -> Result<(), Error> {
    let _turn = exchange.turn().await;
    let outcome = commit(&exchange, moment, observed).await;
    if moment == Moment::Response {
        // From here on the handles of this request have no say in the head.
        exchange.state().phase = Phase::HeadSent;
    }
    outcome
}

async fn commit(exchange: &Exchange, moment: Moment, observed: bool) -> Result<(), Error> {
    let Some(mut work) = begin(exchange, moment, observed)? else {
        return Ok(());
    };
    let outcome = carry_out(exchange, &mut work).await;
    settle(exchange, moment, work, outcome)
}

/// Takes out of the state what is to be written. What handlers write meanwhile is for the next
/// commit.
fn begin(exchange: &Exchange, moment: Moment, observed: bool) -> Result<Option<Work>, Error> {
    let manager = exchange.manager();
    let mut state = exchange.state();
    if let Some(failure) = &state.failure {
        return Err(failure.clone());
    }
    let touch_due = state.live.as_ref().is_some_and(|live| manager.is_touch_due(live, &state));
    let plan = state.plan(touch_due || moment == Moment::Save);
    match plan {
        Plan::Drop => {
            state.discard();
            manager.events().late_commit();
            return late(moment).map(|()| None);
        }
        Plan::Nothing if state.gone => return late(moment).map(|()| None),
        Plan::Nothing => return Ok(None),
        _ if plan.makes_token() && state.phase == Phase::HeadSent => {
            return Err(ErrorKind::HeadSent.into());
        }
        _ => {}
    }
    Ok(Some(Work {
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
    }))
}

/// What a commit to a session that has ended is: nothing to a response, an error to a `save`.
fn late(moment: Moment) -> Result<(), Error> {
    match moment {
        Moment::Response => Ok(()),
        Moment::Save => Err(ErrorKind::Gone.into()),
    }
}

async fn carry_out(exchange: &Exchange, work: &mut Work) -> Result<Outcome, Error> {
    let manager = exchange.manager();
    work.freshen()?;
    match work.plan {
        Plan::Nothing | Plan::Drop => Ok(Outcome::Gone),
        Plan::Touch => work.touch(manager).await,
        Plan::Create => work.create(manager, exchange.client()).await,
        Plan::Apply | Plan::Rotate => work.change(manager).await,
        Plan::Destroy => destroy(exchange, work).await,
        Plan::Replace => match destroy(exchange, work).await? {
            Outcome::Gone => Ok(Outcome::Gone),
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

/// Puts the outcome into the state.
fn settle(
    exchange: &Exchange,
    moment: Moment,
    work: Work,
    outcome: Result<Outcome, Error>,
) -> Result<(), Error> {
    let mut state = exchange.state();
    match outcome {
        Ok(Outcome::Done(done)) => {
            // Without a response there is nobody to renew a cookie for.
            let has_response = state.phase != Phase::Detached;
            if done.message.is_some() && (has_response || work.plan.makes_token()) {
                state.message = done.message;
            }
            keep(&mut state, done.live, work.destroyed);
            Ok(())
        }
        Ok(Outcome::Gone) => {
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
                work.put_back(&mut state);
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
