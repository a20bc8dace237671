//! The file of one session: read, set aside, written, moved and removed.

use std::io;

use tower_keep_core::{Record, SessionId, StoreError, StoreErrorKind, Timestamp};

use crate::{
    builder::Durability,
    files::Found,
    format::{self, Entry, MAX_FILE, Unreadable},
    layout::{DAMAGED, UserKey, folder_of, parent, session, shard_of, temporary},
    step::Step,
};

/// What there is of a session.
pub(crate) enum State {
    Live(Entry),
    Expired(Entry),
    Missing,
    Damaged(&'static str),
}

impl<'a> Step<'a> {
    /// What there is of a session at this time.
    pub(crate) fn find(&self, id: &SessionId, now: Timestamp) -> Result<State, StoreError> {
        let path = self.path(id);
        let found = self.root.read(&path, MAX_FILE);
        let bytes = match found.map_err(|error| self.trouble("read", &path, error))? {
            Found::Missing => return Ok(State::Missing),
            Found::NoFile => return Ok(State::Damaged("it is no regular file")),
            Found::Strange => return Ok(State::Damaged("it belongs to another user")),
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

    /// Moves a damaged file out of the way. Its name holds the time, so that none is lost. Hold its
    /// shard.
    pub(crate) fn set_aside(
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

    pub(crate) fn path(&self, id: &SessionId) -> String {
        session(id, self.keep.fan_out)
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
