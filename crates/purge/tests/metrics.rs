//! The counters of the sweeper.
#![cfg(feature = "metrics")]
#![allow(clippy::unwrap_used, reason = "a test may")]

mod common;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use common::*;
use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    set_default_local_recorder,
};
use tower_keep_core::StoreErrorKind;
use tower_keep_purge::Sweeper;

/// Keeps what is counted.
#[derive(Default)]
struct Counted(Mutex<BTreeMap<String, Arc<AtomicU64>>>);

impl Counted {
    fn of(&self, name: &str) -> u64 {
        self.0.lock().unwrap().get(name).map_or(0, |count| count.load(Relaxed))
    }
}

impl Recorder for Counted {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let mut counters = self.0.lock().unwrap();
        Counter::from_arc(Arc::clone(counters.entry(key.name().to_owned()).or_default()))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[tokio::test(start_paused = true)]
async fn each_end_of_a_run_is_counted() {
    let counted = Counted::default();
    let _guard = set_default_local_recorder(&counted);
    let store = Scripted::new([
        Step::Removes { sessions: 3, more: true },
        Step::Removes { sessions: 2, more: false },
        Step::Removes { sessions: 4, more: true },
        Step::Busy,
        Step::Fails(StoreErrorKind::Unavailable),
    ]);
    let sweeper = Sweeper::start(store).unwrap();
    let mut reports = sweeper.watch();
    let three = reports.wait_for(|report| report.runs >= 3);
    tokio::time::timeout(Duration::from_secs(3_600), three).await.unwrap().unwrap();
    for (name, count) in [("runs", 3), ("sessions", 9), ("busy", 1), ("failures", 1)] {
        assert_eq!(counted.of(&format!("tower_keep_sweeper_{name}_total")), count, "{name}");
    }
}
