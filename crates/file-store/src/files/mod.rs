//! The file operations that the store is made of: [`FileSystem`].
//!
//! All go through this trait, so that tests can fail each of them, and cut a run between any two.

mod system;

use std::{ffi::OsString, fmt, io, time::Duration};

pub(crate) use system::System;

/// A directory of a file system.
pub(crate) trait FileSystem: fmt::Debug + Send + Sync + 'static {
    /// Makes the directory, for its owner alone, unless it is there.
    fn make(&self) -> io::Result<()>;

    /// Opens the directory for one step, so that all of the step happens in the same one.
    fn open(&self) -> io::Result<Box<dyn Root>>;
}

/// The directory, opened. Paths are below it and empty for the directory itself; no symbolic link is
/// followed.
pub(crate) trait Root {
    /// The device that the directory lies on.
    fn device(&self) -> io::Result<u64>;

    /// Whether a reader can miss a file while another takes its place: on all but the file systems
    /// of this machine, which promise that none does.
    fn is_remote(&self) -> io::Result<bool>;

    /// Whether others than the owner may write the directory.
    fn is_shared(&self) -> io::Result<bool>;

    /// Reads the first `most` bytes of a file.
    fn read(&self, path: &str, most: usize) -> io::Result<Found>;

    /// Makes a file with this content, for its owner alone. Fails if there is one.
    fn write_new(&self, path: &str, content: &[u8], sync: bool) -> io::Result<()>;

    /// Overwrites a part of a file.
    fn write_at(&self, path: &str, at: u64, part: &[u8], sync: bool) -> io::Result<()>;

    /// Cuts a file.
    fn truncate(&self, path: &str, length: u64) -> io::Result<()>;

    /// Gives a file another name, in place of what has that name.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file; says whether there was one.
    fn remove(&self, path: &str) -> io::Result<bool>;

    /// Makes a folder, for its owner alone; says whether there was none.
    fn make_folder(&self, path: &str) -> io::Result<bool>;

    /// Makes the names in a folder durable.
    fn sync_folder(&self, path: &str) -> io::Result<()>;

    /// The names in a folder; none if there is no folder.
    fn list(&self, path: &str) -> io::Result<Vec<OsString>>;

    /// Locks a lock file, made if it is missing, against all other holders. `None` if another holds
    /// it for longer than `patience`.
    fn lock(&self, path: &str, patience: Duration) -> io::Result<Option<Lock>>;
}

/// A lock, held until it is dropped.
pub(crate) type Lock = Box<dyn Send + Sync>;

/// What a path leads to.
pub(crate) enum Found {
    /// Nothing.
    Missing,
    /// A file: what was read of it, and how long it is.
    File { bytes: Vec<u8>, size: u64 },
    /// A link, a folder, a pipe, a device.
    NoFile,
    /// A file of another user, who could have put any session into it.
    Strange,
}
