//! What a session does to the head of a response, its token aside.

mod cache;
mod failure;

pub(crate) use cache::{forbid_storing, vary};
pub(crate) use failure::{failure, is_grpc};
