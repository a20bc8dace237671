//! What tower-keep must reach: [`judge`].

use crate::report::Results;

/// The contender that the targets are for.
const OURS: &str = "tower-keep";
const FLOOR: &str = "floor";
const PEER: &str = "tower-sessions";

/// Times of the floor's time, at most.
const TIMES_OF_FLOOR: [(&str, f64); 7] = [
    ("s1", 1.1),
    ("s2", 1.1),
    ("s3", 1.8),
    ("s4", 1.8),
    ("s5", 1.8),
    // The hash of the token is in it, which the floor does not have.
    ("s6", 3.0),
    ("s7", 1.8),
];
/// Times as fast as tower-sessions, at least.
const TIMES_AS_FAST: [(&str, f64); 8] = [
    ("s1", 2.0),
    ("s2", 2.0),
    ("s3", 2.0),
    ("s3r", 2.0),
    ("s4", 15.0),
    ("s5", 2.0),
    ("s6", 15.0),
    ("s7", 2.0),
];
/// Allocations per request, at most.
const ALLOCATIONS: [(&str, usize); 2] = [("s1", 4), ("s3", 9)];
/// What two workers serve of what one does, at least.
const SECOND_WORKER: [(&str, f64); 2] = [("s3", 1.6), ("s5", 1.3)];
/// The bytes of a small session, of the floor's, at most.
const BYTES_OF_FLOOR: f64 = 1.3;
const WORST_WAIT_MS: f64 = 6.0;
const MOST_WAITS_US: f64 = 100.0;

/// Whether a target was met.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) met: bool,
    pub(crate) text: String,
}

/// Judges what was measured; what was not measured is not judged.
pub(crate) fn judge(results: &Results) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    let mut add = |met: bool, text: String| verdicts.push(Verdict { met, text });

    for (scenario, limit) in TIMES_OF_FLOOR {
        if let Some(times) = results.time_ratio(scenario, OURS, FLOOR) {
            add(
                times <= limit,
                format!("{scenario}: {times:.2} times the floor's time, at most {limit}"),
            );
        }
    }
    for (scenario, limit) in TIMES_AS_FAST {
        if let Some(times) = results.time_ratio(scenario, PEER, OURS) {
            add(
                times >= limit,
                format!("{scenario}: {times:.2} times as fast as {PEER}, at least {limit}"),
            );
        }
    }
    for (scenario, limit) in ALLOCATIONS {
        if let Some(calls) = results.allocations(scenario, OURS) {
            add(calls <= limit, format!("{scenario}: {calls} allocations, at most {limit}"));
        }
    }
    for (scenario, limit) in SECOND_WORKER {
        let ours = |found: &&crate::workers::Throughput| {
            found.contender == OURS && found.scenario == scenario
        };
        if let Some(found) = results.throughputs.iter().find(ours) {
            let times = found.two_workers / found.one_worker;
            add(
                times >= limit,
                format!("{scenario}: two workers serve {times:.2} times one, at least {limit}"),
            );
        }
    }
    if let (Some(ours), Some(floor)) = (results.session_bytes(OURS), results.session_bytes(FLOOR)) {
        let times = ours / floor;
        add(
            times <= BYTES_OF_FLOOR,
            format!(
                "a small session: {times:.2} times the floor's bytes, at most {BYTES_OF_FLOOR}"
            ),
        );
    }
    if let Some(waits) = results.waits.iter().find(|waits| waits.contender == OURS) {
        let worst = waits.worst.as_secs_f64() * 1e3;
        let most = waits.most.as_secs_f64() * 1e6;
        add(
            worst <= WORST_WAIT_MS,
            format!("sweep: the worst load waits {worst:.1} ms, at most {WORST_WAIT_MS}"),
        );
        add(
            most < MOST_WAITS_US,
            format!("sweep: 99.9 % of loads wait {most:.1} µs, less than {MOST_WAITS_US}"),
        );
    }
    verdicts
}
