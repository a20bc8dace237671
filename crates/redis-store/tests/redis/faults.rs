//! A server that is down, slow, killed, loading, read-only, full or closed to us.

use std::{error::Error, time::Duration};

use tower_keep_core::{
    Applied, Change, Created, Lifetime, NewRecord, OverLimit, Query, Rotated, SessionId, Store,
    StoreError, StoreErrorKind, Token, Touch, Touched, UserLimit,
};
use tower_keep_redis_store::RedisStore;
use tower_keep_test_servers::{Durability, PASSWORD, Proxy, Redis};

use crate::patient;

fn new() -> NewRecord {
    let mut new = NewRecord::new("shop".into(), Lifetime::default());
    new.fields = [("card", "\"4111-secret\"")].into_iter().collect();
    new
}

async fn create(store: &RedisStore) -> Result<SessionId, StoreError> {
    let id = Token::random().unwrap().id();
    store.create(&id, new()).await.map(|created| {
        assert!(matches!(created, Created::Created(_)));
        id
    })
}

/// The whole text of an error; neither it nor its `Debug` may tell a secret.
fn text(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    let all = format!("{text} {error:?}");
    assert!(!all.contains(PASSWORD) && !all.contains("4111-secret"), "{all}");
    text
}

fn expect(error: &StoreError, kind: StoreErrorKind, part: &str) {
    let text = text(error);
    assert_eq!(error.kind(), kind, "{text}");
    assert!(text.contains(part), "{text}");
}

/// Patient: a machine that is busy with other tests must not look like a server that is silent.
async fn connect(url: &str) -> Result<RedisStore, StoreError> {
    RedisStore::builder().timeout(Duration::from_secs(3)).connect(url).await
}

#[tokio::test]
async fn wrong_url_password_and_port_say_what_to_mend() {
    let server = Redis::start(Durability::Lazy);
    for url in ["http://host", "redis:", "nonsense", "redis://:secret@"] {
        let error = connect(url).await.unwrap_err();
        assert!(!format!("{error:?}").contains("secret"));
        expect(&error, StoreErrorKind::Misconfigured, "URL");
    }
    let error = connect(&format!("redis://:wrong-one@127.0.0.1:{}", server.port())).await;
    let error = error.unwrap_err();
    assert!(!format!("{error:?}").contains("wrong-one"));
    expect(&error, StoreErrorKind::Misconfigured, "password");
    let error = connect(&format!("redis://127.0.0.1:{}", server.port())).await.unwrap_err();
    expect(&error, StoreErrorKind::Misconfigured, "password");
    let (url, store) = (server.url(), connect(&server.url()).await.unwrap());
    assert!(!format!("{store:?}").contains(PASSWORD));
    server.kill();
    expect(&connect(&url).await.unwrap_err(), StoreErrorKind::Unavailable, "connection");
}

#[tokio::test]
async fn killed_server_is_an_error_and_its_return_is_noticed() {
    let server = Redis::start(Durability::Synced);
    let store = connect(&server.url()).await.unwrap();
    let session = create(&store).await.unwrap();
    server.kill();
    for _ in 0..20 {
        let error = store.load(&session).await.unwrap_err();
        expect(&error, StoreErrorKind::Unavailable, "connection");
    }
    server.restart();
    let mut tries = 0;
    // The first may still meet the lost connection.
    while store.load(&session).await.is_err() {
        tries += 1;
        assert!(tries < 20, "the store does not come back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // The restarted server does not know the scripts.
    let record = store.load(&session).await.unwrap().unwrap().record;
    store.apply(&session, &Change::new(&record, Lifetime::default())).await.unwrap();
}

#[tokio::test]
async fn frozen_server_times_out_and_answers_the_right_one_later() {
    let server = Redis::start(Durability::Lazy);
    let store = connect(&server.url()).await.unwrap();
    let (one, other) = (create(&store).await.unwrap(), create(&store).await.unwrap());
    server.freeze();
    let begin = std::time::Instant::now();
    let calls: Vec<_> = (0..200)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.load(&one).await.unwrap_err() })
        })
        .collect();
    for call in calls {
        expect(&call.await.unwrap(), StoreErrorKind::TimedOut, "in time");
    }
    // All wait at once, not one after the other.
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    server.thaw();
    assert!(store.delete(&one).await.unwrap());
    for _ in 0..50 {
        assert!(store.load(&one).await.unwrap().is_none());
        assert!(store.load(&other).await.unwrap().is_some());
    }
}

/// Once a server is known not to answer, requests are told so soon, and its return is noticed at once.
#[tokio::test]
async fn requests_do_not_pile_up_behind_a_frozen_server() {
    let server = Redis::start(Durability::Lazy);
    let store = RedisStore::builder().timeout(Duration::from_secs(5));
    let store = store.connect(&server.url()).await.unwrap();
    let session = create(&store).await.unwrap();
    server.freeze();
    let begin = std::time::Instant::now();
    expect(&store.load(&session).await.unwrap_err(), StoreErrorKind::TimedOut, "in time");
    assert!(begin.elapsed() >= Duration::from_secs(5));
    // A hundred requests every tenth of a second: none waits as long as the first.
    let mut waves = Vec::new();
    for _ in 0..10 {
        for _ in 0..100 {
            let store = store.clone();
            waves.push(tokio::spawn(async move {
                let begin = std::time::Instant::now();
                expect(&store.load(&session).await.unwrap_err(), StoreErrorKind::TimedOut, "");
                begin.elapsed()
            }));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut longest = Duration::ZERO;
    for wave in waves {
        longest = longest.max(wave.await.unwrap());
    }
    println!("the longest of 1,000 requests to a frozen server waited {longest:?}");
    assert!(longest < Duration::from_secs(3), "{longest:?}");
    server.thaw();
    let begin = std::time::Instant::now();
    while store.load(&session).await.is_err() {
        assert!(begin.elapsed() < Duration::from_secs(20), "the store does not come back");
    }
}

/// A server that evicts ends sessions early, which reads as if they had expired: no error, and nothing halved.
#[tokio::test]
async fn server_that_evicts_ends_whole_sessions() {
    let server = Redis::start(Durability::Lazy);
    let store = connect(&server.url()).await.unwrap();
    let kept: u64 = server
        .command(&["INFO", "memory"])
        .lines()
        .find_map(|line| line.strip_prefix("used_memory:")?.trim().parse().ok())
        .unwrap();
    server.command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    server.command(&["CONFIG", "SET", "maxmemory", &(kept + 500_000).to_string()]);
    let mut new = new();
    new.user = Some("ada".into());
    let text = format!("\"{}\"", "x".repeat(2_000));
    new.fields = [("a", &*text), ("b", &*text)].into_iter().collect();
    let mut sessions = Vec::new();
    for _ in 0..500 {
        let id = Token::random().unwrap().id();
        assert!(matches!(store.create(&id, new.clone()).await.unwrap(), Created::Created(_)));
        sessions.push(id);
    }
    let (mut live, mut ended) = (0, 0);
    for id in &sessions {
        match store.load(id).await.unwrap() {
            Some(loaded) => {
                assert_eq!(loaded.record.fields, new.fields);
                live += 1;
            }
            None => ended += 1,
        }
    }
    assert!(live > 10 && ended > 10, "{live} live, {ended} ended");
    // Those that are gone are not listed.
    let query = Query::new("shop").of_user("ada".into()).with_limit(1_000);
    assert!(store.index().unwrap().list(&query).await.unwrap().sessions.len() <= live);
}

#[tokio::test]
async fn cut_connection_is_made_anew() {
    let server = Redis::start(Durability::Lazy);
    let proxy = Proxy::to(server.port()).await;
    let store = connect(&server.url_at(proxy.port())).await.unwrap();
    let session = create(&store).await.unwrap();
    for _ in 0..5 {
        proxy.cut();
        let mut tries = 0;
        while store.load(&session).await.is_err() {
            tries += 1;
            assert!(tries < 20, "the store does not come back");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    assert!(proxy.connections() >= 2, "{}", proxy.connections());
}

#[tokio::test]
async fn full_server_refuses_and_keeps_what_is_there() {
    let server = Redis::start(Durability::Lazy);
    let store = connect(&server.url()).await.unwrap();
    let session = create(&store).await.unwrap();
    let record = store.load(&session).await.unwrap().unwrap().record;
    server.command(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    server.command(&["CONFIG", "SET", "maxmemory", "1"]);
    let mut change = Change::new(&record, Lifetime::default());
    change.edits.set("a", "1");
    expect(&create(&store).await.unwrap_err(), StoreErrorKind::Full, "maxmemory");
    let error = store.apply(&session, &change).await.unwrap_err();
    expect(&error, StoreErrorKind::Full, "maxmemory");
    assert_eq!(store.load(&session).await.unwrap().unwrap().record, record);
    server.command(&["CONFIG", "SET", "maxmemory", "0"]);
    store.apply(&session, &change).await.unwrap();
}

#[tokio::test]
async fn read_only_replica_is_said_to_be_one() {
    let (primary, replica) = (Redis::start(Durability::Lazy), Redis::start(Durability::Lazy));
    replica.command(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
    let store = connect(&replica.url()).await.unwrap();
    let error = create(&store).await.unwrap_err();
    expect(&error, StoreErrorKind::Misconfigured, "read-only replica");
}

#[tokio::test]
async fn loading_server_is_unavailable() {
    let server = Redis::start(Durability::Lazy);
    let store = connect(&server.url()).await.unwrap();
    let session = create(&store).await.unwrap();
    // Slowly, and answering now and then.
    server.command(&["DEBUG", "POPULATE", "2000"]);
    server.command(&["CONFIG", "SET", "loading-process-events-interval-bytes", "1024"]);
    server.command(&["CONFIG", "SET", "key-load-delay", "1000"]);
    let loading = tokio::task::spawn_blocking(move || {
        server.command(&["DEBUG", "RELOAD"]);
        server
    });
    let mut met = false;
    while !loading.is_finished() {
        if let Err(error) = store.load(&session).await
            && text(&error).contains("loading")
        {
            expect(&error, StoreErrorKind::Unavailable, "loading");
            met = true;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(loading.await.unwrap());
    assert!(met, "the server never said that it was loading");
}

#[tokio::test]
async fn user_without_permission_is_told() {
    let server = Redis::start(Durability::Lazy);
    server.command(&[
        "ACL",
        "SETUSER",
        "weak",
        "on",
        ">weak-one",
        "~*",
        "+@read",
        "+ping",
        "+time",
        "+hello",
        "+client",
    ]);
    let store =
        connect(&format!("redis://weak:weak-one@127.0.0.1:{}", server.port())).await.unwrap();
    let error = create(&store).await.unwrap_err();
    assert!(!format!("{error:?}").contains("weak-one"));
    expect(&error, StoreErrorKind::Misconfigured, "permission");
}

/// The commands that the crate's docs name, and no other, on the keys of the prefix.
#[tokio::test]
async fn user_with_the_permissions_of_the_docs_can_do_everything() {
    let server = Redis::start(Durability::Lazy);
    let commands = "hgetall hget restore evalsha eval time hmget hexists exists zrange scan unlink select \
                    del hdel hkeys hset pexpire pexpireat rename @sortedset";
    let allowed: Vec<String> = commands.split(' ').map(|command| format!("+{command}")).collect();
    let mut user = vec!["ACL", "SETUSER", "few", "on", ">few-rights", "~tower-keep:*"];
    user.extend(allowed.iter().map(|command| &**command));
    server.command(&user);
    let url = format!("redis://few:few-rights@127.0.0.1:{}/1", server.port());
    let store = connect(&url).await.unwrap();
    let mut ids = [create(&store).await.unwrap(), create(&store).await.unwrap()];
    for (place, id) in ids.iter_mut().enumerate() {
        for step in 0..6 {
            let read = store.load(id).await.unwrap().unwrap().record;
            let mut change = Change::new(&read, Lifetime::default());
            match step {
                0 => change.edits.set("card", "1"),
                1 => change.edits.remove("card"),
                2 => change.clear = true,
                3 => change.user = Some("ada".into()),
                4 => change.restart = true,
                _ => change.lifetime = Lifetime::new(Duration::from_secs(60), Duration::MAX),
            }
            let applied = store.apply(id, &change).await.unwrap();
            assert!(matches!(applied, Applied::Applied(_)), "{step}: {applied:?}");
        }
        let read = store.load(id).await.unwrap().unwrap().record;
        let touch = Touch { created_at: read.created_at, lifetime: Lifetime::default() };
        assert!(matches!(store.touch(id, touch).await.unwrap(), Touched::Touched(_)));
        let mut change = Change::new(&read, Lifetime::default());
        change.user = Some("ada".into());
        change.user_limit = (place == 1).then_some(UserLimit::new(1, OverLimit::EvictOldest));
        let next = Token::random().unwrap().id();
        assert!(matches!(store.rotate(id, &next, &change).await.unwrap(), Rotated::Rotated(_)));
        *id = next;
    }
    // The limit signed the first one out.
    assert!(store.load(&ids[0]).await.unwrap().is_none());
    let record = store.load(&ids[1]).await.unwrap().unwrap().record;
    let index = store.index().unwrap();
    let found = index.list(&Query::new("shop").of_user("ada".into())).await.unwrap();
    assert_eq!(found.sessions.len(), 1);
    assert_eq!(index.stats(None).await.unwrap().active, 1);
    assert_eq!(store.analytics(None, Some("card")).await.unwrap().stats.active, 1);
    assert!(store.delete(&ids[1]).await.unwrap());
    let imported = store.import().unwrap().import(&ids[1], &record).await.unwrap();
    assert!(matches!(imported, Created::Created(_)));
    assert_eq!(store.purge().unwrap().purge().await.unwrap().sessions, 1);
}

#[tokio::test]
async fn damaged_hash_is_corrupt_and_hides_nobody() {
    let server = Redis::start(Durability::Lazy);
    let store = connect(&server.url()).await.unwrap();
    let (one, other) = (create(&store).await.unwrap(), create(&store).await.unwrap());
    let key = |id: &SessionId| format!("tower-keep:{id}");
    // A session under the key of another.
    server.command(&["COPY", &key(&one), &key(&other), "REPLACE"]);
    let error = store.load(&other).await.unwrap_err();
    expect(&error, StoreErrorKind::Corrupt, "not written under this key");
    assert!(store.load(&one).await.unwrap().is_some());
    let page = store.index().unwrap().list(&Query::all()).await.unwrap();
    assert_eq!(page.sessions.len(), 1);
    server.command(&["SET", &key(&other), "a string"]);
    expect(&store.load(&other).await.unwrap_err(), StoreErrorKind::Corrupt, "something else");
    server.command(&["HSET", &key(&one), "@state", "[odd]"]);
    expect(&store.load(&one).await.unwrap_err(), StoreErrorKind::Corrupt, "state");
    let touch = Touch {
        created_at: tower_keep_core::Timestamp::from_millis(0),
        lifetime: Lifetime::default(),
    };
    expect(&store.touch(&one, touch).await.unwrap_err(), StoreErrorKind::Corrupt, "state");
}

#[tokio::test]
async fn purge_leaves_what_is_not_ours() {
    let server = Redis::start(Durability::Lazy);
    let store = connect(&server.url()).await.unwrap();
    let other = patient().prefix("other[*]:").connect(&server.url()).await.unwrap();
    for _ in 0..20 {
        create(&store).await.unwrap();
    }
    create(&other).await.unwrap();
    for key in ["mine", "tower-keep:config", "tower-keepers:1", "other*:1"] {
        server.command(&["SET", key, "1"]);
    }
    assert_eq!(store.purge().unwrap().purge().await.unwrap().sessions, 20);
    assert_eq!(other.purge().unwrap().purge().await.unwrap().sessions, 1);
    assert_eq!(server.command(&["DBSIZE"]).trim(), "4");
}

#[tokio::test]
async fn connection_that_the_server_closed_costs_nobody_an_error() {
    let server = Redis::start(Durability::Lazy);
    let store = patient().connect(&server.url()).await.unwrap();
    let id = Token::random().unwrap().id();
    for _ in 0..5 {
        server.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        // Time to notice it, on a machine that is busy with other tests too.
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(store.load(&id).await.unwrap().is_none());
    }
}
