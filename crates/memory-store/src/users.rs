//! Which sessions a user has: [`Users`].

use std::{
    collections::BTreeSet,
    hash::{BuildHasher, Hash, Hasher, RandomState},
};

use scc::{HashMap, hash_map::OccupiedEntry};
use tower_keep_core::{LayerName, Record, UserId};

use crate::place::{AsItIs, Place};

/// The places of the sessions of each user of each layer.
///
/// A live session of a user is always among them; others may be for a moment, so what is found here
/// is looked up before it counts.
#[derive(Debug, Default)]
pub(crate) struct Users {
    desks: HashMap<UserKey, Places, AsItIs>,
    keys: RandomState,
}

/// The hash of a layer and a user, keyed so that nobody can choose users that fall together. Two that
/// do share a desk, which costs them nothing but time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UserKey(u64);

impl Hash for UserKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0);
    }
}

/// Most users have one session, which needs no set.
#[derive(Debug, Default)]
#[allow(clippy::box_collection, reason = "a set is rare, and its box keeps the others at 16 bytes")]
enum Places {
    #[default]
    None,
    One(Place),
    Many(Box<BTreeSet<Place>>),
}

/// The sessions of one user, held: whoever signs this user in meanwhile waits.
pub(crate) struct Desk<'a> {
    key: UserKey,
    // An option only so that dropping can take it.
    places: Option<OccupiedEntry<'a, UserKey, Places, AsItIs>>,
}

impl Users {
    pub(crate) fn key(&self, layer: &LayerName, user: &UserId) -> UserKey {
        UserKey(self.keys.hash_one((layer.as_str(), user.as_str())))
    }

    /// The key of the user of a record, if it has one.
    pub(crate) fn key_of(&self, record: &Record) -> Option<UserKey> {
        let user = record.user.as_ref()?;
        Some(self.key(&record.layer, user))
    }

    /// Holds the sessions of a user. Take no other desk before this one is dropped.
    pub(crate) fn desk(&self, key: UserKey) -> Desk<'_> {
        let entry = self.desks.entry_sync(key);
        Desk { key, places: Some(entry.or_default()) }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.desks.len()
    }
}

impl Desk<'_> {
    pub(crate) fn key(&self) -> UserKey {
        self.key
    }

    pub(crate) fn places(&self) -> Vec<Place> {
        match self.places.as_ref().map(OccupiedEntry::get) {
            None | Some(Places::None) => Vec::new(),
            Some(Places::One(place)) => vec![*place],
            Some(Places::Many(places)) => places.iter().copied().collect(),
        }
    }

    pub(crate) fn add(&mut self, place: Place) {
        let Some(places) = self.places.as_mut().map(OccupiedEntry::get_mut) else {
            return;
        };
        match places {
            Places::None => *places = Places::One(place),
            Places::One(present) if *present == place => {}
            Places::One(present) => {
                *places = Places::Many(Box::new(BTreeSet::from([*present, place])));
            }
            Places::Many(set) => {
                set.insert(place);
            }
        }
    }

    pub(crate) fn remove(&mut self, place: Place) {
        let Some(places) = self.places.as_mut().map(OccupiedEntry::get_mut) else {
            return;
        };
        match places {
            Places::One(present) if *present == place => *places = Places::None,
            Places::None | Places::One(_) => {}
            Places::Many(set) => {
                set.remove(&place);
                if set.len() <= 1 {
                    *places = set.first().map_or(Places::None, |last| Places::One(*last));
                }
            }
        }
    }
}

impl Drop for Desk<'_> {
    fn drop(&mut self) {
        if let Some(places) = self.places.take()
            && matches!(places.get(), Places::None)
        {
            drop(places.remove());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_without_sessions_leaves_nothing() {
        let users = Users::default();
        let key = users.key(&"shop".into(), &"ada".into());
        let places: Vec<Place> = (0..5).map(|tag| Place::new(3, tag)).collect();
        for place in &places {
            users.desk(key).add(*place);
            users.desk(key).add(*place);
        }
        assert_eq!(users.desk(key).places(), places);
        for (gone, place) in places.iter().enumerate() {
            assert_eq!(users.len(), 1);
            users.desk(key).remove(*place);
            users.desk(key).remove(*place);
            assert_eq!(users.desk(key).places(), places[gone + 1..]);
        }
        assert_eq!(users.len(), 0);
    }
}
