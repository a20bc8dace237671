//! The servers come up, come back, and leave nothing behind.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::{
    net::{Ipv4Addr, TcpStream},
    path::PathBuf,
};

use tower_keep_test_servers::{Durability, MariaDb, Postgres, Redis};

fn listens(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn directory_of(debug: &str) -> PathBuf {
    debug.split("directory: \"").nth(1).unwrap().split('"').next().unwrap().into()
}

#[test]
fn postgres_comes_back_after_a_kill_and_leaves_nothing_behind() {
    let server = Postgres::start(Durability::Synced);
    assert!(listens(server.port()));
    server.kill();
    server.restart();
    assert!(listens(server.port()));
    let (port, directory) = (server.port(), directory_of(&format!("{server:?}")));
    assert!(directory.exists());
    drop(server);
    assert!(!listens(port) && !directory.exists());
}

#[test]
fn mariadb_comes_back_after_a_kill_and_leaves_nothing_behind() {
    let server = MariaDb::start(Durability::Synced);
    assert!(listens(server.port()));
    server.kill();
    server.restart();
    assert!(listens(server.port()));
    let (port, directory) = (server.port(), directory_of(&format!("{server:?}")));
    assert!(directory.exists());
    drop(server);
    assert!(!listens(port) && !directory.exists());
}

#[test]
fn redis_comes_back_after_a_kill_and_leaves_nothing_behind() {
    let server = Redis::start(Durability::Synced);
    assert_eq!(server.command(&["SET", "kept", "1"]).trim(), "OK");
    server.kill();
    server.restart();
    assert_eq!(server.command(&["GET", "kept"]).trim(), "1");
    let (port, directory) = (server.port(), directory_of(&format!("{server:?}")));
    assert!(directory.exists());
    drop(server);
    assert!(!listens(port) && !directory.exists());
}
