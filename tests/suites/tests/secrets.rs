//! No token and no value of a field is printed: not by the logs of any crate at trace level, not by
//! `Debug`, not by errors, not by panics.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test panics where it fails"
)]

use std::{
    fmt::{Debug, Write},
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, routing::get};
use futures_util::FutureExt;
use tower_keep::{
    Change, Client, Error, Lifetime, NewRecord, Record, Session, SessionCookie, SessionLayer,
    Store, StoreErrorKind, Token, Transport,
};
use tower_keep_tests::{
    Call, Captured, ClockedStore, Fault, Faulty, Jar, Visit,
    tcp::{Http, serve},
    visit::{listed, text},
};

/// Every value that the scenario stores has this in it, and every user and field name another, which
/// may be printed where an operator needs it.
const VALUE: &str = "hunter2-";

/// What a handler tries with its session.
type Try = fn(&Session) -> Result<(), Error>;

/// What was printed, and what must not be.
#[derive(Default)]
struct Search {
    printed: String,
    secrets: Vec<String>,
}

impl Search {
    fn print(&mut self, what: &dyn Debug) {
        writeln!(self.printed, "{what:?} {what:#?}").unwrap();
    }

    fn print_error(&mut self, error: &Error) {
        self.print(error);
        let mut source: Option<&dyn std::error::Error> = Some(error);
        while let Some(error) = source {
            writeln!(self.printed, "{error}").unwrap();
            source = error.source();
        }
    }

    fn keep_secret(&mut self, jar: &Jar) {
        self.secrets.extend(jar.text().map(str::to_owned));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_prints_a_token_or_a_value() {
    let logged = Captured::everywhere();
    let panics = Arc::new(Mutex::new(String::new()));
    let hook = Arc::clone(&panics);
    std::panic::set_hook(Box::new(move |info| {
        writeln!(hook.lock().unwrap(), "{info}").unwrap();
    }));
    let mut search = Search::default();
    let store = Faulty::new(ClockedStore::new());
    let layer = SessionLayer::builder(store.clone())
        .store_timeout(Duration::from_millis(50))
        .persistent()
        .renew_after(Duration::ZERO)
        .client(|_, _| Client::new().with_agent("an agent"))
        .build()
        .unwrap();

    use_a_session(&layer, &mut search).await;
    fail_in_every_way(&store, &layer, &mut search).await;
    panic_in_a_handler(&layer, &mut search).await;
    through_http(&layer, &mut search).await;
    debug_of_public_types(&store, &layer, &mut search).await;

    let _ = std::panic::take_hook();
    search.printed.push_str(&panics.lock().unwrap());
    let logged = logged.text();
    for module in ["tower_keep", "hyper", "h2"] {
        assert!(logged.contains(module), "nothing of {module} was captured");
    }
    assert!(search.printed.contains("Token(..)"));
    assert!(search.printed.contains("the handler panics"));
    let everything = logged + &search.printed;
    search.secrets.push(VALUE.to_owned());
    assert!(search.secrets.len() > 10);
    for secret in &search.secrets {
        if let Some(place) = everything.find(secret) {
            let from = everything.floor_char_boundary(place.saturating_sub(300));
            panic!("a secret comes after: {}", &everything[from..place]);
        }
    }
}

async fn use_a_session(layer: &SessionLayer, search: &mut Search) {
    let mut jar = Jar::new();
    let acts: [Try; 8] = [
        |session| session.insert("a", format!("{VALUE}1")),
        |session| session.get::<u64>("a").map(drop),
        |session| session.update("a", |text: &mut String| text.push_str(VALUE)).map(drop),
        |session| session.set_user("ada"),
        |session| session.flash("notice", format!("{VALUE}2")),
        |session| session.take_flash::<u64>("notice").map(drop),
        |session| session.insert("tower-keep.x", VALUE),
        |session| {
            session.rotate();
            session.insert("b", (VALUE.to_owned(), [VALUE; 2]))
        },
    ];
    for act in acts {
        let visit = Visit::to(layer).with(&jar);
        let printed = Arc::new(Mutex::new(Search::default()));
        let inside = Arc::clone(&printed);
        let response = visit.run(async move |session: Session| {
            let outcome = act(&session);
            let mut search = inside.lock().unwrap();
            search.print(&session);
            if let Err(error) = &outcome {
                search.print_error(error);
            }
            outcome
        });
        let response = response.await;
        jar.take(&response);
        search.keep_secret(&jar);
        search.print(&response);
        search.printed.push_str(&text(response).await);
        search.printed.push_str(&printed.lock().unwrap().printed);
    }
    let other = Jar::signed_in(layer, "eve").await;
    search.keep_secret(&other);
    let both = format!("__Host-id={}; __Host-id={}", jar.text().unwrap(), other.text().unwrap());
    let visit = Visit::to(layer).header("cookie", both);
    visit.run(async |session: Session| assert!(session.is_new())).await;
    let visit = Visit::to(layer).with(&jar);
    visit.run(async |session: Session| session.destroy()).await;
    let late = Visit::to(layer).with(&jar);
    late.run(async |session: Session| session.insert("a", VALUE)).await;
}

async fn fail_in_every_way(
    store: &Faulty<ClockedStore>,
    layer: &SessionLayer,
    search: &mut Search,
) {
    let kinds = [
        StoreErrorKind::Corrupt,
        StoreErrorKind::Full,
        StoreErrorKind::Misconfigured,
        StoreErrorKind::Unavailable,
    ];
    let faults = kinds.map(Fault::Fails).into_iter().chain([Fault::Lost, Fault::Silent]);
    for fault in faults {
        for call in Call::ALL {
            let jar = Jar::signed_in(layer, "ada").await;
            search.keep_secret(&jar);
            store.next(call, fault.clone());
            let (tell, told) = tokio::sync::oneshot::channel();
            let visit = Visit::to(layer).with(&jar).run(async move |session: Session| {
                session.insert("a", VALUE)?;
                if call == Call::Rotate {
                    session.rotate();
                }
                if call == Call::Delete {
                    session.destroy();
                }
                let outcome = session.save().await;
                let _ = tell.send((session.clone(), outcome.clone()));
                outcome
            });
            let response = visit.await;
            search.print(&response);
            search.printed.push_str(&text(response).await);
            if let Ok((session, Err(error))) = told.await {
                search.print(&session);
                search.print_error(&error);
            }
            store.heal();
        }
    }
}

async fn panic_in_a_handler(layer: &SessionLayer, search: &mut Search) {
    let jar = Jar::signed_in(layer, "ada").await;
    search.keep_secret(&jar);
    let visit = Visit::to(layer).with(&jar).run(async |session: Session| {
        session.insert("a", VALUE).unwrap();
        let wrong: Result<u64, _> = Err(session.get::<u64>("a").unwrap_err());
        assert!(session.user().is_none(), "the handler panics: {session:?}");
        wrong.map(drop)
    });
    assert!(AssertUnwindSafe(visit).catch_unwind().await.is_err());
}

async fn through_http(layer: &SessionLayer, search: &mut Search) {
    let handler = get(async |session: Session| {
        session.rotate();
        session.insert("a", VALUE)
    });
    let address = serve(Router::new().route("/", handler).layer(layer.clone())).await;
    for client in [Http::one(address), Http::two(address)] {
        let mut cookie = None;
        for _ in 0..3 {
            let response = client.get("/", cookie.as_deref()).await;
            let mut jar = Jar::new();
            jar.take(&response);
            search.keep_secret(&jar);
            let line = listed(&response, "set-cookie");
            cookie = line.split(';').next().map(str::to_owned);
        }
    }
}

async fn debug_of_public_types(
    store: &Faulty<ClockedStore>,
    layer: &SessionLayer,
    search: &mut Search,
) {
    let token = Token::random().unwrap();
    search.secrets.push(token.expose().to_owned());
    search.print(&token);
    search.print(&token.id());
    let mut new = NewRecord::new("shop".into(), Lifetime::default());
    new.fields = [("a", VALUE)].into_iter().collect();
    search.print(&new);
    let created = store.create(&token.id(), new).await.unwrap();
    search.print(&created);
    let loaded = store.load(&token.id()).await.unwrap().unwrap();
    let record: &Record = &loaded.record;
    search.print(record);
    search.print(&record.fields);
    let mut change = Change::new(record, Lifetime::default());
    change.edits.set("a", VALUE);
    search.print(&change);
    search.print(&store.apply(&token.id(), &change).await.unwrap());
    search.print(&loaded);
    search.print(&Record::decode(&token.id(), VALUE.as_bytes()).unwrap_err());
    let wrong = token.expose().replace(|_| true, "!").parse::<Token>();
    search.print(&wrong.unwrap_err());
    search.print(layer);
    search.print(&layer.sessions());
    search.print(&layer.sessions().counters());
    search.print(&Transport::cookie(SessionCookie::default()));
    search.print(&SessionLayer::builder(store.clone()));
    let (session, token) = layer.sessions().create().await.unwrap();
    search.secrets.push(token.expose().to_owned());
    session.insert("a", VALUE).unwrap();
    search.print(&session);
    session.save().await.unwrap();
    search.print(&session);
    search.print(store);
}
