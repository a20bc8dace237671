//! `cargo bench -p tower-keep-bench`: see the crate's documentation for what can be asked for.

use std::process::ExitCode;

fn main() -> ExitCode {
    tower_keep_bench::run(env!("CARGO_BIN_EXE_tower-keep-bench-count"))
}
