//! Counts allocations, in a program of its own: counting is slow, and shares one counter among threads.

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tower_keep_bench::count::{self, Allocated};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() {
    let many = std::env::args().any(|argument| argument == count::MANY);
    count::print(&allocated, many);
}

fn allocated() -> Allocated {
    let stats = ALLOCATOR.stats();
    // What was reallocated is in the bytes that were allocated or freed, too.
    Allocated {
        calls: stats.allocations + stats.reallocations,
        bytes: stats.bytes_allocated,
        freed: stats.bytes_deallocated,
    }
}
