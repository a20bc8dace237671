//! Clients that disconnect: the response's future is dropped at every point where it waits.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{Arc, Weak},
    task::Poll,
};

use tower_keep::{Record, Session, SessionId, SessionLayer};
use tower_keep_tests::{Call, ClockedStore, Fault, Faulty, Gate, Jar, Visit, faulty::give_way};

use crate::{minutes, settle};

type Snapshot = Vec<(SessionId, Arc<Record>)>;

/// What a request does; whether it has a session before; and the call that writes.
const REQUESTS: [(Call, tower_keep_tests::Act); 6] = [
    (Call::Create, |session| session.insert("a", 1).unwrap()),
    (Call::Apply, |session| session.insert("a", 1).unwrap()),
    (Call::Apply, |session| {
        drop(session.update("a", |n: &mut u64| *n += 1));
    }),
    (Call::Rotate, |session| session.set_user("eve").unwrap()),
    (Call::Delete, Session::destroy),
    (Call::Touch, |_| {}),
];

struct World {
    store: Arc<Faulty<ClockedStore>>,
    layer: SessionLayer,
    jar: Jar,
    before: Snapshot,
}

impl World {
    async fn new(call: Call) -> Self {
        let store = Arc::new(Faulty::new(ClockedStore::new()));
        let layer = SessionLayer::builder(Arc::clone(&store)).build().unwrap();
        let mut jar = Jar::new();
        if call != Call::Create {
            jar = Jar::signed_in(&layer, "ada").await;
        }
        store.inner().clock().advance(minutes(5));
        store.everywhere(&Fault::Yields(3));
        let before = store.inner().live();
        let _ = store.take_calls();
        Self { store, layer, jar, before }
    }

    /// Polls the response so many times, and drops it. Tells whether it was ready.
    async fn poll_and_drop(
        &self,
        act: fn(&Session),
        saves: bool,
        polls: usize,
    ) -> (bool, Weak<()>) {
        let alive = Arc::new(());
        let watched = Arc::downgrade(&alive);
        let visit = Visit::to(&self.layer).with(&self.jar);
        let mut response = pin!(visit.future(async move |session: Session| {
            give_way(2).await;
            act(&session);
            if saves {
                session.save().await.unwrap();
            }
            give_way(2).await;
            drop(alive);
        }));
        for _ in 0..polls {
            let ready = poll_fn(|context| Poll::Ready(response.as_mut().poll(context).is_ready()));
            if ready.await {
                return (true, watched);
            }
            // Lets what the response began in a task of its own go on for a step.
            tokio::task::yield_now().await;
        }
        (false, watched)
    }
}

/// What is committed, as far as it does not depend on chance.
fn facts(records: &Snapshot) -> Vec<(Option<String>, String, u64)> {
    let facts = records.iter().map(|(_, record)| {
        let fields: String =
            record.fields.iter().map(|(name, json)| format!("{name}={json} ")).collect();
        let user = record.user.as_ref().map(ToString::to_string);
        (user, fields, record.last_active.as_millis() as u64)
    });
    facts.collect()
}

async fn drop_everywhere(saves: bool) {
    for (call, act) in REQUESTS {
        if saves && call == Call::Touch {
            continue;
        }
        let world = World::new(call).await;
        let (ready, _) = world.poll_and_drop(act, saves, usize::MAX).await;
        assert!(ready);
        let committed = facts(&world.store.inner().live());
        let mut begun_and_dropped = 0;
        let mut polls = 0;
        loop {
            let world = World::new(call).await;
            let (ready, alive) = world.poll_and_drop(act, saves, polls).await;
            let begun = world.store.count(call) > 0;
            settle().await;
            let after = facts(&world.store.inner().live());
            if begun || ready {
                assert_eq!(
                    after, committed,
                    "{call:?} dropped after {polls} polls was not finished"
                );
                begun_and_dropped += usize::from(!ready);
            } else {
                assert_eq!(after, facts(&world.before), "{call:?} after {polls} polls");
            }
            assert_eq!(alive.strong_count(), 0, "the handler is dropped");
            // Nothing but the layer holds the store: no task, no request, no lock.
            let World { store, layer, jar, .. } = world;
            if call != Call::Create {
                let next = Visit::to(&layer).with(&jar);
                assert_eq!(
                    next.run(async |session: Session| drop(session.keys())).await.status(),
                    200
                );
            }
            drop(layer);
            assert_eq!(Arc::strong_count(&store), 1, "{call:?} after {polls} polls");
            if ready {
                break;
            }
            polls += 1;
        }
        assert!(begun_and_dropped > 0, "{call:?} was dropped while its commit ran");
    }
}

#[tokio::test]
async fn response_dropped_at_any_point_leaves_the_record_as_before_or_as_committed() {
    drop_everywhere(false).await;
}

#[tokio::test]
async fn save_dropped_at_any_point_leaves_the_record_as_before_or_as_committed() {
    drop_everywhere(true).await;
}

#[tokio::test(start_paused = true)]
async fn save_that_a_handler_holds_on_to_and_polls_no_more_goes_on() {
    let World { layer, jar, store, .. } = World::new(Call::Apply).await;
    let visit = Visit::to(&layer).with(&jar).run(async |session: Session| {
        session.insert("a", 1)?;
        let mut held = pin!(session.save());
        let polled = poll_fn(|context| Poll::Ready(held.as_mut().poll(context))).await;
        assert!(polled.is_pending());
        session.insert("b", 2)?;
        // It comes after the one before it.
        session.save().await?;
        held.await
    });
    let response = tokio::time::timeout(minutes(1), visit).await.expect("nobody waits for ever");
    assert_eq!(response.status(), 200);
    let (_, record) = store.inner().live().pop().unwrap();
    assert_eq!(record.fields.iter().collect::<Vec<_>>(), [("a", "1"), ("b", "2")]);
}

#[tokio::test(start_paused = true)]
async fn reload_that_a_handler_holds_on_to_and_polls_no_more_keeps_no_commit_waiting() {
    let World { layer, jar, .. } = World::new(Call::Apply).await;
    let visit = Visit::to(&layer).with(&jar).run(async |session: Session| {
        let mut held = pin!(session.reload());
        let polled = poll_fn(|context| Poll::Ready(held.as_mut().poll(context))).await;
        assert!(polled.is_pending());
        session.insert("a", 1)?;
        session.save().await?;
        // What it read before the save is not put over what was saved.
        held.await?;
        assert_eq!(session.get("a")?, Some(1));
        Ok::<_, tower_keep::Error>(())
    });
    let response = tokio::time::timeout(minutes(1), visit).await.expect("nobody waits for ever");
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn response_that_is_held_and_polled_no_more_is_committed() {
    let World { layer, jar, store, .. } = World::new(Call::Apply).await;
    let visit = Visit::to(&layer).with(&jar);
    let mut held = pin!(visit.run(async |session: Session| session.insert("a", 1)));
    let mut poll = async || poll_fn(|context| Poll::Ready(held.as_mut().poll(context))).await;
    while store.count(Call::Apply) == 0 {
        assert!(poll().await.is_pending());
    }
    // It has waited once; it waits once more.
    assert!(poll().await.is_pending());
    settle().await;
    assert!(store.inner().live().iter().any(|(_, record)| record.fields.get("a").is_some()));
}

#[test]
fn response_dropped_outside_of_its_runtime_is_committed() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (store, held) = runtime.block_on(async {
        let World { layer, jar, store, .. } = World::new(Call::Apply).await;
        let visit = Visit::to(&layer).with(&jar);
        let mut held = Box::pin(visit.run(async |session: Session| session.insert("a", 1)));
        while store.count(Call::Apply) == 0 {
            let polled = poll_fn(|context| Poll::Ready(held.as_mut().poll(context))).await;
            assert!(polled.is_pending());
        }
        (store, held)
    });
    drop(held);
    runtime.block_on(settle());
    assert!(store.inner().live().iter().any(|(_, record)| record.fields.get("a").is_some()));
}

/// On a runtime of several threads, where the commit goes on at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn aborted_tasks_leave_exact_counts() {
    let store = Faulty::new(ClockedStore::new());
    let layer = SessionLayer::builder(store.clone()).build().unwrap();
    let jar = Jar::signed_in(&layer, "ada").await;
    store.everywhere(&Fault::Yields(3));
    let mut aborted = 0;
    for round in 0..tower_keep_tests::rounds(300, 5_000) {
        let visit = Visit::to(&layer).with(&jar);
        let visit = visit.spawn(async |session: Session| {
            session.update("n", |n: &mut u64| *n += 1).unwrap();
            session.update("m", |n: &mut u64| *n += 1).map(drop)
        });
        // Before it begins, while it loads, while it commits, or not at all.
        let stages = [None, Some(Call::Load), Some(Call::Apply)];
        match stages.get(round % 4) {
            Some(None) => {}
            Some(Some(call)) => {
                let before = store.count(*call);
                while !visit.is_finished() && store.count(*call) == before {
                    tokio::task::yield_now().await;
                }
            }
            None => {
                while !visit.is_finished() {
                    tokio::task::yield_now().await;
                }
            }
        }
        visit.abort();
        aborted += usize::from(visit.await.is_err());
    }
    // Commits that are still under way end by themselves.
    tokio::time::timeout(minutes(1), async {
        while store.inner().only().1.version == 1 || layer_is_busy(&store).await {}
    })
    .await
    .unwrap();
    let record = store.inner().only().1;
    assert!(aborted > 0);
    assert_eq!(record.fields.get("n"), record.fields.get("m"), "whole or not at all");
    let counted: u64 = record.fields.get("n").unwrap().parse().unwrap();
    assert_eq!(counted, record.version - 1, "each commit once");
}

/// Whether the record still changes.
async fn layer_is_busy(store: &Faulty<ClockedStore>) -> bool {
    let before = store.inner().only().1.version;
    settle().await;
    store.inner().only().1.version != before
}

#[tokio::test]
async fn load_that_was_dropped_is_begun_anew_by_the_next_extractor() {
    let store = Faulty::new(ClockedStore::new());
    let layer = SessionLayer::builder(store.clone()).build().unwrap();
    let jar = Jar::signed_in(&layer, "ada").await;
    store.next(Call::Load, Fault::Silent);
    let visit =
        Visit::to(&layer).with(&jar).raw(async |request: http::Request<axum::body::Body>| {
            tokio::select! {
                biased;
                _ = Session::load(request.extensions()) => panic!("it never answers"),
                () = give_way(3) => {}
            }
            let session = Session::load(request.extensions()).await.unwrap();
            assert_eq!(session.user(), Some("ada".into()));
            Ok::<_, std::convert::Infallible>(axum::response::Response::default())
        });
    visit.await.unwrap();
}

/// The client disconnects while the end of the request waits for a save of a task that the handler
/// left behind. The task goes on with the session, and ends it.
#[tokio::test]
async fn task_that_outlives_a_dropped_response_still_ends_the_session() {
    let store = Faulty::new(ClockedStore::new());
    let layer = SessionLayer::builder(store.clone()).build().unwrap();
    let jar = Jar::signed_in(&layer, "ada").await;
    let saving = Gate::new();
    store.next(Call::Apply, Fault::Parks(saving.clone()));
    let dropped = Gate::new();
    let (inside, after) = (saving.clone(), dropped.clone());
    let (give, task) = tokio::sync::oneshot::channel();
    let visit = Visit::to(&layer).with(&jar);
    let response = visit.spawn(async move |session: Session| {
        let task = tokio::spawn({
            let session = session.clone();
            async move {
                session.insert("a", 1).unwrap();
                session.save().await.unwrap();
                after.pass().await;
                session.destroy();
                session.save().await.unwrap();
            }
        });
        inside.arrived(1).await;
        session.insert("b", 1).unwrap();
        give.send(task).unwrap();
    });
    let task = task.await.unwrap();
    settle().await;
    response.abort();
    assert!(response.await.is_err());
    saving.open(1);
    dropped.arrived(1).await;
    while store.count(Call::Apply) < 2 {
        tokio::task::yield_now().await;
    }
    settle().await;
    dropped.open(1);
    task.await.unwrap();
    assert!(store.inner().live().is_empty(), "it was signed out");
}
