//! How long loads wait while expired sessions are swept.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use tokio::runtime::Runtime;

use crate::{
    client,
    contender::{Endpoint, Lives, Sweeping},
    contenders::for_each_contender,
    crowd::{self, Crowd, Random},
};

const ROUNDS: usize = 3;
const QUIET: Duration = Duration::from_millis(200);

/// More requests than are made during the longest sweep, so that their list never grows.
const MOST_REQUESTS: usize = 8_000_000;

/// The waits of one contender.
#[derive(Debug)]
pub(crate) struct Waits {
    pub(crate) contender: &'static str,
    pub(crate) sweep: Duration,
    pub(crate) worst: Duration,
    /// Of 1,000 requests 999 waited no longer.
    pub(crate) most: Duration,
    /// The worst wait without a sweep: what the machine alone does.
    pub(crate) worst_in_quiet: Duration,
}

/// Sweeps half of a million sessions while another thread reads the other half, one request after the
/// other.
pub(crate) fn measure() -> Vec<Waits> {
    let mut found = Vec::new();
    for_each_contender!(sweeping: measure_one(&mut found));
    found
}

/// Takes the round with the best worst wait: a thread that the machine stopped waits for more than
/// the sweep.
fn measure_one<C: Sweeping>(found: &mut Vec<Waits>) {
    let rounds = (0..ROUNDS).map(|_| round::<C>());
    found.extend(rounds.min_by_key(|waits| waits.worst));
}

fn round<C: Sweeping>() -> Waits {
    let runtime = runtime();
    let (contender, crowd) = runtime.block_on(async {
        let contender = C::open().await;
        let mut crowd = Crowd::with_capacity(crowd::SESSIONS / 2);
        let lives = |number: usize| match number % 2 {
            0 => Lives::On,
            _ => Lives::Over,
        };
        crowd.fill(&contender, lives).await;
        (contender, crowd)
    });
    // Whatever expires a moment after it is stored has expired now.
    std::thread::sleep(QUIET);
    let mut service = {
        let _on_runtime = runtime.enter();
        contender.read()
    };
    let stop = AtomicBool::new(false);
    let loaded = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let loads = scope.spawn(|| {
            let mut waits = Vec::with_capacity(MOST_REQUESTS);
            let runtime = self::runtime();
            let quiet = Instant::now();
            runtime.block_on(load(&mut service, &crowd, &mut waits, || quiet.elapsed() > QUIET));
            let worst_in_quiet = worst(&waits);
            waits.clear();
            loaded.store(true, Ordering::Release);
            runtime
                .block_on(load(&mut service, &crowd, &mut waits, || stop.load(Ordering::Relaxed)));
            (worst_in_quiet, waits)
        });
        while !loaded.load(Ordering::Acquire) {
            std::thread::sleep(Duration::from_millis(1));
        }
        let started = Instant::now();
        let removed = runtime.block_on(contender.sweep());
        let sweep = started.elapsed();
        assert_eq!(removed, crowd::SESSIONS / 2, "{} must sweep", C::NAME);
        stop.store(true, Ordering::Relaxed);
        let (worst_in_quiet, mut waits) = loads.join().expect("the loads");
        let rank = waits.len() * 999 / 1_000;
        let most = *waits.select_nth_unstable(rank).1;
        Waits {
            contender: C::NAME,
            sweep,
            worst: worst(&waits),
            most: Duration::from_nanos(most.into()),
            worst_in_quiet,
        }
    })
}

fn runtime() -> Runtime {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime")
}

fn worst(waits: &[u32]) -> Duration {
    let worst = waits.iter().copied().max().unwrap_or_default();
    Duration::from_nanos(worst.into())
}

/// Reads any of the live sessions until told to stop, and notes how long each request took, in
/// nanoseconds.
async fn load(
    service: &mut impl Endpoint,
    crowd: &Crowd,
    waits: &mut Vec<u32>,
    stop: impl Fn() -> bool,
) {
    let mut random = Random(0);
    while waits.len() < MOST_REQUESTS {
        let cookies = crowd.any(&mut random);
        let started = Instant::now();
        client::send(service, Some(&cookies)).await;
        let nanoseconds = started.elapsed().as_nanos();
        waits.push(u32::try_from(nanoseconds).unwrap_or(u32::MAX));
        if stop() {
            break;
        }
    }
}
