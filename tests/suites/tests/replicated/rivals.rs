//! Servers that change one session at once, over members that come and go.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use tower_keep::{
    Applied, Change, Lifetime, NewRecord, Record, ReplicatedStore, SessionId, Store, TestClock,
    Token,
};
use tower_keep_tests::{Fault, rounds};

use super::support::{Member, members, over, send_away};

/// What one writer has done.
#[derive(Default)]
struct Done {
    /// The versions that it was told it wrote.
    versions: Vec<u64>,
    /// How many of its increments may have happened or not.
    unknown: u64,
}

async fn increment(store: ReplicatedStore, id: SessionId, times: usize) -> Done {
    let mut done = Done::default();
    while done.versions.len() < times && done.unknown < 200 {
        let Ok(loaded) = store.load(&id).await else { continue };
        let record = loaded.expect("nobody ends the session").record;
        let mut change = Change::new(&record, Lifetime::default());
        change.edits.set("n", &(number(&record) + 1).to_string());
        change.exact = true;
        match store.apply(&id, &change).await {
            Ok(Applied::Applied(receipt)) => done.versions.push(receipt.version),
            Ok(Applied::Conflict(_)) => {}
            Ok(Applied::Gone) => panic!("nobody ends the session"),
            Err(_) => done.unknown += 1,
        }
    }
    done
}

fn number(record: &Record) -> u64 {
    record.fields.get("n").unwrap().parse().unwrap()
}

/// One member after the other is away for a moment.
async fn flap(members: Vec<Member>, over: Arc<AtomicBool>) {
    for member in members.iter().cycle() {
        if over.load(SeqCst) {
            break;
        }
        send_away(member);
        tokio::time::sleep(Duration::from_millis(7)).await;
        member.heal();
        member.everywhere(&Fault::Yields(1));
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}

async fn compete(servers: usize, flapping: bool) {
    let clock: Arc<TestClock> = Arc::default();
    let members = members(&clock, 3);
    for member in &members {
        member.everywhere(&Fault::Yields(1));
    }
    let id = Token::random().unwrap().id();
    let mut new = NewRecord::new("shop".into(), Lifetime::default());
    new.fields = [("n", "0")].into_iter().collect();
    over(&members, &clock).create(&id, new).await.unwrap();

    let is_over = Arc::new(AtomicBool::new(false));
    let flaps = flapping.then(|| tokio::spawn(flap(members.clone(), Arc::clone(&is_over))));
    let times = rounds(25, 250);
    let writers: Vec<_> =
        (0..servers).map(|_| tokio::spawn(increment(over(&members, &clock), id, times))).collect();
    let mut versions = BTreeSet::new();
    let (mut written, mut unknown) = (0, 0);
    for writer in writers {
        let done = writer.await.unwrap();
        written += done.versions.len() as u64;
        unknown += done.unknown;
        versions.extend(done.versions);
    }
    is_over.store(true, SeqCst);
    if let Some(flaps) = flaps {
        flaps.await.unwrap();
    }
    for member in &members {
        member.heal();
    }
    assert_eq!(versions.len() as u64, written, "two writers were told that they wrote one version");
    let loaded = over(&members, &clock).load(&id).await.unwrap().unwrap();
    let found = number(&loaded.record);
    assert!(
        (written..=written + unknown).contains(&found),
        "{found} increments of {written}, and {unknown} that are unknown"
    );
    assert_eq!(loaded.record.version, found + 1);
    assert!(flapping || unknown * 20 <= written, "{unknown} unknown of {written} without a fault");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn increments_of_several_servers_at_once_are_exact() {
    compete(4, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn increments_are_exact_while_members_come_and_go() {
    compete(3, true).await;
}
