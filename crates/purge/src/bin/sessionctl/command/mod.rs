//! What the command does: one file each.

mod check;
mod copy;
mod list;
mod migrate;
mod purge;
mod revoke;
mod show;
mod stats;
mod sweep;

pub(crate) use check::check;
pub(crate) use copy::copy;
pub(crate) use list::list;
pub(crate) use migrate::{migrate, print_migrations};
pub(crate) use purge::purge;
pub(crate) use revoke::revoke;
pub(crate) use show::show;
pub(crate) use stats::stats;
pub(crate) use sweep::sweep;
