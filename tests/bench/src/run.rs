//! The benchmark from its arguments to its exit code: [`run`].

use std::process::ExitCode;

use crate::{
    count::Counts,
    report::Results,
    scenario::{SCENARIOS, Scenario},
    sweep, target, timing, workers,
};

/// Measures and prints. `count_program` is the program that counts allocations.
///
/// Fails only if it is asked to check, and a target was missed.
#[must_use]
pub fn run(count_program: &str) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let asked = |name: &str| arguments.iter().any(|argument| argument == name);
    let known = ["--bench", "--quick", "--many", "--check"];
    let mut scenarios: Vec<&Scenario> =
        SCENARIOS.iter().filter(|scenario| asked(scenario.name)).collect();
    let is_known = |name: &str| known.contains(&name) || scenarios.iter().any(|s| s.name == name);
    if let Some(unknown) = arguments.iter().find(|name| !is_known(name)) {
        println!("{unknown} is not known: pass --quick, --many, --check or names of scenarios");
        return ExitCode::FAILURE;
    }
    if scenarios.is_empty() {
        scenarios.extend(&SCENARIOS);
    }
    // `cargo bench` says so; `cargo test --benches` does not, and tests are not timed.
    let quick = asked("--quick") || !asked("--bench");
    let many = asked("--many") && !quick;

    let mut results = Results { counts: Counts::ask(count_program, many), ..Results::default() };
    if !quick {
        results.times = timing::measure(&scenarios);
    }
    if many {
        results.throughputs = workers::measure();
        results.waits = sweep::measure();
    }
    println!("{results}");

    let missed = target::judge(&results).iter().any(|verdict| !verdict.met);
    if asked("--check") && missed {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
