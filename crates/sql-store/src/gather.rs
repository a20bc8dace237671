//! Operations of one kind that wait go to the server together: [`Gather`].

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::oneshot;
use tower_keep_core::{SessionId, StoreError, StoreErrorKind};

/// So many operations go together at most, so that a statement stays short.
pub(crate) const MOST: usize = 16;

/// So many bytes go together at most; what is larger goes alone.
const MOST_BYTES: usize = 256 * 1024;

/// So many of those that wait are looked at for some that go together.
const LOOKED_AT: usize = 4 * MOST;

/// No statement takes longer, whoever still waits for it.
const LONGEST: Duration = Duration::from_secs(60);

/// What an operation asks of the server.
pub(crate) trait Question: Sized + Send + 'static {
    /// How large it is.
    fn bytes(&self) -> usize {
        0
    }

    /// Whether it may go with these.
    fn joins(&self, _others: &[Self]) -> bool {
        true
    }
}

impl Question for SessionId {}

/// Operations of one kind that wait for a statement.
///
/// A few carriers take them to the server, each with a statement of its own under way at a time. While one
/// is free, an operation goes at once and alone. While none is, operations gather, and the next carrier
/// takes all of them in one statement, which costs little more than one of them.
pub(crate) struct Gather<Q, A>(Mutex<State<Q, A>>);

struct State<Q, A> {
    waiting: VecDeque<Waiting<Q, A>>,
    free: usize,
}

struct Waiting<Q, A> {
    question: Q,
    asker: Asker<A>,
}

type Asker<A> = oneshot::Sender<Result<A, StoreError>>;

impl<Q: Question, A: Send + 'static> Gather<Q, A> {
    /// Operations that so many carriers take.
    pub(crate) fn new(carriers: usize) -> Self {
        Self(Mutex::new(State { waiting: VecDeque::new(), free: carriers.max(1) }))
    }

    /// Waits until a question is answered by `carry`, which answers each of those it is given, in order.
    ///
    /// Who goes away before it is under way takes the question along; after that it runs to its end.
    pub(crate) async fn ask<K, F>(
        keep: &Arc<K>,
        of: fn(&K) -> &Self,
        question: Q,
        carry: fn(Arc<K>, Vec<Q>) -> F,
    ) -> Result<A, StoreError>
    where
        K: Send + Sync + 'static,
        F: Future<Output = Vec<Result<A, StoreError>>> + Send + 'static,
    {
        let (asker, answer) = oneshot::channel();
        if of(keep).push(Waiting { question, asker }) {
            let turn = Turn { keep: Arc::clone(keep), of, ended: false };
            tokio::spawn(run(turn, carry));
        }
        answer.await.map_err(|gone| StoreError::new(StoreErrorKind::Unavailable, gone))?
    }

    /// Adds a question; tells whether a carrier was free, who is to begin.
    fn push(&self, waiting: Waiting<Q, A>) -> bool {
        let mut state = self.state();
        // So that those who went away do not pile up behind a server that hangs.
        while state.waiting.front().is_some_and(|first| first.asker.is_closed()) {
            state.waiting.pop_front();
        }
        state.waiting.push_back(waiting);
        let begins = state.free > 0;
        state.free -= usize::from(begins);
        begins
    }

    /// What goes together next; `None` if nothing waits, and the carrier is free again.
    fn take(&self) -> Option<(Vec<Q>, Vec<Asker<A>>)> {
        let mut state = self.state();
        let (mut questions, mut askers, mut bytes) = (Vec::new(), Vec::new(), 0);
        let mut place = 0;
        while place < state.waiting.len().min(LOOKED_AT) && questions.len() < MOST {
            let next = &state.waiting[place];
            let grown = bytes + next.question.bytes();
            let fits =
                questions.is_empty() || (grown <= MOST_BYTES && next.question.joins(&questions));
            if !fits && !next.asker.is_closed() {
                place += 1;
                continue;
            }
            if let Some(next) = state.waiting.remove(place)
                && !next.asker.is_closed()
            {
                bytes = grown;
                questions.push(next.question);
                askers.push(next.asker);
            }
        }
        if questions.is_empty() {
            state.free += 1;
            return None;
        }
        Some((questions, askers))
    }

    fn state(&self) -> MutexGuard<'_, State<Q, A>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A carrier at work. Dropped in the middle, as by a runtime that ends, it is free again.
struct Turn<K, Q: Question, A: Send + 'static> {
    keep: Arc<K>,
    of: fn(&K) -> &Gather<Q, A>,
    ended: bool,
}

impl<K, Q: Question, A: Send + 'static> Drop for Turn<K, Q, A> {
    fn drop(&mut self) {
        if !self.ended {
            (self.of)(&self.keep).state().free += 1;
        }
    }
}

async fn run<K, Q, A, F>(mut turn: Turn<K, Q, A>, carry: fn(Arc<K>, Vec<Q>) -> F)
where
    Q: Question,
    A: Send + 'static,
    F: Future<Output = Vec<Result<A, StoreError>>>,
{
    loop {
        let Some((questions, askers)) = (turn.of)(&turn.keep).take() else {
            turn.ended = true;
            return;
        };
        let carried = carry(Arc::clone(&turn.keep), questions);
        match tokio::time::timeout(LONGEST, carried).await {
            Ok(answers) => {
                for (asker, answer) in askers.into_iter().zip(answers) {
                    drop(asker.send(answer));
                }
            }
            Err(elapsed) => {
                for asker in askers {
                    let error = StoreError::new(StoreErrorKind::TimedOut, elapsed.to_string());
                    drop(asker.send(Err(error)));
                }
            }
        }
    }
}

/// The same error for all that went together.
pub(crate) fn for_all<A>(error: StoreError, count: usize) -> Vec<Result<A, StoreError>> {
    if count == 1 {
        return vec![Err(error)];
    }
    let (kind, common) = (error.kind(), Common(Arc::new(error)));
    (0..count).map(|_| Err(StoreError::new(kind, common.clone()))).collect()
}

/// The cause of an error that several operations have in common.
#[derive(Clone, Debug)]
struct Common(Arc<StoreError>);

impl Common {
    fn cause(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&*self.0)
    }
}

impl fmt::Display for Common {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cause() {
            Some(cause) => fmt::Display::fmt(cause, f),
            None => fmt::Display::fmt(&*self.0, f),
        }
    }
}

impl std::error::Error for Common {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause()?.source()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use tokio::sync::Semaphore;

    use super::*;

    /// Answers each number with how many went together, once it is let.
    struct Counter {
        numbers: Gather<Number, usize>,
        statements: AtomicUsize,
        lets: Semaphore,
    }

    #[derive(Clone, Copy)]
    struct Number {
        value: u32,
        bytes: usize,
    }

    impl Question for Number {
        fn bytes(&self) -> usize {
            self.bytes
        }

        fn joins(&self, others: &[Self]) -> bool {
            others.iter().all(|other| other.value != self.value)
        }
    }

    async fn carry(keep: Arc<Counter>, numbers: Vec<Number>) -> Vec<Result<usize, StoreError>> {
        keep.lets.acquire().await.unwrap().forget();
        keep.statements.fetch_add(1, SeqCst);
        numbers.iter().map(|_| Ok(numbers.len())).collect()
    }

    fn counter() -> Arc<Counter> {
        Arc::new(Counter {
            numbers: Gather::new(1),
            statements: AtomicUsize::new(0),
            lets: Semaphore::new(0),
        })
    }

    fn ask(keep: &Arc<Counter>, value: u32, bytes: usize) -> tokio::task::JoinHandle<usize> {
        let keep = Arc::clone(keep);
        tokio::spawn(async move {
            let number = Number { value, bytes };
            Gather::ask(&keep, |keep| &keep.numbers, number, carry).await.unwrap()
        })
    }

    async fn settle() {
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn one_goes_alone_and_those_behind_it_together() {
        let keep = counter();
        let first = ask(&keep, 0, 0);
        settle().await;
        let others: Vec<_> = (1..=5).map(|value| ask(&keep, value, 0)).collect();
        settle().await;
        keep.lets.add_permits(9);
        assert_eq!(first.await.unwrap(), 1);
        for other in others {
            assert_eq!(other.await.unwrap(), 5);
        }
        assert_eq!(keep.statements.load(SeqCst), 2);
        assert_eq!(ask(&keep, 0, 0).await.unwrap(), 1, "the carrier is free again");
    }

    #[tokio::test]
    async fn what_does_not_join_or_is_large_goes_later_and_all_are_answered() {
        let keep = counter();
        let first = ask(&keep, 0, 0);
        settle().await;
        let twins: Vec<_> = (0..3).map(|_| ask(&keep, 7, 0)).collect();
        let large: Vec<_> = (8..10).map(|value| ask(&keep, value, MOST_BYTES)).collect();
        settle().await;
        keep.lets.add_permits(9);
        assert_eq!(first.await.unwrap(), 1);
        for one in twins.into_iter().chain(large) {
            assert!(one.await.unwrap() <= 2);
        }
        // The first twin with the first large one, then what is left.
        assert_eq!(keep.statements.load(SeqCst), 4);
    }

    #[tokio::test]
    async fn who_goes_away_in_time_asks_nothing() {
        let keep = counter();
        let first = ask(&keep, 0, 0);
        settle().await;
        let leaver = ask(&keep, 1, 0);
        settle().await;
        leaver.abort();
        settle().await;
        keep.lets.add_permits(9);
        assert_eq!(first.await.unwrap(), 1);
        settle().await;
        assert_eq!(keep.statements.load(SeqCst), 1);
    }

    #[tokio::test]
    async fn error_of_one_statement_is_the_error_of_all() {
        let error = StoreError::new(StoreErrorKind::Full, "the disk is full");
        for answer in for_all::<()>(error, 3) {
            let error = answer.unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Full);
            let cause = std::error::Error::source(&error).unwrap();
            assert_eq!(cause.to_string(), "the disk is full");
        }
    }
}
