//! One step on the directory: [`Step`].

use std::{io, time::Duration};

use tower_keep_core::{SessionId, StoreError};

use crate::{
    builder::Durability,
    error::trouble,
    files::{Found, Lock, Root},
    keep::Keep,
    layout::{OPENING_LOCK, Shards, folder_of, join, parent, parse_folder, shard_lock},
};

/// So long another process may hold a lock. Ours are held for milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// One step on the directory, which was opened for it. All of it blocks the thread.
pub(crate) struct Step<'a> {
    pub(crate) keep: &'a Keep,
    pub(crate) root: Box<dyn Root>,
}

impl<'a> Step<'a> {
    pub(crate) fn open(keep: &'a Keep) -> Result<Self, StoreError> {
        let opened = keep.files.open().map_err(|error| trouble("open", &keep.directory, error));
        Ok(Self { keep, root: opened? })
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
            Found::Missing | Found::NoFile | Found::Strange => None,
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

    /// Whether what must not come apart is synced.
    pub(crate) fn syncs(&self) -> bool {
        self.keep.durability >= Durability::File
    }

    pub(crate) fn trouble(&self, action: &'static str, path: &str, error: io::Error) -> StoreError {
        trouble(action, &self.keep.directory.join(path), error)
    }
}
