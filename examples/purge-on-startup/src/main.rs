//! Keeps sessions in a directory, removes them all at each start, and the expired ones meanwhile.
//!
//! Run: `cargo run -p example-purge-on-startup` in the folder `examples/purge-on-startup`, for its `.env`.
//! Try: `curl --cookie-jar jar --cookie jar http://127.0.0.1:3000/`, stop the server with ctrl-c, start it
//! again and look at its log, which says `purged 1 sessions`; the next visit is the first one.
//! With `PURGE_SESSIONS_ON_STARTUP=False` in front of the command, the session is still there.

use std::error::Error;

use axum::{Router, routing::get};
use tower_keep::{
    Key, Session, SessionCookie, SessionLayer,
    purge::{self, SessionSettings, Sweeper},
};

const VISITS: Key<u64> = Key::new("visits");

async fn home(session: Session) -> Result<String, tower_keep::Error> {
    let visits = session.update(VISITS, |visits| *visits += 1)?;
    Ok(format!("visits: {visits}\n"))
}

fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    // Before there is a second thread, since it changes the environment of all. A `.env` that is not
    // there is none; one that cannot be understood is an error.
    match dotenvy::dotenv() {
        Err(error) if !error.not_found() => Err(error.into()),
        _ => serve(),
    }
}

#[tokio::main]
async fn serve() -> Result<(), Box<dyn Error>> {
    let settings = SessionSettings::from_env()?;
    let store = settings.file_store().open().await?;
    // Before the server listens, so that no session of this run is among them.
    purge::on_startup(&store).await?;
    let sweeper = Sweeper::start(store.clone())?;

    // Behind TLS the default cookie is right, and this line is not needed.
    let cookie = SessionCookie::named("id").insecure_over_plain_http();
    let layer = settings.configure(SessionLayer::builder(store).cookie(cookie)).build()?;
    let app = Router::new().route("/", get(home)).layer(layer);

    let address = std::env::var("ADDR").unwrap_or_else(|_| "127.0.0.1:3000".into());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).with_graceful_shutdown(interrupt()).await?;
    sweeper.stop().await;
    Ok(())
}

async fn interrupt() {
    // Where the system tells of no interrupt, the server runs until it is killed.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}
