//! The command over databases.

use std::convert::Infallible;

use http::{HeaderValue, Request, Response, header};
use tower::{Layer, Service, service_fn};
use tower_keep_core::{Session, SessionLayer};
use tower_keep_test_servers::{Durability, MariaDb, Postgres};

use crate::tool::{Ran, Tool, bare};

fn run(arguments: &[&str]) -> Ran {
    bare(arguments).output().unwrap().into()
}

#[tokio::test]
async fn migrate_makes_the_table_or_prints_how() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("sessions.db");
    let url = format!("sqlite:{}", file.display());

    let ran = run(&["--store", &url, "migrate", "--print"]).assert(0);
    assert!(ran.out.contains("CREATE TABLE"), "{ran:?}");
    assert!(!file.exists());
    let json = run(&["--store", &url, "migrate", "--print", "--json"]).assert(0).json();
    assert!(json["statements"].as_str().unwrap().contains("CREATE TABLE"));
    let printed = run(&["--store", "file:sessions", "migrate", "--print"]).assert(0);
    assert_eq!(printed.out, "-- this store needs no table\n");

    for _ in 0..2 {
        let ran = run(&["--store", &url, "migrate"]).assert(0);
        assert_eq!(ran.out, "the store is up to date\n");
    }
    assert!(file.exists());
    assert_eq!(run(&["--store", &url, "stats", "--json"]).assert(0).json()["live"], 0);
}

#[tokio::test]
async fn migrate_of_no_store_is_a_wrong_command_line() {
    for arguments in [&["migrate", "--print"][..], &["migrate"]] {
        assert!(run(arguments).assert(2).err.contains("which store?"));
        let wrong = [&["--store", "cassandra://ada:secret@host"], arguments].concat();
        let ran = run(&wrong).assert(2);
        assert!(ran.err.contains("scheme") && !ran.err.contains("secret"), "{ran:?}");
    }
}

#[tokio::test]
async fn database_that_is_not_there_is_not_made_by_looking() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("sessions.db");
    let url = format!("sqlite:{}", file.display());
    for command in ["stats", "list", "sweep", "check"] {
        let ran = run(&["--store", &url, command]).assert(1);
        assert!(ran.err.contains("there is no database"), "{ran:?}");
    }
    let tool = Tool::with(2).await;
    tool.run(&["copy", "--to", &url, "--dry-run"]).assert(0);
    assert!(!file.exists());
}

#[tokio::test]
async fn sessions_move_from_files_to_a_database() {
    let tool = Tool::with(20).await;
    let place = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", place.path().join("sessions.db").display());
    tool.run(&["copy", "--to", &url]).assert(0);
    let whole = |store: &str| {
        let json = run(&["--store", store, "list", "--data", "--json"]).assert(0).json();
        let mut sessions = json["sessions"].as_array().unwrap().clone();
        sessions.sort_by_key(|session| session["id"].as_str().unwrap().to_owned());
        sessions
    };
    assert_eq!(whole(&url), whole(&tool.url));
    assert_eq!(whole(&url).len(), 20);
}

/// Signs a user in who is named, and says who is signed in.
async fn handle(request: Request<()>) -> Result<Response<String>, Infallible> {
    let session = Session::load(request.extensions()).await.unwrap();
    if let Some(user) = request.uri().path().strip_prefix("/login/") {
        session.set_user(user).unwrap();
        session.insert("cart", user.len()).unwrap();
    }
    let cart = session.get::<usize>("cart").unwrap();
    let user = session.user();
    Ok(Response::new(format!("{:?} {cart:?}", user.as_ref().map(|user| user.as_str()))))
}

/// Sends a request to an application over a store; gives what it says, and the cookie that it sets.
async fn ask(url: &str, path: &str, cookie: Option<&HeaderValue>) -> (String, Option<HeaderValue>) {
    let store = tower_keep_connect::connect(url).await.unwrap();
    let mut app = SessionLayer::new(store).layer(service_fn(handle));
    let mut request = Request::builder().uri(path).body(()).unwrap();
    if let Some(cookie) = cookie {
        request.headers_mut().insert(header::COOKIE, cookie.clone());
    }
    let response = app.call(request).await.unwrap();
    let set = response.headers().get(header::SET_COOKIE).map(|set| {
        let pair = set.to_str().unwrap().split(';').next().unwrap();
        HeaderValue::from_str(pair).unwrap()
    });
    (response.into_body(), set)
}

/// Who signed in while sessions lay in files stays signed in when they lie in a database.
async fn assert_nobody_is_logged_out(url: &str) {
    let tool = Tool::empty().await;
    let mut cookies = Vec::new();
    for number in 0..20 {
        let (_, cookie) = ask(&tool.url, &format!("/login/user{number}"), None).await;
        cookies.push((number, cookie.unwrap()));
    }
    let out = cookies.pop().unwrap();
    let id = out.1.to_str().unwrap().split_once('=').unwrap().1;
    let id = id.parse::<tower_keep_core::Token>().unwrap().id().to_string();
    tool.run(&["revoke", &id, "--yes"]).assert(0);

    run(&["--store", url, "migrate"]).assert(0);
    let json = tool.run(&["copy", "--to", url, "--json"]).assert(0).json();
    assert_eq!((&json["live"], &json["verified"]), (&19.into(), &19.into()));
    for (number, cookie) in &cookies {
        let (said, _) = ask(url, "/", Some(cookie)).await;
        let user = format!("user{number}");
        assert_eq!(said, format!("Some({user:?}) Some({})", user.len()));
    }
    assert_eq!(ask(url, "/", Some(&out.1)).await.0, "None None", "who signed out stays out");
    let json = run(&["--store", url, "check", "--json"]).assert(0).json();
    assert_eq!(json["whole"], 19);
}

#[tokio::test]
async fn copy_to_postgres_logs_nobody_out() {
    // Other tests count the sessions of the shared one.
    let server = Postgres::start(Durability::Lazy);
    assert_nobody_is_logged_out(&server.url()).await;
}

#[tokio::test]
async fn copy_to_mariadb_logs_nobody_out() {
    let server = MariaDb::start(Durability::Lazy);
    assert_nobody_is_logged_out(&server.url("keep")).await;
}
