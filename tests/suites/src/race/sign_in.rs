//! A login while other requests of the browser are in flight.

use axum::response::Response;
use tower_keep::Session;

use super::{Shared, eager, record};
use crate::{Gate, Jar, Visit};

/// What a request in flight does.
const IN_FLIGHT: [fn(&Session); 5] = [
    |session| drop(session.keys()),
    |session| session.insert("a", 1).unwrap(),
    |session| drop(session.update("b", |n: &mut u64| *n += 1)),
    |session| session.rotate(),
    |session| session.destroy(),
];

/// Requests that were in flight with the old cookie when a login was committed leave the browser
/// with the login's cookie, in whatever order the responses arrive.
pub async fn late_requests_after_a_login_leave_the_new_cookie(store: Shared) {
    for persistent in [false, true] {
        let layer = eager(&store);
        let layer = if persistent { layer.persistent() } else { layer };
        let layer = layer.build().unwrap();
        let mut old = Jar::new();
        let first = Visit::to(&layer);
        old.take(&first.run(async |session: Session| session.insert("cart", 3)).await);
        let gate = Gate::new();
        let late: Vec<_> = IN_FLIGHT
            .iter()
            .map(|act| {
                let gate = gate.clone();
                Visit::to(&layer).with(&old).spawn(async move |session: Session| {
                    gate.pass().await;
                    act(&session);
                })
            })
            .collect();
        gate.arrived(IN_FLIGHT.len() as u32).await;
        let login = Visit::to(&layer).with(&old);
        let login = login.run(async |session: Session| session.set_user("ada")).await;
        gate.open(IN_FLIGHT.len());
        let mut responses = vec![login];
        for response in late {
            responses.push(response.await.unwrap());
        }
        let mut new = Jar::new();
        new.take(&responses[0]);
        let places: Vec<usize> = (0..responses.len()).collect();
        for_each_order(&places, &mut |order| {
            let mut jar = old.clone();
            for place in order {
                let response: &Response = &responses[*place];
                assert_eq!(response.status(), 200);
                jar.take(response);
            }
            assert_eq!(jar, new, "{order:?}");
        });
        assert!(record(&store, &old).await.is_none());
        let record = record(&store, &new).await.unwrap();
        assert_eq!(record.user, Some("ada".into()));
        assert_eq!(record.fields.iter().collect::<Vec<_>>(), [("cart", "3")]);
    }
}

/// All orders of some items (Heap's algorithm).
pub fn for_each_order<T: Clone>(items: &[T], visit: &mut dyn FnMut(&[T])) {
    fn go<T>(items: &mut [T], count: usize, visit: &mut dyn FnMut(&[T])) {
        if count <= 1 {
            visit(items);
            return;
        }
        for place in 0..count {
            go(items, count - 1, visit);
            let other = if count.is_multiple_of(2) { place } else { 0 };
            items.swap(other, count - 1);
        }
    }
    let mut items = items.to_vec();
    let count = items.len();
    go(&mut items, count, visit);
}
