//! Rotations at once.

use futures_util::future::join_all;
use tower_keep::Session;

use super::{Shared, layer, number, record};
use crate::{Gate, Jar, Visit, rounds};

/// Of several requests that rotate one session at once one has its way: there is one successor, and
/// only its response sends a token.
pub async fn concurrent_rotations_leave_one_successor(store: Shared) {
    one_successor(&store, |session, _| session.rotate()).await;
}

/// As rotations do logins.
pub async fn concurrent_logins_leave_one_successor(store: Shared) {
    one_successor(&store, |session, n| session.set_user(u64::from(n)).unwrap()).await;
}

async fn one_successor(store: &Shared, rotate: fn(&Session, u32)) {
    const REQUESTS: u32 = 6;
    let layer = layer(store);
    for round in 0..rounds(50, 2_000) {
        let rotating = 2 + round as u32 % (REQUESTS - 1);
        let before = Jar::signed_in(&layer, "ada").await;
        let gate = Gate::new();
        let visits: Vec<_> = (0..REQUESTS)
            .map(|n| {
                let gate = gate.clone();
                let visit = Visit::to(&layer).with(&before);
                visit.spawn(async move |session: Session| {
                    gate.pass().await;
                    session.insert(format!("from-{n}"), n)?;
                    if n < rotating {
                        rotate(&session, n);
                    }
                    Ok::<_, tower_keep::Error>(())
                })
            })
            .collect();
        gate.arrived(REQUESTS).await;
        gate.open(REQUESTS as usize);
        let mut successors = Vec::new();
        for response in join_all(visits).await {
            let response = response.unwrap();
            assert_eq!(response.status(), 200);
            let mut jar = Jar::new();
            jar.take(&response);
            if jar.text().is_some() {
                successors.push(jar);
            }
        }
        assert_eq!(successors.len(), 1, "responses that send a token");
        assert!(record(store, &before).await.is_none(), "the old token");
        let successor = record(store, &successors[0]).await.unwrap();
        assert!((1..=REQUESTS as usize).contains(&successor.fields.len()));
    }
}

/// Updates that race with rotations are either counted or told by no cookie and a counter that they
/// came too late: the number says how many were not late.
pub async fn updates_and_rotations_at_once_are_exact(store: Shared) {
    const REQUESTS: u32 = 40;
    let layer = layer(&store);
    let mut jar = Jar::signed_in(&layer, "ada").await;
    let gate = Gate::new();
    let visits: Vec<_> = (0..REQUESTS)
        .map(|n| {
            let gate = gate.clone();
            Visit::to(&layer).with(&jar).spawn(async move |session: Session| {
                gate.pass().await;
                session.update("n", |n: &mut u64| *n += 1).unwrap();
                if n == 20 {
                    session.rotate();
                }
            })
        })
        .collect();
    gate.arrived(REQUESTS).await;
    gate.open(REQUESTS as usize);
    for response in join_all(visits).await {
        jar.take(&response.unwrap());
    }
    let late = layer.sessions().counters().late_commits;
    let counted = number(&store, &jar, "n").await.unwrap();
    assert_eq!(counted + late, u64::from(REQUESTS));
}
