//! What requests feel of a sweep, and that no live session is lost in it.
//!
//! At full size, with the figures that count:
//! `TOWER_KEEP_LONG=1 cargo test --release -p tower-keep-purge --test sweeper_load -- --nocapture`
#![allow(clippy::unwrap_used, reason = "a test may")]

mod common;

use std::{
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

use common::{id, memory};
use http::{HeaderValue, Request, Response, header};
use tower::{Layer, Service, service_fn};
use tower_keep_core::{Lifetime, NewRecord, Session, SessionLayer, Store, Token};
use tower_keep_memory_store::MemoryStore;
use tower_keep_purge::{SweepRun, Sweeper};
use tower_keep_tests::rounds;

/// How long requests are measured without a sweep.
const QUIET: Duration = Duration::from_secs(2);

/// The name that a layer has unless told.
const LAYER: &str = "__Host-id";

async fn handle(request: Request<()>) -> Result<Response<String>, Infallible> {
    let session = Session::load(request.extensions()).await.unwrap();
    assert_eq!(session.get::<u64>("n").unwrap(), Some(1), "a live session was lost");
    Ok(Response::new(String::new()))
}

/// Reads live sessions one after the other until told to stop, and gives how long each took.
async fn load(
    layer: SessionLayer,
    cookies: Arc<[HeaderValue]>,
    stop: impl Fn() -> bool,
) -> Vec<Duration> {
    let mut service = layer.layer(service_fn(handle));
    let mut waits = Vec::with_capacity(10_000_000);
    for number in (0..).map(|n: usize| n.wrapping_mul(7_919) % cookies.len()) {
        let mut request = Request::new(());
        request.headers_mut().insert(header::COOKIE, cookies[number].clone());
        let began = Instant::now();
        service.call(request).await.unwrap();
        waits.push(began.elapsed());
        // As a server that waits for its next request does.
        tokio::task::yield_now().await;
        if stop() || waits.len() == waits.capacity() {
            return waits;
        }
    }
    waits
}

fn percentile(waits: &mut [Duration], thousandths: usize) -> Duration {
    let rank = (waits.len() * thousandths / 1_000).min(waits.len() - 1);
    *waits.select_nth_unstable(rank).1
}

async fn fill(store: &MemoryStore, live: u64, expired: u64) -> Arc<[HeaderValue]> {
    let fields: tower_keep_core::Fields =
        [("n", "1"), ("text", "\"as much as sessions usually hold, or nearly\"")]
            .into_iter()
            .collect();
    let mut new = NewRecord::new(LAYER.into(), Lifetime::AAL1);
    new.fields = fields.clone();
    let mut cookies = Vec::new();
    for _ in 0..live {
        let token = Token::random().unwrap();
        store.create(&token.id(), new.clone()).await.unwrap();
        cookies.push(HeaderValue::from_str(&format!("{LAYER}={}", token.expose())).unwrap());
    }
    let mut new = NewRecord::new(LAYER.into(), Lifetime::default());
    new.fields = fields;
    for number in 0..expired {
        store.create(&id(number), new.clone()).await.unwrap();
    }
    cookies.into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_live_session_is_lost_and_requests_hardly_feel_a_sweep() {
    let live = rounds(2_000, 100_000) as u64;
    let expired = 10 * live;
    let (store, clock) = memory();
    let cookies = fill(&store, live, expired).await;
    clock.advance(Lifetime::default().idle);
    // Without touches, of which one phase would have more than the other.
    let layer = SessionLayer::builder(store.clone()).lifetime(Lifetime::AAL1);
    let layer = layer.renew_after(Duration::from_secs(7 * 86_400)).build().unwrap();

    let quiet = Instant::now();
    let load_quietly = load(layer.clone(), Arc::clone(&cookies), move || quiet.elapsed() > QUIET);
    let mut idle = tokio::spawn(load_quietly).await.unwrap();

    let began = Instant::now();
    let sweeper =
        Sweeper::builder(store.clone()).interval(Duration::from_millis(40)).start().unwrap();
    let reports = sweeper.watch();
    let load_meanwhile = load(layer, Arc::clone(&cookies), move || reports.borrow().runs > 0);
    let mut swept = tokio::spawn(load_meanwhile).await.unwrap();
    let took = began.elapsed();
    let report = sweeper.stop().await;
    assert_eq!(store.sessions(), live, "what has expired is gone, and nothing else");
    assert_eq!(report.sessions, expired);
    assert!(matches!(report.last, Some(SweepRun::Swept { .. })));
    for cookie in &*cookies {
        let token: Token = cookie.to_str().unwrap()[LAYER.len() + 1..].parse().unwrap();
        assert!(store.load(&token.id()).await.unwrap().is_some());
    }

    let of =
        |waits: &mut [Duration]| [500, 990, 999].map(|thousandths| percentile(waits, thousandths));
    let (requests, meanwhile) = (idle.len(), swept.len());
    let (idle, swept) = (of(&mut idle), of(&mut swept));
    println!("{expired} expired of {} removed in {took:.2?}", live + expired);
    println!("requests        median      p99    p99.9");
    for (name, [median, p99, p999], count) in
        [("idle", idle, requests), ("while it sweeps", swept, meanwhile)]
    {
        println!("{name:15} {median:>6.1?} {p99:>8.1?} {p999:>8.1?}  of {count}");
    }
    if rounds(0, 1) == 1 && !cfg!(debug_assertions) {
        assert!(swept[1] <= 2 * idle[1], "{swept:?} is more than twice {idle:?}");
    }
}
