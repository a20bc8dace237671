//! What a million sessions take, and what a sweep of half of them does to the loads meanwhile.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a report")]

use std::{
    alloc::System,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tower_keep_core::{
    Applied, Change, Created, Lifetime, NewRecord, SessionId, Store, StoreFuture, Swept, TestClock,
    Token,
};
use tower_keep_memory_store::MemoryStore;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() {
    let mut ids: Vec<SessionId> = Vec::new();
    ids.resize_with(1_000_000, || Token::random().unwrap().id());
    footprint(&ids);
    rates(&ids, "loads", load);
    rates(&ids, "loads and changes", load_and_apply);
    sweep(&ids, 256);
    sweep(&ids, 1_000);
}

/// Answers of this store are there already.
fn now<T>(answer: StoreFuture<'_, T>) -> T {
    let mut answer = std::pin::pin!(answer);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match answer.as_mut().poll(&mut context) {
        std::task::Poll::Ready(answer) => answer.unwrap(),
        std::task::Poll::Pending => unreachable!(),
    }
}

fn small(idle: Duration) -> NewRecord {
    let mut new = NewRecord::new("shop".into(), Lifetime::new(idle, idle));
    let text = format!("\"{}\"", "x".repeat(170));
    new.fields =
        [("cart", text.as_str()), ("theme", "\"dark\""), ("visits", "1234")].into_iter().collect();
    assert_eq!(new.fields.bytes(), 197);
    new
}

fn fill(store: &MemoryStore, ids: &[SessionId], new: &NewRecord) {
    for id in ids {
        // As in a request, where every session has fields of its own.
        let mut own = new.clone();
        own.fields = new.fields.iter().collect();
        assert!(matches!(now(store.create(id, own)), Created::Created(_)));
    }
}

fn footprint(ids: &[SessionId]) {
    for count in [100_000, 250_000, 400_000, 500_000, 700_000, 840_000, 1_000_000] {
        let before = heap();
        let store = MemoryStore::new();
        fill(&store, &ids[..count], &small(Duration::from_secs(1_800)));
        let bytes = heap() - before;
        println!(
            "{count} sessions: {:.1} bytes each, counted {}",
            bytes as f64 / count as f64,
            store.bytes() / count as u64
        );
    }
    let before = heap();
    let store = MemoryStore::new();
    for (number, id) in ids.iter().enumerate() {
        let mut new = small(Duration::from_secs(1_800));
        new.user = Some((number as u64).into());
        now(store.create(id, new));
    }
    println!("signed in: {:.1} bytes each", (heap() - before) as f64 / ids.len() as f64);
}

/// The bytes that are asked of the heap and not given back.
fn heap() -> i64 {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated as i64 - stats.bytes_deallocated as i64
}

fn load(store: &MemoryStore, id: &SessionId) {
    assert!(now(store.load(id)).is_some());
}

fn load_and_apply(store: &MemoryStore, id: &SessionId) {
    if let Some(loaded) = now(store.load(id)) {
        let mut change = Change::new(&loaded.record, Lifetime::AAL2);
        change.edits.set("visits", "1235");
        assert!(matches!(now(store.apply(id, &change)), Applied::Applied(_)));
    }
}

fn rates(ids: &[SessionId], what: &str, work: fn(&MemoryStore, &SessionId)) {
    let store = MemoryStore::new();
    fill(&store, ids, &small(Duration::from_secs(1_800)));
    for threads in [1, 2, 1, 2] {
        let spun = spin(threads);
        let before = ALLOCATOR.stats().allocations;
        let start = Instant::now();
        std::thread::scope(|scope| {
            for thread in 0..threads {
                let store = &store;
                scope.spawn(move || {
                    let (before, _) = ran_and_waited();
                    for round in 0..1_000_000 {
                        work(store, &ids[(round * 7_919 + thread * 500_009) % ids.len()]);
                    }
                    let (ran, _) = ran_and_waited();
                    println!("  {} ns each on its core", (ran - before).as_nanos() / 1_000_000);
                });
            }
        });
        let allocations = ALLOCATOR.stats().allocations - before;
        let rate = threads as f64 * 1e6 / start.elapsed().as_secs_f64();
        println!(
            "{what} on {threads} threads: {rate:.0} a second, {allocations} allocations (the threads had {spun:.2} cores)"
        );
    }
}

/// How long this thread ran, and how long it waited for a core, so that neighbours can be told from
/// locks.
fn ran_and_waited() -> (Duration, Duration) {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let mut nanos = text.split(' ').map(|n| n.trim().parse().unwrap_or(0));
    let mut next = || Duration::from_nanos(nanos.next().unwrap_or(0));
    (next(), next())
}

/// How many cores so many threads get at present, while neighbours are at work.
fn spin(threads: usize) -> f64 {
    let rate = |threads: usize| {
        let start = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope
                    .spawn(|| (0..200_000_000_u64).fold(0, |sum, n| std::hint::black_box(sum ^ n)));
            }
        });
        threads as f64 / start.elapsed().as_secs_f64()
    };
    rate(threads) / rate(1)
}

fn sweep(ids: &[SessionId], limit: usize) {
    let clock = Arc::new(TestClock::default());
    let store = MemoryStore::builder().clock(Arc::clone(&clock)).build();
    fill(&store, &ids[..500_000], &small(Duration::from_secs(60)));
    fill(&store, &ids[500_000..], &small(Duration::from_secs(86_400)));
    clock.advance(Duration::from_secs(61));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let loader = scope.spawn(|| {
            let mut waits = Vec::with_capacity(50_000_000);
            let mut round = 0_usize;
            let mut slow = Vec::new();
            let mut waited_before = Duration::ZERO;
            while !done.load(Relaxed) {
                let id = &ids[500_000 + round * 7_919 % 500_000];
                let start = Instant::now();
                let found = now(store.load(id)).is_some();
                let mut wait = start.elapsed();
                if wait > Duration::from_millis(1) {
                    let (_, waited) = ran_and_waited();
                    slow.push((wait, waited - waited_before));
                    wait = wait.saturating_sub(waited - waited_before);
                    waited_before = waited;
                } else if round.is_multiple_of(100) {
                    (_, waited_before) = ran_and_waited();
                }
                waits.push(wait);
                assert!(found);
                round += 1;
            }
            println!("  slow loads, and how long they waited for a core: {slow:?}");
            waits
        });
        std::thread::sleep(Duration::from_millis(100));
        let start = Instant::now();
        let mut longest = Duration::ZERO;
        loop {
            let step = Instant::now();
            let (_, waited) = ran_and_waited();
            let swept = now(store.sweep().unwrap().sweep(limit));
            let took = step.elapsed();
            longest = longest.max(took.saturating_sub(ran_and_waited().1 - waited));
            if !matches!(swept, Swept::Removed { more: true, .. }) {
                break;
            }
        }
        let took = start.elapsed();
        done.store(true, Relaxed);
        let mut waits = loader.join().unwrap();
        waits.sort_unstable();
        println!(
            "sweep by {limit}: {took:?}, longest step {longest:?}; {} loads: p50 {:?} p99 {:?} p99.9 {:?} max {:?}; left {}",
            waits.len(),
            waits[waits.len() / 2],
            waits[waits.len() * 99 / 100],
            waits[waits.len() * 999 / 1000],
            waits[waits.len() - 1],
            store.sessions(),
        );
    });
}
