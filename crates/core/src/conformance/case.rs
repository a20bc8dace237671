//! One clause of the contract, to be run against a store: [`Case`].

use std::{any::Any, pin::Pin, sync::Arc, time::Duration};

use super::{
    Capability, Failure, Harness,
    failure::{Checked, ensure},
    trial::Trial,
};
use crate::Store;

/// A case that takes longer hangs. Stores that are slept through need a few ticks, never minutes.
const PATIENCE: Duration = Duration::from_secs(300);

/// One clause of the contract, to be run against a store.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub(super) name: &'static str,
    pub(super) needs: Option<Capability>,
    pub(super) steps: fn(Trial) -> Running,
}

pub(super) type Running = Pin<Box<dyn Future<Output = Checked> + Send>>;

/// How the store is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As its own type.
    Plain,
    /// As `Arc<dyn Store>`.
    Boxed,
}

/// How a case ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The store keeps the clause.
    Passed,
    /// The clause is about a capability that the harness does not declare.
    DoesNotApply,
}

impl Case {
    /// The behaviour that the case looks for.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The capability that the case is about, if it is about one.
    #[must_use]
    pub fn needs(&self) -> Option<Capability> {
        self.needs
    }

    /// Runs the case against a store that the harness opens, in a multi-threaded tokio runtime.
    ///
    /// # Errors
    ///
    /// The clause that the store does not keep. A panic of the store, a capability that is declared
    /// and not offered, and a case that does not end within five minutes are failures too.
    pub async fn run<H: Harness>(&self, harness: H, form: Form) -> Result<Outcome, Failure> {
        let case = *self;
        let run = tokio::spawn(async move {
            if case.needs.is_some_and(|it| !harness.capabilities().contains(&it)) {
                return Ok(Outcome::DoesNotApply);
            }
            let store: Arc<dyn Store> = match form {
                Form::Plain => Arc::new(harness.open().await),
                Form::Boxed => {
                    let boxed: Arc<dyn Store> = Arc::new(harness.open().await);
                    Arc::new(boxed)
                }
            };
            if let Some(needed) = case.needs {
                ensure!(
                    needed.is_offered_by(&store),
                    "the harness declares {needed:?}, which the store does not offer"
                );
            }
            (case.steps)(Trial::new(store, harness)?).await?;
            Ok(Outcome::Passed)
        });
        let stop = run.abort_handle();
        match tokio::time::timeout(PATIENCE, run).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => Err(Failure::new(match error.try_into_panic() {
                Ok(panic) => format!("the store or its harness panicked: {}", text_of(&*panic)),
                Err(cancelled) => cancelled.to_string(),
            })),
            Err(_) => {
                stop.abort();
                Err(Failure::new(format!("no end after {PATIENCE:?}: the store hangs")))
            }
        }
        .map_err(|failure| failure.during(self.name))
    }
}

fn text_of(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("(no message)")
}
