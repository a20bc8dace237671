//! Several processes on one directory, some of which are killed while they write.
//!
//! The processes are this test binary again, told by its environment to be a worker.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test may")]

mod kill;
mod together;
mod worker;

/// Not a test by itself: what a worker process runs.
#[test]
fn worker() {
    if let Some(task) = worker::Task::from_env() {
        worker::run(task);
    }
}

#[test]
fn four_processes_lose_no_increment_and_keep_every_limit() {
    together::run(4, rounds(150, 2_000));
}

#[test]
fn killed_process_loses_nothing_and_blocks_nobody() {
    kill::run(rounds(20, 500));
}

/// How often a test repeats: `usual`, or `long` where `TOWER_KEEP_LONG=1` is set.
fn rounds(usual: usize, long: usize) -> usize {
    if std::env::var_os("TOWER_KEEP_LONG").is_some_and(|value| value == "1") { long } else { usual }
}
