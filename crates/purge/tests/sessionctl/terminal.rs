//! On a terminal.

use crate::{common::id, tool::Tool};

#[tokio::test]
async fn every_command_runs_on_terminals_wide_and_narrow() {
    for columns in [20, 80] {
        let tool = Tool::with(30).await;
        let elsewhere = format!("file:{}", tool.path("elsewhere").display());
        let short = id(1).short().to_string();
        for (arguments, typed, code, text) in [
            (&["stats"][..], "", 0, "live       30"),
            (&["list"], "", 0, "USER"),
            (&["show", &short], "", 0, "version"),
            (&["check"], "", 0, "30 sessions are whole"),
            (&["sweep"], "", 0, "swept 0 expired sessions"),
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
}

#[tokio::test]
async fn the_question_names_the_store_and_how_many() {
    let tool = Tool::with(3).await;
    let ran = tool.on_terminal(200, &["purge"], "n\n").assert(4);
    assert!(ran.out.contains("3 of them live"), "{ran:?}");
    assert!(ran.out.contains(&tool.directory.display().to_string()), "{ran:?}");
    assert_eq!(tool.run(&["stats", "--json"]).json()["live"], 3);
}

#[tokio::test]
async fn progress_is_shown_on_a_terminal_alone() {
    let tool = Tool::with(300).await;
    let to = format!("file:{}", tool.path("elsewhere").display());
    let ran = tool.on_terminal(80, &["copy", "--to", &to], "").assert(0);
    assert!(ran.out.contains("/300"), "{ran:?}");
    let ran = tool.run(&["copy", "--to", &to]).assert(0);
    assert_eq!(ran.err, "");
}
