//! What is to be done about a session that both stores have.

use std::time::Duration;

use tower_keep_core::{Change, Lifetime, Record};

use super::journal::Known;

/// What is to be done about a session at the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing: it is the same.
    Same,
    /// Nothing: it was used there since.
    UsedThere,
    /// Move its deadline.
    Touch,
    /// Bring its data over.
    Update,
}

/// Compares a session at the source with how it is at the target.
pub(super) fn compare(here: &Record, there: &Record, known: Option<Known>) -> Verdict {
    let is_same = here.user == there.user
        && here.remember == there.remember
        && here.layer == there.layer
        && here.fields == there.fields;
    // Without a journal only the records can tell which is newer.
    let was_used = match known {
        Some(known) => known.was_used(there),
        None => there.version > here.version || there.last_active > here.last_active,
    };
    match (is_same, was_used) {
        (true, true) => Verdict::Same,
        (true, false) if here.expires_at > there.expires_at => Verdict::Touch,
        (true, false) => Verdict::Same,
        (false, true) => Verdict::UsedThere,
        (false, false) => Verdict::Update,
    }
}

/// What makes the record at the target as the one at the source, whatever it holds.
pub(super) fn update(here: &Record, there: &Record) -> Change {
    let mut change = Change::new(there, lifetime(here, there));
    change.exact = true;
    change.clear = true;
    let fields = here.fields.iter();
    change.edits = fields.map(|(name, json)| (name, Some(json))).collect();
    change.user = here.user.clone().filter(|user| Some(user) != there.user.as_ref());
    change.remember = (here.remember != there.remember).then_some(here.remember);
    change
}

/// The lifetime that lets the record at the target expire when the one at the source does.
pub(super) fn lifetime(here: &Record, there: &Record) -> Lifetime {
    Lifetime::new(Duration::MAX, here.expires_at.since(there.created_at))
}
