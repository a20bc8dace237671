//! Copies from store to store.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod common;

use std::{path::PathBuf, sync::Arc, time::Duration};

use common::*;
use tower_keep_core::{Change, Import, Store, StoreErrorKind, TestClock};
use tower_keep_memory_store::MemoryStore;
use tower_keep_purge::{Copied, CopyErrorKind, CopySettings, Journal, copy_sessions};

struct Pair {
    from: MemoryStore,
    to: MemoryStore,
    clock: Arc<TestClock>,
    journal: Journal,
}

impl Pair {
    async fn of(sessions: u64) -> Self {
        let (from, clock) = memory();
        for number in 0..sessions {
            let user = (number % 2 == 0).then_some("ada");
            let fields =
                [("n", "1"), ("", r#""\u0000""#), ("big", "123456789012345678901234567890")];
            from.create(&id(number), new_session(user, &fields)).await.unwrap();
        }
        Self { from, to: memory_with(&clock), clock, journal: Journal::in_memory() }
    }

    async fn copy(&mut self) -> Copied {
        let settings = CopySettings::default();
        copy_sessions(&self.from, &self.to, &settings, &mut self.journal, |_| {}).await.unwrap()
    }

    /// Copies, and does something between two batches of one pass.
    async fn copy_while(
        &mut self,
        pass: u32,
        disturb: impl FnOnce(&MemoryStore, &MemoryStore),
    ) -> Copied {
        let mut settings = CopySettings::default();
        settings.batch = 10;
        let (from, to) = (self.from.clone(), self.to.clone());
        let mut disturb = Some(disturb);
        copy_sessions(&self.from, &self.to, &settings, &mut self.journal, |copied| {
            if copied.passes == pass
                && let Some(disturb) = disturb.take()
            {
                disturb(&from, &to);
            }
        })
        .await
        .unwrap()
    }
}

/// A store in memory answers at once.
fn now<T>(future: impl Future<Output = T>) -> T {
    futures_util::FutureExt::now_or_never(future).unwrap()
}

#[tokio::test]
async fn every_live_session_arrives_as_it_is() {
    let mut pair = Pair::of(1_000).await;
    pair.clock.advance(Duration::from_secs(60));
    set(&pair.from, 7, 70).await;
    let copied = pair.copy().await;
    assert!(copied.is_settled());
    assert_eq!((copied.passes, copied.live, copied.verified), (2, 1_000, 1_000));
    assert_eq!((copied.imported, copied.failed), (1_000, 0));
    for number in 0..1_000 {
        assert_eq!(load(&pair.from, number).await, load(&pair.to, number).await);
    }
}

#[tokio::test]
async fn a_copy_in_the_same_state_does_nothing_and_is_settled() {
    let mut pair = Pair::of(50).await;
    pair.copy().await;
    for journal in [std::mem::take(&mut pair.journal), Journal::in_memory()] {
        pair.journal = journal;
        let copied = pair.copy().await;
        assert!(copied.is_settled());
        assert_eq!((copied.imported, copied.updated, copied.verified), (0, 0, 50));
    }
}

#[tokio::test]
async fn expired_sessions_stay_behind() {
    let mut pair = Pair::of(20).await;
    pair.clock.advance(IDLE / 2);
    touch(&pair.from, 3).await;
    pair.clock.advance(IDLE / 2);
    let copied = pair.copy().await;
    assert_eq!((copied.live, copied.imported, pair.to.sessions()), (1, 1, 1));
}

#[tokio::test]
async fn what_happens_at_the_source_meanwhile_arrives_too() {
    let mut pair = Pair::of(100).await;
    let clock = Arc::clone(&pair.clock);
    let copied = pair
        .copy_while(1, move |from, _| {
            clock.advance(Duration::from_secs(300));
            for number in 0..100 {
                now(set(from, number, 5));
            }
            now(delete(from, 1));
            now(from.create(&id(1_000), new_session(None, &[]))).unwrap();
            let record = now(load(from, 2)).unwrap();
            let change = Change::new(&record, LIFETIME);
            now(from.rotate(&id(2), &id(2_000), &change)).unwrap();
        })
        .await;
    assert!(copied.is_settled(), "{copied:?}");
    assert_eq!((copied.live, copied.verified), (100, 100));
    assert!(load(&pair.to, 1).await.is_none(), "what ended at the source has ended at the target");
    assert!(load(&pair.to, 2).await.is_none(), "the old token of a rotation is dead");
    for number in (3..100).chain([1_000, 2_000]) {
        let (here, there) = (load(&pair.from, number).await, load(&pair.to, number).await);
        let (here, there) = (here.unwrap(), there.unwrap());
        assert_eq!((&here.fields, here.expires_at), (&there.fields, there.expires_at));
    }
}

#[tokio::test]
async fn a_touch_at_the_source_moves_the_deadline_at_the_target() {
    let mut pair = Pair::of(1).await;
    pair.copy().await;
    pair.clock.advance(IDLE / 2);
    touch(&pair.from, 0).await;
    assert!(pair.copy().await.is_settled());
    pair.clock.advance(IDLE * 3 / 4);
    assert!(load(&pair.to, 0).await.is_some());
}

#[tokio::test]
async fn a_field_and_a_user_that_changed_at_the_source_change_at_the_target() {
    let mut pair = Pair::of(2).await;
    pair.copy().await;
    let record = load(&pair.from, 1).await.unwrap();
    let mut change = Change::new(&record, LIFETIME);
    change.edits.remove("big");
    change.edits.set("new", "true");
    change.user = Some("eve".into());
    change.remember = Some(true);
    pair.from.apply(&id(1), &change).await.unwrap();
    let copied = pair.copy().await;
    assert!(copied.is_settled());
    assert_eq!(copied.updated, 1);
    assert_eq!(load(&pair.from, 1).await, load(&pair.to, 1).await);
}

#[tokio::test]
async fn what_was_used_at_the_target_stays_as_it_is() {
    let mut pair = Pair::of(3).await;
    pair.copy().await;
    pair.clock.advance(Duration::from_secs(60));
    set(&pair.to, 0, 100).await;
    set(&pair.from, 0, 200).await;
    set(&pair.from, 1, 300).await;
    let copied = pair.copy().await;
    assert!(copied.is_settled());
    assert_eq!((copied.used_there, copied.updated), (1, 1));
    assert_eq!(load(&pair.to, 0).await.unwrap().fields.get("n"), Some("100"));
    assert_eq!(load(&pair.to, 1).await.unwrap().fields.get("n"), Some("300"));
}

#[tokio::test]
async fn what_ended_at_the_target_is_not_brought_back() {
    let mut pair = Pair::of(3).await;
    pair.copy().await;
    delete(&pair.to, 0).await;
    let copied = pair.copy().await;
    assert!(copied.is_settled());
    assert_eq!((copied.ended_there, copied.imported), (1, 0));
    assert!(load(&pair.to, 0).await.is_none());
}

#[tokio::test]
async fn what_expired_at_the_target_while_the_source_was_used_is_brought_again() {
    let mut pair = Pair::of(2).await;
    pair.copy().await;
    pair.clock.advance(IDLE * 2 / 3);
    touch(&pair.from, 0).await;
    pair.clock.advance(IDLE * 2 / 3);
    // Its last use lies before the end of the target's copy, and yet it lives.
    assert!(load(&pair.to, 0).await.is_none());
    let copied = pair.copy().await;
    assert_eq!((copied.imported, copied.ended_there), (1, 0));
    assert!(load(&pair.to, 0).await.is_some());
}

#[tokio::test]
async fn what_expires_at_the_source_after_the_switch_lives_on_at_the_target() {
    let mut pair = Pair::of(3).await;
    pair.copy().await;
    pair.clock.advance(IDLE / 2);
    touch(&pair.to, 0).await;
    touch(&pair.from, 1).await;
    pair.clock.advance(IDLE / 2);
    let copied = pair.copy().await;
    assert_eq!(copied.ended, 0);
    assert!(load(&pair.to, 0).await.is_some());
}

#[tokio::test]
async fn an_emptied_source_ends_nothing() {
    let mut pair = Pair::of(3).await;
    pair.copy().await;
    pair.from.purge().unwrap().purge().await.unwrap();
    let copied = pair.copy().await;
    assert_eq!((copied.live, copied.ended, pair.to.sessions()), (0, 0, 3));
}

#[tokio::test]
async fn a_source_that_is_never_still_is_not_settled() {
    let mut pair = Pair::of(30).await;
    let from = pair.from.clone();
    let settings = CopySettings::default();
    let mut value = 0;
    let progress = |_: &Copied| {
        value += 1;
        now(set(&from, 1, value));
    };
    let copied = copy_sessions(&pair.from, &pair.to, &settings, &mut pair.journal, progress).await;
    let copied = copied.unwrap();
    assert_eq!(copied.passes, settings.passes);
    assert!(!copied.is_settled());
    assert!(pair.copy().await.is_settled());
}

#[tokio::test]
async fn clocks_that_disagree_are_found_before_anybody_is_logged_out() {
    let mut pair = Pair::of(5).await;
    let clock = Arc::new(TestClock::default());
    clock.advance(2 * IDLE);
    pair.to = memory_with(&clock);
    let copied = pair.copy().await;
    assert!(!copied.is_settled());
    assert_eq!((copied.failed, copied.ended_there, pair.to.sessions()), (5, 0, 0));
    assert!(copied.failures.iter().all(|(_, kind)| *kind == StoreErrorKind::Misconfigured));
}

#[tokio::test]
async fn a_dry_run_writes_nothing() {
    let mut pair = Pair::of(30).await;
    let mut settings = CopySettings::default();
    settings.dry_run = true;
    let copied = copy_sessions(&pair.from, &pair.to, &settings, &mut pair.journal, |_| {}).await;
    assert_eq!((copied.unwrap().imported, pair.to.sessions()), (30, 0));
}

#[tokio::test]
async fn an_interrupted_copy_goes_on() {
    for batches in 0..12 {
        let mut pair = Pair::of(100).await;
        {
            let mut settings = CopySettings::default();
            settings.batch = 10;
            let mut left = batches;
            // Dropped at its first wait after so many batches.
            let copy = copy_sessions(&pair.from, &pair.to, &settings, &mut pair.journal, |_| {
                left -= 1;
                assert!(left >= 0, "interrupted");
            });
            let copy = std::panic::AssertUnwindSafe(copy);
            let ended = futures_util::FutureExt::catch_unwind(copy).await;
            assert!(ended.is_err());
        }
        pair.journal = Journal::in_memory();
        let copied = pair.copy().await;
        assert!(copied.is_settled());
        assert_eq!((copied.verified, pair.to.sessions()), (100, 100));
    }
}

#[tokio::test]
async fn a_session_that_finds_no_room_is_counted_and_the_others_arrive() {
    let mut pair = Pair::of(5).await;
    pair.to = MemoryStore::builder().clock(Arc::clone(&pair.clock)).max_bytes(2_000).build();
    let long = format!("\"{}\"", "x".repeat(4_000));
    pair.from.create(&id(100), new_session(None, &[("f", &long)])).await.unwrap();
    let copied = pair.copy().await;
    assert!(!copied.is_settled());
    assert_eq!(
        (copied.failed, copied.failures.clone()),
        (1, vec![(id(100), StoreErrorKind::Full)])
    );
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_waited_out_and_a_long_one_is_an_error() {
    use tower_keep_tests::{Call, Fault, Faulty};
    let pair = Pair::of(3).await;
    let to = Faulty::new(pair.to.clone());
    Import::import(&pair.to, &id(0), &load(&pair.from, 0).await.unwrap()).await.unwrap();
    to.next(Call::Load, Fault::Fails(StoreErrorKind::Unavailable));
    to.next(Call::Load, Fault::Silent);
    let settings = CopySettings::default();
    let copied =
        copy_sessions(&pair.from, &to, &settings, &mut Journal::in_memory(), |_| {}).await.unwrap();
    assert!(copied.is_settled());

    to.always(Call::Load, Fault::Fails(StoreErrorKind::Unavailable));
    let failed = copy_sessions(&pair.from, &to, &settings, &mut Journal::in_memory(), |_| {}).await;
    assert_eq!(failed.unwrap_err().kind(), CopyErrorKind::Target);
}

#[tokio::test]
async fn a_store_without_index_or_import_is_refused() {
    let (store, _) = memory();
    let settings = CopySettings::default();
    let (bare, mut journal) = (Scripted::new([]), Journal::in_memory());
    let failed = copy_sessions(&bare, &store, &settings, &mut journal, |_| {}).await;
    assert_eq!(failed.unwrap_err().kind(), CopyErrorKind::Unsupported);
    let failed = copy_sessions(&store, &bare, &settings, &mut journal, |_| {}).await;
    assert_eq!(failed.unwrap_err().kind(), CopyErrorKind::Unsupported);
}

fn file(name: &str) -> PathBuf {
    let name = format!("{name}-{}", std::process::id());
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_file(&path);
    path
}

#[tokio::test]
async fn a_journal_in_a_file_knows_what_ended_between_two_runs() {
    let path = file("journal");
    let mut pair = Pair::of(10).await;
    pair.journal = Journal::open(&path).unwrap();
    pair.copy().await;
    delete(&pair.from, 1).await;
    delete(&pair.to, 2).await;
    // As a kill in the middle of a line leaves it.
    let whole = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{whole}{}", &id(3).to_string()[..20])).unwrap();
    pair.journal = Journal::open(&path).unwrap();
    assert_eq!(pair.journal.len(), 10);
    let copied = pair.copy().await;
    assert_eq!((copied.ended, copied.ended_there), (1, 1));
    assert!(load(&pair.to, 1).await.is_none() && load(&pair.to, 2).await.is_none());
    assert!(std::fs::read_to_string(&path).unwrap().starts_with(&whole));
    assert!(Journal::open(&path).is_ok());
    std::fs::remove_file(path).unwrap();
}

#[test]
fn what_is_no_journal_is_refused_and_left_as_it_is() {
    let path = file("notes");
    for notes in
        [&b"buy milk"[..], b"buy milk\n", b"\xff\xfe", b"tower-keep copy journal 1\nbuy milk\n"]
    {
        std::fs::write(&path, notes).unwrap();
        assert_eq!(Journal::open(&path).unwrap_err().kind(), CopyErrorKind::Journal);
        assert_eq!(std::fs::read(&path).unwrap(), notes);
    }
    for begun in ["", "tower-keep co"] {
        std::fs::write(&path, begun).unwrap();
        assert!(Journal::open(&path).unwrap().is_empty());
    }
    std::fs::remove_file(path).unwrap();
}
