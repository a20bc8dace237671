//! tower-keep measured against its peers and against the least that a tower layer can do.
//!
//! ```text
//! cargo bench -p tower-keep-bench                        the scenarios: time and allocations
//! cargo bench -p tower-keep-bench -- s3 s5               two of them
//! cargo bench -p tower-keep-bench -- --many              and a million sessions, on two threads
//! cargo bench -p tower-keep-bench -- --quick --check     allocations alone; fails on a miss
//! ```
//!
//! In each round every contender has its turn, so that a busy neighbour disturbs all alike: read the
//! ratios, which hold from machine to machine, and not the nanoseconds.
//!
//! The files, in the order in which a measurement goes: what a request does (`scenario`, `data`), who
//! serves it (`contender`, `contenders`), how it is sent (`client`, `case`, `crowd`), what is measured
//! (`timing`, `count`, `workers`, `sweep`), and what is said about it (`target`, `report`).
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a measurement that went wrong must stop, and has no caller to tell"
)]
#![allow(clippy::print_stdout, reason = "a benchmark is there for what it prints")]

mod case;
mod client;
mod contender;
mod contenders;
pub mod count;
mod crowd;
mod data;
mod report;
mod run;
mod scenario;
mod sweep;
mod target;
mod timing;
mod workers;

pub use run::run;
