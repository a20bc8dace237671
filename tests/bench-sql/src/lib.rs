//! The stores in SQL measured against tower-sessions and against the raw drivers, in one run.
//!
//! 64 tasks on one client thread; what is answered is not synced to the disk. The scenarios are s3, read
//! one number of a session of three fields and 200 bytes; s5, increment it; s7, begin a session.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark stops where it cannot go on, and prints figures"
)]

mod app;
mod databases;
mod measure;
mod raw;
mod tower_keep;
mod tower_sessions;

/// Runs the benchmark and prints its table.
pub fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let wanted: Vec<&str> =
        arguments.iter().map(String::as_str).filter(|it| !it.starts_with("--")).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(databases::run(quick, &wanted));
}
