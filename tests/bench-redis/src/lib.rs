//! The store in Redis measured against tower-sessions and against the raw client, in one run.
//!
//! 64 tasks on one client thread, and a server that writes nothing to its disk. The scenarios are s3, read one
//! number of a session of three fields and 200 bytes; s4, the same of a hundred fields and 16 KB; s5 and s6,
//! increment it; s7, begin a session with one field.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark stops where it cannot go on, and prints figures"
)]

mod app;
mod measure;
mod raw;
mod tower_keep;
mod tower_sessions;

use measure::Figures;
use tower_keep_test_servers::{Durability, Redis};

/// Runs the benchmark and prints its table; of the scenarios those that are named as arguments, or all.
///
/// # Panics
///
/// If the server cannot be started or a measurement goes wrong.
pub fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let named: Vec<String> = std::env::args().filter(|name| name.starts_with('s')).collect();
    let is_left_out = |name: &str| !named.is_empty() && named.iter().all(|named| named != name);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let server = Redis::start(Durability::Lazy);
    runtime.block_on(async {
        let [keep, without_cache] = tower_keep::contenders(&server.url()).await;
        let contenders = [
            keep,
            without_cache,
            tower_sessions::contender(&server.url()).await,
            raw::contender(&server.url()).await,
        ];
        // In turn, so that a neighbour's work is everybody's.
        let rounds = if quick { 1 } else { 9 };
        let mut all: [[Vec<Figures>; 5]; 4] = Default::default();
        for _ in 0..rounds {
            for (place, (name, _)) in measure::SCENARIOS.iter().enumerate() {
                if is_left_out(name) {
                    continue;
                }
                for (contender, all) in contenders.iter().zip(&mut all) {
                    all[place].push(measure::rate(contender, name, quick, &server).await);
                }
            }
        }
        let names = ["tower-keep", "without its cache", "tower-sessions", "raw"];
        println!("medians of {rounds}: requests a second;");
        println!("processor time of a request in microseconds, client's and server's");
        println!("{:24}{}", "", names.map(|name| format!("{name:>24}")).concat());
        for (place, (name, what)) in measure::SCENARIOS.iter().enumerate() {
            if is_left_out(name) {
                continue;
            }
            let [keep, without_cache, peer, raw] =
                all.each_ref().map(|all| Figures::median(&all[place]));
            print!("{name} {what:21}");
            for Figures { rate, client, server } in [keep, without_cache, peer, raw] {
                print!("{rate:11.0} {client:6.1} {server:5.1}");
            }
            println!(
                " {:4.0} % of raw, {:.1} times tower-sessions",
                100.0 * keep.rate / raw.rate,
                keep.rate / peer.rate
            );
        }
    });
}
