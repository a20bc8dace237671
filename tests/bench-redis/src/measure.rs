//! Measures a contender: [`rate()`].

use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant},
};

use http::{HeaderValue, header};
use tokio::task::LocalSet;
use tower_keep_test_servers::Redis;
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

/// What a request costs.
#[derive(Clone, Copy, Default)]
pub(crate) struct Figures {
    /// Requests per second.
    pub(crate) rate: f64,
    /// Processor time of a request in microseconds, which neighbours change less: the client's, the server's.
    pub(crate) client: f64,
    pub(crate) server: f64,
}

impl Figures {
    /// The median of each figure, zero without rounds: neighbours on the machine slow some rounds down by half.
    pub(crate) fn median(rounds: &[Self]) -> Self {
        let median = |figure: fn(&Self) -> f64| {
            let mut figures: Vec<f64> = rounds.iter().map(figure).collect();
            figures.sort_by(f64::total_cmp);
            figures.get(figures.len() / 2).copied().unwrap_or_default()
        };
        Self {
            rate: median(|figures| figures.rate),
            client: median(|figures| figures.client),
            server: median(|figures| figures.server),
        }
    }
}

/// What a request of a scenario costs.
pub(crate) async fn rate(
    contender: &Contender,
    scenario: &str,
    quick: bool,
    server: &Redis,
) -> Figures {
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
    let before = (client_time(), server_time(server));
    let (done, elapsed) = run(app, &cookies, time).await;
    let after = (client_time(), server_time(server));
    let each = |seconds: f64| 1e6 * seconds / done;
    Figures {
        rate: done / elapsed,
        client: each(after.0 - before.0),
        server: each(after.1 - before.1),
    }
}

/// Processor time of this process, in seconds: its 14th and 15th figures, in hundredths.
///
/// <https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html>
fn client_time() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit_once(')').unwrap().1;
    let figures = after_name.split_whitespace().skip(11).take(2);
    figures.map(|ticks| ticks.parse::<f64>().unwrap() / 100.0).sum()
}

fn server_time(server: &Redis) -> f64 {
    let text = server.command(&["INFO", "cpu"]);
    let figure = |name: &str| -> f64 {
        text.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().parse().unwrap()
    };
    figure("used_cpu_user:") + figure("used_cpu_sys:")
}

async fn begin(fill: &App) -> HeaderValue {
    let cookie = send(&mut fill.clone(), None).await.expect("a new session sets a cookie");
    let pair = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
    HeaderValue::from_str(&pair).unwrap()
}

/// How many requests as many tasks make as there are places for cookies, and in what time.
async fn run(app: &App, cookies: &[Option<HeaderValue>], time: Duration) -> (f64, f64) {
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
    (f64::from(done.get()), begin.elapsed().as_secs_f64())
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
