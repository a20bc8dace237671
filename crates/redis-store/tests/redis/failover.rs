//! A primary that is killed under load: what was acknowledged stays, and the outage ends by itself.
//!
//! The stores wait for one replica with each write (`replicas(1)`), and the one with the most data takes over.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use tower_keep_core::{
    Applied, Change, Created, Lifetime, Loaded, NewRecord, SessionId, Store, StoreError,
    StoreErrorKind, Token,
};
use tower_keep_redis_store::RedisStore;
use tower_keep_test_servers::{Cluster, Redis, Sentinels};

use crate::patient;

/// By when all is well again, on a machine that is busy with other tests.
const AT_LAST: Duration = Duration::from_secs(240);

/// Browsers that use the store at once.
const BROWSERS: usize = 16;

fn id() -> SessionId {
    Token::random().unwrap().id()
}

fn new() -> NewRecord {
    let mut new = NewRecord::new("shop".into(), Lifetime::default());
    new.fields = [("visits", "0")].into_iter().collect();
    new
}

async fn connect(url: &str, replicas: u32) -> RedisStore {
    loop {
        let builder = RedisStore::builder().timeout(Duration::from_secs(1)).replicas(replicas);
        match builder.connect(url).await {
            Ok(store) => return store,
            // The servers are there, and the machine busy.
            Err(error) => assert_eq!(error.kind(), StoreErrorKind::TimedOut, "{error:?}"),
        }
    }
}

fn assert_outage(error: &StoreError) {
    let is_outage = matches!(error.kind(), StoreErrorKind::Unavailable | StoreErrorKind::TimedOut);
    assert!(is_outage, "{error}: {:?}", std::error::Error::source(error));
}

/// What the store has acknowledged, and when it last did.
#[derive(Default)]
struct Log {
    /// Sessions and the least that each one's counter must be.
    visits: Mutex<HashMap<SessionId, u64>>,
    signed_out: Mutex<Vec<SessionId>>,
    answers: AtomicU64,
    errors: AtomicU64,
    /// Times of each browser's successes since the begin, in milliseconds, which the outage is read off.
    successes: Mutex<HashMap<SessionId, Vec<u128>>>,
    stop: AtomicBool,
}

impl Log {
    fn success(&self, session: SessionId, begin: Instant) {
        self.answers.fetch_add(1, SeqCst);
        let at = begin.elapsed().as_millis();
        self.successes.lock().unwrap().entry(session).or_default().push(at);
    }

    /// The longest time that any browser was without a success.
    fn outage(&self) -> u128 {
        let times = self.successes.lock().unwrap();
        let gaps = times.values().flat_map(|times| times.windows(2).map(|pair| pair[1] - pair[0]));
        gaps.max().unwrap_or(0)
    }

    /// Whether all browsers have met the trouble or gone on through it, and have successes again.
    fn is_over(&self, struck: u128, now: u128) -> bool {
        let times = self.successes.lock().unwrap();
        let last = times.values().map(|times| times.last().copied().unwrap_or(0));
        self.errors.load(SeqCst) > 0
            && times.len() == BROWSERS
            && last.min().is_some_and(|last| last > struck + 1_000 && last + 500 > now)
    }

    fn error(&self, error: &StoreError) {
        assert_outage(error);
        self.errors.fetch_add(1, SeqCst);
    }
}

/// Counts visits, one after the other; makes a session and signs out another now and then.
async fn browse(store: RedisStore, log: Arc<Log>, begin: Instant) {
    let session = loop {
        let session = id();
        match store.create(&session, new()).await {
            Ok(created) => {
                assert!(matches!(created, Created::Created(_)));
                break session;
            }
            Err(error) => log.error(&error),
        }
    };
    let (mut acknowledged, mut attempted) = (0, 0);
    log.visits.lock().unwrap().insert(session, 0);
    for turn in 0_u64.. {
        if log.stop.load(SeqCst) {
            return;
        }
        let record = match store.load(&session).await {
            Ok(Some(found)) => found.record,
            Ok(None) => panic!("an acknowledged session is gone"),
            Err(error) => {
                log.error(&error);
                tokio::time::sleep(Duration::from_millis(5)).await;
                continue;
            }
        };
        let visits: u64 = record.fields.get("visits").unwrap().parse().unwrap();
        // Those of unknown outcome may be there or not, and no other.
        assert!(
            visits >= acknowledged,
            "{acknowledged} visits were acknowledged, {visits} are left"
        );
        assert!(visits <= attempted, "{attempted} visits were tried, {visits} are there");
        let mut change = Change::new(&record, Lifetime::default());
        change.edits.set("visits", &(visits + 1).to_string());
        change.exact = true;
        attempted = attempted.max(visits + 1);
        match store.apply(&session, &change).await {
            Ok(Applied::Applied(_)) => {
                acknowledged = visits + 1;
                log.visits.lock().unwrap().insert(session, acknowledged);
                log.success(session, begin);
            }
            // By its own write, whose answer was lost.
            Ok(Applied::Conflict(_)) => {}
            Ok(Applied::Gone) => panic!("an acknowledged session is gone"),
            Err(error) => log.error(&error),
        }
        if turn % 10 == 0 {
            let short = id();
            match store.create(&short, new()).await {
                Ok(_) => match store.delete(&short).await {
                    Ok(true) => log.signed_out.lock().unwrap().push(short),
                    Ok(false) => panic!("an acknowledged session is gone"),
                    Err(error) => log.error(&error),
                },
                Err(error) => log.error(&error),
            }
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Runs the browsers, does something to the servers meanwhile, and checks what is left.
async fn under_load(url: &str, strike: impl FnOnce() + Send + 'static) -> (RedisStore, Arc<Log>) {
    let (log, begin) = (Arc::new(Log::default()), Instant::now());
    let store = connect(url, 1).await;
    let browsers: Vec<_> = (0..BROWSERS)
        .map(|_| tokio::spawn(browse(store.clone(), Arc::clone(&log), begin)))
        .collect();
    tokio::time::sleep(Duration::from_millis(500)).await;
    tokio::task::spawn_blocking(strike).await.unwrap();
    let struck = begin.elapsed().as_millis();
    while !log.is_over(struck, begin.elapsed().as_millis()) {
        assert!(begin.elapsed() < AT_LAST, "the store does not come back");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    log.stop.store(true, SeqCst);
    for browser in browsers {
        browser.await.unwrap();
    }
    check(&store, &log).await;
    (store, log)
}

/// What a store answers, once it does: a connection may have been lost since.
async fn load(store: &RedisStore, session: &SessionId) -> Option<Loaded> {
    for _ in 0..100 {
        match store.load(session).await {
            Ok(found) => return found,
            Err(error) => assert_outage(&error),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the store does not come back");
}

/// Nothing that was acknowledged is lost, and nothing that was ended is back.
async fn check(store: &RedisStore, log: &Log) {
    let visits = log.visits.lock().unwrap().clone();
    for (session, least) in visits {
        let record = load(store, &session).await.unwrap().record;
        let there: u64 = record.fields.get("visits").unwrap().parse().unwrap();
        assert!(there >= least, "{least} visits were acknowledged, {there} are left");
    }
    let signed_out = log.signed_out.lock().unwrap().clone();
    assert!(!signed_out.is_empty());
    for session in signed_out {
        assert!(load(store, &session).await.is_none(), "a session is back");
    }
}

fn report(what: &str, log: &Log) {
    println!(
        "{what}: no change was acknowledged for {} ms; {} were, {} calls failed",
        log.outage(),
        log.answers.load(SeqCst),
        log.errors.load(SeqCst)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_primary_that_sentinels_watch_loses_nothing_acknowledged() {
    let servers = Arc::new(Sentinels::hasty());
    for _ in 0..tower_keep_tests::rounds(1, 10) {
        let struck = Arc::clone(&servers);
        let (store, log) = under_load(&servers.url(), move || struck.primary().kill()).await;
        report("Sentinel, primary killed", &log);
        // What comes back is a replica, with what the others have.
        let dead: &Redis = servers.servers().iter().find(|server| !server.is_running()).unwrap();
        dead.restart();
        check(&store, &log).await;
        let begin = Instant::now();
        while !dead.command(&["INFO", "replication"]).contains("master_link_status:up") {
            assert!(begin.elapsed() < AT_LAST, "the old primary follows nobody");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        check(&store, &log).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_node_of_a_cluster_loses_nothing_acknowledged() {
    let cluster = Arc::new(Cluster::hasty());
    for _ in 0..tower_keep_tests::rounds(1, 10) {
        let struck = Arc::clone(&cluster);
        let strike = move || {
            let primary = struck.primary_of("any key");
            primary.kill();
            while struck.primary_of("any key").port() == primary.port() {
                std::thread::sleep(Duration::from_millis(50));
            }
            // Its replica is the primary now, and has none: no write of its slots is acknowledged.
            std::thread::sleep(Duration::from_millis(500));
            primary.restart();
        };
        let (_, log) = under_load(&cluster.url(), strike).await;
        report("Cluster, a primary killed, and back as a replica", &log);
    }
}

/// Without waiting for replicas the other nodes' sessions go on at once, and the lost node's before it is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_node_of_a_cluster_is_replaced() {
    let cluster = Arc::new(Cluster::hasty());
    let store = connect(&cluster.url(), 0).await;
    let beforehand = patient().connect(&cluster.url()).await.unwrap();
    let mut sessions = Vec::new();
    for _ in 0..60 {
        let session = id();
        beforehand.create(&session, new()).await.unwrap();
        sessions.push(session);
    }
    // For the replicas.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let begin = Instant::now();
    cluster.primary_of("any key").kill();
    let (mut first, mut back) = (0, 0);
    while back < sessions.len() {
        back = 0;
        for session in &sessions {
            // An outage is never read as 'no session'.
            match store.load(session).await {
                Ok(found) => back += usize::from(found.is_some()),
                Err(error) => assert_outage(&error),
            }
        }
        first = if first == 0 { back } else { first };
        assert!(begin.elapsed() < AT_LAST, "{back} of {}", sessions.len());
    }
    println!(
        "Cluster, a node lost: {first} of {back} sessions went on at once, all of them after {} ms",
        begin.elapsed().as_millis()
    );
    assert!(first > 15, "{first} of {back} sessions went on");
}

/// The timeout is that of the store, and not the one that the client has for sentinels.
#[tokio::test]
async fn sentinels_are_waited_for_as_long_as_servers() {
    let servers = Sentinels::start();
    servers.freeze();
    let url = servers.url();
    let connecting = tokio::spawn(async move { patient().connect(&url).await });
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(!connecting.is_finished());
    servers.thaw();
    let store = connecting.await.unwrap().unwrap();
    store.create(&id(), new()).await.unwrap();
}

#[tokio::test]
async fn write_that_no_replica_has_is_not_acknowledged() {
    let server = Redis::start(tower_keep_test_servers::Durability::Lazy);
    let error = connect(&server.url(), 1).await.create(&id(), new()).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::TimedOut);
    let text = std::error::Error::source(&error).unwrap().to_string();
    assert!(text.contains("too few replicas"), "{text}");
}
