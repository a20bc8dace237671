//! What each command does, in a pipe.

use std::time::Duration;

use tower_keep_core::{Lifetime, Store};

use crate::{
    common::{id, new_session},
    tool::{Tool, bare},
};

#[tokio::test]
async fn stats_counts() {
    let tool = Tool::with(5).await;
    let ran = tool.run(&["stats"]).assert(0);
    assert!(ran.out.contains("live       5\nsigned in  3\nusers      1\n"), "{ran:?}");
    let json = tool.run(&["stats", "--json"]).assert(0).json();
    assert_eq!(
        (&json["live"], &json["signed_in"], &json["users"]),
        (&5.into(), &3.into(), &1.into())
    );
    let json = tool.run(&["--json", "stats", "--layer", "other"]).assert(0).json();
    assert_eq!((&json["live"], &json["oldest_began_at"]), (&0.into(), &serde_json::Value::Null));
}

#[tokio::test]
async fn list_shows_short_ids_and_no_data_unless_asked() {
    let tool = Tool::with(3).await;
    let ran = tool.run(&["list"]).assert(0);
    assert_eq!(ran.out.lines().count(), 4, "{ran:?}");
    assert!(ran.out.starts_with("ID        LAYER  USER"), "{ran:?}");
    assert!(ran.out.contains(&id(0).short().to_string()) && ran.out.contains("ada"), "{ran:?}");
    assert!(!ran.out.contains(&id(0).to_string()) && !ran.out.contains("cart"), "{ran:?}");
    let ran = tool.run(&["list", "--full", "--data", "--limit", "1"]).assert(0);
    assert!(ran.out.contains("  cart = [1,\"x\"]"), "{ran:?}");
    assert_eq!(ran.out.lines().count(), 3, "{ran:?}");
    let ran = tool.run(&["list", "--layer", "shop", "--user", "ada"]).assert(0);
    assert_eq!(ran.out.lines().count(), 3, "{ran:?}");
    let ran = tool.run(&["list", "--layer", "shop", "--user", "nobody"]).assert(0);
    assert_eq!(ran.out, "no sessions\n");
}

#[tokio::test]
async fn list_prints_one_object_over_many_pages() {
    let tool = Tool::with(450).await;
    let json = tool.run(&["list", "--json", "--data"]).assert(0).json();
    let sessions = json["sessions"].as_array().unwrap();
    assert_eq!((sessions.len(), &json["listed"]), (450, &450.into()));
    assert_eq!(sessions[0]["data"]["cart"][1], "x");
    assert_eq!(sessions[0]["id"].as_str().unwrap().len(), 64);
    let json = tool.run(&["list", "--json", "--limit", "250"]).assert(0).json();
    assert_eq!(json["sessions"].as_array().unwrap().len(), 250);
    assert_eq!(json["sessions"][0]["data"], serde_json::Value::Null);
}

#[tokio::test]
async fn show_finds_by_whole_id_and_by_a_beginning() {
    let tool = Tool::with(3).await;
    let whole = id(0).to_string();
    for given in [&whole[..], &whole[..8], &whole[..4].to_uppercase(), " 0000", "zzzz", "abc"] {
        let ran = tool.run(&["show", given]);
        match given {
            " 0000" => assert!(ran.assert(3).err.contains("no live session 0000")),
            "zzzz" | "abc" => assert!(ran.assert(2).err.contains("no session id")),
            _ => {
                let ran = ran.assert(0);
                assert!(ran.out.contains("user       ada"), "{ran:?}");
                assert!(!ran.out.contains("cart") && !ran.out.contains(&whole), "{ran:?}");
            }
        }
    }
    let json = tool.run(&["show", &whole, "--json", "--data"]).assert(0).json();
    assert_eq!(json["session"]["id"], whole);
    assert_eq!(json["session"]["data"]["cart"][0], 1);
}

#[tokio::test]
async fn a_beginning_that_several_ids_share_is_refused() {
    let tool = Tool::empty().await;
    let store = tool.store().await;
    for last in [1, 2] {
        let mut bytes = [7; 32];
        bytes[31] = last;
        let id = tower_keep_core::SessionId::from_bytes(bytes);
        store.create(&id, new_session(None, &[])).await.unwrap();
    }
    let ran = tool.run(&["revoke", "--yes", "0707"]).assert(3);
    assert!(ran.err.contains("several ids begin with 0707"), "{ran:?}");
    tool.run(&["show", "0707", "--json"]).assert(3).json();
    assert_eq!(tool.run(&["stats", "--json"]).json()["live"], 2);
}

#[tokio::test]
async fn a_token_that_is_taken_for_an_id_is_not_shown() {
    let tool = Tool::with(1).await;
    let token = "Zm9vYmFyYmF6cXV4cXV1eGNvcmdlZ3Jh";
    for arguments in [vec!["show", token], vec!["--json", "revoke", "--yes", token]] {
        let ran = tool.run(&arguments).assert(2);
        assert!(!ran.err.contains(token) && !ran.out.contains(token), "{ran:?}");
    }
}

#[tokio::test]
async fn revoke_ends_one_a_users_or_all() {
    let tool = Tool::with(10).await;
    let whole = id(1).to_string();
    assert_eq!(
        tool.run(&["revoke", &whole[..8], "--dry-run"]).assert(0).out,
        "would end 1 session\n"
    );
    assert!(tool.is_live(1).await);
    assert_eq!(tool.run(&["revoke", "--yes", &whole[..8]]).assert(0).out, "ended 1 session\n");
    assert!(!tool.is_live(1).await);
    tool.run(&["revoke", "--yes", &whole]).assert(3);
    tool.run(&["revoke", "--yes", &id(3).to_string(), "--layer", "other"]).assert(3);
    assert!(tool.is_live(3).await);

    let of_ada = ["revoke", "--layer", "shop", "--user", "ada", "--json"];
    let with = |more: &'static str| [&of_ada[..], &[more]].concat();
    assert_eq!(tool.run(&with("--dry-run")).assert(0).json()["would_revoke"], 5);
    assert_eq!(tool.run(&with("--yes")).assert(0).json()["revoked"], 5);
    assert_eq!(tool.run(&with("--yes")).assert(0).json()["revoked"], 0);
    let elsewhere = tool.run(&["revoke", "--all", "--layer", "other", "--yes"]).assert(0);
    assert_eq!(elsewhere.out, "ended 0 sessions\n");
    assert_eq!(tool.run(&["revoke", "--all", "--yes"]).assert(0).out, "ended 4 sessions\n");
    assert_eq!(tool.run(&["stats", "--json"]).json()["live"], 0);
}

#[tokio::test]
async fn sweep_removes_what_has_expired_alone() {
    let tool = Tool::with(3).await;
    for number in 10..20 {
        let mut new = new_session(None, &[]);
        new.lifetime = Lifetime::new(Duration::from_millis(1), Duration::from_millis(1));
        tool.add(number, &new).await;
    }
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert!(tool.run(&["sweep", "--dry-run"]).assert(0).out.starts_with("would remove"));
    let ran = tool.run(&["sweep", "--batch", "3"]).assert(0);
    assert_eq!(ran.out, "swept 10 expired sessions\n");
    let json = tool.run(&["sweep", "--json"]).assert(0).json();
    assert_eq!((&json["swept"], &json["busy"]), (&0.into(), &false.into()));
    assert_eq!(tool.run(&["stats", "--json"]).json()["live"], 3);
}

#[tokio::test]
async fn sweep_finds_what_lies_behind_many_live_sessions() {
    let tool = Tool::empty().await;
    // As many looks as several steps take; what is no session is quick to make.
    for number in 0..13_000 {
        let name = format!("00{number:062x}");
        let folder = tool.directory.join("00");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(name), "theirs").unwrap();
    }
    let mut new = new_session(None, &[]);
    new.lifetime = Lifetime::new(Duration::from_millis(1), Duration::from_millis(1));
    let last = tower_keep_core::SessionId::from_bytes([0xff; 32]);
    tool.store().await.create(&last, new).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    let ran = tool.run(&["sweep", "--batch", "1"]).assert(0);
    assert_eq!(ran.out, "swept 1 expired session\n");
}

#[tokio::test]
async fn purge_removes_all_and_says_how_much() {
    let tool = Tool::with(23).await;
    std::fs::write(tool.directory.join(".gitkeep"), "").unwrap();
    assert_eq!(tool.run(&["purge", "--dry-run", "--json"]).assert(0).json()["would_purge"], 23);
    let ran = tool.run(&["purge", "--yes"]).assert(0);
    assert!(
        ran.out.starts_with("purged 23 sessions, ") && ran.out.ends_with(" freed\n"),
        "{ran:?}"
    );
    assert!(tool.directory.join(".gitkeep").exists());
    let json = tool.run(&["purge", "--yes", "--json"]).assert(0).json();
    assert_eq!((&json["purged"], &json["bytes"]), (&0.into(), &0.into()));
}

#[tokio::test]
async fn two_purges_at_once_remove_each_session_once() {
    let tool = Tool::with(200).await;
    let start = || {
        let mut command = tool.command(&["purge", "--yes", "--json"]);
        command.stdout(std::process::Stdio::piped()).spawn().unwrap()
    };
    let purges = [start(), start()];
    let purged: u64 = purges
        .map(|purge| {
            let output = purge.wait_with_output().unwrap();
            assert_eq!(output.status.code(), Some(0));
            let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            json["purged"].as_u64().unwrap()
        })
        .into_iter()
        .sum();
    assert_eq!(purged, 200);
}

#[tokio::test]
async fn check_finds_a_damaged_file() {
    let tool = Tool::with(3).await;
    let ran = tool.run(&["check"]).assert(0);
    assert_eq!(ran.out, "3 sessions are whole, 0 entries are not, 0 are foreign\n");
    let name = id(1).to_string();
    let file = tool.directory.join(&name[..2]).join(&name);
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    std::fs::write(tool.directory.join("no\u{1b}tes.txt"), "milk").unwrap();
    let ran = tool.run(&["check"]).assert(5);
    assert!(ran.out.contains(&name) && ran.out.contains("2 sessions are whole"), "{ran:?}");
    assert!(!ran.out.contains('\u{1b}'), "{ran:?}");
    let json = tool.run(&["check", "--json"]).assert(5).json();
    assert_eq!((&json["whole"], &json["wrong"]), (&2.into(), &1.into()));
    assert_eq!(
        json["problems"].as_array().unwrap().iter().filter(|p| p["kind"] == "damaged").count(),
        1
    );
}

#[test]
fn every_command_works_on_memory_too() {
    for (arguments, code) in [
        (&["stats"][..], 0),
        (&["list"], 0),
        (&["show", "1234"], 3),
        (&["revoke", "1234", "--yes"], 3),
        (&["revoke", "--all", "--yes"], 0),
        (&["sweep"], 0),
        (&["purge", "--yes"], 0),
        (&["check"], 0),
    ] {
        for json in [false, true] {
            let mut command = bare(arguments);
            command.args(["--store", "memory:"]).args(json.then_some("--json"));
            let ran = crate::tool::Ran::from(command.output().unwrap()).assert(code);
            if json {
                ran.json();
            }
        }
    }
}

#[test]
fn completions_are_made_for_each_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ran = crate::tool::Ran::from(bare(&["completions", shell]).output().unwrap()).assert(0);
        assert!(ran.out.contains("revoke") && ran.out.contains("dry-run"), "{shell}");
        let ran: crate::tool::Ran =
            bare(&["completions", shell, "--json"]).output().unwrap().into();
        assert!(ran.json()["completions"].is_string());
    }
}
