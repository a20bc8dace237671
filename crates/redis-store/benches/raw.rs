//! Sessions against the least that the same client can do: `GETEX` and `SET` of the same bytes.
//!
//! 64 tasks on one thread, and a server of its own. The names are those of the scenarios: s3 reads, s5 reads
//! and writes one field, s6 does so in a session of 100 fields, s7 makes a session.
#![allow(missing_docs, clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use redis::{Client, aio::MultiplexedConnection};
use tower_keep_core::{Applied, Change, Created, Lifetime, NewRecord, SessionId, Store, Token};
use tower_keep_redis_store::RedisStore;
use tower_keep_test_servers::{Durability, Redis};

const TASKS: usize = 64;
const SESSIONS: usize = 1_000;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let server = Redis::start(Durability::Lazy);
    runtime.block_on(async {
        for _ in 0..2 {
            run(&server).await;
        }
    });
}

async fn run(server: &Redis) {
    let store = RedisStore::connect(&server.url()).await.unwrap();
    let raw = Client::open(server.url()).unwrap().get_multiplexed_async_connection().await.unwrap();
    let small = make(&store, 3, 40).await;
    let large = make(&store, 100, 140).await;
    for (name, bytes, ours) in [("small", 200, &small), ("16 KB", 16_000, &large)] {
        fill(&raw, bytes).await;
        let floor = rate(|place| read_raw(raw.clone(), place)).await;
        let keep = rate(|place| read(store.clone(), ours[place % SESSIONS])).await;
        report("s3 read", name, keep, floor);
        let value: Arc<[u8]> = vec![b'x'; bytes].into();
        let floor = rate(|place| write_raw(raw.clone(), place, Arc::clone(&value))).await;
        let keep = rate(|place| write(store.clone(), ours[place % SESSIONS])).await;
        report("s5 read and write", name, keep, floor);
    }
    let next = Arc::new(AtomicU64::new(0));
    let value: Arc<[u8]> = vec![b'x'; 100].into();
    let floor =
        rate(|_| create_raw(raw.clone(), next.fetch_add(1, Relaxed), Arc::clone(&value))).await;
    let keep = rate(|_| create(store.clone())).await;
    report("s7 create", "small", keep, floor);
    store.purge().unwrap().purge().await.unwrap();
}

fn report(what: &str, size: &str, keep: f64, floor: f64) {
    println!("{what:18} {size:6} {keep:9.0}/s, raw {floor:9.0}/s: {:3.0} %", 100.0 * keep / floor);
}

/// How often a second the tasks carry it out.
async fn rate<F>(work: impl Fn(usize) -> F) -> f64
where
    F: Future<Output = ()>,
{
    let begin = Instant::now();
    let end = begin + Duration::from_secs(2);
    let done = AtomicU64::new(0);
    let tasks = (0..TASKS).map(|task| {
        let (work, done) = (&work, &done);
        async move {
            let mut place = task;
            while Instant::now() < end {
                work(place).await;
                done.fetch_add(1, Relaxed);
                place += TASKS;
            }
        }
    });
    futures_util::future::join_all(tasks).await;
    #[allow(clippy::cast_precision_loss, reason = "a rate")]
    let done = done.into_inner() as f64;
    done / begin.elapsed().as_secs_f64()
}

async fn make(store: &RedisStore, fields: usize, bytes: usize) -> Vec<SessionId> {
    let value = format!("\"{}\"", "x".repeat(bytes));
    let names: Vec<String> = (1..fields).map(|field| format!("field {field}")).collect();
    let mut new = NewRecord::new("bench".into(), Lifetime::default());
    let fields = names.iter().map(|name| (&**name, &*value));
    new.fields = fields.chain([("visits", "1")]).collect();
    let mut ids = Vec::new();
    for _ in 0..SESSIONS {
        let id = Token::random().unwrap().id();
        store.create(&id, new.clone()).await.unwrap();
        ids.push(id);
    }
    ids
}

async fn fill(raw: &MultiplexedConnection, bytes: usize) {
    for place in 0..SESSIONS {
        write_key(raw.clone(), place as u64, &vec![b'x'; bytes]).await;
    }
}

async fn write_key(mut raw: MultiplexedConnection, key: u64, value: &[u8]) {
    let mut set = redis::cmd("SET");
    set.arg(format!("raw:{key:064}")).arg(value).arg("EX").arg(1_800);
    set.query_async::<()>(&mut raw).await.unwrap();
}

async fn read_raw(mut raw: MultiplexedConnection, place: usize) {
    let mut get = redis::cmd("GETEX");
    get.arg(format!("raw:{:064}", place % SESSIONS)).arg("EX").arg(1_800);
    let value: Vec<u8> = get.query_async(&mut raw).await.unwrap();
    assert!(!value.is_empty());
}

async fn write_raw(raw: MultiplexedConnection, place: usize, value: Arc<[u8]>) {
    read_raw(raw.clone(), place).await;
    write_key(raw, (place % SESSIONS) as u64, &value).await;
}

async fn create_raw(raw: MultiplexedConnection, key: u64, value: Arc<[u8]>) {
    write_key(raw, 1_000_000 + key, &value).await;
}

async fn read(store: RedisStore, id: SessionId) {
    let loaded = store.load(&id).await.unwrap().unwrap();
    assert!(loaded.record.fields.get("visits").is_some());
}

async fn write(store: RedisStore, id: SessionId) {
    let record = store.load(&id).await.unwrap().unwrap().record;
    let visits: u64 = record.fields.get("visits").unwrap().parse().unwrap();
    let mut change = Change::new(&record, Lifetime::default());
    change.edits.set("visits", &(visits + 1).to_string());
    change.exact = true;
    assert!(!matches!(store.apply(&id, &change).await.unwrap(), Applied::Gone));
}

async fn create(store: RedisStore) {
    let mut new = NewRecord::new("bench".into(), Lifetime::default());
    new.fields = [("visits", "1")].into_iter().collect();
    let created = store.create(&Token::random().unwrap().id(), new.clone()).await.unwrap();
    assert!(matches!(created, Created::Created(_)));
}
