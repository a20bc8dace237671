//! Measures a contender: [`figures`] and [`round_trips`].

use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant},
};

use http::{HeaderValue, header};
use tokio::task::LocalSet;
use tower_keep_test_servers::Proxy;
use tower_service::Service;

use crate::app::{App, Contender, Request};

const TASKS: usize = 64;

/// Requests per second of s3, s5 and s7.
pub(crate) async fn figures(contender: &Contender, quick: bool) -> [f64; 3] {
    let time = Duration::from_millis(if quick { 500 } else { 1_000 });
    let cookies = fill(contender, TASKS).await;
    let mut figures = [0.0; 3];
    for (figure, (app, has_cookie)) in figures.iter_mut().zip(scenarios(contender)) {
        let cookies: Vec<_> =
            cookies.iter().map(|cookie| has_cookie.then(|| cookie.clone())).collect();
        rate(app, &cookies, time / 4).await;
        *figure = rate(app, &cookies, time).await;
    }
    figures
}

/// Round trips of one request of s3, s5 and s7, as a proxy counts them.
pub(crate) async fn round_trips(contender: &Contender, proxy: &Proxy) -> [f64; 3] {
    const REQUESTS: u32 = 50;
    let cookies = fill(contender, 1).await;
    let mut trips = [0.0; 3];
    for (trips, (app, has_cookie)) in trips.iter_mut().zip(scenarios(contender)) {
        let mut app = app.clone();
        let cookie = has_cookie.then_some(&cookies[0]);
        for _ in 0..8 {
            send(&mut app, cookie).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        let before = proxy.round_trips();
        for _ in 0..REQUESTS {
            send(&mut app, cookie).await;
            // What is done behind the answer counts too.
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        *trips = (proxy.round_trips() - before) as f64 / f64::from(REQUESTS);
    }
    trips
}

/// The services of s3, s5 and s7, and whether a cookie comes with their requests.
fn scenarios(contender: &Contender) -> [(&App, bool); 3] {
    [(&contender.read, true), (&contender.increment, true), (&contender.create, false)]
}

async fn fill(contender: &Contender, count: usize) -> Vec<HeaderValue> {
    let mut fill = contender.fill.clone();
    let mut cookies = Vec::new();
    for _ in 0..count {
        let cookie = send(&mut fill, None).await.expect("a new session sets a cookie");
        let pair = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
        cookies.push(HeaderValue::from_str(&pair).unwrap());
    }
    cookies
}

/// Requests per second of as many tasks as there are places for cookies.
async fn rate(app: &App, cookies: &[Option<HeaderValue>], time: Duration) -> f64 {
    let done = Rc::new(Cell::new(0_u32));
    let begin = Instant::now();
    let tasks = LocalSet::new();
    for cookie in cookies {
        let (mut app, cookie, done) = (app.clone(), cookie.clone(), Rc::clone(&done));
        tasks.spawn_local(async move {
            while begin.elapsed() < time {
                send(&mut app, cookie.as_ref()).await;
                done.set(done.get() + 1);
            }
        });
    }
    tasks.await;
    f64::from(done.get()) / begin.elapsed().as_secs_f64()
}

async fn send(app: &mut App, cookie: Option<&HeaderValue>) -> Option<HeaderValue> {
    let mut request = Request::default();
    if let Some(cookie) = cookie {
        request.headers_mut().insert(header::COOKIE, cookie.clone());
    }
    std::future::poll_fn(|context| app.poll_ready(context)).await.unwrap();
    let response = app.call(request).await.unwrap();
    assert!(response.status().is_success(), "{}", response.status());
    response.headers().get(header::SET_COOKIE).cloned()
}
