//! The conformance suite bites: a store that keeps the contract passes all of it, and stores that
//! break it in one way each are caught by the case that is about that way.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panics")]

mod broken;
mod reference;

use std::{sync::Arc, time::Duration};

use broken::{Broken, Flaw};
use reference::Reference;
use tower_keep_core::{
    Clock, Store, SystemClock, TestClock,
    conformance::{Capability, Form, Harness, Outcome, cases},
};

const EVERYTHING: &[Capability] = &[
    Capability::Index,
    Capability::Sweep,
    Capability::Purge,
    Capability::Import,
    Capability::Check,
];

/// Opens a store on a clock that is moved by hand.
struct ByHand<S> {
    clock: Arc<TestClock>,
    open: Box<dyn Fn(Arc<dyn Clock>) -> S + Send + Sync>,
}

impl<S: Store> ByHand<S> {
    fn new(open: impl Fn(Arc<dyn Clock>) -> S + Send + Sync + 'static) -> Self {
        Self { clock: Arc::default(), open: Box::new(open) }
    }
}

impl<S: Store> Harness for ByHand<S> {
    type Store = S;

    async fn open(&self) -> S {
        (self.open)(Arc::clone(&self.clock) as Arc<dyn Clock>)
    }

    async fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    fn capabilities(&self) -> &[Capability] {
        EVERYTHING
    }
}

/// Opens the reference store on the system's clock, as a server's is.
struct SleptThrough;

impl Harness for SleptThrough {
    type Store = Reference;

    async fn open(&self) -> Reference {
        Reference::new(Arc::new(SystemClock))
    }

    async fn advance(&self, by: Duration) {
        tokio::time::sleep(by).await;
    }

    fn capabilities(&self) -> &[Capability] {
        EVERYTHING
    }

    fn tick(&self) -> Duration {
        Duration::from_millis(300)
    }
}

mod reference_passes {
    tower_keep_core::store_conformance!(crate::ByHand::new(crate::Reference::new));
}

/// The wrapper of the flaws adds none of its own, so that what is caught is the flaw.
mod whole_wrapper_passes {
    use crate::{Broken, ByHand, Flaw};

    tower_keep_core::store_conformance!(ByHand::new(|clock| Broken::new(clock, Flaw::None)));
}

/// How often a case is run until it catches a flaw. Most need once.
const RACES: usize = 20;

fn ensure_caught(flaw: Flaw, name: &str) {
    let case = cases().into_iter().find(|case| case.name() == name);
    let case = case.expect("the case is in the suite");
    for form in [Form::Plain, Form::Boxed] {
        // A race that a busy machine lets end well is run again.
        let failure = (0..RACES).find_map(|_| {
            let harness = ByHand::new(move |clock| Broken::new(clock, flaw));
            runtime().block_on(case.run(harness, form)).err()
        });
        let failure = failure.expect("the flaw is caught");
        assert!(failure.to_string().starts_with(name), "{failure}");
    }
}

#[test]
fn suite_tolerates_a_clock_that_goes_on_by_itself() {
    let failures = runtime().block_on(async {
        let runs: Vec<_> = cases()
            .into_iter()
            .map(|case| tokio::spawn(async move { case.run(SleptThrough, Form::Plain).await }))
            .collect();
        let mut failures = Vec::new();
        for run in runs {
            failures.extend(run.await.unwrap().err());
        }
        failures
    });
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn capability_that_is_declared_and_not_offered_fails_each_of_its_cases() {
    for case in cases().iter().filter(|case| case.needs() == Some(Capability::Index)) {
        let harness = ByHand::new(|clock| Broken::new(clock, Flaw::IndexIsHidden));
        let failure = runtime().block_on(case.run(harness, Form::Boxed)).unwrap_err();
        assert!(failure.to_string().contains("declares Index"), "{failure}");
    }
}

#[test]
fn capability_that_is_offered_and_not_declared_fails() {
    struct Silent(ByHand<Reference>);

    impl Harness for Silent {
        type Store = Reference;

        async fn open(&self) -> Reference {
            self.0.open().await
        }

        async fn advance(&self, by: Duration) {
            self.0.advance(by).await;
        }

        fn capabilities(&self) -> &[Capability] {
            &[]
        }
    }

    for case in cases() {
        let harness = Silent(ByHand::new(Reference::new));
        match (case.name(), case.needs()) {
            ("capabilities_are_as_declared", _) => {
                runtime().block_on(case.run(harness, Form::Plain)).unwrap_err();
            }
            (_, Some(_)) => {
                let outcome = runtime().block_on(case.run(harness, Form::Plain));
                assert_eq!(outcome.unwrap(), Outcome::DoesNotApply);
            }
            _ => {}
        }
    }
}

#[test]
fn names_of_cases_are_unique() {
    let mut names: Vec<_> = cases().iter().map(|case| case.name()).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap()
}
