//! The store itself: [`FileStore`].

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use tower_keep_core::{
    Applied, Change, Check, Checked, Created, Import, Index, LayerName, Loaded, NewRecord, Page,
    Purge, Purged, Query, Record, Rotated, SessionId, Stats, Store, StoreError, StoreFuture, Sweep,
    Swept, Touch, Touched,
};

use crate::{FileStoreBuilder, keep::Keep, layout::MARK};

/// Keeps sessions in files, one each, under a directory.
///
/// A copy shares the directory, and so do other processes that open it. It has all capabilities: it
/// lists, sweeps, purges, imports and checks. It runs nothing by itself: without a sweeper, expired
/// sessions stay on the disk, unseen.
///
/// # Safety of what is kept
///
/// The directory is made with mode 0700 and the files in it with 0600. Names are the hexadecimal
/// digits of the id, so that no input ever becomes a path, and no symbolic link is followed, that of
/// the directory itself included. A record is bound to its id: a file swapped for another is refused,
/// and so is one of another user than the process's, the directory's or root.
///
/// A directory that is there already keeps its mode, since others may need it; if they may write it, a
/// warning is logged.
///
/// A file that is damaged is set aside and logged as an error; its user gets a new session, and the
/// others are untouched.
///
/// # Several processes
///
/// Each operation is one step for all of them. A process that dies holds nobody up; one that is
/// stopped while it writes fails the writes of its shard, one in 64, after ten seconds. Limits of
/// users are exact. The processes must run as one user, and their clocks must agree.
///
/// # Network shares
///
/// It needs locks that work between machines: NFS from version 4 on, and SMB with the locks of the
/// protocol (without the mount option `nobrl`), give them. That locks work within one machine is looked
/// at when the directory is opened; that they work between two machines is for you to see to. A reader
/// that meets a file while it is replaced looks again, when no writer is at it. Every operation costs a
/// few round trips; a folder that the client caches shows another machine's new session late, at most
/// as late as the mount option `acdirmax` says. The tests run on local file systems; of shares, SSHFS was
/// tried, from one machine.
///
/// A share that is not mounted shows an empty directory. The store knows its own by a mark, so that it
/// answers with an error then and not with 'no such session'. It has to be mounted when the store is
/// opened for the first time.
///
/// # Trouble
///
/// A full disk, a missing right, a missing directory or a lack of open files is an error whose source
/// names the path and what to check. Nothing that was there is lost, and the store goes on by itself
/// once the cause is mended.
#[derive(Clone)]
pub struct FileStore {
    keep: Arc<Keep>,
}

impl FileStore {
    /// Opens a directory with the default settings, and makes it if it is missing.
    ///
    /// # Errors
    ///
    /// As [`FileStoreBuilder::open`].
    pub async fn open(directory: impl Into<PathBuf>) -> Result<Self, StoreError> {
        Self::builder(directory).open().await
    }

    /// Sets up a store in a directory.
    pub fn builder(directory: impl Into<PathBuf>) -> FileStoreBuilder {
        FileStoreBuilder::new(directory.into())
    }

    /// Whether a store was ever opened in a directory. It looks, and makes nothing.
    ///
    /// For programs that look after sessions and must leave no store where they were given a wrong
    /// path; an application just [opens](Self::open).
    ///
    /// # Errors
    ///
    /// If it cannot be told, such as without the right to search the directory.
    ///
    /// ```
    /// use tower_keep_file_store::FileStore;
    ///
    /// let directory = tempfile::tempdir()?;
    /// assert!(!FileStore::exists(directory.path())?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn exists(directory: impl AsRef<Path>) -> io::Result<bool> {
        directory.as_ref().join(MARK).try_exists()
    }

    pub(crate) fn of(keep: Keep) -> Self {
        Self { keep: Arc::new(keep) }
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.keep.directory
    }

    /// How many live sessions this process removed because there were more than
    /// [`max_files`](FileStoreBuilder::max_files). If it grows, raise the bound, shorten the
    /// lifetimes, or find out who makes so many sessions.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.keep.bound.dropped()
    }
}

/// Shows where the sessions lie, and figures.
impl fmt::Debug for FileStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStore")
            .field("directory", &self.keep.directory)
            .field("durability", &self.keep.durability)
            .field("fan_out", &self.keep.fan_out)
            .field("max_files", &self.keep.bound.max)
            .field("dropped", &self.dropped())
            .finish_non_exhaustive()
    }
}

impl Store for FileStore {
    fn create<'a>(&'a self, id: &'a SessionId, new: NewRecord) -> StoreFuture<'a, Created> {
        StoreFuture::new(self.keep.create(*id, new))
    }

    fn load<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<Loaded>> {
        StoreFuture::new(self.keep.load(*id))
    }

    fn apply<'a>(&'a self, id: &'a SessionId, change: &'a Change) -> StoreFuture<'a, Applied> {
        StoreFuture::new(self.keep.apply(*id, change.clone()))
    }

    fn rotate<'a>(
        &'a self,
        old: &'a SessionId,
        new: &'a SessionId,
        change: &'a Change,
    ) -> StoreFuture<'a, Rotated> {
        StoreFuture::new(self.keep.rotate(*old, *new, change.clone()))
    }

    fn touch<'a>(&'a self, id: &'a SessionId, touch: Touch) -> StoreFuture<'a, Touched> {
        StoreFuture::new(self.keep.touch(*id, touch))
    }

    fn delete<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool> {
        StoreFuture::new(self.keep.delete(*id))
    }

    fn index(&self) -> Option<&dyn Index> {
        Some(self)
    }

    fn sweep(&self) -> Option<&dyn Sweep> {
        Some(self)
    }

    fn purge(&self) -> Option<&dyn Purge> {
        Some(self)
    }

    fn import(&self) -> Option<&dyn Import> {
        Some(self)
    }

    fn check(&self) -> Option<&dyn Check> {
        Some(self)
    }
}

impl Index for FileStore {
    fn list<'a>(&'a self, query: &'a Query) -> StoreFuture<'a, Page> {
        StoreFuture::new(self.keep.list(query.clone()))
    }

    fn stats<'a>(&'a self, layer: Option<&'a LayerName>) -> StoreFuture<'a, Stats> {
        StoreFuture::new(self.keep.stats(layer.cloned()))
    }
}

impl Sweep for FileStore {
    fn sweep(&self, limit: usize) -> StoreFuture<'_, Swept> {
        StoreFuture::new(self.keep.sweep(limit))
    }
}

impl Purge for FileStore {
    fn purge(&self) -> StoreFuture<'_, Purged> {
        StoreFuture::new(self.keep.purge())
    }
}

impl Import for FileStore {
    fn import<'a>(&'a self, id: &'a SessionId, record: &'a Record) -> StoreFuture<'a, Created> {
        StoreFuture::new(self.keep.import(*id, record.clone()))
    }
}

impl Check for FileStore {
    fn check(&self) -> StoreFuture<'_, Checked> {
        StoreFuture::new(self.keep.check())
    }
}
