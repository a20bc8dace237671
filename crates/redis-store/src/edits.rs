//! The part of a change that sets and removes fields of a hash.

use tower_keep_core::Change;

use crate::{hash, servers::Command};

/// How many fields of the hash a change sets, apart from the state.
pub(crate) fn pairs_of(change: &Change) -> usize {
    let sets = change.edits.iter().filter(|(_, json)| json.is_some()).count();
    let remembers = change.remember == Some(true);
    sets + usize::from(change.user.is_some()) + usize::from(remembers)
}

/// Adds the names and values that a change sets, and the names that it removes.
pub(crate) fn edits(command: &mut Command, change: &Change) {
    let remembers = change.remember == Some(true);
    if let Some(user) = &change.user {
        command.arg("@user").arg(user.as_str());
    }
    if remembers {
        command.arg("@remember").arg("true");
    }
    for (name, json) in change.edits.iter() {
        if let Some(json) = json {
            command.arg(&*hash::field(name)).arg(json);
        }
    }
    if change.remember == Some(false) {
        command.arg("@remember");
    }
    for (name, json) in change.edits.iter() {
        // What a cleared session held is gone already.
        if json.is_none() && !change.clear {
            command.arg(&*hash::field(name));
        }
    }
}
