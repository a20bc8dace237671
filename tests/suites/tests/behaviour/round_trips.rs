//! What a request costs in calls of the store.

use tower_keep::Session;
use tower_keep_tests::{
    Call,
    Call::{Apply, Create, Delete, Load, Rotate, Touch},
    Gate, Jar, Visit,
};

use crate::{keep, minutes};

async fn cost(act: fn(&Session)) -> Vec<(Call, u64)> {
    let (store, layer) = keep();
    let jar = Jar::signed_in(&layer, "ada").await;
    let visit = Visit::to(&layer).with(&jar);
    visit.run(async |session: Session| session.insert("a", 1)).await;
    let _ = store.take_calls();
    let visit = Visit::to(&layer).with(&jar);
    let response = visit.run(async move |session: Session| act(&session)).await;
    assert_eq!(response.status(), 200);
    store.take_calls()
}

#[tokio::test]
async fn read_is_one_call() {
    assert_eq!(cost(|session| drop(session.keys())).await, [(Load, 1)]);
    assert_eq!(cost(|_| {}).await, [(Load, 1)]);
}

#[tokio::test]
async fn write_is_a_load_and_one_call() {
    assert_eq!(cost(|session| session.insert("b", 1).unwrap()).await, [(Load, 1), (Apply, 1)]);
    assert_eq!(cost(Session::clear).await, [(Load, 1), (Apply, 1)]);
    assert_eq!(cost(|session| session.remember(true)).await, [(Load, 1), (Apply, 1)]);
    let many = |session: &Session| {
        for n in 0..50 {
            session.insert(n.to_string(), n).unwrap();
            session.update("a", |n: &mut u64| *n += 1).unwrap();
        }
    };
    assert_eq!(cost(many).await, [(Load, 1), (Apply, 1)]);
}

#[tokio::test]
async fn rotation_and_sign_in_are_a_load_and_one_call() {
    assert_eq!(cost(Session::rotate).await, [(Load, 1), (Rotate, 1)]);
    assert_eq!(cost(|session| session.set_user("eve").unwrap()).await, [(Load, 1), (Rotate, 1)]);
}

#[tokio::test]
async fn logout_is_a_load_and_one_call() {
    assert_eq!(cost(Session::destroy).await, [(Load, 1), (Delete, 1)]);
    let replace = |session: &Session| {
        session.destroy();
        session.insert("b", 1).unwrap();
    };
    assert_eq!(cost(replace).await, [(Create, 1), (Load, 1), (Delete, 1)]);
}

#[tokio::test]
async fn what_changes_nothing_is_no_write() {
    assert_eq!(cost(|session| session.remove("nobody").unwrap()).await, [(Load, 1)]);
    assert_eq!(cost(|session| session.remember(false)).await, [(Load, 1)]);
    assert_eq!(cost(|session| drop(session.take_flash::<u64>("x"))).await, [(Load, 1)]);
}

#[tokio::test]
async fn first_write_is_one_call_and_a_request_without_a_token_none() {
    let (store, layer) = keep();
    let visit = Visit::to(&layer).run(async |session: Session| session.insert("a", 1));
    visit.await;
    assert_eq!(store.take_calls(), [(Create, 1)]);
    let visit = Visit::to(&layer).run(async |session: Session| drop(session.keys()));
    visit.await;
    assert_eq!(store.take_calls(), []);
}

#[tokio::test]
async fn all_extractors_of_a_request_share_one_load() {
    let (store, layer) = keep();
    let jar = Jar::signed_in(&layer, "ada").await;
    let _ = store.take_calls();
    let visit =
        Visit::to(&layer).with(&jar).raw(async |request: http::Request<axum::body::Body>| {
            let loads = (0..20).map(|_| Session::load(request.extensions()));
            for session in futures_util::future::join_all(loads).await {
                session.unwrap();
            }
            Ok::<_, std::convert::Infallible>(axum::response::Response::default())
        });
    visit.await.unwrap();
    assert_eq!(store.take_calls(), [(Load, 1)]);
}

#[tokio::test]
async fn read_is_written_back_at_most_once_per_renew_after() {
    let (store, layer) = keep();
    let jar = Jar::signed_in(&layer, "ada").await;
    let read = async || {
        let _ = store.take_calls();
        let visit = Visit::to(&layer).with(&jar);
        visit.run(async |session: Session| drop(session.keys())).await;
        store.take_calls()
    };
    let mut touches = 0;
    // 61 reads of a minute, one a second: the default is once a minute.
    for _ in 0..61 {
        let calls = read().await;
        touches += calls.iter().filter(|(call, _)| *call == Touch).count();
        assert_eq!(calls[0], (Load, 1));
        store.inner().clock().advance(minutes(1) / 60);
    }
    assert_eq!(touches, 1);
    store.inner().clock().advance(minutes(1));
    assert_eq!(read().await, [(Load, 1), (Touch, 1)]);
    // A write moves the deadline by itself.
    store.inner().clock().advance(minutes(2));
    let visit = Visit::to(&layer).with(&jar);
    visit.run(async |session: Session| session.insert("a", 1)).await;
    assert_eq!(read().await, [(Load, 1)]);
}

/// So many writers that all loaded before any of them wrote need at most one call more for each
/// retry, and their retries queue.
#[tokio::test]
async fn each_conflict_costs_one_call_more() {
    const WRITERS: u64 = 100;
    let (store, layer) = keep();
    let jar = Jar::signed_in(&layer, "ada").await;
    let _ = store.take_calls();
    let gate = Gate::new();
    let visits: Vec<_> = (0..WRITERS)
        .map(|_| {
            let gate = gate.clone();
            Visit::to(&layer).with(&jar).spawn(async move |session: Session| {
                gate.pass().await;
                session.update("n", |n: &mut u64| *n += 1).map(drop)
            })
        })
        .collect();
    gate.arrived(WRITERS as u32).await;
    gate.open(WRITERS as usize);
    for visit in visits {
        assert_eq!(visit.await.unwrap().status(), 200);
    }
    let conflicts = layer.sessions().counters().conflicts;
    assert_eq!(conflicts, WRITERS - 1, "every other one was once too late");
    assert_eq!(store.take_calls(), [(Load, WRITERS), (Apply, WRITERS + conflicts)]);
    assert_eq!(store.inner().only().1.fields.get("n"), Some("100"));
}
