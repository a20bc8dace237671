//! Sets a directory up as a store, and knows it again by its mark.

use std::{io, sync::atomic::Ordering::Relaxed, time::Duration};

use rustix::io::Errno;
use tower_keep_core::{StoreError, StoreErrorKind};

use crate::{
    error::trouble,
    keep::Keep,
    layout::{DAMAGED, LOCKS, MARK, OPENING_LOCK, OWN, TEMPORARY, USERS, all_locks, join},
    step::Step,
};

const MARK_BEGINS: &str = "tower-keep-store 1 ";

impl<'a> Step<'a> {
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
                // Where the folder was removed by hand, the marks of the users went with it.
                self.keep.are_marks_whole.store(false, Relaxed);
                fan_out
            }
        };
        drop(lock);
        if chosen.is_some_and(|chosen| chosen != fan_out) {
            let cause = "the directory was made with another fan-out: open it with that one";
            return Err(StoreError::new(StoreErrorKind::Misconfigured, cause));
        }
        let (device, is_remote) = (self.root.device(), self.root.is_remote());
        let look = |error| self.trouble("look at", "", error);
        self.keep.seen_on(device.map_err(look)?, is_remote.map_err(look)?);
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
