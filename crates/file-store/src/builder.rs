//! The settings of a store: [`FileStoreBuilder`].

use std::path::PathBuf;

use tower_keep_core::{Clock, StoreError, SystemClock};

use crate::{
    FileStore,
    files::{FileSystem, System},
    keep::Keep,
    layout::MAX_FAN_OUT,
};

/// What a power cut, or a crash of the system, may cost. A crash of the process alone costs nothing
/// that was acknowledged, whatever is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Durability {
    /// Nothing is synced. After a power cut the last half minute may be undone, and sessions written
    /// in it may be damaged, which is found and costs them.
    ///
    /// For sessions that can be lost, and directories in memory.
    None,
    /// Content is synced before it gets its name, the default: no session is ever damaged.
    ///
    /// After a power cut the last changes and new sessions may be undone, as far as the file system
    /// had not written their names. Ends hold: what was deleted or rotated away stays dead, since
    /// these steps sync the folder too.
    #[default]
    File,
    /// The folder is synced too, and so is a touch: after a power cut everything that was
    /// acknowledged is there.
    Full,
}

/// The settings of a [`FileStore`].
///
/// ```
/// use tower_keep_file_store::{Durability, FileStore};
///
/// # let place = tempfile::tempdir().unwrap();
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let store = FileStore::builder(place.path().join("sessions"))
///     .durability(Durability::Full)
///     .max_files(100_000)
///     .open()
///     .await?;
/// # Ok::<(), tower_keep_core::StoreError>(()) }).unwrap();
/// ```
#[derive(Debug)]
#[must_use = "settings do nothing until the store is opened"]
pub struct FileStoreBuilder {
    pub(crate) directory: PathBuf,
    pub(crate) durability: Durability,
    pub(crate) fan_out: Option<u8>,
    pub(crate) max_files: Option<u64>,
    pub(crate) operations: usize,
    pub(crate) clock: Box<dyn Clock>,
}

impl FileStoreBuilder {
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            durability: Durability::default(),
            fan_out: None,
            max_files: None,
            operations: 32,
            clock: Box::new(SystemClock),
        }
    }

    /// Sets what a power cut may cost: [`Durability::File`] unless told.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Sets how many levels of folders the sessions lie in: none, which is for those who look at the
    /// directory by hand, one of 256 folders, or two, of 65,536. More are taken as two.
    ///
    /// One unless told, or what the directory was made with: it cannot be changed later. Some file
    /// systems and most tools become slow with hundreds of thousands of files in one folder.
    pub fn fan_out(mut self, levels: u8) -> Self {
        self.fan_out = Some(levels.min(MAX_FAN_OUT));
        self
    }

    /// Sets the most sessions that are kept, at least one: no limit unless told.
    ///
    /// Over it, expired sessions are removed first, then those nearest to their expiry, never the one
    /// that is being written. What is removed is [counted](FileStore::dropped) and logged. Several
    /// processes may be over it by a sixteenth, since each counts anew from time to time only.
    pub fn max_files(mut self, files: u64) -> Self {
        self.max_files = Some(files.max(1));
        self
    }

    /// Sets how many reads, and how many writes, may be under way at once, at least one: 32 unless
    /// told. Each takes a blocking thread of the runtime, which has 512 unless told.
    pub fn operations(mut self, operations: usize) -> Self {
        self.operations = operations.max(1);
        self
    }

    /// Sets the clock that judges expiry: the system's unless told. Processes that share a directory
    /// must have clocks that agree.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// Opens the directory, and makes it if it is missing.
    ///
    /// # Errors
    ///
    /// [`Misconfigured`](tower_keep_core::StoreErrorKind::Misconfigured) if it cannot be made or
    /// written, is a symbolic link, has another fan-out, or lies where locks do not work.
    pub async fn open(mut self) -> Result<FileStore, StoreError> {
        // A later change of the process's directory must not move the store. The components leave
        // out a slash at the end, behind which a link would be followed.
        if let Ok(absolute) = std::path::absolute(&self.directory) {
            self.directory = absolute.components().collect();
        }
        let files = System::new(self.directory.clone());
        self.open_in(files).await
    }

    pub(crate) async fn open_in(self, files: impl FileSystem) -> Result<FileStore, StoreError> {
        Ok(FileStore::of(Keep::open(self, Box::new(files)).await?))
    }
}
