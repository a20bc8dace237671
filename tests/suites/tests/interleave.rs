//! Random interleavings of requests, held to the model.

#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

use std::sync::Arc;

use proptest::prelude::*;
use tower_keep::{MemoryStore, Store};
use tower_keep_tests::{
    ClockedStore, Fault, Faulty,
    interleave::{cases, run_at_once, run_in_steps},
    rounds,
};

fn config(usual: usize) -> ProptestConfig {
    ProptestConfig {
        cases: rounds(usual, usual * 50) as u32,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn slow(store: impl Store) -> Arc<dyn Store> {
    let store = Faulty::new(store);
    store.everywhere(&Fault::Yields(2));
    Arc::new(store)
}

fn in_one_thread(future: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(future);
}

fn in_several_threads(future: impl Future<Output = ()>) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(3).enable_all().build();
    runtime.unwrap().block_on(future);
}

proptest! {
    #![proptest_config(config(600))]

    #[test]
    fn every_step_of_every_schedule_is_as_in_the_model(case in cases()) {
        in_one_thread(run_in_steps(Arc::new(ClockedStore::new()), &case));
        in_one_thread(run_in_steps(Arc::new(MemoryStore::new()), &case));
        in_one_thread(run_in_steps(slow(ClockedStore::new()), &case));
    }
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn requests_at_once_are_explained_by_some_serial_order(case in cases()) {
        in_one_thread(run_at_once(slow(MemoryStore::new()), &case));
        in_several_threads(run_at_once(Arc::new(MemoryStore::new()), &case));
        in_several_threads(run_at_once(slow(ClockedStore::new()), &case));
    }
}
