//! Members that are away, come back behind the others, or come back empty.

use std::{sync::Arc, time::Duration};

use tower_keep::{
    Applied, Change, Created, Cursor, Lifetime, NewRecord, Purge, Record, ReplicatedStore, Rotated,
    SessionId, Store, StoreErrorKind, TestClock, Token, UserId,
};
use tower_keep_tests::{Call, Fault, Gate};

use super::support::{Member, members, over, send_away};

struct Shop {
    clock: Arc<TestClock>,
    members: Vec<Member>,
    store: ReplicatedStore,
}

impl Shop {
    fn open() -> Self {
        let clock = Arc::default();
        let members = members(&clock, 3);
        let store = over(&members, &clock);
        Self { clock, members, store }
    }

    async fn create(&self) -> SessionId {
        let id = Token::random().unwrap().id();
        let mut new = NewRecord::new("shop".into(), Lifetime::default());
        new.fields = [("n", "0")].into_iter().collect();
        let created = self.store.create(&id, new).await.unwrap();
        assert!(matches!(created, Created::Created(_)));
        id
    }

    async fn record(&self, id: &SessionId) -> Arc<Record> {
        self.store.load(id).await.unwrap().expect("the session is live").record
    }

    async fn set(&self, id: &SessionId, json: &str) {
        let mut change = Change::new(&*self.record(id).await, Lifetime::default());
        change.edits.set("n", json);
        change.exact = true;
        let applied = self.store.apply(id, &change).await.unwrap();
        assert!(matches!(applied, Applied::Applied(_)), "{applied:?}");
    }

    async fn wipe(&self, member: usize) {
        Purge::purge(self.members[member].inner()).await.unwrap();
    }

    /// Goes through all that the members hold, once.
    async fn repair(&self) -> u64 {
        let (mut mended, mut next): (u64, Option<Cursor>) = (0, None);
        loop {
            let repaired = self.store.repair(next, 7).await.unwrap();
            mended += repaired.mended;
            next = repaired.next;
            if next.is_none() {
                return mended;
            }
        }
    }

    /// Lets what goes on behind the answers come to its end.
    async fn settle(&self) {
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn session_lives_on_while_any_one_member_is_away() {
    let shop = Shop::open();
    let id = shop.create().await;
    for round in 0..9 {
        let away = &shop.members[round % 3];
        send_away(away);
        shop.set(&id, &round.to_string()).await;
        assert_eq!(shop.record(&id).await.fields.get("n"), Some(&*round.to_string()));
        shop.settle().await;
        away.heal();
    }
    assert_eq!(shop.record(&id).await.version, 10);
}

/// Of each member: one call for a read, three for a change and for a new session.
#[tokio::test(start_paused = true)]
async fn members_are_asked_no_more_than_it_takes() {
    let shop = Shop::open();
    let calls = async || {
        shop.settle().await;
        shop.members.iter().map(Member::take_calls).collect::<Vec<_>>()
    };
    let id = shop.create().await;
    assert_eq!(calls().await, [[(Call::Create, 1), (Call::Load, 1), (Call::Apply, 1)]; 3]);
    let record = shop.record(&id).await;
    assert_eq!(calls().await, [[(Call::Load, 1)]; 3]);
    let mut change = Change::new(&record, Lifetime::default());
    change.edits.set("n", "1");
    shop.store.apply(&id, &change).await.unwrap();
    assert_eq!(calls().await, [[(Call::Load, 1), (Call::Apply, 2)]; 3]);
    assert!(shop.store.delete(&id).await.unwrap());
    assert_eq!(calls().await, [[(Call::Load, 1), (Call::Apply, 2)]; 3]);
}

#[tokio::test(start_paused = true)]
async fn without_a_quorum_it_is_an_outage_and_never_no_session() {
    let shop = Shop::open();
    let id = shop.create().await;
    shop.settle().await;
    let change = Change::new(&*shop.record(&id).await, Lifetime::default());
    send_away(&shop.members[0]);
    send_away(&shop.members[2]);
    let kinds = [
        shop.store.load(&id).await.map(drop).unwrap_err().kind(),
        shop.store.apply(&id, &change).await.map(drop).unwrap_err().kind(),
        shop.store.delete(&id).await.map(drop).unwrap_err().kind(),
        shop.store.load(&Token::random().unwrap().id()).await.map(drop).unwrap_err().kind(),
    ];
    assert_eq!(kinds, [StoreErrorKind::Unavailable; 4]);
    shop.members[0].heal();
    assert_eq!(shop.record(&id).await.version, 1);
}

#[tokio::test(start_paused = true)]
async fn session_that_begins_during_a_read_is_no_outage_while_a_member_is_away() {
    let shop = Shop::open();
    let id = Token::random().unwrap().id();
    let (early, late) = (Gate::new(), Gate::new());
    send_away(&shop.members[1]);
    shop.members[0].next(Call::Load, Fault::ParksAfter(early.clone()));
    shop.members[2].next(Call::Load, Fault::Parks(late.clone()));
    let other = over(&shop.members, &shop.clock);
    let reader = tokio::spawn(async move { other.load(&id).await });
    early.arrived(1).await;
    late.arrived(1).await;

    let new = NewRecord::new("shop".into(), Lifetime::default());
    shop.store.create(&id, new).await.unwrap();
    late.open(1);
    early.open(1);
    assert!(reader.await.unwrap().unwrap().is_some());
}

/// A member that never answers costs nobody its deadline, which is half a second here.
#[tokio::test(start_paused = true)]
async fn silent_member_does_not_slow_the_others() {
    for silent in 0..3 {
        let shop = Shop::open();
        shop.members[silent].everywhere(&Fault::Silent);
        let start = tokio::time::Instant::now();
        let id = shop.create().await;
        for _ in 0..20 {
            shop.set(&id, "1").await;
        }
        assert!(shop.store.delete(&id).await.unwrap());
        assert!(start.elapsed() < Duration::from_millis(100), "{:?}", start.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn member_that_was_away_for_an_hour_catches_up_by_reads() {
    let shop = Shop::open();
    let changed = shop.create().await;
    let deleted = shop.create().await;
    shop.settle().await;
    send_away(&shop.members[1]);
    let created = shop.create().await;
    shop.set(&changed, "7").await;
    assert!(shop.store.delete(&deleted).await.unwrap());
    shop.settle().await;
    shop.members[1].heal();
    for id in [&changed, &created] {
        shop.record(id).await;
    }
    assert!(shop.store.load(&deleted).await.unwrap().is_none());
    shop.settle().await;
    // Now it makes a quorum with either of the others.
    for away in [0, 2] {
        send_away(&shop.members[away]);
        assert_eq!(shop.record(&changed).await.fields.get("n"), Some("7"));
        assert_eq!(shop.record(&created).await.fields.get("n"), Some("0"));
        assert!(shop.store.load(&deleted).await.unwrap().is_none());
        shop.settle().await;
        shop.members[away].heal();
    }
}

#[tokio::test(start_paused = true)]
async fn repair_brings_everything_to_a_member_that_came_back_empty() {
    let shop = Shop::open();
    let mut ids = Vec::new();
    for _ in 0..30 {
        ids.push(shop.create().await);
    }
    shop.settle().await;
    shop.wipe(0).await;
    assert_eq!(shop.members[0].inner().sessions(), 0);
    let mended = shop.repair().await;
    assert_eq!((mended, shop.members[0].inner().sessions()), (30, 30));
    assert_eq!(shop.repair().await, 0, "a second pass finds nothing to do");
    send_away(&shop.members[1]);
    for id in &ids {
        assert_eq!(shop.record(id).await.fields.get("n"), Some("0"));
    }
}

#[tokio::test(start_paused = true)]
async fn repairs_in_the_background_go_on_until_they_are_dropped() {
    let shop = Shop::open();
    let id = shop.create().await;
    shop.settle().await;
    let repairing = shop.store.repair_every(Duration::from_secs(60));
    shop.wipe(2).await;
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!(shop.members[2].inner().sessions(), 1);
    drop(repairing);
    shop.wipe(2).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(shop.members[2].inner().sessions(), 0);
    shop.record(&id).await;
}

/// A member that missed the deletion and one that forgot it are two of three; they bring nobody back.
#[tokio::test(start_paused = true)]
async fn member_that_forgot_a_deletion_brings_nobody_back() {
    for missed in 0..3 {
        for forgot in (0..3).filter(|forgot| *forgot != missed) {
            let shop = Shop::open();
            let id = shop.create().await;
            shop.settle().await;
            let change = Change::new(&*shop.record(&id).await, Lifetime::default());
            send_away(&shop.members[missed]);
            assert!(shop.store.delete(&id).await.unwrap());
            shop.settle().await;
            let knows = 3 - missed - forgot;
            send_away(&shop.members[knows]);
            shop.wipe(forgot).await;
            shop.members[missed].heal();
            for _ in 0..3 {
                assert!(!matches!(shop.store.load(&id).await, Ok(Some(_))));
                let _ = shop.repair().await;
                let applied = shop.store.apply(&id, &change).await;
                assert!(!matches!(applied, Ok(Applied::Applied(_))), "{applied:?}");
            }
            shop.members[knows].heal();
            for _ in 0..3 {
                assert!(shop.store.load(&id).await.unwrap().is_none());
                shop.repair().await;
            }
            assert!(matches!(shop.store.apply(&id, &change).await, Ok(Applied::Gone)));
        }
    }
}

/// Two servers, each of which reaches another member first: a change that reached one member only is
/// either found and completed or gone for good.
#[tokio::test(start_paused = true)]
async fn change_that_reached_one_member_is_unknown_and_then_decided_once() {
    let shop = Shop::open();
    let other = over(&shop.members, &shop.clock);
    let id = shop.create().await;
    shop.settle().await;
    let mut change = Change::new(&*shop.record(&id).await, Lifetime::default());
    change.edits.set("n", "1");
    change.exact = true;
    // The promise is given by all, the value taken by one.
    for member in &shop.members[..2] {
        member.next(Call::Apply, Fault::Yields(0));
        member.next(Call::Apply, Fault::Fails(StoreErrorKind::Unavailable));
        member.always(Call::Load, Fault::Fails(StoreErrorKind::Unavailable));
        member.next(Call::Load, Fault::Yields(0));
    }
    let error = shop.store.apply(&id, &change).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::TimedOut, "it may have happened");
    for member in &shop.members {
        member.heal();
    }
    other.load(&id).await.unwrap();
    shop.settle().await;
    let first = shop.record(&id).await;
    for _ in 0..3 {
        assert_eq!(shop.record(&id).await, first);
        assert_eq!(other.load(&id).await.unwrap().unwrap().record, first);
    }
    // And it is not applied a second time by the one who tries again.
    match shop.store.apply(&id, &change).await.unwrap() {
        Applied::Applied(receipt) => assert_eq!((first.version, receipt.version), (1, 2)),
        Applied::Conflict(fresh) => assert_eq!((first.version, fresh.record.version), (2, 2)),
        Applied::Gone => panic!("the session is live"),
    }
}

/// A server dies between the steps of a rotation; whichever step it was, one id is live.
#[tokio::test(start_paused = true)]
async fn rotation_that_breaks_off_leaves_exactly_one_id() {
    let mut moved = 0;
    for applies in 0..12 {
        let shop = Shop::open();
        let (old, new) = (shop.create().await, Token::random().unwrap().id());
        shop.settle().await;
        let change = Change::new(&*shop.record(&old).await, Lifetime::default());
        for member in &shop.members {
            for _ in 0..applies {
                member.next(Call::Apply, Fault::Yields(0));
            }
            for _ in 0..500 {
                member.next(Call::Apply, Fault::Fails(StoreErrorKind::Unavailable));
            }
        }
        let answer = shop.store.rotate(&old, &new, &change).await;
        shop.settle().await;
        for member in &shop.members {
            member.heal();
        }
        let live = [&old, &new].map(|id| shop.store.load(id));
        let [at_old, at_new] = live;
        let (at_old, at_new) = (at_old.await.unwrap(), at_new.await.unwrap());
        assert_ne!(at_old.is_some(), at_new.is_some(), "after {applies} applies: {answer:?}");
        if matches!(answer, Ok(Rotated::Rotated(_))) {
            assert!(at_new.is_some());
            moved += 1;
        }
    }
    assert!(moved > 0, "some rotation gets through");
}

#[tokio::test(start_paused = true)]
async fn user_is_signed_out_everywhere_though_a_member_missed_the_sign_ins() {
    let shop = Shop::open();
    send_away(&shop.members[0]);
    let mut new = NewRecord::new("shop".into(), Lifetime::default());
    new.user = Some(UserId::from("ada"));
    let ids: Vec<SessionId> = (0..5).map(|_| Token::random().unwrap().id()).collect();
    for id in &ids {
        shop.store.create(id, new.clone()).await.unwrap();
    }
    shop.settle().await;
    shop.members[0].heal();
    let query = tower_keep::Query::new("shop").of_user(UserId::from("ada"));
    let page = shop.store.index().unwrap().list(&query).await.unwrap();
    assert_eq!(page.sessions.len(), 5);
    for listed in page.sessions {
        assert!(shop.store.delete(&listed.id).await.unwrap());
    }
    for id in &ids {
        assert!(shop.store.load(id).await.unwrap().is_none());
    }
}
