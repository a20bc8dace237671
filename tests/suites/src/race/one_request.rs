//! The handles of one request, at once.

use axum::http::StatusCode;
use futures_util::future::join_all;
use tower_keep::{Error, ErrorKind, Session, StoreErrorKind};

use super::{Shared, layer, number, record};
use crate::{Call, Fault, Faulty, Gate, Jar, Visit};

/// What one handle of a request writes while another one's commit is under way comes after it.
pub async fn concurrent_saves_of_one_request_lose_no_update(store: Shared) {
    let slow = Faulty::new(store.clone());
    let layer = layer(&(std::sync::Arc::new(slow.clone()) as Shared));
    let jar = Jar::signed_in(&layer, "ada").await;
    let gate = Gate::new();
    slow.next(Call::Apply, Fault::Parks(gate.clone()));
    let visit = Visit::to(&layer).with(&jar).run(async move |session: Session| {
        let first = tokio::spawn({
            let session = session.clone();
            async move { session.update_now("n", |n: &mut u64| *n += 1).await }
        });
        gate.arrived(1).await;
        // The first commit is under way: it has taken its update out, and not written it yet.
        session.update("n", |n: &mut u64| *n += 1)?;
        gate.open(1);
        assert_eq!(first.await.unwrap()?, 1);
        let more = (0..20).map(|_| {
            let session = session.clone();
            tokio::spawn(async move { session.update_now("n", |n: &mut u64| *n += 1).await })
        });
        for outcome in join_all(more).await {
            outcome.unwrap()?;
        }
        Ok::<_, Error>(())
    });
    assert_eq!(visit.await.status(), 200);
    assert_eq!(number(&store, &jar, "n").await, Some(22));
}

/// What was written before a reload lies over what the reload found, and counts upon it.
pub async fn reload_keeps_updates_exact(store: Shared) {
    let layer = layer(&store);
    let jar = Jar::signed_in(&layer, "ada").await;
    let other = Visit::to(&layer)
        .with(&jar)
        .future(async |session: Session| session.update("n", |n: &mut u64| *n += 10).map(drop));
    let visit = Visit::to(&layer).with(&jar).run(async move |session: Session| {
        session.update("n", |n: &mut u64| *n += 1)?;
        assert_eq!(other.await.unwrap().status(), 200);
        session.reload().await
    });
    assert_eq!(visit.await.status(), 200);
    assert_eq!(number(&store, &jar, "n").await, Some(11));
}

/// What is written after `destroy` goes into another session, which has nothing of the first.
pub async fn destroy_then_write_begins_another_session(store: Shared) {
    let layer = layer(&store);
    let mut jar = Jar::signed_in(&layer, "ada").await;
    let before = jar.clone();
    let visit = Visit::to(&layer).with(&jar).run(async |session: Session| {
        session.insert("old", 1)?;
        session.destroy();
        assert!(session.is_new() && session.user().is_none() && !session.contains("old"));
        session.insert("new", 2)
    });
    jar.take(&visit.await);
    assert_ne!(jar, before);
    assert!(record(&store, &before).await.is_none());
    let record = record(&store, &jar).await.unwrap();
    assert_eq!(record.user, None);
    assert_eq!(record.fields.iter().collect::<Vec<_>>(), [("new", "2")]);
}

/// A save that fails after the session was destroyed puts nothing of it into the next one.
pub async fn logout_after_a_save_that_failed_keeps_nothing(store: Shared) {
    let full = Faulty::new(store.clone());
    let shared: Shared = std::sync::Arc::new(full.clone());
    let layer = layer(&shared);
    let mut jar = Jar::signed_in(&layer, "ada").await;
    let before = jar.clone();
    let gate = Gate::new();
    full.next(Call::Apply, Fault::Parks(gate.clone()));
    full.next(Call::Apply, Fault::Fails(StoreErrorKind::Full));
    let visit = Visit::to(&layer).with(&jar).run(async move |session: Session| {
        // The first attempt is parked until another writer makes it a conflict; the second fails.
        let save = tokio::spawn({
            let session = session.clone();
            session.update("secret", |n: &mut u64| *n = 7).unwrap();
            async move { session.save().await }
        });
        gate.arrived(1).await;
        session.destroy();
        let id = before.id().unwrap();
        let loaded = store.load(&id).await.unwrap().unwrap();
        let mut change = tower_keep::Change::new(&loaded.record, tower_keep::Lifetime::default());
        change.exact = true;
        store.apply(&id, &change).await.unwrap();
        gate.open(1);
        let error = save.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Full);
        StatusCode::OK
    });
    let response = visit.await;
    assert_eq!(response.status(), 200);
    jar.take(&response);
    assert_eq!(jar.text(), None, "signed out, and no session in its place");
}
