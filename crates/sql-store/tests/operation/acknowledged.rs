//! Servers that are killed and connections that are cut while requests run: nothing that was answered is
//! lost, every error says that it is one, and all works again without a restart.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use tower_keep_core::{Applied, SessionId, StoreErrorKind};
use tower_keep_sql_store::{MySqlStore, PostgresStore};
use tower_keep_test_servers::{Durability, MariaDb, Postgres, Proxy};
use tower_keep_tests::rounds;

use crate::{Shared, begin, increment};

const SESSIONS: usize = 8;

/// What is known of one session: so many increments were answered, so many may have happened.
#[derive(Default)]
struct Count {
    answered: AtomicU64,
    unknown: AtomicU64,
}

/// Clients that count, each in a session of its own, until they are stopped.
struct Load {
    store: Shared,
    sessions: Vec<(SessionId, Arc<Count>)>,
    stop: Arc<AtomicBool>,
    clients: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    async fn start(store: Shared) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut sessions = Vec::new();
        for _ in 0..SESSIONS {
            sessions.push((begin(&store).await, Arc::new(Count::default())));
        }
        let clients = sessions
            .iter()
            .map(|(id, count)| {
                tokio::spawn(count_up(
                    Arc::clone(&store),
                    *id,
                    Arc::clone(count),
                    Arc::clone(&stop),
                ))
            })
            .collect();
        Self { store, sessions, stop, clients }
    }

    /// Waits until every client has been answered again; tells how long that took.
    async fn recover(&self) -> Duration {
        let begin = Instant::now();
        let before: Vec<u64> = self.answered().collect();
        while self.answered().zip(&before).any(|(now, before)| now <= *before) {
            assert!(begin.elapsed() < Duration::from_secs(180), "no recovery");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        begin.elapsed()
    }

    fn answered(&self) -> impl Iterator<Item = u64> {
        self.sessions.iter().map(|(_, count)| count.answered.load(SeqCst))
    }

    async fn assert_nothing_lost(self) -> (u64, u64) {
        self.stop.store(true, SeqCst);
        for client in self.clients {
            client.await.unwrap();
        }
        let mut all = (0, 0);
        for (id, count) in &self.sessions {
            let record = self.store.load(id).await.unwrap().unwrap().record;
            let n: u64 = record.fields.get("n").unwrap().parse().unwrap();
            let answered = count.answered.load(SeqCst);
            let unknown = count.unknown.load(SeqCst);
            assert!(
                (answered..=answered + unknown).contains(&n),
                "{answered} increments were answered, {unknown} are unknown, {n} are stored"
            );
            assert_eq!(record.version, n + 1, "each change counts once");
            all = (all.0 + answered, all.1 + unknown);
        }
        all
    }
}

async fn count_up(store: Shared, id: SessionId, count: Arc<Count>, stop: Arc<AtomicBool>) {
    while !stop.load(SeqCst) {
        let loaded = match store.load(&id).await {
            Ok(loaded) => loaded.expect("an outage must not read as a missing session"),
            Err(error) => {
                assert_kind(error.kind());
                tokio::time::sleep(Duration::from_millis(2)).await;
                continue;
            }
        };
        match store.apply(&id, &increment(&loaded.record)).await {
            Ok(Applied::Applied(_)) => drop(count.answered.fetch_add(1, SeqCst)),
            // What was unknown before has come to light.
            Ok(Applied::Conflict(_)) => {}
            Ok(Applied::Gone) => panic!("an outage must not read as a missing session"),
            Err(error) => {
                assert_kind(error.kind());
                count.unknown.fetch_add(1, SeqCst);
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
    }
}

fn assert_kind(kind: StoreErrorKind) {
    assert!(matches!(kind, StoreErrorKind::Unavailable | StoreErrorKind::TimedOut), "{kind:?}");
}

async fn kills(load: Load, kill: impl Fn(), restart: impl Fn()) {
    for _ in 0..rounds(2, 20) {
        tokio::time::sleep(Duration::from_millis(300)).await;
        kill();
        tokio::time::sleep(Duration::from_millis(100)).await;
        restart();
        let recovery = load.recover().await;
        println!("recovered {recovery:?} after the server was back");
    }
    let (answered, unknown) = load.assert_nothing_lost().await;
    println!("{answered} answered, {unknown} unknown");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_postgres_loses_nothing_that_was_answered() {
    let server = Postgres::start(Durability::Synced);
    let store = PostgresStore::connect(&server.url()).await.unwrap();
    store.migrate().await.unwrap();
    let load = Load::start(Arc::new(store)).await;
    let blocking = |act: &dyn Fn()| tokio::task::block_in_place(act);
    kills(load, || blocking(&|| server.kill()), || blocking(&|| server.restart())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_mariadb_loses_nothing_that_was_answered() {
    let server = MariaDb::start(Durability::Synced);
    let store = MySqlStore::connect(&server.url("keep")).await.unwrap();
    store.migrate().await.unwrap();
    let load = Load::start(Arc::new(store)).await;
    let blocking = |act: &dyn Fn()| tokio::task::block_in_place(act);
    kills(load, || blocking(&|| server.kill()), || blocking(&|| server.restart())).await;
}

/// Cuts all connections at odd moments.
async fn cuts(load: Load, proxy: Proxy) {
    let mut random =
        std::hash::BuildHasher::hash_one(&std::collections::hash_map::RandomState::new(), "cuts");
    for _ in 0..rounds(40, 1_000) {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        tokio::time::sleep(Duration::from_micros(500 + (random >> 33) % 40_000)).await;
        proxy.cut();
    }
    let recovery = load.recover().await;
    println!("recovered {recovery:?} after the last cut; {} connections", proxy.connections());
    let (answered, unknown) = load.assert_nothing_lost().await;
    println!("{answered} answered, {unknown} unknown");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn cut_connections_to_postgres_lose_nothing_that_was_answered() {
    let server = Postgres::shared();
    let schema = crate::support::postgres::Schema::new();
    schema.builder().connect(&server.url()).await.unwrap().migrate().await.unwrap();
    let proxy = Proxy::to(server.port()).await;
    let store = schema.builder().connect(&server.url_at(proxy.port())).await.unwrap();
    cuts(Load::start(Arc::new(store)).await, proxy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn cut_connections_to_mariadb_lose_nothing_that_was_answered() {
    let server = MariaDb::shared();
    let database = crate::support::mysql::Database::new();
    database.make().await;
    let proxy = Proxy::to(server.port()).await;
    let store = MySqlStore::connect(&server.url_at(proxy.port(), &database.name)).await.unwrap();
    store.migrate().await.unwrap();
    cuts(Load::start(Arc::new(store)).await, proxy).await;
}
