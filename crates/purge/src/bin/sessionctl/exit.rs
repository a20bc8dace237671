//! How a run ends: [`Exit`] and [`Failure`].

use std::{error::Error as StdError, process::ExitCode};

use serde_json::{Map, Value, json};
use tower_keep_connect::{ConnectError, ConnectErrorKind};

/// The exit codes, as `--help` tells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Done = 0,
    Failed = 1,
    Usage = 2,
    NotFound = 3,
    NotConfirmed = 4,
    Found = 5,
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A run that could not do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) message: String,
    /// Why, from near to far.
    pub(crate) causes: Vec<String>,
    /// What was done before.
    pub(crate) done: Map<String, Value>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), causes: Vec::new(), done: Map::new() }
    }

    /// A failure that an error and its sources tell.
    pub(crate) fn of(error: &dyn StdError) -> Self {
        let mut failure = Self::new(Exit::Failed, error.to_string());
        failure.causes = std::iter::successors(error.source(), |cause| (*cause).source())
            .map(ToString::to_string)
            .collect();
        failure
    }

    /// A store that cannot be opened: of a URL that names none, the command line is to blame.
    pub(crate) fn of_connecting(error: &ConnectError) -> Self {
        let exit = match error.kind() {
            ConnectErrorKind::Store => Exit::Failed,
            _ => Exit::Usage,
        };
        Self { exit, ..Self::of(error) }
    }

    /// A store that cannot do it.
    pub(crate) fn unsupported(what: &str) -> Self {
        Self::new(Exit::Failed, format!("this store cannot {what}"))
    }

    /// Adds what was done before, with its name in JSON.
    pub(crate) fn after(mut self, name: &str, done: impl Into<Value>) -> Self {
        self.done.insert(name.into(), done.into());
        self
    }

    /// What `--json` prints.
    pub(crate) fn to_json(&self) -> Value {
        let Self { exit, message, causes, done } = self;
        let mut object = done.clone();
        object.insert(
            "error".into(),
            json!({ "exit": *exit as u8, "message": message, "causes": causes }),
        );
        Value::Object(object)
    }
}

impl<E: StdError> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::of(&error)
    }
}
