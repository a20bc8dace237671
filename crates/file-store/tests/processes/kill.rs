//! Processes that are killed at random while they write.

use std::{thread, time::Duration};

use tower_keep_core::{Check, Index, ProblemKind, Purge, Query, SessionId, Store, Sweep, Swept};
use tower_keep_file_store::FileStore;

use crate::worker::{Random, SLOTS, Worker, count_in, runtime};

/// What a slot holds: the id of its session, and the number that was written last.
type Slot = Option<(SessionId, u64)>;

pub(crate) fn run(kills: usize) {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("sessions");
    let mut random = Random(0x5DEE_CE66_D1CE_4E5B);
    let mut writes = 0;
    for kill in 0..kills as u64 {
        let mut victim = Worker::start("write", &directory, 2 * kill + 1, 0);
        let mut witness = Worker::start("write", &directory, 2 * kill + 2, 0);
        let mut said_by_victim = vec![victim.next().unwrap()];
        let mut said_by_witness = vec![witness.next().unwrap()];
        thread::sleep(Duration::from_micros(random.below(40_000)));
        said_by_victim.extend(victim.kill());
        // More than its pipe holds of what it said before, so that it must have gone on.
        for _ in 0..30 {
            said_by_witness.push(witness.next().unwrap());
        }
        said_by_witness.extend(witness.kill());
        writes += said_by_victim.len() / 2;
        runtime().block_on(verify(&directory, &[said_by_victim, said_by_witness]));
    }
    assert!(writes > kills, "{writes} writes before {kills} kills");
}

async fn verify(directory: &std::path::Path, said: &[Vec<String>]) {
    let store = FileStore::open(directory).await.unwrap();
    let mut live = 0;
    let mut ids = Vec::new();
    for said in said {
        let (done, under_way) = replay(said);
        for (slot, before) in done.iter().enumerate() {
            let after = under_way.filter(|(of, _)| *of == slot).map(|(_, after)| after);
            let found = look(&store, *before, after.flatten()).await;
            let is_before = found == *before;
            assert!(is_before || after == Some(found), "{found:?}: {before:?} or {after:?}");
            live += u64::from(found.is_some());
            ids.extend(found.map(|(id, _)| id));
        }
    }
    let checked = Check::check(&store).await.unwrap();
    let remains = |kind| matches!(kind, ProblemKind::Leftover | ProblemKind::Orphaned);
    assert!(checked.problems.iter().all(|problem| remains(problem.kind)), "{checked:?}");
    assert_eq!(checked.sessions, live, "a session that nobody knows of");
    let query = Query::new("shop").of_user("ada".into()).with_limit(100);
    for listed in Index::list(&store, &query).await.unwrap().sessions {
        assert!(ids.contains(&listed.id));
    }
    while let Swept::Removed { more: true, .. } = Sweep::sweep(&store, 100).await.unwrap() {}
    assert_eq!(Check::check(&store).await.unwrap().problems, []);
    assert_eq!(Purge::purge(&store).await.unwrap().sessions, live);
}

/// What was done for sure, and what the last move would lead to, if it was not done for sure.
fn replay(said: &[String]) -> ([Slot; SLOTS], Option<(usize, Slot)>) {
    let mut slots = [None; SLOTS];
    let mut under_way = None;
    for line in said {
        if line == "done" {
            let (slot, after): (usize, Slot) = under_way.take().unwrap();
            slots[slot] = after;
            continue;
        }
        let words: Vec<&str> = line.split(' ').collect();
        // A line that the kill cut short announces nothing that was begun.
        let ["try", slot, id, round] = words[..] else { continue };
        let after = id.parse().ok().map(|id| (id, round.parse().unwrap()));
        under_way = Some((slot.parse().unwrap(), after));
    }
    (slots, under_way)
}

async fn look(store: &FileStore, before: Slot, after: Slot) -> Slot {
    let mut found = None;
    let mut ids: Vec<SessionId> = before.iter().chain(&after).map(|(id, _)| *id).collect();
    ids.dedup();
    for id in ids {
        if let Some(loaded) = store.load(&id).await.unwrap() {
            assert!(found.is_none(), "both ids of a rotation are live");
            found = Some((id, count_in(loaded.record.fields.get("at"))));
        }
    }
    found
}
