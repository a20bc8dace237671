//! Signs users in and out, and out of all their browsers.
//!
//! Run: `cargo run -p example-login`
//! Try: a browser at http://127.0.0.1:3000/ as `ada` with the password `analytical`, or
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
use maud::{DOCTYPE, Markup, html};
use serde::Deserialize;
use tower_keep::{Error, Listed, MemoryStore, Session, SessionCookie, SessionLayer};
use users::Users;

/// Who am I, and where else am I signed in?
async fn home(session: Session) -> Result<Markup, Error> {
    let Some(user) = session.user() else {
        return Ok(sign_in_page(None));
    };
    let found = session.sessions().find_by_user(&user).await?;
    Ok(html! {
        (DOCTYPE)
        title { "Signed in" }
        p { "Signed in as " (user) "." }
        ul {
            @for Listed { id, record } in &found {
                li {
                    "session " (id.short()) " since " (record.created_at)
                    @if session.id() == Some(*id) { " (this one)" }
                }
            }
        }
        form method="post" action="/logout" { button { "Sign out" } }
        form method="post" action="/logout-everywhere" { button { "Sign out everywhere" } }
    })
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
        let page = sign_in_page(Some("No such user, or another password."));
        return Ok((StatusCode::UNAUTHORIZED, page).into_response());
    }
    // The session gets a new token, so that one that an attacker has planted opens nothing.
    session.set_user(user)?;
    Ok(Redirect::to("/").into_response())
}

async fn logout(session: Session) -> Redirect {
    session.destroy();
    Redirect::to("/")
}

async fn logout_everywhere(session: Session) -> Result<Redirect, Error> {
    if let Some((user, id)) = session.user().zip(session.id()) {
        session.sessions().revoke_others(&user, &id).await?;
    }
    // This one ends with the response, which also tells the browser to forget its cookie.
    session.destroy();
    Ok(Redirect::to("/"))
}

fn sign_in_page(notice: Option<&str>) -> Markup {
    html! {
        (DOCTYPE)
        title { "Sign in" }
        @if let Some(notice) = notice { p role="alert" { (notice) } }
        form method="post" action="/login" {
            label { "User " input name="user" autocomplete="username" required; }
            label { " Password " input name="password" type="password" autocomplete="current-password" required; }
            button { "Sign in" }
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Browsers and curl send `Secure` cookies over TLS only. Behind TLS the default cookie is right:
    // `SessionLayer::new(MemoryStore::new())`.
    //
    // `SameSite=Lax`, the default, keeps the cookie from forms that other sites post here. So every
    // change of state is a POST.
    let cookie = SessionCookie::named("id").insecure_over_plain_http();
    let layer = SessionLayer::builder(MemoryStore::new()).cookie(cookie).build()?;
    let app = Router::new()
        .route("/", get(home))
        .route("/login", post(login))
        .route("/logout", post(logout))
        .route("/logout-everywhere", post(logout_everywhere))
        .layer(layer)
        .with_state(Users::demo()?);

    let address = std::env::var("ADDR").unwrap_or_else(|_| "127.0.0.1:3000".into());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}
