//! The records that are kept in the process: they are those of the server, whoever changed it.

use std::time::Duration;

use tower_keep_core::{
    Applied, Change, Created, Lifetime, NewRecord, Rotated, SessionId, Store, Token, Touch, UserId,
};
use tower_keep_redis_store::RedisStore;
use tower_keep_test_servers::{Durability, Proxy, Redis};

use crate::{
    cost::{counted, since},
    patient,
};

fn id() -> SessionId {
    Token::random().unwrap().id()
}

async fn connect(server: &Redis, cache: usize) -> RedisStore {
    patient().cache(cache).connect(&server.url()).await.unwrap()
}

async fn create(store: &RedisStore) -> SessionId {
    let id = id();
    let mut new = NewRecord::new("shop".into(), Lifetime::default());
    new.fields = [("visits", "1")].into_iter().collect();
    assert!(matches!(store.create(&id, new).await.unwrap(), Created::Created(_)));
    id
}

/// Sets a field to a number, in the record as the store loads it.
async fn set(store: &RedisStore, id: &SessionId, number: u64) -> Applied {
    let read = store.load(id).await.unwrap().unwrap().record;
    let mut change = Change::new(&read, Lifetime::default());
    change.edits.set("visits", &number.to_string());
    change.exact = true;
    store.apply(id, &change).await.unwrap()
}

/// Numbers that are the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % bound
    }
}

/// One of two processes does something to a session; what both then read is what is there.
#[tokio::test]
async fn each_process_reads_what_the_server_has() {
    let server = Redis::start(Durability::Lazy);
    let stores = [connect(&server, 1 << 20).await, connect(&server, 1 << 20).await];
    let bare = connect(&server, 0).await;
    let steps = if std::env::var_os("TOWER_KEEP_LONG").is_some() { 100_000 } else { 2_000 };
    let mut numbers = Numbers(7);
    let mut session = create(&bare).await;
    let mut former = None;
    for step in 0..steps {
        let store = &stores[usize::try_from(numbers.below(2)).unwrap()];
        let read = store.load(&session).await.unwrap().unwrap().record;
        let mut change = Change::new(&read, Lifetime::default());
        match numbers.below(12) {
            0 => {
                let touch = Touch { created_at: read.created_at, lifetime: Lifetime::default() };
                store.touch(&session, touch).await.unwrap();
            }
            1 => {
                let next = id();
                change.user = Some(UserId::from(format!("user {step}")));
                let rotated = store.rotate(&session, &next, &change).await.unwrap();
                assert!(matches!(rotated, Rotated::Rotated(_)), "{rotated:?}");
                former = Some(std::mem::replace(&mut session, next));
            }
            2 => {
                assert!(store.delete(&session).await.unwrap());
                former = Some(std::mem::replace(&mut session, create(store).await));
            }
            kind => {
                let name = format!("field {}", numbers.below(20));
                match kind {
                    3 => change.clear = true,
                    4 => change.remember = Some(step % 2 == 0),
                    5 => change.edits.remove(name),
                    // Long enough that the fields are kept in another form.
                    6 => change.edits.set(name, &format!("\"{}\"", "x".repeat(3_000))),
                    _ => change.edits.set(name, &step.to_string()),
                }
                change.exact = numbers.below(2) == 0;
                if numbers.below(4) == 0 {
                    // Another one comes first.
                    set(&stores[0], &session, step).await;
                }
                store.apply(&session, &change).await.unwrap();
            }
        }
        let there = bare.load(&session).await.unwrap().unwrap().record;
        for store in &stores {
            let read = store.load(&session).await.unwrap().unwrap().record;
            assert_eq!(read, there, "step {step}");
            if let Some(former) = &former {
                assert!(store.load(former).await.unwrap().is_none(), "step {step}");
            }
        }
    }
}

/// A session that two processes change in turn is read whole at once, once that is known.
#[tokio::test]
async fn session_that_others_change_costs_one_round_trip() {
    let server = Redis::start(Durability::Lazy);
    let proxy = Proxy::to(server.port()).await;
    let here = patient().connect(&server.url_at(proxy.port())).await.unwrap();
    let there = connect(&server, 0).await;
    let session = create(&there).await;
    here.load(&session).await.unwrap().unwrap();
    let mut taken = Vec::new();
    for number in 0..5 {
        set(&there, &session, number).await;
        let before = proxy.round_trips();
        let read = here.load(&session).await.unwrap().unwrap().record;
        assert_eq!(read.fields.get("visits"), Some(&*number.to_string()));
        taken.push(proxy.round_trips() - before);
    }
    assert_eq!(taken, [2, 1, 1, 1, 1]);
    // Left alone, it is read whole once more, and then asked for its state alone.
    let before = counted(&server).0;
    for _ in 0..3 {
        here.load(&session).await.unwrap().unwrap();
    }
    let expected = [("hgetall".to_owned(), 1), ("hget".to_owned(), 2)];
    assert_eq!(since(&server, &before), expected.into());
}

/// Who mends a hash by hand, and leaves its state, need not end our processes for it.
#[cfg(feature = "conformance")]
#[tokio::test]
async fn hash_that_was_mended_by_hand_is_seen_after_ten_seconds() {
    use std::sync::{
        Arc,
        atomic::{AtomicI64, Ordering::SeqCst},
    };

    let server = Redis::start(Durability::Lazy);
    let turned = Arc::new(AtomicI64::new(0));
    let builder = patient().turned_by(Arc::clone(&turned));
    let store = builder.connect(&server.url()).await.unwrap();
    let session = create(&store).await;
    store.load(&session).await.unwrap().unwrap();
    server.command(&["HSET", &format!("tower-keep:{session}"), "visits", "99"]);
    // A change of the process's own does not make it younger.
    turned.fetch_add(i64::try_from(Duration::from_secs(6).as_millis()).unwrap(), SeqCst);
    let Applied::Applied(_) = set(&store, &session, 2).await else { panic!("not applied") };
    server.command(&["HSET", &format!("tower-keep:{session}"), "visits", "99"]);
    turned.fetch_add(i64::try_from(Duration::from_secs(5).as_millis()).unwrap(), SeqCst);
    let before = counted(&server).0;
    let read = store.load(&session).await.unwrap().unwrap().record;
    assert_eq!(read.fields.get("visits"), Some("99"));
    // A record that is that old is not asked about first.
    assert_eq!(since(&server, &before).get("hget"), None);
}

/// A user's session goes on by the short script once its absolute lifetime was shortened.
#[tokio::test]
async fn shorter_lifetime_costs_one_long_change() {
    let server = Redis::start(Durability::Lazy);
    let store = connect(&server, 0).await;
    let (id, hour) = (id(), Duration::from_secs(3_600));
    let mut new = NewRecord::new("shop".into(), Lifetime::new(hour, 1_000 * hour));
    new.user = Some("ada".into());
    store.create(&id, new.clone()).await.unwrap();
    let mut called = Vec::new();
    for lifetime in [new.lifetime, Lifetime::default(), Lifetime::default(), new.lifetime] {
        let read = store.load(&id).await.unwrap().unwrap().record;
        let mut change = Change::new(&read, lifetime);
        change.edits.set("visits", "1");
        let before = counted(&server).0;
        let Applied::Applied(receipt) = store.apply(&id, &change).await.unwrap() else {
            panic!("not applied");
        };
        // Only the long script asks for the time.
        called.push(since(&server, &before).contains_key("time"));
        let read = store.load(&id).await.unwrap().unwrap().record;
        assert_eq!(read.expires_at, receipt.expires_at);
    }
    assert_eq!(called, [false, true, false, true]);
    // Shortened and prolonged, also by a touch, it is in the user's set for as long as it lives.
    let read = store.load(&id).await.unwrap().unwrap().record;
    for lifetime in [Lifetime::default(), new.lifetime] {
        let touch = Touch { created_at: read.created_at, lifetime };
        store.touch(&id, touch).await.unwrap();
        let reach = server.command(&["ZSCORE", "tower-keep:user:4:shop:ada", &id.to_string()]);
        let end = read.created_at + lifetime.absolute;
        assert!(reach.trim().parse::<f64>().unwrap() >= end.as_millis() as f64, "{reach}");
    }
}
