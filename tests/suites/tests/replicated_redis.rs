//! `ReplicatedStore` over three servers of Redis, which are killed under load and come back behind the
//! others or empty.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test may"
)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use tower_keep::{
    Applied, Change, Created, Lifetime, NewRecord, Record, ReplicatedStore, SessionId, Store,
    StoreErrorKind, TestClock, Token, UserId,
    conformance::{Capability, Harness},
};
use tower_keep_redis_store::RedisStore;
use tower_keep_test_servers::{Durability, Redis};
use tower_keep_tests::rounds;

/// Three servers that all tests share, each of which has databases of its own there.
static SERVERS: std::sync::LazyLock<[Redis; 3]> =
    std::sync::LazyLock::new(|| std::array::from_fn(|_| Redis::start(Durability::Lazy)));

/// As long as no busy machine takes.
const PATIENT: Duration = Duration::from_secs(60);

async fn connect(url: &str, timeout: Duration) -> Arc<dyn Store> {
    loop {
        match RedisStore::builder().timeout(timeout).connect(url).await {
            Ok(store) => return Arc::new(store),
            // The server is there, and the machine busy.
            Err(error) => assert_eq!(error.kind(), StoreErrorKind::TimedOut, "{error:?}"),
        }
    }
}

async fn members(servers: &[Redis; 3], timeout: Duration) -> Vec<Arc<dyn Store>> {
    let mut members = Vec::new();
    for server in servers {
        members.push(connect(&server.fresh_url(), timeout).await);
    }
    members
}

#[derive(Default)]
struct Servers {
    clock: Arc<TestClock>,
}

impl Harness for Servers {
    type Store = ReplicatedStore;

    async fn open(&self) -> ReplicatedStore {
        ReplicatedStore::builder(members(&SERVERS, PATIENT).await)
            .timeout(PATIENT)
            .clock(Arc::clone(&self.clock))
            .build()
            .unwrap()
    }

    /// The servers judge when they may forget a record, by clocks of their own; this one judges expiry.
    async fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    fn capabilities(&self) -> &[Capability] {
        &[Capability::Index, Capability::Purge, Capability::Import]
    }
}

mod conformance {
    use super::*;

    tower_keep::store_conformance!(Servers::default());
}

mod race {
    use super::*;

    tower_keep_tests::race_suite!(Servers::default().open().await);
}

/// What came of the load.
#[derive(Default)]
struct Load {
    is_over: AtomicBool,
    written: AtomicU64,
    unknown: AtomicU64,
    signed_out: AtomicU64,
    /// The longest time without an acknowledged write, in milliseconds.
    outage: AtomicU64,
    last: std::sync::Mutex<Option<Instant>>,
}

impl Load {
    fn note_written(&self) {
        self.written.fetch_add(1, SeqCst);
        let last = self.last.lock().unwrap().replace(Instant::now());
        let gap = last.map_or(0, |last| last.elapsed().as_millis());
        self.outage.fetch_max(u64::try_from(gap).unwrap(), SeqCst);
    }
}

/// Increments a session's number until the load is over; tells what was acknowledged and what may have
/// been done besides.
async fn count(store: ReplicatedStore, id: SessionId, load: Arc<Load>) -> (u64, u64) {
    let (mut written, mut unknown) = (0, 0);
    while !load.is_over.load(SeqCst) {
        let Ok(loaded) = store.load(&id).await else { continue };
        let record = loaded.expect("a session that nobody ended is live").record;
        let found = number(&record);
        assert!(
            (written..=written + unknown).contains(&found),
            "{found} of {written}, {unknown} unknown"
        );
        let mut change = Change::new(&record, Lifetime::default());
        change.edits.set("n", &(found + 1).to_string());
        change.exact = true;
        match store.apply(&id, &change).await {
            Ok(Applied::Applied(_)) => {
                written += 1;
                load.note_written();
            }
            Ok(Applied::Conflict(_)) => {}
            Ok(Applied::Gone) => panic!("nobody ended the session"),
            Err(_) => {
                unknown += 1;
                load.unknown.fetch_add(1, SeqCst);
            }
        }
    }
    (written, unknown)
}

/// Signs in and out; gives the sessions whose end was acknowledged.
async fn sign_in_and_out(store: ReplicatedStore, load: Arc<Load>) -> Vec<SessionId> {
    let mut over = Vec::new();
    let mut new = NewRecord::new("shop".into(), Lifetime::default());
    new.user = Some(UserId::from("ada"));
    while !load.is_over.load(SeqCst) {
        let id = Token::random().unwrap().id();
        if !matches!(store.create(&id, new.clone()).await, Ok(Created::Created(_))) {
            continue;
        }
        if let Ok(was_there) = store.delete(&id).await {
            assert!(was_there, "a session that nobody ended was there");
            over.push(id);
            load.signed_out.fetch_add(1, SeqCst);
        }
        for id in over.iter().rev().take(5) {
            assert!(!matches!(store.load(id).await, Ok(Some(_))), "a session came back");
        }
    }
    over
}

fn number(record: &Record) -> u64 {
    record.fields.get("n").unwrap().parse().unwrap()
}

/// Brings all members up to date, as the repair in the background does.
async fn repair(store: &ReplicatedStore) -> u64 {
    let (mut mended, mut next) = (0, None);
    loop {
        let repaired = store.repair(next, 200).await.unwrap();
        mended += repaired.mended;
        next = repaired.next;
        if next.is_none() {
            return mended;
        }
    }
}

async fn kill_one_after_another(durability: Durability) {
    let servers: Arc<[Redis; 3]> = Arc::new(std::array::from_fn(|_| Redis::start(durability)));
    let mut urls = Vec::new();
    for server in servers.iter() {
        urls.push(server.fresh_url());
    }
    let open = async |timeout: Duration| {
        let mut members = Vec::new();
        for url in &urls {
            members.push(connect(url, timeout).await);
        }
        ReplicatedStore::builder(members).timeout(timeout).build().unwrap()
    };
    // The load must not wait for a server that is away; what is asked of servers that are there must
    // not take a busy machine for one.
    let impatient = Duration::from_millis(500);
    let store = open(PATIENT).await;

    let load = Arc::new(Load::default());
    let mut counters = Vec::new();
    for _ in 0..4 {
        let id = Token::random().unwrap().id();
        let mut new = NewRecord::new("shop".into(), Lifetime::default());
        new.fields = [("n", "0")].into_iter().collect();
        store.create(&id, new).await.unwrap();
        // Each as a server of its own.
        counters.push((id, tokio::spawn(count(open(impatient).await, id, Arc::clone(&load)))));
    }
    let visitors: Vec<_> = [open(impatient).await, open(impatient).await]
        .map(|store| tokio::spawn(sign_in_and_out(store, Arc::clone(&load))))
        .into();

    let mut mended = 0;
    for round in 0..rounds(3, 30) {
        let servers = Arc::clone(&servers);
        tokio::time::sleep(Duration::from_millis(500)).await;
        servers[round % 3].kill();
        tokio::time::sleep(Duration::from_millis(1_000)).await;
        tokio::task::spawn_blocking(move || servers[round % 3].restart()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
        mended += repair(&store).await;
    }
    load.is_over.store(true, SeqCst);

    let mut over = Vec::new();
    for visitor in visitors {
        over.extend(visitor.await.unwrap());
    }
    for (id, counter) in counters {
        let (written, unknown) = counter.await.unwrap();
        let found = number(&store.load(&id).await.unwrap().unwrap().record);
        assert!(
            (written..=written + unknown).contains(&found),
            "{found} of {written}, {unknown} unknown"
        );
    }
    assert!(!over.is_empty());
    for id in &over {
        assert!(store.load(id).await.unwrap().is_none(), "a session came back");
    }
    println!(
        "{durability:?}: {} writes and {} sign-outs acknowledged, {} unknown, {mended} records mended, \
         longest pause {} ms",
        load.written.load(SeqCst),
        load.signed_out.load(SeqCst),
        load.unknown.load(SeqCst),
        load.outage.load(SeqCst),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn servers_that_come_back_behind_the_others_lose_nothing_and_bring_nobody_back() {
    kill_one_after_another(Durability::Synced).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn servers_that_come_back_empty_lose_nothing_and_bring_nobody_back() {
    kill_one_after_another(Durability::Lazy).await;
}
