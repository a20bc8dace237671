//! Copies between directories, killed, interrupted and under load.

use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tower_keep_core::{Change, Store};
use tower_keep_tests::rounds;

use crate::{
    common::{LIFETIME, id, new_session},
    tool::{Ran, Tool},
};

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([name, &child.id().to_string()]).status();
    assert!(status.unwrap().success());
}

#[tokio::test]
async fn copy_takes_everything_and_says_so() {
    let (from, to) = (Tool::with(250).await, Tool::empty().await);
    let journal = from.path("journal");
    let dry = ["copy", "--to", &to.url, "--dry-run", "--json", "--journal"];
    let json = from.run(&[&dry[..], &[&journal.display().to_string()]].concat()).assert(0).json();
    assert!(!journal.exists());
    assert_eq!((&json["copied"], &json["complete"]), (&250.into(), &false.into()));
    assert_eq!(to.run(&["stats", "--json"]).json()["live"], 0);
    let ran = from.run(&["copy", "--to", &to.url]).assert(0);
    assert_eq!(
        ran.out,
        "copied 250 sessions, updated 0, ended 0\n250 are live at the source, 250 of them at the target\n\
         complete: every live session is at the target\n"
    );
    let json = from.run(&["copy", "--to", &to.url, "--json"]).assert(0).json();
    assert_eq!((&json["copied"], &json["verified"]), (&0.into(), &250.into()));
    let (here, there) = (from.store().await, to.store().await);
    for number in 0..250 {
        let here = here.load(&id(number)).await.unwrap().unwrap().record;
        assert_eq!(here, there.load(&id(number)).await.unwrap().unwrap().record);
    }
    from.run(&["copy", "--to", &from.url]).assert(2);
}

#[tokio::test]
async fn a_dry_run_makes_no_target_and_a_store_is_not_copied_to_itself() {
    let from = Tool::with(3).await;
    let to = from.path("elsewhere");
    let url = format!("file:{}", to.display());
    let json = from.run(&["copy", "--to", &url, "--dry-run", "--json"]).assert(0).json();
    assert_eq!(json["copied"], 3);
    assert!(!to.exists());
    let itself = format!("file:{}/../sessions", from.directory.display());
    let ran = from.run(&["copy", "--to", &itself]).assert(2);
    assert!(ran.err.contains("the two stores of a copy are one"), "{ran:?}");
}

/// Kills a copy at many places; the last run must find everything right.
#[tokio::test]
async fn a_killed_copy_is_resumed() {
    let sessions = rounds(400, 2_000) as u64;
    let (from, to) = (Tool::with(sessions).await, Tool::empty().await);
    let journal = from.path("journal").display().to_string();
    let arguments = ["copy", "--to", &to.url, "--journal", &journal, "--json"];
    let mut killed_within = 0;
    let step = sessions / rounds(12, 40) as u64;
    for kill in 0_u64.. {
        let mut copy = from.command(&arguments).stdout(Stdio::null()).spawn().unwrap();
        // Somewhere in what it has to do, whatever the machine's load.
        while to.files() < step * kill + 1 && copy.try_wait().unwrap().is_none() {}
        let _ = copy.kill();
        let was_killed = copy.wait().unwrap().code().is_none();
        let live = to.run(&["stats", "--json"]).assert(0).json()["live"].as_u64().unwrap();
        killed_within += u64::from(was_killed && live < sessions);
        if live == sessions {
            break;
        }
    }
    assert!(killed_within > 0, "no kill hit the copy: nothing was shown");
    let json = from.run(&arguments).assert(0).json();
    assert_eq!((&json["live"], &json["verified"]), (&sessions.into(), &sessions.into()));
    to.run(&["sweep"]).assert(0);
    assert_eq!(to.run(&["check", "--json"]).assert(0).json()["whole"], sessions);
}

#[tokio::test]
async fn an_interrupted_copy_says_what_it_did() {
    let (from, to) = (Tool::with(1_000).await, Tool::empty().await);
    for json in [false, true] {
        let mut command = from.command(&["copy", "--to", &to.url]);
        command.args(json.then_some("--json")).stdout(Stdio::piped()).stderr(Stdio::piped());
        let copy = command.spawn().unwrap();
        let began = Instant::now();
        let store = to.store().await;
        let live = || async { store.index().unwrap().stats(None).await.unwrap().active };
        let before = live().await;
        while live().await == before && began.elapsed() < Duration::from_secs(20) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        signal(&copy, "-INT");
        let ran = Ran::from(copy.wait_with_output().unwrap()).assert(130);
        if json {
            let json = ran.json();
            assert_eq!(json["error"]["exit"], 130);
            assert!(json["copied"].is_u64());
        } else {
            assert!(
                ran.err.contains("interrupted") && ran.err.contains("so far: copied"),
                "{ran:?}"
            );
        }
    }
    from.run(&["copy", "--to", &to.url]).assert(0);
}

/// The application goes on writing to the source while the copy runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_follows_a_source_in_use() {
    let (from, to) = (Tool::with(300).await, Tool::empty().await);
    let journal = from.path("journal").display().to_string();
    let store = from.store().await;
    let arguments = ["copy", "--to", &to.url, "--journal", &journal, "--json"];
    let copy = from.command(&arguments).stdout(Stdio::piped()).spawn().unwrap();
    let mut copy = tokio::task::spawn_blocking(move || Ran::from(copy.wait_with_output().unwrap()));
    let mut round = 0_u64;
    let during = loop {
        // One changes, one ends, one begins, one gets a new token.
        let n = round % 70;
        if let Some(loaded) = store.load(&id(n)).await.unwrap() {
            let mut change = Change::new(&loaded.record, LIFETIME);
            change.edits.set("n", &round.to_string());
            store.apply(&id(n), &change).await.unwrap();
        }
        store.delete(&id(100 + n)).await.unwrap();
        store.create(&id(1_000 + round), new_session(None, &[])).await.unwrap();
        if let Some(loaded) = store.load(&id(200 + n)).await.unwrap() {
            let change = Change::new(&loaded.record, LIFETIME);
            store.rotate(&id(200 + n), &id(2_000 + round), &change).await.unwrap();
        }
        round += 1;
        if round > 70
            && let Ok(ran) = tokio::time::timeout(Duration::from_millis(1), &mut copy).await
        {
            break ran.unwrap();
        }
    };
    assert!([0, 5].contains(&during.code), "{during:?}");
    // Now the source is out of use.
    let json = from.run(&arguments).assert(0).json();
    assert_eq!(json["live"], json["verified"]);
    let there = to.store().await;
    let (here, live) = (store.index().unwrap(), there.index().unwrap());
    let stats = (here.stats(None).await.unwrap(), live.stats(None).await.unwrap());
    assert_eq!(stats.0.active, stats.1.active, "nothing that ended is left there");
    let mut query = tower_keep_core::Query::all();
    query.limit = 100_000;
    for listed in here.list(&query).await.unwrap().sessions {
        let there = there.load(&listed.id).await.unwrap().unwrap().record;
        assert_eq!(there.fields, listed.record.fields);
        assert_eq!(there.expires_at, listed.record.expires_at);
    }
}
