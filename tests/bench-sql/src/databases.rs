//! The databases, and who contends on each.

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{MySqlPool, PgPool, SqlitePool, mysql::MySqlPoolOptions, postgres::PgPoolOptions};
use tower_keep_sql_store::{MySqlStore, PostgresStore, SqliteStore};
use tower_keep_test_servers::{Durability, MariaDb, Postgres, Proxy};
use tower_sessions_sqlx_store::SqliteStore as PeerSqlite;
use tower_sessions_sqlx_store::{MySqlStore as PeerMySql, PostgresStore as PeerPostgres};

use crate::{
    app::Contender,
    measure::{figures, round_trips},
    raw, tower_keep, tower_sessions,
};

/// So many connections a pool has, as is sqlx's default.
const POOL: u32 = 10;

pub(crate) async fn run(quick: bool, wanted: &[&str]) {
    let is_wanted = |name| wanted.is_empty() || wanted.contains(&name);
    println!(
        "requests per second at 64 tasks: s3 read, s5 increment, s7 begin; round trips of each"
    );
    if is_wanted("postgres") {
        postgres(quick).await;
    }
    if is_wanted("mariadb") {
        mariadb(quick).await;
    }
    if is_wanted("sqlite") {
        sqlite(quick).await;
    }
}

async fn postgres(quick: bool) {
    let server = Postgres::start(Durability::Lazy);
    let peer = async |url: &str| {
        let pool: PgPool = PgPoolOptions::new().max_connections(POOL).connect(url).await.unwrap();
        let store = PeerPostgres::new(pool);
        store.migrate().await.unwrap();
        tower_sessions::contender(store)
    };
    let ours = async |url: &str| {
        let store = PostgresStore::connect(url).await.unwrap();
        store.migrate().await.unwrap();
        tower_keep::contender(store)
    };
    let raw = raw::postgres(&server.url()).await;
    let floor = report("PostgreSQL", &raw, None, quick, None, None).await;
    let proxy = Proxy::to(server.port()).await;
    let url = server.url_at(proxy.port());
    let there = peer(&server.url()).await;
    let through = peer(&url).await;
    let base =
        report("PostgreSQL", &there, Some((&through, &proxy)), quick, None, Some(floor)).await;
    let there = ours(&server.url()).await;
    let through = ours(&url).await;
    report("PostgreSQL", &there, Some((&through, &proxy)), quick, Some(base), Some(floor)).await;
}

async fn mariadb(quick: bool) {
    let server = MariaDb::start(Durability::Lazy);
    let peer = async |url: &str| {
        let pool: MySqlPool =
            MySqlPoolOptions::new().max_connections(POOL).connect(url).await.unwrap();
        let store = PeerMySql::new(pool);
        store.migrate().await.unwrap();
        tower_sessions::contender(store)
    };
    let ours = async |url: &str| {
        let store = MySqlStore::connect(url).await.unwrap();
        store.migrate().await.unwrap();
        tower_keep::contender(store)
    };
    let proxy = Proxy::to(server.port()).await;
    let url = server.url_at(proxy.port(), "keep");
    let there = peer(&server.url("keep")).await;
    let through = peer(&url).await;
    let base = report("MariaDB", &there, Some((&through, &proxy)), quick, None, None).await;
    let there = ours(&server.url("keep")).await;
    let through = ours(&url).await;
    report("MariaDB", &there, Some((&through, &proxy)), quick, Some(base), None).await;
}

async fn sqlite(quick: bool) {
    let place = tempfile::tempdir().unwrap();
    let options = SqliteConnectOptions::new()
        .filename(place.path().join("peer.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal);
    let pool = SqlitePool::connect_with(options).await.unwrap();
    let store = PeerSqlite::new(pool);
    store.migrate().await.unwrap();
    let peer = tower_sessions::contender(store);
    let base = report("SQLite", &peer, None, quick, None, None).await;
    let store = SqliteStore::builder().durable(false).open(place.path().join("ours.db"));
    let ours = tower_keep::contender(store.await.unwrap());
    report("SQLite", &ours, None, quick, Some(base), None).await;
}

/// Measures a contender and prints its row; gives its figures.
async fn report(
    database: &str,
    contender: &Contender,
    through: Option<(&Contender, &Proxy)>,
    quick: bool,
    peer: Option<[f64; 3]>,
    floor: Option<[f64; 3]>,
) -> [f64; 3] {
    let figures = figures(contender, quick).await;
    let mut row = format!("{database:<10} {:<14}", contender.name);
    for (place, figure) in figures.iter().enumerate() {
        row.push_str(&format!("  {figure:>7.0}"));
        if let Some(peer) = peer {
            row.push_str(&format!(" ({:.1}x)", figure / peer[place]));
        }
        if let Some(floor) = floor {
            row.push_str(&format!(" [{:.0} %]", 100.0 * figure / floor[place]));
        }
    }
    if let Some((through, proxy)) = through {
        let [read, increment, create] = round_trips(through, proxy).await;
        row.push_str(&format!("  round trips {read:.1} {increment:.1} {create:.1}"));
    }
    println!("{row}");
    figures
}
