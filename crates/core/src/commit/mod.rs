//! Writing what a request changed: a plan, and one call of the store that carries it out.

mod change;
mod create;
mod detach;
mod execute;
mod plan;
mod queue;
mod write;

pub(crate) use detach::Commit;
pub(crate) use execute::{Begun, commit_now, commit_response};
pub(crate) use plan::{Facts, Plan, plan};
pub(crate) use queue::Queue;
