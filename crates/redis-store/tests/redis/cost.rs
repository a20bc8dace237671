//! What a request costs the server, by the server's own count.

use std::{collections::BTreeMap, time::Duration};

use tower_keep_core::{
    Applied, Change, Created, Lifetime, NewRecord, Rotated, SessionId, Store, Token, Touch, UserId,
};
use tower_keep_redis_store::RedisStore;
use tower_keep_test_servers::{Durability, Proxy, Redis};

use crate::patient;

fn id() -> SessionId {
    Token::random().unwrap().id()
}

/// Commands by their names, those within scripts too, and bytes that the server got.
pub(crate) fn counted(server: &Redis) -> (BTreeMap<String, u64>, u64) {
    let text = server.command(&["INFO", "all"]);
    let commands = text.lines().filter_map(|line| {
        let (name, figures) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        Some((name.to_owned(), figures.split(',').next()?.parse().ok()?))
    });
    let bytes = text.lines().find_map(|line| line.strip_prefix("total_net_input_bytes:"));
    (commands.collect(), bytes.unwrap().trim().parse().unwrap())
}

/// What was added to the count of each command.
pub(crate) fn since(server: &Redis, before: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let mut after = counted(server).0;
    for (name, calls) in before {
        if let Some(now) = after.get_mut(name) {
            *now -= calls;
        }
    }
    after.retain(|name, calls| *calls > 0 && !["info", "auth"].contains(&&**name));
    after
}

async fn start() -> (Redis, RedisStore) {
    let server = Redis::start(Durability::Lazy);
    let store = patient().connect(&server.url()).await.unwrap();
    (server, store)
}

async fn create(store: &RedisStore, new: &NewRecord) -> SessionId {
    let id = id();
    assert!(matches!(store.create(&id, new.clone()).await.unwrap(), Created::Created(_)));
    id
}

#[tokio::test]
async fn read_is_one_command_and_write_one_more() {
    let (server, store) = start().await;
    let mut new = NewRecord::new("shop".into(), Lifetime::default());
    new.fields = [("visits", "1")].into_iter().collect();
    let session = create(&store, &new).await;
    let record = store.load(&session).await.unwrap().unwrap().record;
    // So that the server knows the scripts.
    let mut change = Change::new(&record, Lifetime::default());
    change.exact = true;
    store.apply(&session, &change).await.unwrap();
    let touch = Touch { created_at: record.created_at, lifetime: Lifetime::default() };
    store.touch(&session, touch).await.unwrap();

    let before = counted(&server).0;
    for _ in 0..10 {
        store.load(&session).await.unwrap().unwrap();
    }
    // Once whole, then its state, which is still that of the record that was read.
    let expected = [("hgetall".to_owned(), 1), ("hget".to_owned(), 9)];
    assert_eq!(since(&server, &before), expected.into());

    // Within the script: read the state, write, and set the expiry if it moves by more than a second.
    for (idle, within) in [
        (30, &["evalsha", "hget", "hset"][..]),
        (31, &["eval", "evalsha", "hget", "hset", "pexpireat"]),
        (32, &["evalsha", "hget", "hset", "pexpireat"]),
    ] {
        let lifetime = Lifetime::new(Duration::from_secs(60 * idle), new.lifetime.absolute);
        let read = store.load(&session).await.unwrap().unwrap().record;
        let mut change = Change::new(&read, lifetime);
        change.edits.set("visits", "2");
        change.exact = true;
        let before = counted(&server).0;
        let Applied::Applied(receipt) = store.apply(&session, &change).await.unwrap() else {
            panic!("not applied");
        };
        let called = within.iter().map(|name| ((*name).to_owned(), 1)).collect();
        assert_eq!(since(&server, &before), called, "{idle}");
        // The server ends the session when it was told to.
        let end = server.command(&["PEXPIRETIME", &format!("tower-keep:{session}")]);
        assert_eq!(end.trim().parse(), Ok(receipt.expires_at.as_millis()));
        let read = store.load(&session).await.unwrap().unwrap().record;
        assert_eq!(read.expires_at, receipt.expires_at);
    }

    let within = ["evalsha", "hget", "hset", "pexpireat", "time"];
    let before = counted(&server).0;
    store.touch(&session, touch).await.unwrap();
    assert_eq!(since(&server, &before), within.map(|name| (name.to_owned(), 1)).into());

    let before = counted(&server).0;
    create(&store, &new).await;
    assert_eq!(since(&server, &before), [("restore".to_owned(), 1)].into());
}

/// Where the user may not put a hash whole, a script makes it.
#[tokio::test]
async fn session_is_made_by_a_script_where_the_plain_command_is_refused() {
    let server = Redis::start(Durability::Lazy);
    server.command(&["ACL", "SETUSER", "few", "on", ">few-rights", "~*", "+@all", "-restore"]);
    let url = format!("redis://few:few-rights@127.0.0.1:{}", server.port());
    let store = patient().connect(&url).await.unwrap();
    let mut new = NewRecord::new("shop".into(), Lifetime::default());
    new.fields = [("visits", "1")].into_iter().collect();
    for _ in 0..3 {
        let session = create(&store, &new).await;
        let record = store.load(&session).await.unwrap().unwrap().record;
        assert_eq!((record.version, &record.fields), (1, &new.fields));
        let left = server.command(&["PTTL", &format!("tower-keep:{session}")]);
        let left: i64 = left.trim().parse().unwrap();
        assert!((1_790_000..=1_800_000).contains(&left), "{left}");
    }
}

#[tokio::test]
async fn rotation_is_one_round_trip_and_sends_no_fields() {
    let server = Redis::start(Durability::Lazy);
    let proxy = Proxy::to(server.port()).await;
    let store = patient().connect(&server.url_at(proxy.port())).await.unwrap();
    let long = format!("\"{}\"", "x".repeat(10_000));
    for user in [None, Some(UserId::from("ada"))] {
        let mut new = NewRecord::new("shop".into(), Lifetime::default());
        new.fields = [("long", &*long), ("short", "1")].into_iter().collect();
        new.user = user.clone();
        let mut session = create(&store, &new).await;
        for turn in 0..3 {
            let record = store.load(&session).await.unwrap().unwrap().record;
            let (mut change, to) = (Change::new(&record, new.lifetime), id());
            change.edits.set("short", "2");
            change.user = user.as_ref().map(|_| UserId::from("eve"));
            let (trips, (_, before)) = (proxy.round_trips(), counted(&server));
            let rotated = store.rotate(&session, &to, &change).await.unwrap();
            assert!(matches!(rotated, Rotated::Rotated(_)), "{rotated:?}");
            // What is left of the old place is cleared later.
            let taken = proxy.round_trips() - trips;
            // The first time the server does not know the script; what the rotation before left may come too.
            let most = 1 + u64::from(turn == 0) + u64::from(user.is_some());
            assert!(taken <= most, "{taken} round trips");
            let sent = counted(&server).1 - before;
            assert!(turn == 0 || sent < 8_000, "{sent} bytes sent");
            assert!(store.load(&session).await.unwrap().is_none());
            session = to;
        }
        let record = store.load(&session).await.unwrap().unwrap().record;
        assert_eq!(record.fields.get("long"), Some(&*long));
        assert_eq!(record.user, user.map(|_| UserId::from("eve")));
    }
}

#[tokio::test]
async fn changed_field_of_a_large_session_travels_alone() {
    let (server, store) = start().await;
    let mut new = NewRecord::new("shop".into(), Lifetime::default());
    let value = format!("\"{}\"", "x".repeat(160));
    let names: Vec<String> = (0..100).map(|field| format!("field {field}")).collect();
    new.fields = names.iter().map(|name| (&**name, &*value)).collect();
    let session = create(&store, &new).await;
    let record = store.load(&session).await.unwrap().unwrap().record;
    let mut change = Change::new(&record, new.lifetime);
    change.edits.set("field 7", "7");
    store.apply(&session, &change).await.unwrap();
    let record = store.load(&session).await.unwrap().unwrap().record;
    let mut change = Change::new(&record, new.lifetime);
    change.edits.set("field 8", "8");
    // What asking costs is asked first.
    let (_, first) = counted(&server);
    let (_, before) = counted(&server);
    store.apply(&session, &change).await.unwrap();
    let (_, after) = counted(&server);
    let sent = (after - before).saturating_sub(before - first);
    assert!(sent < 400, "{sent} bytes for one of 16,000");
}

#[tokio::test]
async fn every_key_has_an_end() {
    let (server, store) = start().await;
    let mut new = NewRecord::new("shop".into(), Lifetime::default());
    new.user = Some(UserId::from("ada"));
    new.fields = [("", "null"), ("@state", "1"), ("name", "\"Ada\"")].into_iter().collect();
    let session = create(&store, &new).await;
    let record = store.load(&session).await.unwrap().unwrap().record;
    assert_eq!(record.fields, new.fields);
    let (change, to) = (Change::new(&record, new.lifetime), id());
    assert!(matches!(store.rotate(&session, &to, &change).await.unwrap(), Rotated::Rotated(_)));
    let endless = NewRecord::new("shop".into(), Lifetime::new(Duration::MAX, Duration::MAX));
    create(&store, &endless).await;
    let keys = server.command(&["KEYS", "*"]);
    assert!(keys.lines().count() >= 3, "{keys}");
    for key in keys.lines() {
        let left: i64 = server.command(&["PTTL", key]).trim().parse().unwrap();
        assert!(left > 0 || left == -2, "{key} has no end: {left}");
    }
    // A person, or another language, reads the hash as it is.
    let hash = server.command(&["HGET", &format!("tower-keep:{to}"), "name"]);
    assert_eq!(hash.trim(), "\"Ada\"");
}

#[tokio::test]
async fn session_ends_by_the_servers_own_clock() {
    let (server, store) = start().await;
    let short = Lifetime::new(Duration::from_secs(3), Duration::MAX);
    let mut new = NewRecord::new("shop".into(), short);
    new.user = Some(UserId::from("ada"));
    let session = create(&store, &new).await;
    assert!(store.load(&session).await.unwrap().is_some());
    tokio::time::sleep(Duration::from_millis(3_100)).await;
    assert!(store.load(&session).await.unwrap().is_none());
    let key = format!("tower-keep:{session}");
    assert_eq!(server.command(&["EXISTS", &key]).trim(), "0");
}

/// Sign-ins and sign-outs leave nothing, and sign-ins that just end leave little.
#[tokio::test]
async fn users_set_does_not_grow_with_sign_ins() {
    let (server, store) = start().await;
    let sign_ins = if std::env::var_os("TOWER_KEEP_LONG").is_some() { 1_000_000 } else { 2_000 };
    let mut new = NewRecord::new("shop".into(), Lifetime::default());
    new.user = Some(UserId::from("ada"));
    let size = || -> u64 {
        server.command(&["ZCARD", "tower-keep:user:4:shop:ada"]).trim().parse().unwrap()
    };
    for _ in 0..sign_ins {
        let session = create(&store, &new).await;
        assert!(store.delete(&session).await.unwrap());
    }
    assert_eq!(size(), 0);
    assert_eq!(server.command(&["DBSIZE"]).trim(), "0");
    // Nobody signs out, and what ends is not told: each new session looks after three others. A place
    // is held for two seconds, so the sign-ins go on for longer than that.
    new.lifetime = Lifetime::new(Duration::from_millis(10), new.lifetime.absolute);
    let begin = std::time::Instant::now();
    let mut made: u64 = 0;
    while begin.elapsed() < Duration::from_secs(5) {
        create(&store, &new).await;
        made += 1;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let kept = size();
    println!("{kept} places of {made} sign-ins within 5 s, of which those of 2 s are held");
    assert!(kept < made * 2 * 85 / 100, "{kept} places of {made} sign-ins");
}
