//! The command over a database in a file.

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
