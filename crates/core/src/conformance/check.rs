//! Running one case as a test.

use super::{Failure, Form, Harness, cases};

/// Threads of the runtime: more than many a machine has, so that calls overlap.
const THREADS: usize = 4;

/// Runs a case by its name, and panics with the clause that the store does not keep.
#[doc(hidden)]
#[track_caller]
#[allow(clippy::panic, reason = "this is how a test fails")]
pub fn __check<H: Harness>(name: &str, form: Form, harness: impl FnOnce() -> H) {
    if let Err(failure) = run(name, form, harness) {
        panic!("{failure}");
    }
}

fn run<H: Harness>(name: &str, form: Form, harness: impl FnOnce() -> H) -> Result<(), Failure> {
    let case = cases()
        .into_iter()
        .find(|case| case.name() == name)
        .ok_or_else(|| Failure::new(format!("{name}: there is no such case")))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("no runtime to test in: {error}")))?;
    runtime.block_on(async { case.run(harness(), form).await }).map(drop)
}
