//! The cases, by what they are about.

pub(super) mod apply;
pub(super) mod check;
pub(super) mod conflict;
pub(super) mod create;
pub(super) mod delete;
pub(super) mod dropped;
pub(super) mod expiry;
pub(super) mod ids;
pub(super) mod import;
pub(super) mod index;
pub(super) mod json;
pub(super) mod model;
pub(super) mod offers;
pub(super) mod pages;
pub(super) mod purge;
pub(super) mod race;
pub(super) mod rotate;
pub(super) mod rotate_race;
pub(super) mod sweep;
pub(super) mod touch;
pub(super) mod user_limit;
pub(super) mod user_limit_race;
