//! Time per request.

use std::time::{Duration, Instant};

use crate::{
    case::Case,
    scenario::{Scenario, Work},
};

const ROUNDS: usize = 101;
const BATCH: Duration = Duration::from_millis(3);
const WARM_UP: u32 = 300;

/// As many new sessions for each contender, or the fast ones would be slowed by their larger maps; and
/// few, or memory that no cache holds would take most of the time of all.
const CREATED_PER_BATCH: u32 = 300;

/// What one contender takes in one scenario.
#[derive(Debug)]
pub(crate) struct PerRequest {
    pub(crate) contender: &'static str,
    pub(crate) scenario: &'static str,
    /// The median of the rounds.
    pub(crate) nanoseconds: f64,
}

/// Measures one scenario after the other.
pub(crate) fn measure(scenarios: &[&'static Scenario]) -> Vec<PerRequest> {
    scenarios.iter().flat_map(|scenario| measure_one(scenario)).collect()
}

/// Gives each contender a turn in each round, and takes the medians.
fn measure_one(scenario: &'static Scenario) -> Vec<PerRequest> {
    let cases = Case::of(scenario).into_iter();
    let mut runners: Vec<Runner> = cases.map(Runner::new).collect();
    for round in 0..ROUNDS {
        if round % 2 == 0 {
            runners.iter_mut().for_each(Runner::turn);
        } else {
            runners.iter_mut().rev().for_each(Runner::turn);
        }
    }
    runners.into_iter().map(Runner::finish).collect()
}

struct Runner {
    case: Case,
    requests: u32,
    turns: Vec<f64>,
}

impl Runner {
    fn new(mut case: Case) -> Self {
        case.run(WARM_UP);
        let started = Instant::now();
        case.run(WARM_UP);
        let one = started.elapsed() / WARM_UP;
        let requests = match case.scenario.work {
            Work::Create => CREATED_PER_BATCH,
            Work::Untouched | Work::Read | Work::Increment => {
                (BATCH.as_nanos() / one.as_nanos().max(1)).clamp(50, 50_000) as u32
            }
        };
        Self { case, requests, turns: Vec::with_capacity(ROUNDS) }
    }

    fn turn(&mut self) {
        let started = Instant::now();
        self.case.run(self.requests);
        let nanoseconds = started.elapsed().as_nanos() as f64;
        self.turns.push(nanoseconds / f64::from(self.requests));
    }

    fn finish(mut self) -> PerRequest {
        self.turns.sort_by(f64::total_cmp);
        PerRequest {
            contender: self.case.contender,
            scenario: self.case.scenario.name,
            nanoseconds: self.turns[self.turns.len() / 2],
        }
    }
}
