//! Allocations per request and bytes per session.
//!
//! A program of its own counts and prints ([`print()`]); the benchmark starts it and reads that.

use std::process::{Command, Stdio};

use crate::{
    case::Case,
    contender::{Contender, Lives},
    contenders::for_each_contender,
    crowd::{self, Crowd},
    scenario::SCENARIOS,
};

/// The argument that asks for the bytes per session, too.
pub const MANY: &str = "--many";

const WARM_UP: u32 = 300;
const REQUESTS: u32 = 100;
const BATCHES: usize = 21;

/// What was asked of the allocator so far.
#[derive(Clone, Copy, Debug)]
pub struct Allocated {
    /// How often it was asked for memory, reallocations included.
    pub calls: usize,
    /// How many bytes it gave.
    pub bytes: usize,
    /// How many bytes it took back.
    pub freed: usize,
}

/// Counts and prints, a line for each number, with `allocated` to look at the allocator.
pub fn print(allocated: &dyn Fn() -> Allocated, many: bool) {
    for mut case in SCENARIOS.iter().flat_map(Case::of) {
        let (calls, bytes) = per_request(&mut case, allocated);
        let (contender, scenario) = (case.contender, case.scenario.name);
        println!("request\t{contender}\t{scenario}\t{calls}\t{bytes}");
    }
    if many {
        for_each_contender!(with_sessions: print_bytes_of_session(allocated));
    }
}

/// The median of batches: a map that grows now and then is not what a request costs.
fn per_request(case: &mut Case, allocated: &dyn Fn() -> Allocated) -> (usize, usize) {
    case.run(WARM_UP);
    let mut batches: Vec<_> = (0..BATCHES)
        .map(|_| {
            let before = allocated();
            case.run(REQUESTS);
            let after = allocated();
            (after.calls - before.calls, after.bytes - before.bytes)
        })
        .collect();
    batches.sort_unstable();
    let (calls, bytes) = batches[BATCHES / 2];
    let each = |total: usize| (total + REQUESTS as usize / 2) / REQUESTS as usize;
    (each(calls), each(bytes))
}

fn print_bytes_of_session<C: Contender>(allocated: &dyn Fn() -> Allocated) {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.expect("a runtime");
    let (before, after) = runtime.block_on(async {
        let contender = C::open().await;
        let mut crowd = Crowd::with_capacity(crowd::SESSIONS);
        let before = allocated();
        crowd.fill(&contender, |_| Lives::On).await;
        let after = allocated();
        (before, after)
    });
    let held = (after.bytes - before.bytes).saturating_sub(after.freed - before.freed);
    println!("session\t{}\t{}", C::NAME, held / crowd::SESSIONS);
}

/// What the counting program found.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) requests: Vec<PerRequest>,
    /// Contenders and their bytes per session.
    pub(crate) sessions: Vec<(String, f64)>,
}

/// What one contender allocates in one scenario.
#[derive(Debug)]
pub(crate) struct PerRequest {
    pub(crate) contender: String,
    pub(crate) scenario: String,
    pub(crate) allocations: usize,
    pub(crate) bytes: usize,
}

impl Counts {
    /// Runs the counting program.
    pub(crate) fn ask(program: &str, many: bool) -> Self {
        let output = Command::new(program)
            .args(many.then_some(MANY))
            .stderr(Stdio::inherit())
            .output()
            .expect("the counting program starts");
        assert!(output.status.success(), "the counting program failed");
        let mut counts = Self::default();
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            counts.take(line).expect("a line of the counting program");
        }
        counts
    }

    fn take(&mut self, line: &str) -> Option<()> {
        let words: Vec<&str> = line.split('\t').collect();
        match *words {
            ["request", contender, scenario, allocations, bytes] => {
                self.requests.push(PerRequest {
                    contender: contender.to_owned(),
                    scenario: scenario.to_owned(),
                    allocations: allocations.parse().ok()?,
                    bytes: bytes.parse().ok()?,
                });
            }
            ["session", contender, bytes] => {
                self.sessions.push((contender.to_owned(), bytes.parse().ok()?));
            }
            _ => return None,
        }
        Some(())
    }
}
