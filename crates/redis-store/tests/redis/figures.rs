//! Listing and counting by one pass, and what a million sessions cost.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use tower_keep_core::{Created, Lifetime, NewRecord, Query, SessionId, Store, Token, UserId};
use tower_keep_test_servers::{Durability, Redis};

use crate::patient;

fn id() -> SessionId {
    Token::random().unwrap().id()
}

#[tokio::test]
async fn one_pass_counts_by_a_chosen_field() {
    let server = Redis::start(Durability::Lazy);
    let store = patient().connect(&server.url()).await.unwrap();
    let long = "x".repeat(5_000);
    for (user, role, layer) in [
        (Some("ada"), Some("\"admin\""), "shop"),
        (Some("ada"), Some("\"admin\""), "shop"),
        (Some("bob"), Some("\"guest\""), "shop"),
        (None, None, "shop"),
        (Some("ada"), Some("\"admin\""), "other"),
    ] {
        let mut new = NewRecord::new(layer.into(), Lifetime::default());
        new.user = user.map(UserId::from);
        let text = format!("\"{long}\"");
        let role = role.map(|role| ("role", role));
        new.fields = role.into_iter().chain([("long", &*text)]).collect();
        assert!(matches!(store.create(&id(), new).await.unwrap(), Created::Created(_)));
    }
    let before = server.command(&["INFO", "commandstats"]);
    let found = store.analytics(Some(&"shop".into()), Some("role")).await.unwrap();
    let stats = found.stats;
    assert_eq!((stats.active, stats.signed_in, stats.users), (4, 3, 2));
    assert_eq!(found.by_value, [("\"admin\"".to_owned(), 2), ("\"guest\"".to_owned(), 1)].into());
    assert_eq!((found.without, found.began.minute, found.ending.minute), (1, 4, 0));
    assert_eq!((found.ending.hour, found.ending.day), (4, 4));
    assert!(stats.oldest <= stats.newest && found.mean_length < Duration::from_secs(5));
    // All layers; a name in two layers is two users.
    assert_eq!(store.analytics(None, None).await.unwrap().stats.users, 3);
    // Never all keys at once, and never the fields that nobody asked for.
    let after = server.command(&["INFO", "commandstats"]);
    assert!(!after.contains("cmdstat_keys:"), "{after}");
    let reads = |text: &str| text.lines().find(|line| line.contains("hgetall")).map(str::to_owned);
    assert_eq!(reads(&after), reads(&before));
}

/// Sessions of many users in one server: what one takes, and that a user's are found as fast as among few.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_sessions_are_found_as_fast_among_a_million() {
    let sessions = tower_keep_tests::rounds(5_000, 1_000_000);
    let server = Redis::start(Durability::Lazy);
    let store = patient().connect(&server.url()).await.unwrap();
    let memory = || -> u64 {
        let text = server.command(&["INFO", "memory"]);
        let used = text.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
        used.trim().parse().unwrap()
    };
    let create = async |user: usize| {
        let mut new = NewRecord::new("shop".into(), Lifetime::default());
        new.user = Some(UserId::from(format!("user {user}")));
        let cart = format!("\"{}\"", "item-0042,".repeat(15));
        new.fields = [("visits", "1000"), ("cart", &*cart)].into_iter().collect();
        assert!(matches!(store.create(&id(), new).await.unwrap(), Created::Created(_)));
    };
    let of = |user: usize| Query::new("shop").of_user(UserId::from(format!("user {user}")));
    let commands = || -> u64 {
        let text = server.command(&["INFO", "stats"]);
        let all = text.lines().find_map(|line| line.strip_prefix("total_commands_processed:"));
        all.unwrap().trim().parse().unwrap()
    };
    // The time of listing one user's ten sessions, of ending them all, and the commands of both.
    let costs = async |user: usize| {
        let before = commands();
        let begin = Instant::now();
        let page = store.index().unwrap().list(&of(user)).await.unwrap();
        let listing = begin.elapsed();
        assert_eq!(page.sessions.len(), 10);
        let begin = Instant::now();
        for listed in page.sessions {
            assert!(store.delete(&listed.id).await.unwrap());
        }
        (commands() - before, listing, begin.elapsed())
    };
    let median = async |first: usize| {
        // What was begun behind the sign-ins ends first.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let mut all = Vec::new();
        for user in first..first + 21 {
            all.push(costs(user).await);
        }
        all.sort();
        all[10]
    };
    let fill = async |users: std::ops::Range<usize>| {
        let all = users.flat_map(|user| std::iter::repeat_n(user, 10));
        stream::iter(all).for_each_concurrent(64, &create).await;
    };
    let users = sessions / 10;
    // As a shop should set it: a value of more bytes makes a small hash a large one, three times its size.
    server.command(&["CONFIG", "SET", "hash-max-listpack-value", "1024"]);
    fill(0..100).await;
    let few = median(0).await;
    let before = memory();
    fill(100..users).await;
    let each = (memory() - before) / (10 * (users - 100)) as u64;
    let many = median(users - 30).await;
    println!("{sessions} sessions: {each} bytes each with its place in the user's set");
    println!(
        "listing and ending ten of a user's: {:?}, {:?} among 1,000, {:?}, {:?} among {sessions}",
        few.1, few.2, many.1, many.2
    );
    assert!(many.0 <= few.0 + 2, "{} commands, {} among few", many.0, few.0);
    let begin = Instant::now();
    let stats = store.index().unwrap().stats(None).await.unwrap();
    println!("counting them: {:?}", begin.elapsed());
    assert_eq!(stats.active, (sessions - 2 * 21 * 10) as u64);
    assert_eq!(stats.users, (users - 2 * 21) as u64);
    store.purge().unwrap().purge().await.unwrap();
    let before = memory();
    server.command(&["CONFIG", "SET", "hash-max-listpack-value", "64"]);
    fill(100..200).await;
    println!("{} bytes each with the server's defaults", (memory() - before) / 1_000);
    // The same bytes as plain strings with an end, and no index.
    store.purge().unwrap().purge().await.unwrap();
    let before = memory();
    let text = format!(
        "{{\"visits\":1000,\"cart\":\"{}\",\"user\":\"user 12345\"}}",
        "item-0042,".repeat(15)
    );
    let script = "for n = 1, ARGV[1] do redis.call('SET', string.format('raw:%075d', n), ARGV[2], 'EX', 1800) end";
    server.command(&["EVAL", script, "0", &sessions.to_string(), &text]);
    let raw = (memory() - before) / sessions as u64;
    println!("a string of the same bytes: {raw}; {:.2} times that", each as f64 / raw as f64);
    assert!(each < 3 * raw, "{each} bytes, {raw} as a string");
}
