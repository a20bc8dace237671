//! Carrying a plan out: [`commit_response`] and [`commit_now`].

use std::{
    ops::Deref,
    pin::pin,
    task::{Context, Poll, Waker},
};

use super::{
    Commit, Plan,
    write::{Outcome, Task, Work, call},
};
use crate::{
    Client, Error, ErrorKind,
    layer::Manager,
    session::{Draft, Exchange, Head, Live, Phase, SharedExchange, State, StateGuard, Turn, Turns},
    transport::Message,
};

/// When a commit happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    /// At the end of the handler: what cannot be written because the session has ended is dropped.
    Response,
    /// When a handler asks: it is told so.
    Save,
}

/// How far a commit is.
pub(crate) enum Begun {
    Ended(Result<(), Error>),
    Running(Commit),
}

/// What there is to do.
enum Decision {
    Nothing,
    Work(Task),
    /// Another handle of the request is asking the store, and its end must be awaited.
    Busy,
}

/// Commits what a request has written, at the end of its handler, and tells by `head` what the head
/// of its response must say.
///
/// A store that answers at once has done it when this returns.
pub(crate) fn commit_response(exchange: &mut SharedExchange, head: &mut Head) -> Begun {
    // The response holds the exchange; whoever else does may go on with the session. Nobody who does
    // not by now will.
    let alone = SharedExchange::get_mut(exchange);
    let observed = alone.is_none();
    match alone.and_then(|exchange| commit_alone(exchange, head)) {
        Some(outcome) => Begun::Ended(outcome),
        None => commit(exchange, Moment::Response, observed, head),
    }
}

/// Commits what a request has written so far, when a handler asks for it.
pub(crate) fn commit_now(exchange: &SharedExchange) -> Begun {
    commit(exchange, Moment::Save, true, &mut Head::default())
}

/// Commits where nobody else has the session any more: what is written is not taken out, since none
/// can write meanwhile, and nothing is locked. `None` if it cannot be done without waiting.
fn commit_alone(exchange: &mut Exchange, head: &mut Head) -> Option<Result<(), Error>> {
    let (manager, client, state) = exchange.parts_mut();
    let Some(state) = state else {
        // No handle has looked into it, so there is nothing to write.
        return Some(Ok(()));
    };
    if !manager.answers_at_once() {
        return None;
    }
    let outcome = match decide(manager, state, Moment::Response, false) {
        Err(error) => Err(error),
        Ok(Decision::Nothing) => Ok(()),
        Ok(Decision::Work(task)) => {
            let State { live, draft, .. } = &mut *state;
            let work = Work { task, live, draft, message: &mut head.message };
            let outcome = at_once(manager, client, work)?;
            put(state, manager, Moment::Response, task, outcome)
        }
        Ok(Decision::Busy) => return None,
    };
    state.tell(head);
    Some(outcome)
}

fn commit(exchange: &SharedExchange, moment: Moment, observed: bool, head: &mut Head) -> Begun {
    let stays = moment == Moment::Response;
    let manager = exchange.manager();
    let mut state = exchange.state();
    let task = match decide(manager, &mut state, moment, observed) {
        Err(error) => return Begun::Ended(Err(error)),
        Ok(Decision::Nothing) => {
            if moment == Moment::Response {
                state.tell(head);
            }
            return Begun::Ended(Ok(()));
        }
        Ok(Decision::Work(task)) => task,
        Ok(Decision::Busy) => {
            let exchange = SharedExchange::clone(exchange);
            return Begun::Running(Commit::new(await_turn(exchange, moment, observed), stays));
        }
    };
    let (turn, mut taken) = begin(exchange, state, task);
    if manager.answers_at_once()
        && let Some(outcome) = at_once(manager, exchange.client(), taken.work())
    {
        let settled = settle(exchange, turn, moment, taken, outcome);
        return Begun::Ended(settled.map(|told| *head = told));
    }
    let exchange = SharedExchange::clone(exchange);
    let turn = turn.held_by(SharedExchange::clone(&exchange));
    Begun::Running(Commit::new(finish(exchange, turn, moment, taken), stays))
}

async fn await_turn(
    exchange: SharedExchange,
    moment: Moment,
    observed: bool,
) -> Result<Head, Error> {
    loop {
        exchange.freed().await;
        let (turn, taken) = {
            let mut state = exchange.state();
            match decide(exchange.manager(), &mut state, moment, observed)? {
                Decision::Nothing => {
                    let mut head = Head::default();
                    if moment == Moment::Response {
                        state.tell(&mut head);
                    }
                    return Ok(head);
                }
                Decision::Work(task) => begin(&exchange, state, task),
                Decision::Busy => continue,
            }
        };
        let turn = turn.held_by(SharedExchange::clone(&exchange));
        return finish(SharedExchange::clone(&exchange), turn, moment, taken).await;
    }
}

/// What is to be written, taken out of a state in which handlers may go on to write.
struct Taken {
    task: Task,
    live: Option<Live>,
    draft: Draft,
    message: Option<Message>,
}

impl Taken {
    fn work(&mut self) -> Work<'_> {
        let Self { task, live, draft, message } = self;
        Work { task: *task, live, draft, message }
    }
}

/// Takes the turn, and out of the state what is to be written. What handlers write meanwhile is for
/// the next commit.
fn begin<'a>(
    exchange: &'a Exchange,
    mut state: StateGuard<'a>,
    task: Task,
) -> (Turn<&'a Turns>, Taken) {
    // Nobody asks for it any more if nobody observes.
    let live = if task.observed { state.live.clone() } else { state.live.take() };
    let draft = state.draft.take();
    (exchange.take_turn(state), Taken { task, live, draft, message: None })
}

#[expect(clippy::manual_async_fn, reason = "an `async fn` would hold all that it is given twice")]
fn finish(
    exchange: SharedExchange,
    turn: Turn<SharedExchange>,
    moment: Moment,
    mut taken: Taken,
) -> impl Future<Output = Result<Head, Error>> {
    async move {
        let (manager, client) = (exchange.manager(), exchange.client());
        let outcome = carry_out(manager, client, taken.work()).await;
        settle(&exchange, turn, moment, taken, outcome)
    }
}

/// Carries the work out where the store answers at once; `None` if another writer is in the way.
fn at_once(
    manager: &Manager,
    client: Option<&Client>,
    mut work: Work<'_>,
) -> Option<Result<Outcome, Error>> {
    let outcome = match work.freshen() {
        Err(error) => Err(error),
        // What most commits do goes its way without a future, which costs more than the store does.
        Ok(()) => match work.task.plan {
            Plan::Apply | Plan::Rotate => work.change_at_once(manager),
            Plan::Create => work.create_at_once(manager, client),
            _ => {
                let commit = pin!(carry_out(manager, client, work));
                match commit.poll(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(outcome) => outcome,
                    // The store promised to answer. What became of the call is unknown.
                    Poll::Pending => Err(ErrorKind::TimedOut.into()),
                }
            }
        },
    };
    (!matches!(outcome, Ok(Outcome::Contended))).then_some(outcome)
}

/// Decides what to do about a state.
fn decide(
    manager: &Manager,
    state: &mut State,
    moment: Moment,
    observed: bool,
) -> Result<Decision, Error> {
    if state.busy {
        return Ok(Decision::Busy);
    }
    let touch_due = state.live.as_ref().is_some_and(|live| manager.is_touch_due(live, state));
    let plan = state.plan(touch_due || moment == Moment::Save);
    let outcome = match (&state.failure, plan) {
        (Some(error), _) => Err(error.clone()),
        (None, Plan::Drop) => {
            state.discard();
            manager.events().late_commit();
            late(moment)
        }
        (None, Plan::Nothing) if state.gone => late(moment),
        (None, Plan::Nothing) => Ok(()),
        (None, plan) if plan.makes_token() && state.phase == Phase::HeadSent => {
            return Err(ErrorKind::HeadSent.into());
        }
        (None, plan) => {
            let destroyed = state.destroyed;
            return Ok(Decision::Work(Task { plan, observed, touch_due, destroyed }));
        }
    };
    // There is nothing to wait for any more: the head is as good as sent.
    if moment == Moment::Response {
        state.phase = Phase::HeadSent;
    }
    outcome.map(|()| Decision::Nothing)
}

/// What a commit to a session that has ended is: nothing to a response, an error to a `save`.
fn late(moment: Moment) -> Result<(), Error> {
    match moment {
        Moment::Response => Ok(()),
        Moment::Save => Err(ErrorKind::Gone.into()),
    }
}

async fn carry_out(
    manager: &Manager,
    client: Option<&Client>,
    mut work: Work<'_>,
) -> Result<Outcome, Error> {
    work.freshen()?;
    match work.task.plan {
        Plan::Nothing | Plan::Drop => Ok(Outcome::Gone),
        Plan::Touch => work.touch(manager).await,
        Plan::Create => work.create(manager, client).await,
        Plan::Apply | Plan::Rotate => work.change(manager).await,
        Plan::Destroy => destroy(manager, &mut work).await,
        Plan::Replace => match destroy(manager, &mut work).await? {
            Outcome::Gone | Outcome::Contended => Ok(Outcome::Gone),
            Outcome::Done => work.create(manager, client).await,
        },
    }
}

/// Deletes the session. If it was not there any more, the client may hold the token of another
/// session by now, and is told nothing.
async fn destroy(manager: &Manager, work: &mut Work<'_>) -> Result<Outcome, Error> {
    let Some(id) = work.draft.doomed.as_deref().copied() else {
        return Ok(Outcome::Gone);
    };
    let was_there = call(manager, "delete", manager.store().delete(&id)).await?;
    work.draft.doomed = None;
    if !was_there {
        return Ok(Outcome::Gone);
    }
    manager.events().destroyed(1);
    *work.live = None;
    *work.message = Some(Message::Forget);
    Ok(Outcome::Done)
}

/// Settles the outcome, and gives the turn back.
fn settle<D: Deref<Target: AsRef<Turns>>>(
    exchange: &Exchange,
    mut turn: Turn<D>,
    moment: Moment,
    taken: Taken,
    outcome: Result<Outcome, Error>,
) -> Result<Head, Error> {
    let Taken { task, live, draft, message } = taken;
    let mut state = turn.end();
    let is_done = outcome.as_ref().is_ok_and(|outcome| *outcome == Outcome::Done);
    if is_done {
        keep(&mut state, live, task.destroyed);
    } else if moment == Moment::Save
        && outcome.as_ref().is_err_and(|error| !error.is_indeterminate())
    {
        put_back(&mut state, draft, task.destroyed);
    }
    // Without a response there is nobody to renew a cookie for.
    let has_response = state.phase != Phase::Detached;
    let message = message.filter(|_| is_done && (has_response || task.plan.makes_token()));
    let settled = put(&mut state, exchange.manager(), moment, task, outcome);
    match moment {
        Moment::Response => {
            state.phase = Phase::HeadSent;
            let mut head = Head { message, ..Head::default() };
            state.tell(&mut head);
            settled.map(|()| head)
        }
        Moment::Save => {
            settled?;
            if let Some(message) = message {
                state.message = Some(Box::new(message));
            }
            Ok(Head::default())
        }
    }
}

/// Puts the outcome into the state.
fn put(
    state: &mut State,
    manager: &Manager,
    moment: Moment,
    task: Task,
    outcome: Result<Outcome, Error>,
) -> Result<(), Error> {
    match outcome {
        Ok(Outcome::Done) => Ok(()),
        Ok(Outcome::Gone | Outcome::Contended) => {
            state.end();
            // After a sign-out that came too late, the request may begin a new session.
            state.gone = task.plan != Plan::Destroy;
            if task.has_changes() {
                manager.events().late_commit();
            }
            if task.plan == Plan::Destroy { Ok(()) } else { late(moment) }
        }
        // Nothing that the handler did is lost, so its answer stands. The next request tries again.
        Err(_) if task.plan == Plan::Touch && moment == Moment::Response => Ok(()),
        Err(error) => {
            if error.is_indeterminate() {
                // Writing it again could do it twice.
                state.failure = Some(error.clone());
            }
            Err(error)
        }
    }
}

/// Goes on with the session as it is in the store now, unless the handler destroyed it meanwhile.
fn keep(state: &mut State, live: Option<Live>, destroyed: u32) {
    if state.destroyed == destroyed {
        state.live = live;
        state.draft.pending.outdate();
    } else {
        let doomed = live.map(|live| Box::new(live.id));
        state.draft.doomed = doomed.or(state.draft.doomed.take());
    }
}

/// Gives back what could not be written, to be tried again: if the handler destroyed the session
/// meanwhile, only that a session before it is to be removed.
fn put_back(state: &mut State, earlier: Draft, destroyed: u32) {
    let draft = &mut state.draft;
    draft.doomed = draft.doomed.take().or(earlier.doomed);
    if state.destroyed != destroyed {
        return;
    }
    draft.pending.put_back(earlier.pending);
    draft.sign_in = draft.sign_in.take().or(earlier.sign_in);
    draft.remember = draft.remember.or(earlier.remember);
    draft.rotate |= earlier.rotate;
}
