//! No write of requests that run at once is lost.

use axum::{Router, extract::Path, routing::get};
use futures_util::future::join_all;
use tower_keep::{Error, Session};

use super::{Shared, layer, number, record};
use crate::{
    Gate, Jar, Visit,
    tcp::{Http, serve},
    visit::text,
};

/// So many connections carry the requests of one test.
const CONNECTIONS: usize = 10;

async fn increment(session: Session) -> Result<String, Error> {
    let value = session.update("n", |n: &mut u64| *n += 1)?;
    Ok(value.to_string())
}

async fn insert(Path(name): Path<String>, session: Session) -> Result<(), Error> {
    session.insert(&name, 1)
}

/// 1,000 increments of one field by 1,000 requests over TCP are 1,000.
pub async fn concurrent_updates_through_http_are_exact(store: Shared) {
    through_http(&store, 1_000, |_| "/increment".to_owned()).await;
}

/// 200 requests over TCP that insert different fields leave 200 fields.
pub async fn concurrent_inserts_of_different_fields_all_land(store: Shared) {
    through_http(&store, 200, |n| format!("/insert/field-{n}")).await;
}

async fn through_http(store: &Shared, requests: usize, path: impl Fn(usize) -> String) {
    let layer = layer(store);
    let jar = Jar::signed_in(&layer, "ada").await;
    let router = Router::new()
        .route("/increment", get(increment))
        .route("/insert/{name}", get(insert))
        .layer(layer.clone());
    let address = serve(router).await;
    let clients: Vec<Http> = (0..CONNECTIONS).map(|_| Http::two(address)).collect();
    let cookie = format!("__Host-id={}", jar.text().unwrap());
    let responses = join_all((0..requests).map(|n| {
        let (client, cookie, path) = (clients[n % CONNECTIONS].clone(), cookie.clone(), path(n));
        tokio::spawn(async move { client.get(&path, Some(&cookie)).await })
    }));
    for response in responses.await {
        let response = response.unwrap();
        assert_eq!(response.status(), 200, "{}", text(response).await);
    }
    if path(0) == "/increment" {
        assert_eq!(number(store, &jar, "n").await, Some(requests as u64));
    } else {
        let record = record(store, &jar).await.unwrap();
        assert_eq!(record.fields.len(), requests);
    }
}

/// Requests that all loaded the same record before any of them updates it by `update_now` are told
/// 1, 2, 3, …: what each of them committed.
pub async fn update_now_gives_each_caller_its_own_value(store: Shared) {
    const CALLERS: u32 = 50;
    let layer = layer(&store);
    let jar = Jar::signed_in(&layer, "ada").await;
    let gate = Gate::new();
    let visits: Vec<_> = (0..CALLERS)
        .map(|_| {
            let gate = gate.clone();
            Visit::to(&layer).with(&jar).spawn(async move |session: Session| {
                gate.pass().await;
                let value = session.update_now("n", |n: &mut u64| *n += 1).await?;
                Ok::<_, Error>(value.to_string())
            })
        })
        .collect();
    gate.arrived(CALLERS).await;
    gate.open(CALLERS as usize);
    let mut values = Vec::new();
    for response in join_all(visits).await {
        values.push(text(response.unwrap()).await.parse::<u32>().unwrap());
    }
    values.sort_unstable();
    assert_eq!(values, (1..=CALLERS).collect::<Vec<_>>());
}

/// A plain insert over a value that another request changed after this one read it is counted; one
/// that never read it is not.
pub async fn insert_over_a_changed_value_is_reported(store: Shared) {
    let layer = layer(&store);
    let jar = Jar::signed_in(&layer, "ada").await;
    let put = async |value: u64, reads: bool| {
        let gate = Gate::new();
        let inside = gate.clone();
        let visit = Visit::to(&layer).with(&jar).spawn(async move |session: Session| {
            if reads {
                let _: Option<u64> = session.get("n")?;
            }
            inside.pass().await;
            session.insert("n", value)
        });
        gate.arrived(1).await;
        let other = Visit::to(&layer).with(&jar);
        other.run(async move |session: Session| session.insert("n", value + 100)).await;
        gate.open(1);
        assert_eq!(visit.await.unwrap().status(), 200);
        assert_eq!(number(&store, &jar, "n").await, Some(value), "the last commit wins");
        layer.sessions().counters().lost_updates
    };
    assert_eq!(put(1, false).await, 0);
    assert_eq!(put(2, true).await, 1);
}

/// 200 first requests without a cookie make no record if they only read, and as many sessions if
/// they write, each with a token of its own.
pub async fn cold_stampede_makes_no_record_without_a_write_and_shares_none(store: Shared) {
    let layer = layer(&store);
    let readers = (0..200).map(|_| {
        Visit::to(&layer).spawn(async |session: Session| {
            let _ = session.contains("n");
            session.clear();
            session.destroy();
        })
    });
    for response in join_all(readers).await {
        let mut jar = Jar::new();
        jar.take(&response.unwrap());
        assert_eq!(jar.text(), None);
    }
    assert_eq!(layer.sessions().counters().sessions_created, 0);
    let writers = (0..200_u64)
        .map(|n| Visit::to(&layer).spawn(async move |session: Session| session.insert("n", n)));
    let mut tokens = Vec::new();
    for (n, response) in (0..200).zip(join_all(writers).await) {
        let mut jar = Jar::new();
        jar.take(&response.unwrap());
        assert_eq!(number(&store, &jar, "n").await, Some(n));
        tokens.push(jar.text().unwrap().to_owned());
    }
    tokens.sort_unstable();
    tokens.dedup();
    assert_eq!(tokens.len(), 200);
}

/// What is read under a token was written under it, however many sessions are in use at once.
pub async fn sessions_of_two_browsers_stay_apart(store: Shared) {
    let layer = layer(&store);
    let browsers = (0..20_u64).map(|owner| {
        let layer = layer.clone();
        tokio::spawn(async move {
            let mut jar = Jar::new();
            for round in 0..20_u64 {
                let visit = Visit::to(&layer).with(&jar);
                let response = visit.run(async move |session: Session| {
                    let seen: Option<(u64, u64)> = session.get("tag")?;
                    assert_eq!(seen, round.checked_sub(1).map(|before| (owner, before)));
                    if round % 5 == 4 {
                        session.rotate();
                    }
                    session.insert("tag", (owner, round))
                });
                let response = response.await;
                assert_eq!(response.status(), 200);
                jar.take(&response);
            }
        })
    });
    for browser in join_all(browsers).await {
        browser.unwrap();
    }
}
