//! Power cuts: a run is recorded, cut after every operation on its files, what was not synced is lost
//! in every way, and the store is opened again.

mod cut;
mod disk;

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use tower_keep_core::{
    Applied, Change, Check, Created, Index, Lifetime, NewRecord, OverLimit, ProblemKind, Query,
    Record, Rotated, SessionId, Store, Sweep, Swept, TestClock, Touch, Touched, UserLimit,
};

use self::{
    cut::after_cut,
    disk::{Disk, Tree},
};
use crate::{Durability, FileStore};

const LIFETIME: Lifetime = Lifetime::new(Duration::from_secs(3_600), Duration::from_secs(86_400));

/// The ids that the session has one after the other.
const IDS: [SessionId; 3] = [
    SessionId::from_bytes([0x11; 32]),
    // Of another folder and shard, and then of another folder and the same shard.
    SessionId::from_bytes([0x22; 32]),
    SessionId::from_bytes([0x62; 32]),
];
const RIVAL: SessionId = SessionId::from_bytes([0x33; 32]);

/// So many disks are looked at beside each other, since each look waits for other threads.
const AT_ONCE: usize = 8;

/// What can be seen of the session: the id it lives under, and its record.
type Seen = Option<(SessionId, Arc<Record>)>;

#[derive(Clone, Debug)]
enum Move {
    Create(usize),
    Apply(usize),
    SignIn(usize),
    Touch(usize),
    Rotate(usize, usize),
    RotateEvicting(usize, usize),
    Delete(usize),
}

/// A run, and what could be seen after each of its moves.
struct Recorded {
    disk: Disk,
    clock: Arc<TestClock>,
    /// How many operations there were after each move, and what was seen then.
    seen: Vec<(usize, Seen)>,
    /// After how many operations the rival is there, and gone.
    rival: (usize, usize),
}

async fn open(disk: &Disk, durability: Durability, clock: &Arc<TestClock>) -> FileStore {
    let settings = FileStore::builder("/sessions").durability(durability).clock(Arc::clone(clock));
    settings.open_in(disk.clone()).await.unwrap()
}

async fn look(store: &FileStore) -> Seen {
    let mut seen = None;
    for id in &IDS {
        if let Some(loaded) = store.load(id).await.unwrap() {
            assert!(seen.is_none(), "two ids are live");
            seen = Some((*id, loaded.record));
        }
    }
    seen
}

async fn record(moves: &[Move], durability: Durability) -> Recorded {
    let (disk, clock) = (Disk::default(), Arc::new(TestClock::default()));
    let store = open(&disk, durability, &clock).await;
    let user_limit = Some(UserLimit::new(1, OverLimit::EvictOldest));
    let mut rival = NewRecord::new("shop".into(), LIFETIME);
    rival.user = Some("ada".into());
    assert!(matches!(store.create(&RIVAL, rival).await, Ok(Created::Created(_))));
    let mut recorded = Recorded {
        seen: vec![(disk.log().len(), None)],
        rival: (disk.log().len(), usize::MAX),
        disk,
        clock,
    };
    for step in moves {
        recorded.clock.advance(Duration::from_secs(1));
        let (at, before) = recorded.seen.last().cloned().unwrap();
        let change = || {
            let mut change = Change::new(&before.as_ref().unwrap().1, LIFETIME);
            change.edits.set("at", &at.to_string());
            change
        };
        match *step {
            Move::Create(id) => {
                let mut new = NewRecord::new("shop".into(), LIFETIME);
                new.fields = [("first", "1")].into_iter().collect();
                let created = store.create(&IDS[id], new).await;
                assert!(matches!(created, Ok(Created::Created(_))));
            }
            Move::Apply(id) | Move::SignIn(id) => {
                let mut change = change();
                change.user = matches!(step, Move::SignIn(_)).then(|| "ada".into());
                let applied = store.apply(&IDS[id], &change).await;
                assert!(matches!(applied, Ok(Applied::Applied(_))));
            }
            Move::Touch(id) => {
                let created_at = before.as_ref().unwrap().1.created_at;
                let touch = Touch { created_at, lifetime: LIFETIME };
                let touched = store.touch(&IDS[id], touch).await;
                assert!(matches!(touched, Ok(Touched::Touched(_))));
            }
            Move::Rotate(old, new) | Move::RotateEvicting(old, new) => {
                let mut change = change();
                if matches!(step, Move::RotateEvicting(..)) {
                    (change.user, change.user_limit) = (Some("ada".into()), user_limit);
                    change.restart = true;
                    recorded.rival.1 = recorded.disk.log().len();
                }
                let rotated = store.rotate(&IDS[old], &IDS[new], &change).await;
                assert!(matches!(rotated, Ok(Rotated::Rotated(_))));
            }
            Move::Delete(id) => assert!(store.delete(&IDS[id]).await.unwrap()),
        }
        recorded.seen.push((recorded.disk.log().len(), look(&store).await));
    }
    assert_eq!(store.load(&RIVAL).await.unwrap().is_none(), recorded.rival.1 != usize::MAX);
    recorded
}

/// What holds on every disk, but for one on which nothing was synced.
async fn look_after(store: &FileStore) -> (Seen, bool) {
    let seen = look(store).await;
    let rival = store.load(&RIVAL).await.unwrap();
    let mut expected: Vec<SessionId> = Vec::new();
    expected.extend(seen.iter().filter(|(_, record)| record.user.is_some()).map(|(id, _)| *id));
    expected.extend(rival.iter().map(|_| RIVAL));
    expected.sort_unstable();
    let query = Query::new("shop").of_user("ada".into());
    let listed = Index::list(store, &query).await.unwrap().sessions;
    let listed: Vec<SessionId> = listed.iter().map(|listed| listed.id).collect();
    assert_eq!(listed, expected, "a user's sessions");

    let checked = Check::check(store).await.unwrap();
    let sessions = u64::from(seen.is_some()) + u64::from(rival.is_some());
    assert_eq!(checked.sessions, sessions);
    let remains = |kind| matches!(kind, ProblemKind::Leftover | ProblemKind::Orphaned);
    assert!(checked.problems.iter().all(|problem| remains(problem.kind)), "{checked:?}");
    while let Swept::Removed { more: true, .. } = Sweep::sweep(store, 10).await.unwrap() {}
    let swept = Check::check(store).await.unwrap();
    assert!(swept.problems.is_empty() && swept.sessions == sessions, "{swept:?}");
    (seen, rival.is_some())
}

/// Cuts a run everywhere; says how many disks were looked at.
async fn cut_everywhere(moves: &[Move], durability: Durability) -> usize {
    let recorded = &record(moves, durability).await;
    let log = &recorded.disk.log();
    let mut disks = 0;
    for cut in recorded.seen[0].0..=log.len() {
        let under_way = recorded.seen.iter().position(|(at, _)| *at >= cut).unwrap();
        let is_done = recorded.seen[under_way].0 == cut;
        let first = match durability {
            Durability::Full if is_done => under_way,
            Durability::Full => under_way - 1,
            // Back to the last end of an id, which is never undone.
            _ => {
                let done = if is_done { under_way } else { under_way - 1 };
                let is_end = |step: &Move| {
                    matches!(step, Move::Rotate(..) | Move::RotateEvicting(..) | Move::Delete(_))
                };
                moves[..done].iter().rposition(is_end).map_or(0, |end| end + 1)
            }
        };
        let allowed = &recorded.seen[first..=under_way];
        let trees = after_cut(&log[..cut]);
        disks += trees.len();
        let look = |tree| async move {
            let store = reopened(tree, durability, &recorded.clock).await;
            let (seen, rival) = look_after(&store).await;
            assert!(
                allowed.iter().any(|(_, allowed)| *allowed == seen),
                "{durability:?}, cut after {cut} ({:?}), move {under_way}: {seen:?}",
                log[cut - 1],
            );
            if durability == Durability::Full && cut <= recorded.rival.1 {
                assert!(rival, "the rival is lost");
            }
            let (_, gone) = recorded.rival;
            let evicted = recorded.seen.iter().find(|(at, _)| *at > gone);
            assert!(!rival || evicted.is_none_or(|(at, _)| cut < *at), "the rival is back");
        };
        stream::iter(trees).for_each_concurrent(AT_ONCE, look).await;
    }
    disks
}

async fn reopened(tree: Tree, durability: Durability, clock: &Arc<TestClock>) -> FileStore {
    open(&Disk::of(tree), durability, clock).await
}

fn whole_life() -> Vec<Move> {
    vec![
        Move::Create(0),
        Move::Apply(0),
        Move::Touch(0),
        Move::Touch(0),
        Move::Rotate(0, 1),
        Move::Touch(1),
        Move::Apply(1),
        Move::RotateEvicting(1, 2),
        Move::Touch(2),
        Move::Apply(2),
        Move::Delete(2),
        Move::Create(2),
        Move::SignIn(2),
        Move::Rotate(2, 0),
        Move::Delete(0),
    ]
}

#[tokio::test]
async fn full_durability_loses_nothing_that_was_acknowledged() {
    let disks = cut_everywhere(&whole_life(), Durability::Full).await;
    println!("{disks} disks");
    assert!(disks > 200, "{disks}");
}

#[tokio::test]
async fn file_durability_leaves_a_state_that_was_and_undoes_no_end() {
    let disks = cut_everywhere(&whole_life(), Durability::File).await;
    println!("{disks} disks");
    assert!(disks > 200, "{disks}");
}

/// Sessions may be lost and damaged then, but never another's, and never a mixture.
#[tokio::test]
async fn without_durability_a_session_is_as_it_was_at_some_time_or_absent() {
    let recorded = &record(&whole_life()[..7], Durability::None).await;
    let log = recorded.disk.log();
    for cut in recorded.seen[0].0..=log.len() {
        let look = |tree| async move {
            let store = reopened(tree, Durability::None, &recorded.clock).await;
            for id in IDS {
                let Some(loaded) = store.load(&id).await.unwrap() else {
                    continue;
                };
                let was = |(_, seen): &(usize, Seen)| {
                    seen.as_ref().is_some_and(|seen| *seen == (id, Arc::clone(&loaded.record)))
                };
                assert!(recorded.seen.iter().any(was), "{loaded:?}");
            }
        };
        stream::iter(after_cut(&log[..cut])).for_each_concurrent(AT_ONCE, look).await;
    }
}
