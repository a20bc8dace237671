//! Why a case failed: [`Failure`].

use std::{error::Error as StdError, fmt};

use crate::{RandomnessError, StoreError};

/// A clause of the contract that the store does not keep.
pub struct Failure {
    message: String,
}

/// What a case gives: a value, or the clause that was broken.
pub(super) type Checked<T = ()> = Result<T, Failure>;

impl Failure {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }

    /// The same failure, and where it happened.
    pub(super) fn during(self, place: impl fmt::Display) -> Self {
        Self::new(format!("{place}: {self}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// As it is displayed, since this is what a test that returns it prints.
impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl StdError for Failure {}

/// No case provokes an error, so that any is a failure.
impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let mut message =
            format!("the store answered with an error where it can answer ({:?})", error.kind());
        let mut cause = error.source();
        while let Some(error) = cause {
            message.push_str(": ");
            message.push_str(&error.to_string());
            cause = error.source();
        }
        Self::new(message)
    }
}

impl From<RandomnessError> for Failure {
    fn from(error: RandomnessError) -> Self {
        Self::new(error.to_string())
    }
}

/// Fails the case with a message unless the condition holds.
macro_rules! ensure {
    ($holds:expr, $($message:tt)+) => {
        if !$holds {
            return Err($crate::conformance::failure::Failure::new(format!($($message)+)));
        }
    };
}

/// Fails the case with a message and the answer unless the answer is the one that is expected.
macro_rules! ensure_answer {
    ($answer:expr, $expected:pat, $($message:tt)+) => {
        match $answer {
            $expected => {}
            answer => {
                let message = format!($($message)+);
                return Err($crate::conformance::failure::Failure::new(format!(
                    "{message}; the answer was {answer:?}"
                )));
            }
        }
    };
}

pub(super) use {ensure, ensure_answer};
