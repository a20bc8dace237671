//! The sweeper, by tokio's paused clock.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod common;

use std::{sync::Arc, time::Duration};

use common::*;
use tokio::time::{Instant, sleep, timeout};
use tower_keep_core::{Store, StoreErrorKind};
use tower_keep_purge::{PurgeErrorKind, SweepRun, Sweeper, SweeperReport};
use tower_keep_tests::Captured;

const MINUTE: Duration = Duration::from_secs(60);

/// The report once there were so many runs.
async fn report_after(sweeper: &Sweeper, runs: u64) -> SweeperReport {
    let mut reports = sweeper.watch();
    let report = reports.wait_for(|report| report.runs >= runs);
    *timeout(100_000 * MINUTE, report).await.unwrap().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_run_removes_all_in_bounded_steps() {
    let (store, clock) = memory();
    for number in 0..1_000 {
        create(&store, number).await;
    }
    clock.advance(IDLE / 2);
    (0..100).for_each(|number| {
        futures_util::FutureExt::now_or_never(touch(&store, number)).unwrap();
    });
    clock.advance(IDLE / 2);
    let (logged, _guard) = Captured::here();
    let sweeper = Sweeper::builder(store.clone()).batch(50).start().unwrap();
    let report = report_after(&sweeper, 1).await;
    assert_eq!(report.last, Some(SweepRun::Swept { sessions: 900 }));
    assert_eq!((report.sessions, store.sessions()), (900, 100));
    assert!(logged.text().contains("swept 900 expired sessions"));
    assert_eq!(sweeper.stop().await, report);
}

#[tokio::test(start_paused = true)]
async fn steps_are_of_the_batch_and_rest_between() {
    let step = Step::Removes { sessions: 7, more: true };
    let store = Scripted::new([step; 5]);
    let sweeper = Sweeper::builder(store.clone()).batch(7).start().unwrap();
    sleep(MINUTE / 4).await;
    let report = report_after(&sweeper, 1).await;
    assert_eq!(report.sessions, 35);
    assert_eq!(store.limits(), [7; 6]);
}

#[tokio::test(start_paused = true)]
async fn a_boxed_store_is_swept_and_one_without_sweep_refused() {
    let boxed: Arc<dyn Store> = Arc::new(Scripted::new([]));
    Sweeper::start(boxed).unwrap().stop().await;
    let error = Sweeper::start(Scripted::without_sweep()).unwrap_err();
    assert_eq!(error.kind(), PurgeErrorKind::Unsupported);
}

#[tokio::test(start_paused = true)]
async fn errors_silence_and_panics_are_survived_with_growing_waits() {
    let faults = [Step::Fails(StoreErrorKind::Unavailable), Step::Silent, Step::Panics];
    let store =
        Scripted::new(faults.into_iter().chain([Step::Removes { sessions: 3, more: false }]));
    let sweeper = Sweeper::start(store.clone()).unwrap();
    let mut ends = Vec::new();
    for runs in 1..=5 {
        let report = report_after(&sweeper, runs).await;
        assert_eq!(report.failures, runs.min(3));
        ends.push(Instant::now());
        let kind = match report.last.unwrap() {
            SweepRun::Failed { kind, .. } => Some(kind),
            _ => None,
        };
        let expected = [
            Some(StoreErrorKind::Unavailable),
            Some(StoreErrorKind::TimedOut),
            Some(StoreErrorKind::Unavailable),
            None,
            None,
        ];
        assert_eq!(kind, expected[usize::try_from(runs).unwrap() - 1]);
    }
    assert_eq!(report_after(&sweeper, 5).await.sessions, 3);
    // Two, four and eight minutes after failures, a quarter more or less, then one again.
    for (place, minutes) in [2, 4, 8, 1].into_iter().enumerate() {
        let wait = ends[place + 1] - ends[place];
        let slack = Duration::from_secs(6);
        assert!(wait >= MINUTE * minutes * 3 / 4, "{place}: {wait:?}");
        assert!(wait <= MINUTE * minutes * 5 / 4 + slack, "{place}: {wait:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn busy_ends_the_run_and_is_no_failure() {
    let more = Step::Removes { sessions: 2, more: true };
    let store = Scripted::new([more, Step::Busy, more]);
    let sweeper = Sweeper::start(store.clone()).unwrap();
    let report = report_after(&sweeper, 1).await;
    assert_eq!(report.last, Some(SweepRun::Busy { sessions: 2 }));
    assert_eq!((report.busy, report.failures, store.sweeps()), (1, 0, 2));
    let began = Instant::now();
    assert_eq!(report_after(&sweeper, 2).await.sessions, 4);
    assert!(began.elapsed() <= MINUTE * 5 / 4 + Duration::from_secs(1), "no backing off");
}

#[tokio::test(start_paused = true)]
async fn a_run_gets_past_many_live_sessions() {
    let idle = Step::Removes { sessions: 0, more: true };
    let last = Step::Removes { sessions: 1, more: false };
    let store = Scripted::new([idle; 50].into_iter().chain([last]));
    let sweeper = Sweeper::start(store).unwrap();
    assert_eq!(report_after(&sweeper, 1).await.sessions, 1);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_never_gets_anywhere_does_not_hold_a_run_for_ever() {
    let store = Scripted::new([Step::Removes { sessions: 0, more: true }; 1_000]);
    let sweeper = Sweeper::start(store.clone()).unwrap();
    report_after(&sweeper, 1).await;
    assert_eq!(store.sweeps(), 100);
}

#[tokio::test(start_paused = true)]
async fn stop_ends_after_the_step_and_drop_ends_too() {
    let step = Step::Removes { sessions: 1, more: true };
    let endless = || Scripted::new(std::iter::repeat_n(step, 100_000));
    let store = endless();
    let sweeper = Sweeper::start(store.clone()).unwrap();
    sleep(MINUTE / 4 + Duration::from_millis(100)).await;
    let report = sweeper.stop().await;
    let removed = store.sweeps();
    assert!(removed > 10, "{removed}");
    assert_eq!(report.last, Some(SweepRun::Swept { sessions: removed }));
    sleep(10 * MINUTE).await;
    assert_eq!(store.sweeps(), removed, "a stopped sweeper sweeps no more");

    let store = endless();
    let sweeper = Sweeper::start(store.clone()).unwrap();
    sleep(MINUTE / 4 + Duration::from_millis(100)).await;
    let mut reports = sweeper.watch();
    drop(sweeper);
    timeout(MINUTE, reports.wait_for(|report| report.runs == 1)).await.unwrap().unwrap();
    let removed = store.sweeps();
    // The channel closes when the task has ended.
    assert!(timeout(MINUTE, reports.wait_for(|_| false)).await.unwrap().is_err());
    sleep(10 * MINUTE).await;
    assert_eq!(store.sweeps(), removed);
}

#[tokio::test(start_paused = true)]
async fn stop_while_the_store_is_silent_waits_no_longer_than_a_step() {
    let store = Scripted::new([Step::Silent]);
    let sweeper = Sweeper::start(store.clone()).unwrap();
    sleep(MINUTE / 4 + Duration::from_millis(1)).await;
    assert_eq!(store.sweeps(), 1);
    let began = Instant::now();
    let report = sweeper.stop().await;
    assert!(began.elapsed() <= Duration::from_secs(5));
    assert_eq!(report.failures, 1);
}

#[tokio::test(start_paused = true)]
async fn instances_that_start_together_do_not_sweep_together() {
    let mut first_runs = Vec::new();
    for _ in 0..20 {
        let sweeper = Sweeper::start(Scripted::new([])).unwrap();
        let began = Instant::now();
        report_after(&sweeper, 2).await;
        first_runs.push(began.elapsed().as_millis());
        sweeper.stop().await;
    }
    first_runs.sort_unstable();
    first_runs.dedup();
    assert!(first_runs.len() > 15, "{first_runs:?}");
}
