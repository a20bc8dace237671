//! Every command over every store that lasts, in a pipe and on terminals.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;
use tower_keep_core::{Lifetime, Store};
use tower_keep_test_servers::{MariaDb, Postgres, Redis};

use crate::{
    common::{id, new_session},
    tool::Tool,
};

/// Who removes what has expired.
#[derive(Clone, Copy)]
enum Expiry {
    /// `sweep` does.
    Swept,
    /// The store does, in its own time.
    Dropped,
}

#[tokio::test]
async fn files() {
    let tool = Tool::empty().await;
    try_every_command(&tool, Expiry::Swept).await;
}

#[tokio::test]
async fn sqlite() {
    let place = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", place.path().join("sessions.db").display());
    try_every_command(&Tool::over(&url), Expiry::Swept).await;
}

#[tokio::test]
async fn postgres() {
    try_every_command(&Tool::over(&Postgres::shared().url()), Expiry::Swept).await;
}

#[tokio::test]
async fn mariadb() {
    try_every_command(&Tool::over(&MariaDb::shared().url("keep")), Expiry::Swept).await;
}

#[tokio::test]
async fn redis() {
    try_every_command(&Tool::over(&Redis::shared().url()), Expiry::Dropped).await;
}

async fn try_every_command(tool: &Tool, expiry: Expiry) {
    for _ in 0..2 {
        tool.run(&["migrate", "--json"]).assert(0).json();
    }
    tool.run(&["migrate", "--print", "--json"]).assert(0).json();
    fill(tool).await;
    in_pipes(tool, expiry);
    for columns in [20, 80] {
        fill(tool).await;
        on_terminals(tool, expiry, columns);
    }
}

/// Thirty live sessions, every second one ada's, and some that have expired.
async fn fill(tool: &Tool) {
    let store = tower_keep_connect::connect(&tool.url).await.unwrap();
    for number in 0..30 {
        let user = (number % 2 == 0).then_some("ada");
        let new = new_session(user, &[("cart", "[1,\"x\"]"), ("name", "\"\\u0000 Zo\\u00eb\"")]);
        store.create(&id(number), new).await.unwrap();
    }
    for number in 30..35 {
        let mut new = new_session(None, &[("cart", "[]")]);
        new.lifetime = Lifetime::new(Duration::from_millis(1), Duration::from_millis(1));
        store.create(&id(number), new).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(10)).await;
}

fn in_pipes(tool: &Tool, expiry: Expiry) {
    let live = || tool.run(&["stats", "--json"]).assert(0).json()["live"].as_u64().unwrap();
    let stats = tool.run(&["stats", "--json", "--layer", "shop"]).assert(0).json();
    assert_eq!(
        (&stats["live"], &stats["signed_in"], &stats["users"]),
        (&30.into(), &15.into(), &1.into())
    );
    assert!(
        stats["oldest_began_at"].is_string() && stats["newest_began_at"].is_string(),
        "{stats}"
    );

    let of_ada = tool.run(&["list", "--json", "--layer", "shop", "--user", "ada"]).assert(0).json();
    assert_eq!(of_ada["listed"], 15);
    assert_eq!(tool.run(&["list", "--limit", "7"]).assert(0).out.lines().count(), 8);
    let before = sessions(tool);
    assert_eq!(before.len(), 30);

    let (whole, short) = (id(1).to_string(), id(1).short().to_string());
    let shown = tool.run(&["show", &short, "--json", "--data"]).assert(0).json();
    assert_eq!(
        (&shown["session"]["id"], &shown["session"]["data"]["name"]),
        (&whole.clone().into(), &"\0 Zo\u{eb}".into())
    );
    tool.run(&["show", &id(31).to_string()]).assert(3);

    let check = tool.run(&["check", "--json"]).assert(0).json();
    assert_eq!((&check["whole"], &check["wrong"]), (&30.into(), &0.into()));

    assert_eq!(
        tool.run(&["sweep", "--json", "--dry-run"]).assert(sweeps(expiry)).json()["swept"],
        Value::Null
    );
    let swept = tool.run(&["sweep", "--json", "--batch", "2"]).assert(sweeps(expiry)).json();
    if let Expiry::Swept = expiry {
        assert_eq!((&swept["swept"], &swept["busy"]), (&5.into(), &false.into()));
    }

    let elsewhere = format!("file:{}", tool.path("elsewhere").display());
    let away = tool.run(&["copy", "--json", "--to", &elsewhere]).assert(0).json();
    assert_eq!((&away["copied"], &away["complete"]), (&30.into(), &true.into()));
    let copy = Tool::over(&elsewhere);
    assert_eq!(sessions(&copy), before);

    let preview = tool.run(&["revoke", &short, "--dry-run", "--json"]).assert(0).json();
    assert_eq!((&preview["would_revoke"], live()), (&1.into(), 30));
    assert_eq!(tool.run(&["revoke", &short, "--yes"]).assert(0).out, "ended 1 session\n");
    tool.run(&["revoke", &whole, "--yes"]).assert(3);
    tool.run(&["revoke", "--all"]).assert(4);
    let ended = tool
        .run(&["revoke", "--layer", "shop", "--user", "ada", "--yes", "--json"])
        .assert(0)
        .json();
    assert_eq!((&ended["revoked"], live()), (&15.into(), 14));
    assert_eq!(tool.run(&["revoke", "--all", "--yes", "--json"]).assert(0).json()["revoked"], 14);

    // What was ended stays so, and nobody else is there to be copied over.
    assert_eq!(tool.run(&["purge", "--yes", "--json"]).assert(0).json()["purged"], 0);
    let back = copy.run(&["copy", "--json", "--to", &tool.url]).assert(0).json();
    assert_eq!((&back["copied"], &back["complete"]), (&30.into(), &true.into()));
    assert_eq!(sessions(tool), before);

    assert_eq!(tool.run(&["purge", "--dry-run", "--json"]).assert(0).json()["would_purge"], 30);
    let purged = tool.run(&["purge", "--yes", "--json"]).assert(0).json();
    assert_eq!(purged["purged"], 30);
    assert_eq!(live(), 0);
}

fn on_terminals(tool: &Tool, expiry: Expiry, columns: u32) {
    let elsewhere = format!("file:{}", tool.path(&format!("wide-{columns}")).display());
    let short = id(1).short().to_string();
    let swept =
        if let Expiry::Swept = expiry { "swept 5 expired" } else { "cannot remove expired" };
    for (arguments, typed, code, text) in [
        (&["migrate"][..], "", 0, "the store is up to date"),
        (&["stats"], "", 0, "live       30"),
        (&["list"], "", 0, "USER"),
        (&["show", &short], "", 0, "version"),
        (&["check"], "", 0, "30 sessions are whole"),
        (&["sweep"], "", sweeps(expiry), swept),
        (&["copy", "--to", &elsewhere], "", 0, "complete: every live session"),
        (&["revoke", &short], "no\n", 4, "nothing was done"),
        (&["revoke", &short], "\n", 4, "[y/N]"),
        (&["revoke", &short], "y\n", 0, "ended 1 session"),
        (&["revoke", "--all", "--layer", "shop"], "YES\n", 0, "ended 29 sessions"),
        (&["purge"], "\u{4}", 4, "nothing was done"),
        (&["purge"], "yes\n", 0, "purged 0 sessions, 0 B freed"),
        (&["--help"], "", 0, "Exit codes:"),
        (&["completions", "fish"], "", 0, "complete"),
        (&["nonsense"], "", 2, "nonsense"),
    ] {
        let ran = tool.on_terminal(columns, arguments, typed).assert(code);
        assert!(ran.out.contains(text), "{columns} {arguments:?} {ran:?}");
        assert!(!ran.out.contains("panicked"), "{ran:?}");
    }
}

/// The exit code of `sweep`.
fn sweeps(expiry: Expiry) -> i32 {
    if let Expiry::Swept = expiry { 0 } else { 1 }
}

/// All that is listed, by id.
fn sessions(tool: &Tool) -> BTreeMap<String, Value> {
    let json = tool.run(&["list", "--data", "--json"]).assert(0).json();
    let sessions = json["sessions"].as_array().unwrap().iter();
    sessions.map(|session| (session["id"].as_str().unwrap().to_owned(), session.clone())).collect()
}
