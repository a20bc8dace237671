//! The session of a request: [`Session`].

mod access;
mod exchange;
mod extract;
mod facts;
mod flash;
mod handle;
mod json;
mod key;
mod pending;
mod state;
mod turn;

pub(crate) use exchange::{Exchange, Presented, SharedExchange};
pub use handle::Session;
pub use key::{FieldName, FieldOf, Key};
pub(crate) use state::{Draft, Head, Live, Phase, State};
pub(crate) use turn::{StateGuard, Turn, Turns};
