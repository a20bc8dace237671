//! Where things lie in the directory.

use sha2::{Digest, Sha256};
use tower_keep_core::{LayerName, Record, SessionId, UserId};

/// The folder of all that is no session. Its dot keeps it out of purges and listings.
pub(crate) const OWN: &str = ".tower-keep";
/// The mark by which a directory is known as a store.
pub(crate) const MARK: &str = ".tower-keep/store";
pub(crate) const LOCKS: &str = ".tower-keep/locks";
pub(crate) const USERS: &str = ".tower-keep/users";
pub(crate) const TEMPORARY: &str = ".tower-keep/temporary";
pub(crate) const DAMAGED: &str = ".tower-keep/damaged";
/// What is held by whoever sets the store up.
pub(crate) const OPENING_LOCK: &str = ".tower-keep/locks/opening";
/// What is held by whoever sweeps.
pub(crate) const SWEEP_LOCK: &str = ".tower-keep/locks/sweep";

/// How many shards there are. A purge holds all their locks, each an open file.
pub(crate) const SHARDS: u8 = 64;

/// How many folders of folders sessions lie in.
pub(crate) const MAX_FAN_OUT: u8 = 2;

/// A set of shards, read from the lowest on, which is the order in which they are locked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shards(u64);

impl Shards {
    pub(crate) const ALL: Self = Self(u64::MAX);

    pub(crate) fn of(ids: impl IntoIterator<Item = SessionId>) -> Self {
        Self(ids.into_iter().fold(0, |set, id| set | 1 << shard_of(&id)))
    }

    pub(crate) fn one(shard: u8) -> Self {
        Self(1 << (shard % SHARDS))
    }

    pub(crate) fn holds(self, id: &SessionId) -> bool {
        self.0 & 1 << shard_of(id) != 0
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = u8> {
        (0..SHARDS).filter(move |shard| self.0 & 1 << shard != 0)
    }
}

pub(crate) fn shard_of(id: &SessionId) -> u8 {
    id.as_bytes()[0] % SHARDS
}

pub(crate) fn shard_lock(shard: u8) -> String {
    format!("{LOCKS}/{shard:02x}")
}

fn user_lock(shard: u8) -> String {
    format!("{LOCKS}/user-{shard:02x}")
}

/// All lock files, but for that of opening.
pub(crate) fn all_locks() -> impl Iterator<Item = String> {
    let both = |shard| [shard_lock(shard), user_lock(shard)];
    (0..SHARDS).flat_map(both).chain([SWEEP_LOCK.to_owned()])
}

/// Where a shard writes. One name is enough, since its lock is held meanwhile.
pub(crate) fn temporary(shard: u8) -> String {
    format!("{TEMPORARY}/{shard:02x}")
}

/// The shard whose temporary file has this name.
pub(crate) fn shard_of_temporary(name: &str) -> Option<u8> {
    let shard = parse_folder(name)?;
    (shard < SHARDS).then_some(shard)
}

/// The folder of a session; empty for the directory itself.
pub(crate) fn folder_of(id: &SessionId, fan_out: u8) -> String {
    let [first, second, ..] = *id.as_bytes();
    match fan_out {
        0 => String::new(),
        1 => format!("{first:02x}"),
        _ => format!("{first:02x}/{second:02x}"),
    }
}

/// The file of a session.
pub(crate) fn session(id: &SessionId, fan_out: u8) -> String {
    join(&folder_of(id, fan_out), &id.to_string())
}

pub(crate) fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// The folder that something lies in; empty for the directory itself.
pub(crate) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The byte that a folder of sessions is named after.
pub(crate) fn parse_folder(name: &str) -> Option<u8> {
    let is_digit = |digit: &u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
    (name.len() == 2 && name.as_bytes().iter().all(is_digit))
        .then(|| u8::from_str_radix(name, 16).ok())?
}

/// The layer and user of a record, as far as names of files go: half a SHA-256 of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct UserKey(u128);

impl UserKey {
    pub(crate) fn new(layer: &LayerName, user: &UserId) -> Self {
        let mut digest = Sha256::new();
        // Its length first, so that no other pair reads the same.
        digest.update((layer.as_str().len() as u64).to_le_bytes());
        digest.update(layer.as_str());
        digest.update(user.as_str());
        let digest = digest.finalize();
        Self(digest.iter().take(16).fold(0, |key, byte| key << 8 | u128::from(*byte)))
    }

    pub(crate) fn of(record: &Record) -> Option<Self> {
        Some(Self::new(&record.layer, record.user.as_ref()?))
    }

    pub(crate) fn shard(self) -> u8 {
        self.first() % SHARDS
    }

    fn first(self) -> u8 {
        (self.0 >> 120) as u8
    }

    pub(crate) fn lock(self) -> String {
        user_lock(self.shard())
    }

    pub(crate) fn folder(self) -> String {
        format!("{USERS}/{:02x}", self.first())
    }

    /// The empty file that says that a session is this user's.
    pub(crate) fn marker(self, id: &SessionId) -> String {
        format!("{}/{:032x}.{id}", self.folder(), self.0)
    }
}

/// Reads the name of a marker.
pub(crate) fn parse_marker(name: &str) -> Option<(UserKey, SessionId)> {
    let (user, id) = name.split_once('.')?;
    let (key, id) = (u128::from_str_radix(user, 16).ok()?, id.parse().ok()?);
    (format!("{key:032x}") == user).then_some((UserKey(key), id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_of_the_id_alone() {
        let id = SessionId::from_bytes([0xab; 32]);
        let hex = "ab".repeat(32);
        assert_eq!(session(&id, 0), hex);
        assert_eq!(session(&id, 1), format!("ab/{hex}"));
        assert_eq!(session(&id, 2), format!("ab/ab/{hex}"));
    }

    #[test]
    fn marker_gives_back_its_parts() {
        let id = SessionId::from_bytes([7; 32]);
        let key = UserKey::new(&"shop".into(), &"../../etc/passwd".into());
        let marker = key.marker(&id);
        assert_eq!(marker.split('/').count(), 4);
        assert_eq!(parse_marker(marker.rsplit_once('/').unwrap().1), Some((key, id)));
        assert_eq!(parse_marker("+1.00"), None);
    }

    #[test]
    fn users_of_two_layers_are_strangers() {
        let key = |layer: &str, user: &str| UserKey::new(&layer.into(), &user.into());
        assert_ne!(key("shop", "ada"), key("blog", "ada"));
        assert_ne!(key("shopa", "da"), key("shop", "ada"));
    }
}
