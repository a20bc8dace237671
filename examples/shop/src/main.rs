//! A small shop: users sign in, fill a cart and sign out everywhere; an admin sees who is there.
//!
//! Run: `cargo run -p example-shop`, or several of them with `SESSION_STORE=redis://127.0.0.1` and an `ADDR`
//! each, behind any load balancer: no sticky sessions are needed.
//! Try: a browser at http://127.0.0.1:3000/ as `ada` with the password `analytical`, or as the admin `grace`
//! with `compiler`. By hand:
//! `curl --cookie-jar jar --cookie jar --json '{"user":"ada","password":"analytical"}' http://127.0.0.1:3000/login`,
//! `curl --cookie jar --json '{"product":"tea","quantity":2}' http://127.0.0.1:3000/cart/add`,
//! `curl --cookie jar http://127.0.0.1:3000/cart` and
//! `curl --cookie jar --request POST http://127.0.0.1:3000/logout-all`.

mod account;
mod admin;
mod cart;
mod guard;
mod problem;
mod products;
mod users;

use axum::{
    Router,
    response::Html,
    routing::{delete, get, post},
};
use tower_keep::{Client, SessionCookie, SessionLayer};
use users::Users;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::var("SESSION_STORE").unwrap_or_else(|_| "memory:".into());
    let store = tower_keep::connect(&url).await?;

    // Browsers and curl send `Secure` cookies over TLS only. Behind TLS leave this line and the next
    // one's `.cookie(cookie)` out: the default cookie is right.
    let cookie = SessionCookie::named("id").insecure_over_plain_http();
    let layer = SessionLayer::builder(store)
        .cookie(cookie)
        // What an admin sees of a user's devices. Nothing is kept of a client unless it is asked for.
        .client(|headers, _| Client::new().with_agent_header(headers.get("user-agent")))
        .build()?;

    let app = Router::new()
        .route("/", get(async || Html(include_str!("page.html"))))
        .route("/login", post(account::login))
        .route("/profile", get(account::profile))
        .route("/update-profile", post(account::update_profile))
        .route("/logout", post(account::logout))
        .route("/logout-all", post(account::logout_all))
        .route("/cart", get(cart::show))
        .route("/cart/add", post(cart::add))
        .route("/cart/clear", delete(cart::clear))
        .route("/admin/sessions", get(admin::sessions))
        .route("/admin/analytics", get(admin::analytics))
        .route("/admin/users/{id}/activity", get(admin::activity))
        .layer(layer)
        .with_state(Users::demo()?);

    let address = std::env::var("ADDR").unwrap_or_else(|_| "127.0.0.1:3000".into());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}
