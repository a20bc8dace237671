//! A slot that moves from one node of a cluster to another, with the sessions in it.

use tower_keep_core::{
    Applied, Change, Created, Lifetime, NewRecord, Query, Rotated, SessionId, Store, Token, UserId,
};
use tower_keep_redis_store::RedisStore;
use tower_keep_test_servers::{Cluster, PASSWORD, Redis};

use crate::patient;

fn new() -> NewRecord {
    let mut new = NewRecord::new("shop".into(), Lifetime::default());
    new.fields = [("visits", "1")].into_iter().collect();
    new
}

async fn create(store: &RedisStore) -> SessionId {
    let id = Token::random().unwrap().id();
    assert!(matches!(store.create(&id, new()).await.unwrap(), Created::Created(_)));
    id
}

async fn visit(store: &RedisStore, session: &SessionId) {
    let record = store.load(session).await.unwrap().unwrap().record;
    let mut change = Change::new(&record, Lifetime::default());
    change.edits.set("visits", "2");
    change.exact = true;
    let applied = store.apply(session, &change).await.unwrap();
    assert!(matches!(applied, Applied::Applied(_)), "{applied:?}");
}

fn name(node: &Redis) -> String {
    node.command(&["CLUSTER", "MYID"]).trim().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn moving_slot_is_followed() {
    let cluster = Cluster::start();
    // All sessions in one slot.
    let builder = patient().prefix("{one}:");
    let store = builder.connect(&cluster.url()).await.unwrap();
    let (first, second) = (create(&store).await, create(&store).await);
    let from = cluster.primary_of("{one}");
    let to = cluster.other_primary(from);
    let slot = from.command(&["CLUSTER", "KEYSLOT", "{one}"]).trim().to_owned();
    to.command(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &name(from)]);
    from.command(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &name(to)]);
    // One key is with the new node already: the old one says to ask there.
    let key = format!("{{one}}:{first}");
    let port = to.port().to_string();
    let moved = from.command(&["MIGRATE", "127.0.0.1", &port, &key, "0", "5000", "AUTH", PASSWORD]);
    assert_eq!(moved.trim(), "OK");
    for session in [&first, &second] {
        visit(&store, session).await;
    }
    // What is new is made with the new node.
    let third = create(&store).await;
    visit(&store, &third).await;
    let key = format!("{{one}}:{second}");
    from.command(&["MIGRATE", "127.0.0.1", &port, &key, "0", "5000", "AUTH", PASSWORD]);
    for node in [to, from] {
        node.command(&["CLUSTER", "SETSLOT", &slot, "NODE", &name(to)]);
    }
    // The slot is with the new node: the old one says that it moved.
    for session in [&first, &second, &third] {
        visit(&store, session).await;
    }
    let page = store.index().unwrap().list(&Query::all()).await.unwrap();
    assert_eq!(page.sessions.len(), 3);
    for session in [&first, &second, &third] {
        assert!(store.delete(session).await.unwrap());
    }
}

/// Keys of one user's sessions are of several nodes, and no command touches two.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_of_one_user_are_on_all_nodes() {
    let cluster = Cluster::start();
    let store = patient().connect(&cluster.url()).await.unwrap();
    let mut new = new();
    new.user = Some(UserId::from("ada"));
    for _ in 0..30 {
        let id = Token::random().unwrap().id();
        store.create(&id, new.clone()).await.unwrap();
        let record = store.load(&id).await.unwrap().unwrap().record;
        let to = Token::random().unwrap().id();
        let change = Change::new(&record, new.lifetime);
        assert!(matches!(store.rotate(&id, &to, &change).await.unwrap(), Rotated::Rotated(_)));
    }
    let query = Query::new("shop").of_user(UserId::from("ada"));
    let index = store.index().unwrap();
    assert_eq!(index.list(&query).await.unwrap().sessions.len(), 30);
    let stats = index.stats(None).await.unwrap();
    assert_eq!((stats.active, stats.signed_in, stats.users), (30, 30, 1));
    let holders = cluster.nodes().iter().filter(|node| {
        node.command(&["INFO", "replication"]).contains("role:master")
            && node.command(&["KEYS", "tower-keep:*"]).lines().count() > 3
    });
    assert_eq!(holders.count(), 3);
    // Page by page, through all nodes.
    let mut seen = std::collections::HashSet::new();
    let mut after = None;
    loop {
        let page = index.list(&Query::all().with_limit(7).after(after)).await.unwrap();
        seen.extend(page.sessions.iter().map(|listed| listed.id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 30);
    assert_eq!(store.purge().unwrap().purge().await.unwrap().sessions, 30);
}
