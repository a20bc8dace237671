//! What a second worker thread brings when a million sessions are in one store.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{
    client,
    contender::{Contender, Endpoint, Lives},
    contenders::for_each_contender,
    crowd::{self, Crowd, Random},
};

const TASKS: u64 = 64;
const ROUNDS: usize = 5;
const TURN: Duration = Duration::from_millis(600);

/// Requests per second of one contender in one scenario.
#[derive(Debug)]
pub(crate) struct Throughput {
    pub(crate) contender: &'static str,
    pub(crate) scenario: &'static str,
    pub(crate) one_worker: f64,
    pub(crate) two_workers: f64,
}

/// Measures `s3` and `s5`, with 64 tasks that ask for any of a million sessions.
pub(crate) fn measure() -> Vec<Throughput> {
    let mut found = Vec::new();
    for_each_contender!(with_sessions: measure_one(&mut found));
    found
}

fn measure_one<C: Contender>(found: &mut Vec<Throughput>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.expect("a runtime");
    let (contender, crowd) = runtime.block_on(async {
        let contender = C::open().await;
        let mut crowd = Crowd::with_capacity(crowd::SESSIONS);
        crowd.fill(&contender, |_| Lives::On).await;
        (contender, Arc::new(crowd))
    });
    // Some layers start a task.
    let _on_runtime = runtime.enter();
    found.push(compare::<C>("s3", &contender.read(), &crowd));
    found.push(compare::<C>("s5", &contender.increment(), &crowd));
}

/// Takes the best of the rounds: a neighbour who takes a processor away makes it no better.
fn compare<C: Contender>(
    scenario: &'static str,
    service: &impl Endpoint,
    crowd: &Arc<Crowd>,
) -> Throughput {
    let mut best = Throughput { contender: C::NAME, scenario, one_worker: 0.0, two_workers: 0.0 };
    for _ in 0..ROUNDS {
        best.one_worker = best.one_worker.max(turn(1, service, crowd));
        best.two_workers = best.two_workers.max(turn(2, service, crowd));
    }
    best
}

/// Requests per second with so many workers.
fn turn(workers: usize, service: &impl Endpoint, crowd: &Arc<Crowd>) -> f64 {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).build();
    let runtime = runtime.expect("a runtime");
    let stop = Arc::new(AtomicBool::new(false));
    let started = Instant::now();
    let tasks: Vec<_> = (0..TASKS)
        .map(|number| {
            let asking =
                ask(service.clone(), Arc::clone(crowd), Random(number << 32), Arc::clone(&stop));
            runtime.spawn(asking)
        })
        .collect();
    std::thread::sleep(TURN);
    stop.store(true, Ordering::Relaxed);
    let requests: u64 = tasks.into_iter().map(|task| runtime.block_on(task).expect("a task")).sum();
    requests as f64 / started.elapsed().as_secs_f64()
}

/// One connection: a request after the other, with the others in between.
async fn ask<S: Endpoint>(
    mut service: S,
    crowd: Arc<Crowd>,
    mut random: Random,
    stop: Arc<AtomicBool>,
) -> u64 {
    let mut requests = 0;
    while !stop.load(Ordering::Relaxed) {
        let cookies = crowd.any(&mut random);
        client::send(&mut service, Some(&cookies)).await;
        requests += 1;
        tokio::task::yield_now().await;
    }
    requests
}
