//! The end of a session while its requests are in flight.

use std::time::Duration;

use axum::http::StatusCode;
use tower_keep::{Session, SessionLayer};

use super::{Shared, layer, record};
use crate::{Act, Call, Fault, Faulty, Gate, Jar, Visit, rounds, visit::our_cookies};

/// What a request in flight does, and the status that it answers.
const IN_FLIGHT: [(Act, StatusCode); 6] = [
    (|session| drop(session.keys()), StatusCode::OK),
    (|session| session.insert("a", 1).unwrap(), StatusCode::CREATED),
    (|session| drop(session.update("b", |n: &mut u64| *n += 1)), StatusCode::ACCEPTED),
    (|session| session.rotate(), StatusCode::NO_CONTENT),
    (|session| session.set_user("eve").unwrap(), StatusCode::OK),
    (Session::clear, StatusCode::OK),
];

/// A logout that is committed while readers, writers and logins are in flight is final, and they
/// keep their own statuses: each has loaded the session, and commits after it, or at once with it.
pub async fn late_requests_after_a_logout_never_bring_it_back(store: Shared) {
    let layer = layer(&store);
    for _ in 0..rounds(1_000, 10_000) {
        end_while_in_flight(&store, &layer, async |layer, jar| {
            let mut after = jar.clone();
            let logout = Visit::to(layer).with(&jar);
            after.take(&logout.run(async |session: Session| session.destroy()).await);
            assert_eq!(after.text(), None, "the logout tells the browser");
        })
        .await;
    }
}

/// As with a logout by the user's own browser, so with one by an administrator.
pub async fn late_requests_after_a_revocation_never_bring_it_back(store: Shared) {
    let layer = layer(&store);
    for _ in 0..rounds(100, 2_000) {
        end_while_in_flight(&store, &layer, async |layer, jar| {
            assert!(layer.sessions().revoke(&jar.id().unwrap()).await.unwrap());
        })
        .await;
    }
}

async fn end_while_in_flight(
    store: &Shared,
    layer: &SessionLayer,
    end: impl AsyncFnOnce(&SessionLayer, Jar),
) {
    let late_before = layer.sessions().counters().late_commits;
    let jar = Jar::signed_in(layer, "ada").await;
    let gate = Gate::new();
    let late: Vec<_> = IN_FLIGHT
        .iter()
        .map(|(act, status)| {
            let gate = gate.clone();
            let visit = Visit::to(layer).with(&jar);
            let visit = visit.spawn(async move |session: Session| {
                gate.pass().await;
                act(&session);
                *status
            });
            (visit, *status)
        })
        .collect();
    gate.arrived(IN_FLIGHT.len() as u32).await;
    end(layer, jar.clone()).await;
    gate.open(IN_FLIGHT.len());
    for (visit, status) in late {
        let response = visit.await.unwrap();
        assert_eq!(response.status(), status);
        assert_eq!(our_cookies(&response), [""; 0]);
    }
    assert!(record(store, &jar).await.is_none(), "it came back");
    let late = layer.sessions().counters().late_commits - late_before;
    assert_eq!(late, 5, "all but the reader's were changes");
}

/// Two sign-outs at once: one ends the session and says so; the other, whose browser may hold
/// another token by then, says nothing. Neither fails.
pub async fn second_sign_out_ends_nothing_and_says_nothing(store: Shared) {
    let slow = Faulty::new(store.clone());
    let layer =
        SessionLayer::builder(slow.clone()).store_timeout(Duration::from_secs(60)).build().unwrap();
    let jar = Jar::signed_in(&layer, "ada").await;
    let gate = Gate::new();
    slow.always(Call::Delete, Fault::Parks(gate.clone()));
    let sign_out = || {
        let visit = Visit::to(&layer).with(&jar);
        visit.spawn(async |session: Session| session.destroy())
    };
    let visits = [sign_out(), sign_out()];
    gate.arrived(2).await;
    gate.open(2);
    let mut cookies = Vec::new();
    for visit in visits {
        let response = visit.await.unwrap();
        assert_eq!(response.status(), 200);
        cookies.extend(our_cookies(&response));
    }
    assert_eq!(cookies.len(), 1, "{cookies:?}");
    assert!(record(&store, &jar).await.is_none());
    assert_eq!(layer.sessions().counters().sessions_destroyed, 1);
}
