//! One step on the directory: [`Step`].

use std::{io, sync::atomic::Ordering::Relaxed, time::Duration};

use rustix::io::Errno;
use tower_keep_core::{Record, SessionId, StoreError, StoreErrorKind, Timestamp};

use crate::{
    builder::Durability,
    error::trouble,
    files::{Found, Lock, Root},
    format::{self, Entry, MAX_FILE, Unreadable},
    keep::Keep,
    layout::{
        DAMAGED, LOCKS, MARK, OPENING_LOCK, OWN, Shards, TEMPORARY, USERS, UserKey, all_locks,
        folder_of, join, parent, parse_folder, session, shard_lock, shard_of, temporary,
    },
};

/// So long another process may hold a lock. Ours are held for milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

const MARK_BEGINS: &str = "tower-keep-store 1 ";

/// One step on the directory, which was opened for it. All of it blocks the thread.
pub(crate) struct Step<'a> {
    pub(crate) keep: &'a Keep,
    root: Box<dyn Root>,
}

/// What there is of a session.
pub(crate) enum State {
    Live(Entry),
    Expired(Entry),
    Missing,
    Damaged(&'static str),
}

impl<'a> Step<'a> {
    pub(crate) fn open(keep: &'a Keep) -> Result<Self, StoreError> {
        let opened = keep.files.open().map_err(|error| trouble("open", &keep.directory, error));
        Ok(Self { keep, root: opened? })
    }

    /// Opens the directory, which is made if it is missing.
    pub(crate) fn open_first(keep: &'a Keep) -> Result<Self, StoreError> {
        keep.files.make().map_err(|error| trouble("make", &keep.directory, error))?;
        let step = Self::open(keep)?;
        if step.root.is_shared().is_ok_and(|shared| shared) {
            tracing::warn!(
                directory = %keep.directory.display(),
                "others may write the directory of the sessions: take that right away, `chmod 700`",
            );
        }
        Ok(step)
    }

    /// Makes what is missing of the store; says its fan-out, which has to be the chosen one.
    pub(crate) fn set_up(&self, chosen: Option<u8>) -> Result<u8, StoreError> {
        for folder in [OWN, LOCKS, USERS, TEMPORARY, DAMAGED] {
            self.make_folder(folder)?;
        }
        let lock = self.lock(OPENING_LOCK)?;
        let again = self.root.lock(OPENING_LOCK, Duration::ZERO);
        if again.map_err(|error| self.trouble("lock", OPENING_LOCK, error))?.is_some() {
            let cause = "locks do not work in the directory: mount the share with locks";
            return Err(StoreError::new(StoreErrorKind::Misconfigured, cause));
        }
        let fan_out = match self.read_mark()? {
            Some(fan_out) => fan_out,
            None => {
                let fan_out = chosen.unwrap_or(self.keep.fan_out);
                self.make_locks()?;
                self.write_mark(fan_out)?;
                fan_out
            }
        };
        drop(lock);
        if chosen.is_some_and(|chosen| chosen != fan_out) {
            let cause = "the directory was made with another fan-out: open it with that one";
            return Err(StoreError::new(StoreErrorKind::Misconfigured, cause));
        }
        let device = self.root.device();
        self.keep.seen_on(device.map_err(|error| self.trouble("look at", "", error))?);
        Ok(fan_out)
    }

    /// Makes sure that the directory is the store, and not what shows where a share was mounted: an
    /// empty one would read as 'no such session'. One that was emptied in its place is the store.
    pub(crate) fn confirm(&self) -> Result<(), StoreError> {
        if self.read_mark()?.is_some() {
            return Ok(());
        }
        let device = self.root.device();
        let device = device.map_err(|error| self.trouble("look at", "", error))?;
        if device == self.keep.device.load(Relaxed) {
            return Ok(());
        }
        Err(self.trouble("find the mark of the store,", MARK, Errno::NOENT.into()))
    }

    /// Locks shards, the lower ones first.
    pub(crate) fn lock_shards(&self, shards: Shards) -> Result<Vec<Lock>, StoreError> {
        shards.iter().map(|shard| self.lock(&shard_lock(shard))).collect()
    }

    pub(crate) fn lock(&self, path: &str) -> Result<Lock, StoreError> {
        let lock = match self.root.lock(path, PATIENCE) {
            // The folders were removed by hand.
            Err(error) if error.kind() == io::ErrorKind::NotFound && path != OPENING_LOCK => {
                self.confirm()?;
                self.set_up(Some(self.keep.fan_out))?;
                self.root.lock(path, PATIENCE)
            }
            other => other,
        };
        let lock = lock.map_err(|error| self.trouble("lock", path, error))?;
        lock.ok_or_else(|| self.trouble("lock", path, io::ErrorKind::TimedOut.into()))
    }

    /// Locks, unless another process holds the lock.
    pub(crate) fn try_lock(&self, path: &str) -> Result<Option<Lock>, StoreError> {
        let lock = self.root.lock(path, Duration::ZERO);
        lock.map_err(|error| self.trouble("lock", path, error))
    }

    /// What there is of a session at this time.
    pub(crate) fn find(&self, id: &SessionId, now: Timestamp) -> Result<State, StoreError> {
        let path = self.path(id);
        let found = self.root.read(&path, MAX_FILE);
        let bytes = match found.map_err(|error| self.trouble("read", &path, error))? {
            Found::Missing => return Ok(State::Missing),
            Found::NoFile => return Ok(State::Damaged("it is no regular file")),
            Found::File { size, .. } if size > MAX_FILE as u64 => {
                return Ok(State::Damaged("it is longer than a session can be"));
            }
            Found::File { bytes, .. } => bytes,
        };
        match format::decode(id, &bytes) {
            Ok(entry) if entry.record.is_expired(now) => Ok(State::Expired(entry)),
            Ok(entry) => Ok(State::Live(entry)),
            Err(Unreadable::Damaged(why)) => Ok(State::Damaged(why)),
            Err(Unreadable::Later) => {
                let cause = "the file of a session was written by a later release: run that one";
                Err(StoreError::new(StoreErrorKind::Corrupt, cause))
            }
        }
    }

    /// As [`find`](Self::find), and a damaged file is set aside. Hold its shard.
    pub(crate) fn settle(&self, id: &SessionId, now: Timestamp) -> Result<State, StoreError> {
        match self.find(id, now)? {
            State::Damaged(why) => self.set_aside(id, why, now).map(|()| State::Missing),
            other => Ok(other),
        }
    }

    /// The live record of a session. Hold its shard.
    pub(crate) fn live(&self, id: &SessionId, now: Timestamp) -> Result<Option<Entry>, StoreError> {
        Ok(match self.settle(id, now)? {
            State::Live(entry) => Some(entry),
            _ => None,
        })
    }

    /// Moves a damaged file out of the way. Its name holds the time, so that none is lost.
    fn set_aside(
        &self,
        id: &SessionId,
        why: &'static str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let path = self.path(id);
        let place = format!("{DAMAGED}/{id}.{}", now.as_millis());
        let moved = self.root.rename(&path, &place);
        tracing::error!(
            file = %self.keep.directory.join(&path).display(),
            set_aside_as = %self.keep.directory.join(&place).display(),
            why,
            moved = moved.is_ok(),
            "the file of a session is damaged; the session is lost, the others are not: \
             look for what else writes to the directory",
        );
        moved.map_err(|error| self.trouble("set aside", &path, error))?;
        self.keep.bound.count(-1);
        Ok(())
    }

    /// Writes a file for a session, so that it needs only its name. Hold its shard.
    pub(crate) fn stage<'s>(
        &'s self,
        id: &SessionId,
        content: &[u8],
    ) -> Result<Staged<'s, 'a>, StoreError> {
        let path = temporary(shard_of(id));
        let sync = self.syncs();
        let written = match self.root.write_new(&path, content, sync) {
            // Left by a process that died.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.remove(&path)?;
                self.root.write_new(&path, content, sync)
            }
            other => other,
        };
        let staged = Staged { step: self, path: Some(path) };
        written.map_err(|error| self.trouble("write", staged.path(), error))?;
        Ok(staged)
    }

    /// Overwrites a part of the file of a session. Hold its shard.
    pub(crate) fn overwrite(&self, id: &SessionId, at: u64, part: &str) -> Result<(), StoreError> {
        let path = self.path(id);
        let sync = self.keep.durability >= Durability::Full;
        let written = self.root.write_at(&path, at, part.as_bytes(), sync);
        written.map_err(|error| self.trouble("write", &path, error))
    }

    /// Makes the file of one session that of another. Hold both shards.
    pub(crate) fn rename(&self, old: &SessionId, new: &SessionId) -> Result<(), StoreError> {
        let (from, to) = (self.path(old), self.path(new));
        let renamed = self.root.rename(&from, &to);
        renamed.map_err(|error| self.trouble("rename", &from, error))?;
        if self.syncs() {
            self.sync_folder(parent(&to))?;
            if parent(&from) != parent(&to) {
                self.sync_folder(parent(&from))?;
            }
        }
        Ok(())
    }

    /// Cuts what follows the record off. It is not needed, so that a failure does no harm.
    pub(crate) fn cut(&self, id: &SessionId, length: usize) {
        let path = self.path(id);
        if let Err(error) = self.root.truncate(&path, length as u64) {
            let error = self.trouble("cut", &path, error);
            tracing::debug!(error = &error as &dyn std::error::Error, "the file stays longer");
        }
    }

    /// Removes the file of a session, for good. Hold its shard.
    pub(crate) fn remove_session(&self, id: &SessionId, record: &Record) -> Result<(), StoreError> {
        let path = self.path(id);
        if self.remove(&path)? {
            self.keep.bound.count(-1);
        }
        // One that expired stays dead by itself.
        if self.syncs() && !record.is_expired(self.keep.now()) {
            self.sync_folder(parent(&path))?;
        }
        if let Some(key) = UserKey::of(record) {
            self.unmark(key, id);
        }
        Ok(())
    }

    /// Makes the folder that a session's file is to lie in.
    pub(crate) fn make_way(&self, id: &SessionId) -> Result<(), StoreError> {
        let folder = folder_of(id, self.keep.fan_out);
        let mut end = 0;
        while end < folder.len() {
            end = folder[end + 1..].find('/').map_or(folder.len(), |slash| end + 1 + slash);
            self.make_folder(&folder[..end])?;
        }
        Ok(())
    }

    /// Makes a folder; what is synced into it later must not be lost with it.
    pub(crate) fn make_folder(&self, path: &str) -> Result<(), StoreError> {
        let made = self.root.make_folder(path);
        if made.map_err(|error| self.trouble("make", path, error))? && self.syncs() {
            self.sync_folder(parent(path))?;
        }
        Ok(())
    }

    /// Makes an empty file, unless it is there, and its name durable.
    pub(crate) fn make_empty(&self, path: &str) -> Result<(), StoreError> {
        let made = match self.root.write_new(path, b"", false) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.make_folder(parent(path))?;
                self.root.write_new(path, b"", false)
            }
            other => other,
        };
        match made {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(self.trouble("make", path, error));
            }
            _ => {}
        }
        if self.syncs() {
            self.sync_folder(parent(path))?;
        }
        Ok(())
    }

    pub(crate) fn remove(&self, path: &str) -> Result<bool, StoreError> {
        self.root.remove(path).map_err(|error| self.trouble("remove", path, error))
    }

    pub(crate) fn sync_folder(&self, path: &str) -> Result<(), StoreError> {
        self.root.sync_folder(path).map_err(|error| self.trouble("sync", path, error))
    }

    /// The first `most` bytes of a file, and how long it is; `None` if there is none.
    pub(crate) fn start(
        &self,
        path: &str,
        most: usize,
    ) -> Result<Option<(Vec<u8>, u64)>, StoreError> {
        let found = self.root.read(path, most);
        Ok(match found.map_err(|error| self.trouble("read", path, error))? {
            Found::File { bytes, size } => Some((bytes, size)),
            Found::Missing | Found::NoFile => None,
        })
    }

    /// The names in a folder, in order. Those that are no text are written as well as can be.
    pub(crate) fn list(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        let names = self.root.list(folder);
        let names = names.map_err(|error| self.trouble("list", folder, error))?;
        let text = |name: std::ffi::OsString| {
            name.into_string().unwrap_or_else(|name| name.to_string_lossy().into_owned())
        };
        let mut names: Vec<String> = names.into_iter().map(text).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// The folders that sessions can lie in, in the order of the ids.
    pub(crate) fn folders(&self) -> Result<Vec<String>, StoreError> {
        let mut folders = vec![String::new()];
        for _ in 0..self.keep.fan_out {
            let mut below = Vec::new();
            for folder in folders {
                let names = self.list(&folder)?.into_iter();
                let names = names.filter(|name| parse_folder(name).is_some());
                below.extend(names.map(|name| join(&folder, &name)));
            }
            folders = below;
        }
        Ok(folders)
    }

    /// The ids of the files in a folder, in order.
    pub(crate) fn sessions_in(&self, folder: &str) -> Result<Vec<SessionId>, StoreError> {
        let names = self.list(folder)?;
        let ids = names.iter().filter_map(|name| name.parse().ok());
        Ok(ids.filter(|id| folder_of(id, self.keep.fan_out) == folder).collect())
    }

    pub(crate) fn path(&self, id: &SessionId) -> String {
        session(id, self.keep.fan_out)
    }

    /// Whether what must not come apart is synced.
    pub(crate) fn syncs(&self) -> bool {
        self.keep.durability >= Durability::File
    }

    pub(crate) fn trouble(&self, action: &'static str, path: &str, error: io::Error) -> StoreError {
        trouble(action, &self.keep.directory.join(path), error)
    }

    /// Makes the lock files, so that a purge needs no room on a disk that is full.
    fn make_locks(&self) -> Result<(), StoreError> {
        for path in all_locks() {
            match self.root.write_new(&path, b"", false) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(self.trouble("make", &path, error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn read_mark(&self) -> Result<Option<u8>, StoreError> {
        let Some((bytes, _)) = self.start(MARK, 64)? else {
            return Ok(None);
        };
        let text = str::from_utf8(&bytes).ok();
        let fan_out = text.and_then(|text| text.strip_prefix(MARK_BEGINS)?.trim().parse().ok());
        fan_out.map(Some).ok_or_else(|| {
            let cause = "the mark of the store is of no known form: run the release that made it";
            StoreError::new(StoreErrorKind::Misconfigured, cause)
        })
    }

    /// Hold the lock of opening.
    fn write_mark(&self, fan_out: u8) -> Result<(), StoreError> {
        let path = join(TEMPORARY, "store");
        self.remove(&path)?;
        let content = format!("{MARK_BEGINS}{fan_out}\n");
        let written = self.root.write_new(&path, content.as_bytes(), true);
        written.map_err(|error| self.trouble("write", &path, error))?;
        let named = self.root.rename(&path, MARK);
        named.map_err(|error| self.trouble("write", MARK, error))?;
        if self.syncs() { self.sync_folder(OWN) } else { Ok(()) }
    }
}

/// A file that is written and has no name yet. Dropped, it is removed.
pub(crate) struct Staged<'s, 'a> {
    step: &'s Step<'a>,
    path: Option<String>,
}

impl Staged<'_, '_> {
    /// Puts the file in the place of a session. Hold its shard.
    pub(crate) fn put(mut self, id: &SessionId) -> Result<(), StoreError> {
        let to = self.step.path(id);
        let put = match self.step.root.rename(self.path(), &to) {
            // The folder is not there yet.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.step.make_way(id)?;
                self.step.root.rename(self.path(), &to)
            }
            other => other,
        };
        put.map_err(|error| self.step.trouble("write", &to, error))?;
        self.path = None;
        if self.step.keep.durability >= Durability::Full {
            self.step.sync_folder(parent(&to))?;
        }
        Ok(())
    }

    fn path(&self) -> &str {
        self.path.as_deref().unwrap_or_default()
    }
}

impl Drop for Staged<'_, '_> {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // The next writer of the shard removes it otherwise.
            let _ = self.step.root.remove(path);
        }
    }
}
