//! Measures a contender: [`rate`].

use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant},
};

use http::{HeaderValue, header};
use tokio::task::LocalSet;
use tower_service::Service;

use crate::app::{App, Contender, Request};

const TASKS: usize = 64;

/// The scenarios, by their names.
pub(crate) const SCENARIOS: [(&str, &str); 5] = [
    ("s3", "read, 200 bytes"),
    ("s4", "read, 16 KB"),
    ("s5", "increment, 200 bytes"),
    ("s6", "increment, 16 KB"),
    ("s7", "begin"),
];

/// Requests per second of a scenario.
pub(crate) async fn rate(contender: &Contender, scenario: &str, quick: bool) -> f64 {
    let time = Duration::from_millis(if quick { 400 } else { 1_000 });
    let [small, large] = &contender.fill;
    let (app, fill) = match scenario {
        "s3" => (&contender.read, Some(small)),
        "s4" => (&contender.read, Some(large)),
        "s5" => (&contender.increment, Some(small)),
        "s6" => (&contender.increment, Some(large)),
        _ => (&contender.create, None),
    };
    let mut cookies = Vec::new();
    for _ in 0..TASKS {
        cookies.push(match fill {
            Some(fill) => Some(begin(fill).await),
            None => None,
        });
    }
    run(app, &cookies, time / 4).await;
    run(app, &cookies, time).await
}

async fn begin(fill: &App) -> HeaderValue {
    let cookie = send(&mut fill.clone(), None).await.expect("a new session sets a cookie");
    let pair = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
    HeaderValue::from_str(&pair).unwrap()
}

/// Requests per second of as many tasks as there are places for cookies.
async fn run(app: &App, cookies: &[Option<HeaderValue>], time: Duration) -> f64 {
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
