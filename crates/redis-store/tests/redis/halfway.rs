//! What is left where a process dies in the middle of an operation of several steps, and where two processes
//! carry theirs out at once.

use std::collections::BTreeSet;

use tower_keep_core::{
    Applied, Change, Created, Lifetime, NewRecord, OverLimit, Query, Rotated, SessionId, Store,
    Token, Touch, Touched, UserId, UserLimit,
};
use tower_keep_redis_store::RedisStore;
use tower_keep_test_servers::{Durability, Redis};

use crate::patient;

fn id() -> SessionId {
    Token::random().unwrap().id()
}

fn key(id: &SessionId) -> String {
    format!("tower-keep:{id}")
}

fn of_ada() -> NewRecord {
    let mut new = NewRecord::new("shop".into(), Lifetime::default());
    new.user = Some(UserId::from("ada"));
    new.fields = [("cart", "[1]")].into_iter().collect();
    new
}

async fn create(store: &RedisStore, new: &NewRecord) -> SessionId {
    let id = id();
    assert!(matches!(store.create(&id, new.clone()).await.unwrap(), Created::Created(_)));
    id
}

async fn of_user(store: &RedisStore) -> BTreeSet<SessionId> {
    let query = Query::new("shop").of_user(UserId::from("ada"));
    let page = store.index().unwrap().list(&query).await.unwrap();
    page.sessions.iter().map(|listed| listed.id).collect()
}

/// A session, and its record under another id as a rotation makes it in its first step.
async fn arriving(server: &Redis, store: &RedisStore) -> (SessionId, SessionId) {
    let (old, new) = (create(store, &of_ada()).await, id());
    // The copy is of the new id's making: what binds it to the old one is written anew.
    server.command(&["COPY", &key(&old), &key(&new)]);
    let state = server.command(&["HGET", &key(&old), "@state"]);
    let arriving = format!("{old}{}", state.trim());
    let layer = format!("{}:shop", &new.to_string()[..16]);
    server.command(&["HSET", &key(&new), "@arriving", &arriving, "@layer", &layer]);
    server.command(&["HDEL", &key(&new), "@state"]);
    let reach = "9007199254740991";
    server.command(&["ZADD", "tower-keep:user:4:shop:ada", reach, &new.to_string()]);
    (old, new)
}

fn depart(server: &Redis, old: &SessionId, new: &SessionId) {
    server.command(&["DEL", &key(old)]);
    server.command(&["HSET", &key(old), "@moved", &new.to_string()]);
    server.command(&["PEXPIRE", &key(old), "60000"]);
}

#[tokio::test]
async fn rotation_that_died_before_it_was_decided_leaves_the_old_session() {
    let server = Redis::start(Durability::Lazy);
    let store = patient().connect(&server.url()).await.unwrap();
    let (old, new) = arriving(&server, &store).await;
    assert!(store.load(&old).await.unwrap().is_some());
    assert!(store.load(&new).await.unwrap().is_none());
    let record = store.load(&old).await.unwrap().unwrap().record;
    let change = Change::new(&record, Lifetime::default());
    assert!(matches!(store.apply(&new, &change).await.unwrap(), Applied::Gone));
    let touch = Touch { created_at: record.created_at, lifetime: Lifetime::default() };
    assert_eq!(store.touch(&new, touch).await.unwrap(), Touched::Gone);
    assert!(!store.delete(&new).await.unwrap());
    assert_eq!(of_user(&store).await, [old].into());
    // It is tried again, and gets through.
    assert!(matches!(store.rotate(&old, &new, &change).await.unwrap(), Rotated::Rotated(_)));
    assert!(store.load(&old).await.unwrap().is_none());
    assert!(store.load(&new).await.unwrap().is_some());
    assert_eq!(of_user(&store).await, [new].into());
}

#[tokio::test]
async fn rotation_that_died_after_it_was_decided_is_ended_by_whoever_comes() {
    let server = Redis::start(Durability::Lazy);
    let store = patient().connect(&server.url()).await.unwrap();
    for visitor in 0..6 {
        let (old, new) = arriving(&server, &store).await;
        depart(&server, &old, &new);
        assert!(store.load(&old).await.unwrap().is_none());
        if visitor == 0 {
            let loaded = store.load(&new).await.unwrap().unwrap();
            assert_eq!(loaded.record.fields.get("cart"), Some("[1]"));
        }
        let record = {
            let other = create(&store, &of_ada()).await;
            let record = store.load(&other).await.unwrap().unwrap().record;
            assert!(store.delete(&other).await.unwrap());
            record
        };
        let change = Change::new(&record, Lifetime::default());
        match visitor {
            1 => {
                let applied = store.apply(&new, &change).await.unwrap();
                assert!(matches!(applied, Applied::Applied(_)), "{applied:?}");
            }
            2 => {
                let touch = Touch { created_at: record.created_at, lifetime: Lifetime::default() };
                assert!(matches!(store.touch(&new, touch).await.unwrap(), Touched::Touched(_)));
            }
            3 => {
                let rotated = store.rotate(&new, &id(), &change).await.unwrap();
                assert!(matches!(rotated, Rotated::Rotated(_)), "{rotated:?}");
            }
            4 => assert_eq!(of_user(&store).await, [new].into()),
            5 => {
                let made = store.create(&old, of_ada()).await.unwrap();
                assert!(matches!(made, Created::Created(_)), "{made:?}");
                assert!(store.load(&new).await.unwrap().is_some());
                assert!(store.delete(&old).await.unwrap());
            }
            _ => {}
        }
        for id in of_user(&store).await {
            assert!(store.delete(&id).await.unwrap());
        }
        assert!(store.load(&new).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn place_without_a_session_is_dropped_when_it_is_met() {
    let server = Redis::start(Durability::Lazy);
    let store = patient().connect(&server.url()).await.unwrap();
    let live = create(&store, &of_ada()).await;
    let set = "tower-keep:user:4:shop:ada";
    for _ in 0..5 {
        server.command(&["ZADD", set, "9007199254740991", &id().to_string()]);
    }
    // They do not count for a limit.
    let mut new = of_ada();
    new.user_limit = Some(UserLimit::new(2, OverLimit::Refuse));
    let other = create(&store, &new).await;
    assert_eq!(of_user(&store).await, [live, other].into());
    let kept = server.command(&["ZRANGE", set, "0", "-1"]);
    let kept: BTreeSet<SessionId> = kept.lines().filter_map(|id| id.parse().ok()).collect();
    assert_eq!(kept, [live, other].into());
}

#[tokio::test]
async fn session_that_was_evicted_before_it_was_made_does_not_come() {
    let server = Redis::start(Durability::Lazy);
    let store = patient().connect(&server.url()).await.unwrap();
    let slow = id();
    // A sign-in that has its place, and has not made its session yet.
    let set = "tower-keep:user:4:shop:ada";
    server.command(&["ZADD", set, "9007199254740991", &slow.to_string()]);
    server.command(&["ZADD", set, "9007199254740991", &format!("~{}", &slow.to_string()[2..])]);
    let mut new = of_ada();
    new.user_limit = Some(UserLimit::new(1, OverLimit::Refuse));
    assert_eq!(store.create(&id(), new.clone()).await.unwrap(), Created::OverLimit);
    new.user_limit = Some(UserLimit::new(1, OverLimit::EvictOldest));
    let fast = id();
    match store.create(&fast, new).await.unwrap() {
        Created::Created(receipt) => assert_eq!(receipt.evicted, 1),
        other => panic!("{other:?}"),
    }
    assert!(matches!(store.create(&slow, of_ada()).await.unwrap(), Created::Created(_)));
    assert!(store.load(&slow).await.unwrap().is_none());
    assert_eq!(of_user(&store).await, [fast].into());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn limit_is_exact_among_several_processes() {
    let server = Redis::start(Durability::Lazy);
    for over in [OverLimit::Refuse, OverLimit::EvictOldest] {
        for _ in 0..5 {
            let mut logins = Vec::new();
            for _ in 0..12 {
                // A connection of its own each, as processes have.
                let store = patient().connect(&server.url()).await.unwrap();
                logins.push(tokio::spawn(async move {
                    let mut new = of_ada();
                    new.user_limit = Some(UserLimit::new(3, over));
                    match store.create(&id(), new).await.unwrap() {
                        Created::Created(receipt) => Some(receipt.evicted),
                        _ => None,
                    }
                }));
            }
            let (mut let_in, mut evicted) = (0, 0);
            for login in logins {
                if let Some(others) = login.await.unwrap() {
                    let_in += 1;
                    evicted += others;
                }
            }
            let store = patient().connect(&server.url()).await.unwrap();
            let live = of_user(&store).await;
            let expected = if over == OverLimit::Refuse { (3, 0) } else { (12, 9) };
            assert_eq!((let_in, evicted, live.len()), (expected.0, expected.1, 3), "{over:?}");
            for id in live {
                assert!(store.delete(&id).await.unwrap());
            }
        }
    }
}
