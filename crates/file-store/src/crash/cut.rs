//! Every disk that a power cut can leave: [`after_cut`].

use std::collections::HashSet;

use super::disk::{Operation, Tree};
use crate::layout::parent;

/// So many of the last unsynced names are lost in every combination; earlier ones are there.
const LAST_NAMES: usize = 7;
/// So many of the last unsynced writes are lost or torn in every combination.
const LAST_WRITES: usize = 3;

/// Every disk that a power cut after these operations can leave.
///
/// What was synced is there. Of what was not, each write can be there, be missing or be torn in the
/// middle, and each name can be there or not: a rename is one step, names in different places are
/// written in any order, and changes of one name in theirs.
pub(super) fn after_cut(log: &[Operation]) -> HashSet<Tree> {
    let names = unsynced(log, is_name, is_name_synced);
    let writes = unsynced(log, is_write, is_write_synced);
    let mut trees = HashSet::new();
    for lost in subsets(&last(&names, LAST_NAMES)) {
        if !can_be_lost(log, &lost) {
            continue;
        }
        let writes = last(&writes, LAST_WRITES);
        for fates in 0..3_usize.pow(writes.len() as u32) {
            let mut tree = Tree::default();
            for (place, operation) in log.iter().enumerate() {
                if lost.contains(&place) {
                    continue;
                }
                match writes.iter().position(|write| *write == place) {
                    Some(write) => {
                        apply_torn(&mut tree, operation, fates / 3_usize.pow(write as u32) % 3);
                    }
                    None => tree.apply(operation),
                }
            }
            trees.insert(tree.tidied());
        }
    }
    trees
}

fn apply_torn(tree: &mut Tree, operation: &Operation, fate: usize) {
    match (fate, operation) {
        (0, _) => tree.apply(operation),
        (1, _) => {}
        (_, Operation::Write { node, at, part }) => {
            let part = part[..part.len() / 2].to_vec();
            tree.apply(&Operation::Write { node: *node, at: *at, part });
        }
        _ => {}
    }
}

fn unsynced(
    log: &[Operation],
    counts: fn(&Operation) -> bool,
    is_synced: fn(&[Operation], usize) -> bool,
) -> Vec<usize> {
    let places = 0..log.len();
    places.filter(|place| counts(&log[*place]) && !is_synced(log, *place)).collect()
}

fn last(places: &[usize], count: usize) -> Vec<usize> {
    places[places.len().saturating_sub(count)..].to_vec()
}

fn subsets(places: &[usize]) -> impl Iterator<Item = Vec<usize>> {
    (0..1_usize << places.len()).map(|set| {
        let chosen = places.iter().enumerate().filter(|(bit, _)| set & 1 << bit != 0);
        chosen.map(|(_, place)| *place).collect()
    })
}

/// Whether nothing that is there rests on a name that is lost.
fn can_be_lost(log: &[Operation], lost: &[usize]) -> bool {
    lost.iter().all(|place| {
        let later = log.iter().enumerate().skip(place + 1);
        later.filter(|(later, _)| !lost.contains(later)).all(|(_, later)| {
            let names = names_of(later);
            !names_of(&log[*place]).iter().any(|name| {
                names.iter().any(|other| {
                    other == name || other.strip_prefix(*name).is_some_and(|it| it.starts_with('/'))
                })
            })
        })
    })
}

fn names_of(operation: &Operation) -> Vec<&str> {
    match operation {
        Operation::MakeFolder { path }
        | Operation::Create { path, .. }
        | Operation::Remove { path } => vec![path],
        Operation::Rename { from, to } => vec![from, to],
        _ => Vec::new(),
    }
}

fn is_name(operation: &Operation) -> bool {
    !names_of(operation).is_empty()
}

fn is_write(operation: &Operation) -> bool {
    matches!(operation, Operation::Write { .. } | Operation::Truncate { .. })
}

fn is_name_synced(log: &[Operation], place: usize) -> bool {
    // A rename has come to its end where it leads to.
    let Some(name) = names_of(&log[place]).pop() else {
        return true;
    };
    let is_synced = |folder: &str, since: usize| {
        let is_sync =
            |later: &Operation| matches!(later, Operation::SyncFolder { path } if path == folder);
        log[since..].iter().any(is_sync)
    };
    // A name is no more durable than the folders that it lies in.
    let mut above = log.iter().enumerate().filter_map(|(made, operation)| match operation {
        Operation::MakeFolder { path } if name.starts_with(&format!("{path}/")) => {
            Some((path, made))
        }
        _ => None,
    });
    is_synced(parent(name), place) && above.all(|(path, made)| is_synced(parent(path), made))
}

fn is_write_synced(log: &[Operation], place: usize) -> bool {
    let (Operation::Write { node, .. } | Operation::Truncate { node, .. }) = &log[place] else {
        return true;
    };
    let is_sync =
        |later: &Operation| matches!(later, Operation::SyncFile { node: synced } if synced == node);
    log[place..].iter().any(is_sync)
}
