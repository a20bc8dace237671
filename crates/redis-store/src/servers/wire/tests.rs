//! A server at the other end of a pipe.

use std::{io, time::Duration};

use futures_util::{FutureExt, future::join_all};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;

const TIMEOUT: Duration = Duration::from_secs(2);

fn connected() -> (Wire, DuplexStream) {
    let (own, server) = duplex(64);
    (Wire::over(Box::new(own), TIMEOUT), server)
}

fn ping(text: &str) -> [Command; 1] {
    let mut command = Command::new("PING");
    command.arg(text);
    [command]
}

/// Reads the command that `ping` makes of as long a text.
async fn heard(server: &mut DuplexStream, text: &str) {
    let mut expected = Vec::new();
    ping(text)[0].write(&mut expected);
    let mut command = vec![0; expected.len()];
    server.read_exact(&mut command).await.unwrap();
    assert_eq!(command, expected);
}

fn text(answer: io::Result<Reply>) -> String {
    redis::from_redis_value(answer.unwrap().value().unwrap()).unwrap()
}

fn kind(answer: io::Result<Reply>) -> io::ErrorKind {
    answer.err().expect("an error").kind()
}

#[tokio::test]
async fn answers_go_to_who_asked() {
    let (wire, mut server) = connected();
    let names: Vec<String> = (100..164).map(|name| name.to_string()).collect();
    let asked = join_all(names.iter().map(|name| {
        let wire = wire.clone();
        async move { text(wire.send(&ping(name)).await) }
    }));
    let server = async {
        for name in &names {
            heard(&mut server, name).await;
        }
        for name in &names {
            server.write_all(format!("$3\r\n{name}\r\n").as_bytes()).await.unwrap();
        }
    };
    let (answers, ()) = tokio::join!(asked, server);
    assert_eq!(answers, names);
}

#[tokio::test]
async fn caller_that_is_gone_disturbs_nobody() {
    let (wire, mut server) = connected();
    assert!(wire.send(&ping("gone")).now_or_never().is_none());
    let commands = ping("next");
    let answer = wire.send(&commands);
    let server = async {
        heard(&mut server, "gone").await;
        heard(&mut server, "next").await;
        server.write_all(b"+gone\r\n+next\r\n").await.unwrap();
    };
    let (answer, ()) = tokio::join!(answer, server);
    assert_eq!(text(answer), "next");
}

#[tokio::test(start_paused = true)]
async fn overdue_answer_ends_the_connection_for_all() {
    let (wire, mut server) = connected();
    let begin = Instant::now();
    let (one, other) = (ping("one"), ping("other"));
    let late = async {
        tokio::time::sleep(TIMEOUT / 2).await;
        wire.send(&other).await
    };
    let (one, other, ()) = tokio::join!(wire.send(&one), late, heard(&mut server, "one"));
    assert_eq!((kind(one), kind(other)), (io::ErrorKind::TimedOut, io::ErrorKind::TimedOut));
    let taken = begin.elapsed();
    assert!(taken >= TIMEOUT && taken <= TIMEOUT + TIMEOUT / LOOKS, "{taken:?}");
    assert_eq!(kind(wire.send(&ping("later")).await), io::ErrorKind::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn idle_connection_lasts() {
    let (wire, mut server) = connected();
    for _ in 0..2 {
        tokio::time::sleep(10 * TIMEOUT).await;
        let commands = ping("name");
        let answer = async {
            heard(&mut server, "name").await;
            tokio::time::sleep(TIMEOUT / 2).await;
            server.write_all(b"+name\r\n").await.unwrap();
        };
        let (answer, ()) = tokio::join!(wire.send(&commands), answer);
        assert!(answer.is_ok());
    }
}

#[tokio::test]
async fn answer_that_nobody_asked_for_ends_the_connection() {
    let (wire, mut server) = connected();
    let commands = ping("name");
    let answer = async {
        heard(&mut server, "name").await;
        server.write_all(b"+name\r\n+another\r\n").await.unwrap();
        server.read(&mut [0]).await.unwrap()
    };
    let (first, ended) = tokio::join!(wire.send(&commands), answer);
    assert!(first.is_ok());
    assert_eq!(ended, 0);
    assert_eq!(kind(wire.send(&ping("name")).await), io::ErrorKind::InvalidData);
}

#[tokio::test]
async fn lost_connection_is_an_error_for_all_who_wait() {
    let (wire, mut server) = connected();
    let commands = [ping("one"), ping("two")];
    let answers = join_all(commands.iter().map(|commands| wire.send(commands)));
    let lost = async {
        heard(&mut server, "one").await;
        heard(&mut server, "two").await;
        drop(server);
    };
    let ((), answers) = tokio::join!(lost, answers);
    for answer in answers {
        assert_eq!(kind(answer), io::ErrorKind::UnexpectedEof);
    }
}

#[tokio::test]
async fn what_was_sent_is_carried_out_though_nobody_waits() {
    let (wire, mut server) = connected();
    let long = "x".repeat(1_000);
    assert!(wire.send(&ping(&long)).now_or_never().is_none());
    drop(wire);
    heard(&mut server, &long).await;
    server.write_all(b"+x\r\n").await.unwrap();
    assert_eq!(server.read(&mut [0]).await.unwrap(), 0, "the connection ends with its last answer");
}

#[test]
fn end_of_the_runtime_is_an_error_in_another() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first = runtime();
    let (wire, _server) = first.block_on(async { connected() });
    drop(first);
    let answer = runtime().block_on(wire.send(&ping("name")));
    assert_eq!(kind(answer), io::ErrorKind::ConnectionAborted);
}

#[tokio::test(start_paused = true)]
async fn answer_after_others_that_took_long_is_not_overdue() {
    let (wire, mut server) = connected();
    let commands: Vec<_> = (0..5).map(|name| ping(&name.to_string())).collect();
    let asked = join_all(commands.iter().map(|commands| wire.send(commands)));
    let server = async {
        for _ in &commands {
            tokio::time::sleep(TIMEOUT * 2 / 3).await;
            server.write_all(b"+late\r\n").await.unwrap();
        }
    };
    let (answers, ()) = tokio::join!(asked, server);
    assert!(answers.iter().all(Result::is_ok));
}
