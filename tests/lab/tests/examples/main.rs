//! Every example, built and started, and tried by the commands in its first lines.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test may")]

mod example;
mod shop;
#[path = "../support/mod.rs"]
mod support;

use std::{fs, path::Path};

use example::{Example, NAMES, PROGRAMS, commands, program};
use futures_util::{SinkExt, StreamExt};
use support::{PATIENCE, Server};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};

#[tokio::test]
async fn counter_and_hyper_count_visits() {
    for name in ["counter", "hyper"] {
        let example = Example::start(name).await;
        let [command] = &example.commands[..] else {
            panic!("{:?}", example.commands);
        };
        for visit in 1..=3 {
            let printed = example.run(command, None).await;
            assert_eq!(printed, format!("visits: {visit}\n"));
        }
    }
}

#[tokio::test]
async fn login_signs_in_and_out_everywhere() {
    let example = Example::start("login").await;
    let [sign_in, home] = &example.commands[..] else {
        panic!("{:?}", example.commands);
    };
    let page = example.run(sign_in, None).await;
    assert!(page.contains("Signed in as ada"), "{page}");
    let page = example.run(home, None).await;
    assert!(page.contains("(this one)"), "{page}");

    let elsewhere = sign_in.replace(" jar", " other-jar");
    let page = example.run(&elsewhere, None).await;
    assert_eq!(page.matches("<li>").count(), 2, "{page}");
    let everywhere = example.url("/logout-everywhere");
    let page = example.curl(&format!("--location --data '' {everywhere}")).await;
    assert!(page.contains("Password"), "{page}");
    let page = example.run(&home.replace(" jar", " other-jar"), None).await;
    assert!(page.contains("Password"), "{page}");

    example.run(sign_in, None).await;
    let logout = example.url("/logout");
    let page = example.curl(&format!("--location --data '' {logout}")).await;
    assert!(page.contains("Password"), "{page}");
    for user in ["ada", "nobody"] {
        let login = example.url("/login");
        let arguments =
            format!("--write-out '%{{http_code}}' --data 'user={user}&password=x' {login}");
        let page = example.curl(&arguments).await;
        assert!(page.contains("No such user") && page.ends_with("401"), "{page}");
    }
}

#[tokio::test]
async fn purge_on_startup_begins_anew_unless_told_otherwise() {
    let mut example = Example::start("purge-on-startup").await;
    let [visit] = &example.commands[..] else {
        panic!("{:?}", example.commands);
    };
    let address = example.server.address.clone();
    let visit = visit.clone();
    for count in 1..=2 {
        assert_eq!(example.run(&visit, None).await, format!("visits: {count}\n"));
    }
    for (switch, log, count) in [
        ("no", "the sessions are kept, as PURGE_SESSIONS_ON_STARTUP says", 3),
        ("", "", 0),
        ("True", "purged 1 sessions, ", 1),
    ] {
        example.server.interrupt();
        let ended = example.server.ended().await;
        assert!(ended.success());
        let program = program("purge-on-startup").await;
        let variables = [("ADDR", &*address), ("PURGE_SESSIONS_ON_STARTUP", switch)];
        if switch.is_empty() {
            let mut command = tokio::process::Command::new(program);
            command.current_dir(example.folder.path()).envs(variables).kill_on_drop(true);
            let output = tokio::time::timeout(PATIENCE, command.output()).await.unwrap().unwrap();
            assert!(!output.status.success());
            let log = String::from_utf8_lossy(&output.stderr);
            assert!(log.contains("PURGE_SESSIONS_ON_STARTUP is not understood"), "{log}");
            // The server that is not there any more is started again for the next one.
            let variables = [("ADDR", &*address), ("PURGE_SESSIONS_ON_STARTUP", "off")];
            example.server = Server::start_in(example.folder.path(), program, &variables).await;
            // One that has answered heeds the interruption that comes next.
            assert_eq!(example.run(&visit, None).await, "visits: 4\n");
            continue;
        }
        example.server = Server::start_in(example.folder.path(), program, &variables).await;
        let logged = example.server.log_until(log).await;
        assert!(logged.contains("directory"), "{logged}");
        assert_eq!(example.run(&visit, None).await, format!("visits: {count}\n"));
    }
}

#[tokio::test]
async fn typed_keeps_a_struct_and_shows_its_notice_once() {
    let example = Example::start("typed").await;
    let [save] = &example.commands[..] else {
        panic!("{:?}", example.commands);
    };
    let page = example.run(save, None).await;
    assert!(page.contains("Saved, Ada."), "{page}");
    let page = example.curl(&example.url("/")).await;
    assert!(!page.contains("Saved"), "{page}");
    assert!(page.contains("value=\"Ada\"") && page.contains("color-scheme: dark"), "{page}");
    let hostile = example.url("/");
    let page = example.curl(&format!("--location --data 'name=<b>&theme=light' {hostile}")).await;
    assert!(page.contains("Saved, &lt;b&gt;."), "{page}");
}

#[tokio::test]
async fn websocket_saves_what_the_events_show() {
    let example = Example::start("websocket").await;
    let [events] = &example.commands[..] else {
        panic!("{:?}", example.commands);
    };
    let page = example.curl(&example.url("/")).await;
    assert!(page.contains("new WebSocket("), "{page}");
    let jar = fs::read_to_string(example.folder.path().join("jar")).unwrap();
    let token = jar.split_whitespace().last().unwrap();

    let url = format!("ws://{}/notes", example.server.address);
    let mut request = url.into_client_request().unwrap();
    let cookie = format!("id={token}").parse().unwrap();
    request.headers_mut().insert("cookie", cookie);
    let (mut socket, _) = connect_async(request).await.unwrap();
    for count in ["1", "2"] {
        socket.send(Message::text("note")).await.unwrap();
        let answer = socket.next().await.unwrap().unwrap();
        assert_eq!(answer.to_text().unwrap(), count);
    }
    let printed = example.run(events, Some("data: 2\n")).await;
    assert!(printed.contains("data: 2\n"), "{printed}");
}

#[tokio::test]
async fn grpc_client_keeps_its_token() {
    let example = Example::start("grpc").await;
    let output = tokio::process::Command::new(&PROGRAMS["client"])
        .env("ADDR", &example.server.address)
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(PATIENCE, output).await;
    let output = output.unwrap().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert_eq!(printed, "visits: 1\nvisits: 2\nvisits: 3\n");
}

#[test]
fn no_example_is_left_out() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut found: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    assert_eq!(found, NAMES);
}

/// On each database, a user who signed in is signed in still after the server was restarted.
#[tokio::test]
async fn sql_keeps_users_signed_in_over_a_restart() {
    let place = tempfile::tempdir().unwrap();
    let file = format!("sqlite:{}", place.path().join("sessions.db").display());
    let postgres = tower_keep_test_servers::Postgres::shared().url();
    let mariadb = tower_keep_test_servers::MariaDb::shared().url("keep");
    for store in [file, postgres, mariadb] {
        let mut example = Example::start_with("sql", &[("SESSION_STORE", &store)]).await;
        assert_eq!(example.run(&example.commands[0], None).await, "Signed in as ada.\n");
        let program = &PROGRAMS["example-sql"];
        let variables = [("ADDR", "127.0.0.1:0"), ("SESSION_STORE", &*store)];
        example.server = Server::start(program, &variables).await;
        example.commands = commands("sql", &example.server.address);
        assert_eq!(example.run(&example.commands[1], None).await, "Signed in as ada.\n");
        let logout =
            example.curl(&format!("--location --data '' {}", example.url("/logout"))).await;
        assert_eq!(logout, "Signed out.\n");
    }
}
