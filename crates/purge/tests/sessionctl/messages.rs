//! What goes wrong, and what is said then.

use std::process::Stdio;

use crate::{
    common::new_session,
    tool::{PROGRAM, Ran, Tool, bare},
};

#[test]
fn no_store_is_asked_for() {
    let ran = Ran::from(bare(&["stats"]).output().unwrap()).assert(2);
    assert!(ran.err.contains("SESSION_STORE"), "{ran:?}");
    Ran::from(bare(&["stats", "--json"]).output().unwrap()).assert(2).json();
}

#[test]
fn no_message_shows_a_password() {
    // One of a scheme that nothing has, and one of a server that is not there.
    for scheme in ["cassandra", "postgres"] {
        no_message_shows_the_password_of(&format!(
            "{scheme}://ada:hunter2@127.0.0.1:1/sessions?password=hunter2"
        ));
    }
}

fn no_message_shows_the_password_of(url: &str) {
    let with_equals = format!("--store={url}");
    for arguments in [
        &["--store", url, "stats"][..],
        &[&with_equals, "list"],
        &[url, "stats"],
        &["stats", url],
        &["--stroe", url, "stats"],
        &["--store", "memory:", "copy", "--to", url],
        &["--store", url, "copy", "--to", url],
        &["--timeout", url, "stats"],
    ] {
        for json in [false, true] {
            let mut command = bare(arguments);
            command.args(json.then_some("--json")).env("SESSION_STORE_TO", url);
            let ran = Ran::from(command.output().unwrap());
            assert!(matches!(ran.code, 1 | 2), "{ran:?}");
            assert!(!format!("{ran:?}").contains("hunter2"), "{ran:?}");
            if json {
                ran.json();
            }
        }
    }
    for help in ["--help", "-h"] {
        let mut command = bare(&["copy", help]);
        command.env("SESSION_STORE", url).env("SESSION_STORE_TO", url);
        let ran = Ran::from(command.output().unwrap()).assert(0);
        assert!(!ran.out.contains("hunter2"), "{ran:?}");
    }
}

#[test]
fn help_tells_exit_codes_and_examples() {
    let ran = Ran::from(bare(&["--help"]).output().unwrap()).assert(0);
    for text in ["Exit codes:", "130", "Examples:", "SESSION_STORE"] {
        assert!(ran.out.contains(text), "{ran:?}");
    }
    let ran = Ran::from(bare(&["copy", "--help"]).output().unwrap()).assert(0);
    assert!(ran.out.contains("never overwritten"), "{ran:?}");
}

#[tokio::test]
async fn users_need_a_layer_and_revoke_needs_a_word() {
    let tool = Tool::with(1).await;
    for arguments in [
        &["list", "--user", "ada"][..],
        &["revoke", "--user", "ada"],
        &["revoke"],
        &["revoke", "1234", "--all"],
    ] {
        tool.run(arguments).assert(2);
        tool.run(&[arguments, &["--json"]].concat()).assert(2).json();
    }
    let mut command = tool.command(&["list", "--user", "ada"]);
    let ran = Ran::from(command.env("SESSION_LAYER", "shop").output().unwrap()).assert(0);
    assert!(ran.out.contains("ada"), "{ran:?}");
}

#[tokio::test]
async fn nothing_is_ended_in_a_pipe_without_yes() {
    let tool = Tool::with(2).await;
    for arguments in
        [&["purge"][..], &["revoke", "--all"], &["revoke", &crate::common::id(0).to_string()]]
    {
        let ran = tool.run(arguments).assert(4);
        assert!(ran.err.contains("--yes"), "{ran:?}");
        tool.run(&[arguments, &["--json"]].concat()).assert(4).json();
    }
    assert_eq!(tool.run(&["stats", "--json"]).json()["live"], 2);
}

#[test]
fn a_directory_that_is_not_there_is_not_made() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("typo");
    let url = format!("file:{}", directory.display());
    let ran = Ran::from(bare(&["stats", "--store", &url]).output().unwrap()).assert(1);
    assert!(ran.err.contains("typo") && ran.err.contains("because:"), "{ran:?}");
    assert!(!directory.exists());
}

/// A wrong path must not be littered, nor read as a store that nobody uses.
#[test]
fn a_directory_that_is_no_store_is_left_as_it_is() {
    let place = tempfile::tempdir().unwrap();
    let url = format!("file:{}", place.path().display());
    for arguments in [&["stats"][..], &["check"], &["sweep"], &["purge", "--yes"]] {
        let mut command = bare(arguments);
        let ran = Ran::from(command.args(["--store", &url]).output().unwrap()).assert(1);
        assert!(ran.err.contains("no store was opened in it"), "{ran:?}");
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0, "{arguments:?}");
    }
}

#[tokio::test]
async fn names_with_control_characters_reach_no_output() {
    let tool = Tool::empty().await;
    let users = ["ada lovelace", "o'hara \"x\"", "\u{1b}[2J\u{7}red\r\n", "\u{9b}31m\u{202e}"];
    for (number, user) in (0..).zip(users) {
        let field = format!("f\u{1b}[1m{number}");
        tool.add(number, &new_session(Some(user), &[(&field, "\"\u{9b}1m\u{7f}\"")])).await;
    }
    for arguments in [&["list", "--data"][..], &["list", "--data", "--json"]] {
        let ran = tool.run(arguments).assert(0);
        let is_safe = |c: char| c == '\n' || !(c.is_control() || c == '\u{202e}');
        assert!(ran.out.chars().all(is_safe), "{ran:?}");
        assert!(ran.out.contains("lovelace"), "{ran:?}");
    }
    for user in users {
        let arguments = ["revoke", "--layer", "shop", "--user", user];
        let ran = tool.on_terminal(80, &[&arguments[..], &["--dry-run"]].concat(), "");
        // A quote cannot be typed this way.
        if !user.contains('\'') && !user.contains('\r') {
            assert!(ran.out.contains("would end 1 session"), "{ran:?}");
        }
        assert_eq!(
            tool.run(&[&arguments[..], &["--yes"]].concat()).assert(0).out,
            "ended 1 session\n"
        );
    }
}

#[tokio::test]
async fn a_reader_that_has_seen_enough_is_no_error() {
    let tool = Tool::with(300).await;
    for arguments in ["list --full", "--json list", "completions bash", "--help"] {
        let line = format!("{PROGRAM} {arguments} | head -n 1; exit ${{PIPESTATUS[0]}}");
        let mut command = std::process::Command::new("bash");
        command.args(["-c", &line]).env("SESSION_STORE", &tool.url).stdin(Stdio::null());
        let ran = Ran::from(command.output().unwrap()).assert(0);
        assert_eq!(ran.err, "", "{arguments}");
    }
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = tool.command(&["list"]);
    let ran = Ran::from(command.stdout(full).output().unwrap()).assert(1);
    assert!(ran.err.contains("the output cannot be written"), "{ran:?}");
}

#[cfg(unix)]
#[test]
fn bytes_that_are_no_text_are_no_panic() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
    let odd = OsStr::from_bytes(b"file:\xff\xfe");
    for place in 0..3 {
        let mut command = bare(&["stats"]);
        match place {
            0 => command.env("SESSION_STORE", odd),
            1 => command.arg("--store").arg(odd),
            _ => command.arg(odd),
        };
        Ran::from(command.arg("--json").output().unwrap()).assert(2).json();
    }
}
