//! Keeps a struct in the session under a typed key, and shows a notice once after a redirect.
//!
//! Run: `cargo run -p example-typed`
//! Try: a browser at http://127.0.0.1:3000/, or
//! `curl --location --cookie-jar jar --cookie jar --data 'name=Ada&theme=dark' http://127.0.0.1:3000/`.

use axum::{Form, Router, response::Redirect, routing::get};
use maud::{DOCTYPE, Markup, html};
use serde::{Deserialize, Serialize};
use tower_keep::{Error, Key, MemoryStore, Session, SessionCookie, SessionLayer};

/// What a visitor has chosen. Fields that a later version adds need `#[serde(default)]`, so that the
/// sessions of before still open.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Settings {
    name: String,
    #[serde(default)]
    theme: Theme,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Theme {
    #[default]
    Light,
    Dark,
}

/// The one place that says which type the field `settings` has: `session.insert(SETTINGS, 5)` does
/// not compile.
const SETTINGS: Key<Settings> = Key::new("settings");

const NOTICE: Key<String> = Key::new("notice");

async fn show(session: Session) -> Result<Markup, Error> {
    let settings = session.get(SETTINGS)?.unwrap_or_default();
    let notice = session.take_flash(NOTICE)?;
    Ok(page(&settings, notice.as_deref()))
}

/// Answers by a redirect, so that reloading the page does not post again. The notice waits in the
/// session until the next page shows it.
async fn save(session: Session, Form(settings): Form<Settings>) -> Result<Redirect, Error> {
    session.flash(NOTICE, format!("Saved, {}.", settings.name))?;
    session.insert(SETTINGS, settings)?;
    Ok(Redirect::to("/"))
}

fn page(settings: &Settings, notice: Option<&str>) -> Markup {
    let is_dark = settings.theme == Theme::Dark;
    html! {
        (DOCTYPE)
        title { "Settings" }
        @if is_dark { style { ":root { color-scheme: dark }" } }
        @if let Some(notice) = notice { p role="status" { (notice) } }
        form method="post" {
            label { "Name " input name="name" value=(settings.name); }
            label { " Theme " select name="theme" {
                option value="light" { "light" }
                option value="dark" selected[is_dark] { "dark" }
            } }
            button { "Save" }
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Browsers and curl send `Secure` cookies over TLS only. Behind TLS the default cookie is right:
    // `SessionLayer::new(MemoryStore::new())`.
    let cookie = SessionCookie::named("id").insecure_over_plain_http();
    let layer = SessionLayer::builder(MemoryStore::new()).cookie(cookie).build()?;
    let app = Router::new().route("/", get(show).post(save)).layer(layer);

    let address = std::env::var("ADDR").unwrap_or_else(|_| "127.0.0.1:3000".into());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}
