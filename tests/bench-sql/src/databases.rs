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

/// So often each contender is measured.
const ROUNDS: usize = 5;

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
    let there = server.url();
    let contenders = [peer(&there).await, ours(&there).await, raw::postgres(&there).await];
    let proxy = Proxy::to(server.port()).await;
    let through = server.url_at(proxy.port());
    let through = [peer(&through).await, ours(&through).await];
    report("PostgreSQL", &contenders, Some((&through, &proxy)), quick).await;
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
    let there = server.url("keep");
    let contenders = [peer(&there).await, ours(&there).await];
    let proxy = Proxy::to(server.port()).await;
    let through = server.url_at(proxy.port(), "keep");
    let through = [peer(&through).await, ours(&through).await];
    report("MariaDB", &contenders, Some((&through, &proxy)), quick).await;
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
    let store = SqliteStore::builder().durable(false).open(place.path().join("ours.db"));
    let ours = tower_keep::contender(store.await.unwrap());
    report("SQLite", &[peer, ours], None, quick).await;
}

/// Measures contenders in turn, so that a busy neighbour disturbs all of them, and prints the middle of
/// their rounds beside that of the first one, the peer, and of the last one where that is the raw driver.
async fn report(
    database: &str,
    contenders: &[Contender],
    through: Option<(&[Contender], &Proxy)>,
    quick: bool,
) {
    let mut rounds: Vec<Vec<[f64; 3]>> = vec![Vec::new(); contenders.len()];
    for _ in 0..if quick { 1 } else { ROUNDS } {
        for (contender, rounds) in contenders.iter().zip(&mut rounds) {
            rounds.push(figures(contender, quick).await);
        }
    }
    let middles: Vec<[f64; 3]> = rounds.iter().map(|rounds| middle(rounds)).collect();
    for (place, contender) in contenders.iter().enumerate() {
        let mut row = format!("{database:<10} {:<14}", contender.name);
        for (scenario, figure) in middles[place].iter().enumerate() {
            row.push_str(&format!("  {figure:>7.0} ({:.1}x", figure / middles[0][scenario]));
            if let Some(floor) = middles.get(2) {
                row.push_str(&format!(", {:.0} % of raw", 100.0 * figure / floor[scenario]));
            }
            row.push(')');
        }
        if let Some((through, proxy)) = through
            && let Some(through) = through.get(place)
        {
            let [read, increment, create] = round_trips(through, proxy).await;
            row.push_str(&format!("  round trips {read:.1} {increment:.1} {create:.1}"));
        }
        println!("{row}");
    }
}

fn middle(rounds: &[[f64; 3]]) -> [f64; 3] {
    [0, 1, 2].map(|scenario| {
        let mut figures: Vec<f64> = rounds.iter().map(|round| round[scenario]).collect();
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    })
}
