//! One connection, made anew when it is lost: [`Lane`].

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use redis::{RedisError, ServerErrorKind};

use super::{Settings, Target, wire::Wire};
use crate::clock::ServerClock;

/// So long a caller waits for a server that has just failed, before it is told so.
const PATIENCE: Duration = Duration::from_millis(250);

/// A connection that all callers share.
///
/// Commands of all callers are pipelined on it, and one whose caller is gone is answered to nobody. A lost
/// connection is made anew by the next caller; those who come meanwhile wait for the same attempt. While
/// a server fails, nobody waits for it longer than [`PATIENCE`], so that no requests pile up.
pub(super) struct Lane {
    target: Arc<Target>,
    settings: Settings,
    /// What is known of the server's time, until another connection is made: to another server perhaps.
    clock: ServerClock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The connection, and which one it is, counted from the first.
    connection: Option<(Wire, u64)>,
    made: u64,
    attempt: Option<Attempt>,
    /// Why the server is not waited for.
    failing: Option<RedisError>,
}

type Attempt = Shared<BoxFuture<'static, Result<(Wire, u64), RedisError>>>;

impl Lane {
    pub(super) fn new(target: Arc<Target>, settings: Settings, clock: ServerClock) -> Arc<Self> {
        Arc::new(Self { target, settings, clock, state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection, and which one it is.
    pub(super) async fn connection(self: &Arc<Self>) -> Result<(Wire, u64), RedisError> {
        let (attempt, failing) = {
            let mut state = self.state();
            // One that the server ended meanwhile carries nothing more.
            match &state.connection {
                Some((wire, _)) if wire.has_ended() => state.connection = None,
                Some(connection) => return Ok(connection.clone()),
                None => {}
            }
            let attempt = state.attempt.get_or_insert_with(|| self.begin()).clone();
            (attempt, state.failing.clone())
        };
        // Apart, since it is seldom waited for.
        Box::pin(async move {
            let Some(failing) = failing else { return attempt.await };
            tokio::time::timeout(PATIENCE, attempt).await.unwrap_or(Err(failing))
        })
        .await
    }

    /// Begins to connect, in a task of its own: it goes on though its first caller may be gone.
    fn begin(self: &Arc<Self>) -> Attempt {
        let lane = Arc::clone(self);
        let task = tokio::spawn(async move {
            let connect = lane.target.connect(&lane.settings);
            let made = tokio::time::timeout(lane.settings.timeout, connect).await;
            let mut state = lane.state();
            state.attempt = None;
            match made.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into())) {
                Ok(connection) => {
                    state.made += 1;
                    lane.clock.forget();
                    state.failing = None;
                    let connection = (connection, state.made);
                    state.connection = Some(connection.clone());
                    Ok(connection)
                }
                Err(error) => {
                    state.failing = Some(error.clone());
                    Err(error)
                }
            }
        });
        // Its runtime ended: those who come next try anew, in theirs.
        let lane = Arc::downgrade(self);
        let stopped = move |_| {
            if let Some(lane) = lane.upgrade() {
                lane.state().attempt = None;
            }
            Err(io::Error::from(io::ErrorKind::Interrupted).into())
        };
        task.map(move |made| made.unwrap_or_else(stopped)).boxed().shared()
    }

    /// Gives up a connection that an error shows to be lost, or to lead to the wrong server.
    pub(super) fn heed(&self, number: u64, error: &RedisError) {
        let is_demoted = matches!(&*self.target, Target::Primary(_))
            && error.kind() == redis::ErrorKind::Server(ServerErrorKind::ReadOnly);
        if !(error.is_io_error() || error.is_unrecoverable_error() || is_demoted) {
            return;
        }
        let mut state = self.state();
        if state.connection.as_ref().is_some_and(|(_, present)| *present == number) {
            state.connection = None;
            // One that does not answer may also not answer those who come next.
            state.failing = error.is_timeout().then(|| error.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use tokio::runtime::Builder;

    use super::*;
    use crate::servers::Url;

    #[test]
    fn attempt_whose_runtime_ended_is_made_anew() {
        // It accepts, and never answers the password.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("redis://:password@{}", silent.local_addr().unwrap());
        let settings = Settings::within(Duration::from_millis(100));
        let Ok(Url::One(target)) = Url::read(&url, &settings) else { panic!("another server") };
        let lane = Lane::new(Arc::new(target), settings, ServerClock::new(None));
        let runtime = || Builder::new_current_thread().enable_all().build().unwrap();
        let first = runtime();
        first.block_on(async { assert!(lane.connection().now_or_never().is_none()) });
        drop(first);
        let next = runtime();
        // The first to come may be told of the end; nobody after that one.
        let _ = next.block_on(lane.connection());
        let error = next.block_on(lane.connection()).err().unwrap();
        assert!(error.is_timeout(), "{error}");
    }
}
