//! Keeps sessions in PostgreSQL, MySQL, MariaDB or SQLite, whichever `SESSION_STORE` names.
//!
//! Run: `cargo run -p example-sql`, which keeps them in the file `sessions.db`, or with `SESSION_STORE` as
//! `postgres://user:password@host/database` or `mysql://user:password@host/database`.
//! Try: sign in, restart the server, and be signed in still:
//! `curl --location --cookie-jar jar --cookie jar --data 'user=ada&password=analytical' http://127.0.0.1:3000/login`
//! and then `curl --cookie jar http://127.0.0.1:3000/`.

mod users;

use axum::{
    Form, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use serde::Deserialize;
use tower_keep::{Error, Session, SessionCookie, SessionLayer, purge::Sweeper};
use users::Users;

async fn home(session: Session) -> String {
    match session.user() {
        Some(user) => format!("Signed in as {user}.\n"),
        None => "Signed out.\n".to_owned(),
    }
}

#[derive(Deserialize)]
struct Credentials {
    user: String,
    password: String,
}

async fn login(
    State(users): State<Users>,
    session: Session,
    Form(Credentials { user, password }): Form<Credentials>,
) -> Result<Response, Error> {
    if !users.check(user.clone(), password).await {
        let answer = "No such user, or another password.\n";
        return Ok((StatusCode::UNAUTHORIZED, answer).into_response());
    }
    session.set_user(user)?;
    Ok(Redirect::to("/").into_response())
}

async fn logout(session: Session) -> Redirect {
    session.destroy();
    Redirect::to("/")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::var("SESSION_STORE").unwrap_or_else(|_| "sqlite:sessions.db".into());
    // Instances that start at once wait for each other. Where the application may not make tables,
    // `sessionctl migrate` does it once.
    tower_keep::migrate(&url).await?;
    let store = tower_keep::connect(&url).await?;
    // Of several instances one at a time does the work. It ends with the server.
    let _sweeper = Sweeper::start(store.clone())?;

    // Behind TLS the default cookie is right: `SessionLayer::new(store)`.
    let cookie = SessionCookie::named("id").insecure_over_plain_http();
    let layer = SessionLayer::builder(store).cookie(cookie).build()?;
    let app = Router::new()
        .route("/", get(home))
        .route("/login", post(login))
        .route("/logout", post(logout))
        .layer(layer)
        .with_state(Users::demo()?);

    let address = std::env::var("ADDR").unwrap_or_else(|_| "127.0.0.1:3000".into());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}
