//! Each file operation fails once, with each error: nothing is lost, and the store goes on.

use std::{
    ffi::OsString,
    fs, io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use rustix::io::Errno;
use tower_keep_core::{
    Applied, Change, Check, Created, Index, Lifetime, NewRecord, OverLimit, ProblemKind, Purge,
    Query, Rotated, SessionId, Store, StoreError, StoreErrorKind, Sweep, Swept, TestClock, Touch,
    UserLimit,
};

use crate::{
    FileStore,
    files::{FileSystem, Found, Lock, Root, System},
};

const LIFETIME: Lifetime = Lifetime::new(Duration::from_secs(3_600), Duration::from_secs(86_400));
const ID: SessionId = SessionId::from_bytes([0x11; 32]);
const NEXT: SessionId = SessionId::from_bytes([0x22; 32]);
const RIVAL: SessionId = SessionId::from_bytes([0x33; 32]);

/// Files of which one operation fails.
#[derive(Clone, Debug)]
pub(crate) struct Failing(Arc<Plan>);

#[derive(Debug)]
struct Plan {
    files: System,
    /// How many operations are left before the one that fails.
    left: AtomicUsize,
    errno: AtomicI32,
    /// Whether the directory shows on another device, as where a share was mounted.
    is_unmounted: AtomicBool,
    /// Whether each read takes a millisecond, as on a network share.
    is_slow: AtomicBool,
    is_remote: AtomicBool,
    /// Whether files are missing until a lock is had, as on a network share that replaces one.
    is_replacing: AtomicBool,
}

impl Failing {
    pub(crate) fn in_directory(directory: &Path) -> Self {
        Self(Arc::new(Plan {
            files: System::new(directory.to_owned()),
            left: AtomicUsize::new(usize::MAX),
            errno: AtomicI32::new(0),
            is_unmounted: AtomicBool::new(false),
            is_slow: AtomicBool::new(false),
            is_remote: AtomicBool::new(false),
            is_replacing: AtomicBool::new(false),
        }))
    }

    pub(crate) fn slow_down(&self) {
        self.0.is_slow.store(true, SeqCst);
    }

    fn arm(&self, after: usize, errno: Errno) {
        self.0.errno.store(errno.raw_os_error(), SeqCst);
        self.0.left.store(after, SeqCst);
    }

    /// Says whether the fault was met.
    fn disarm(&self) -> bool {
        self.0.left.swap(usize::MAX, SeqCst) > usize::MAX / 2
    }

    fn pass(&self) -> io::Result<()> {
        if self.0.left.fetch_sub(1, SeqCst) == 0 {
            // Far below nothing: the fault is over.
            return Err(io::Error::from_raw_os_error(self.0.errno.load(SeqCst)));
        }
        Ok(())
    }
}

impl FileSystem for Failing {
    fn make(&self) -> io::Result<()> {
        self.pass()?;
        self.0.files.make()
    }

    fn open(&self) -> io::Result<Box<dyn Root>> {
        self.pass()?;
        Ok(Box::new(FailingRoot { root: self.0.files.open()?, plan: self.clone() }))
    }
}

struct FailingRoot {
    root: Box<dyn Root>,
    plan: Failing,
}

impl Root for FailingRoot {
    fn device(&self) -> io::Result<u64> {
        self.plan.pass()?;
        Ok(self.root.device()? + u64::from(self.plan.0.is_unmounted.load(SeqCst)))
    }

    fn is_remote(&self) -> io::Result<bool> {
        Ok(self.plan.0.is_remote.load(SeqCst))
    }

    fn is_shared(&self) -> io::Result<bool> {
        self.root.is_shared()
    }

    fn read(&self, path: &str, most: usize) -> io::Result<Found> {
        if self.plan.0.is_slow.load(SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.plan.pass()?;
        if self.plan.0.is_replacing.load(SeqCst) {
            return Ok(Found::Missing);
        }
        self.root.read(path, most)
    }

    fn write_new(&self, path: &str, content: &[u8], sync: bool) -> io::Result<()> {
        // A disk that fills up takes a part of the file.
        if let Err(error) = self.plan.pass() {
            self.root.write_new(path, &content[..content.len() / 2], false)?;
            return Err(error);
        }
        self.root.write_new(path, content, sync)
    }

    fn write_at(&self, path: &str, at: u64, part: &[u8], sync: bool) -> io::Result<()> {
        if let Err(error) = self.plan.pass() {
            self.root.write_at(path, at, &part[..part.len() / 2], false)?;
            return Err(error);
        }
        self.root.write_at(path, at, part, sync)
    }

    fn truncate(&self, path: &str, length: u64) -> io::Result<()> {
        self.plan.pass()?;
        self.root.truncate(path, length)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.plan.pass()?;
        self.root.rename(from, to)
    }

    fn remove(&self, path: &str) -> io::Result<bool> {
        self.plan.pass()?;
        self.root.remove(path)
    }

    fn make_folder(&self, path: &str) -> io::Result<bool> {
        self.plan.pass()?;
        self.root.make_folder(path)
    }

    fn sync_folder(&self, path: &str) -> io::Result<()> {
        self.plan.pass()?;
        self.root.sync_folder(path)
    }

    fn list(&self, path: &str) -> io::Result<Vec<OsString>> {
        self.plan.pass()?;
        self.root.list(path)
    }

    fn lock(&self, path: &str, patience: Duration) -> io::Result<Option<Lock>> {
        self.plan.pass()?;
        let lock = self.root.lock(path, patience)?;
        // Only the lock of a shard keeps its writers away.
        if !path.contains("user-") {
            self.plan.0.is_replacing.store(false, SeqCst);
        }
        Ok(lock)
    }
}

fn of_ada() -> NewRecord {
    let mut new = NewRecord::new("shop".into(), LIFETIME);
    new.user = Some("ada".into());
    new.user_limit = Some(UserLimit::new(2, OverLimit::EvictOldest));
    new
}

async fn change(store: &FileStore) -> Change {
    let record = store.load(&ID).await.unwrap().unwrap().record;
    let mut change = Change::new(&record, LIFETIME);
    change.edits.set("a", "2");
    (change.user, change.user_limit) = (Some("ada".into()), of_ada().user_limit);
    change
}

const WAYS: [&str; 10] =
    ["create", "load", "apply", "touch", "rotate", "delete", "list", "sweep", "check", "purge"];

/// Those that the other errors are tried on.
const WRITES: [&str; 3] = ["create", "touch", "rotate"];

/// Does something; the answer only matters if it is an error.
async fn go(store: &FileStore, way: &str, change: &Change) -> Result<(), StoreError> {
    let (created_at, lifetime) = (change.created_at, LIFETIME);
    match way {
        "create" => store.create(&NEXT, of_ada()).await.map(drop),
        "load" => store.load(&ID).await.map(drop),
        "apply" => store.apply(&ID, change).await.map(drop),
        "touch" => store.touch(&ID, Touch { created_at, lifetime }).await.map(drop),
        "rotate" => store.rotate(&ID, &NEXT, change).await.map(drop),
        "delete" => store.delete(&ID).await.map(drop),
        "list" => Index::list(store, &Query::new("shop").of_user("ada".into())).await.map(drop),
        "sweep" => Sweep::sweep(store, 10).await.map(drop),
        "check" => Check::check(store).await.map(drop),
        _ => Purge::purge(store).await.map(drop),
    }
}

async fn fields(store: &FileStore, id: &SessionId) -> Option<String> {
    let loaded = store.load(id).await.unwrap()?;
    Some(loaded.record.fields.get("a").unwrap_or("none").to_owned())
}

/// Fails one operation after the other; says how many there are.
async fn fail_each(way: &str, errno: Errno, kind: StoreErrorKind) -> usize {
    for after in 0.. {
        let place = in_memory();
        let directory = place.path().join("sessions");
        let files = Failing::in_directory(&directory);
        let clock = Arc::new(TestClock::default());
        let settings = FileStore::builder(&directory).clock(Arc::clone(&clock));
        let store = settings.open_in(files.clone()).await.unwrap();
        let mut new = of_ada();
        new.fields = [("a", "1")].into_iter().collect();
        for id in [&RIVAL, &ID] {
            assert!(matches!(store.create(id, new.clone()).await, Ok(Created::Created(_))));
            clock.advance(Duration::from_secs(1));
        }
        let change = change(&store).await;
        files.arm(after, errno);
        let answer = go(&store, way, &change).await;
        if !files.disarm() {
            assert!(answer.is_ok());
            return after;
        }
        if let Err(error) = &answer {
            assert_eq!(error.kind(), kind, "{way}, operation {after}: {error:?}");
        }

        let told = answer.is_ok();
        let (id, next) = (fields(&store, &ID).await, fields(&store, &NEXT).await);
        let (id, next) = (id.as_deref(), next.as_deref());
        let is_whole = match way {
            "apply" => next.is_none() && (id == Some("2") || id == Some("1") && !told),
            "rotate" => (id, next) == (None, Some("2")) || (id, next) == (Some("1"), None) && !told,
            // It makes room for a third session of the user.
            "create" => id.is_some() && (next.is_some() || !told),
            "delete" | "purge" => next.is_none() && (id.is_none() || !told),
            _ => (id, next) == (Some("1"), None),
        };
        assert!(is_whole, "{way}, operation {after}: {id:?} and {next:?}, {answer:?}");

        let checked = Check::check(&store).await.unwrap();
        let remains = |kind| matches!(kind, ProblemKind::Leftover | ProblemKind::Orphaned);
        assert!(checked.problems.iter().all(|problem| remains(problem.kind)), "{checked:?}");
        while let Swept::Removed { more: true, .. } = Sweep::sweep(&store, 10).await.unwrap() {}
        assert_eq!(Check::check(&store).await.unwrap().problems, []);

        // It goes on without being opened again.
        store.delete(&ID).await.unwrap();
        store.delete(&NEXT).await.unwrap();
        assert!(matches!(store.create(&ID, new.clone()).await, Ok(Created::Created(_))));
        let fresh = Change::new(&store.load(&ID).await.unwrap().unwrap().record, LIFETIME);
        assert!(matches!(store.apply(&ID, &fresh).await, Ok(Applied::Applied(_))));
        let fresh = Change::new(&store.load(&ID).await.unwrap().unwrap().record, LIFETIME);
        assert!(matches!(store.rotate(&ID, &NEXT, &fresh).await, Ok(Rotated::Rotated(_))));
    }
    unreachable!()
}

/// A directory in memory where there is one, since thousands of syncs take a disk minutes.
fn in_memory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

async fn fail_all(ways: &[&str], errno: Errno, kind: StoreErrorKind) {
    for way in ways {
        let operations = fail_each(way, errno, kind).await;
        assert!(operations > 1, "{way}");
    }
}

#[tokio::test]
async fn full_disk_loses_nothing() {
    fail_all(&WAYS, Errno::NOSPC, StoreErrorKind::Full).await;
}

#[tokio::test]
async fn missing_right_loses_nothing() {
    fail_all(&WRITES, Errno::ACCESS, StoreErrorKind::Misconfigured).await;
}

#[tokio::test]
async fn read_only_file_system_loses_nothing() {
    fail_all(&WRITES, Errno::ROFS, StoreErrorKind::Misconfigured).await;
}

#[tokio::test]
async fn lack_of_open_files_loses_nothing() {
    fail_all(&WRITES, Errno::MFILE, StoreErrorKind::Unavailable).await;
}

#[tokio::test]
async fn broken_disk_loses_nothing() {
    fail_all(&WRITES, Errno::IO, StoreErrorKind::Unavailable).await;
}

/// An empty directory shows where the share was; it must not read as 'no such session'.
#[tokio::test]
async fn share_that_is_not_mounted_is_an_outage_until_it_is() {
    let place = in_memory();
    let directory = place.path().join("sessions");
    let share = place.path().join("share");
    let files = Failing::in_directory(&directory);
    let store = FileStore::builder(&directory).open_in(files.clone()).await.unwrap();
    assert!(matches!(store.create(&ID, of_ada()).await, Ok(Created::Created(_))));
    let change = change(&store).await;
    fs::rename(&directory, &share).unwrap();
    fs::create_dir(&directory).unwrap();
    files.0.is_unmounted.store(true, SeqCst);
    for way in WAYS {
        let error = go(&store, way, &change).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Misconfigured, "{way}");
    }
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 0, "nothing is written beside the share");
    fs::remove_dir(&directory).unwrap();
    fs::rename(&share, &directory).unwrap();
    files.0.is_unmounted.store(false, SeqCst);
    assert!(store.load(&ID).await.unwrap().is_some());
}

/// A file has no name for a moment where a share cannot replace one at a stroke.
#[tokio::test]
async fn file_that_a_share_is_replacing_is_found() {
    let place = in_memory();
    let files = Failing::in_directory(place.path());
    files.0.is_remote.store(true, SeqCst);
    let store = FileStore::builder(place.path()).open_in(files.clone()).await.unwrap();
    assert!(matches!(store.create(&ID, of_ada()).await, Ok(Created::Created(_))));
    files.0.is_replacing.store(true, SeqCst);
    assert!(store.load(&ID).await.unwrap().is_some());
    assert!(store.load(&NEXT).await.unwrap().is_none());
    files.0.is_replacing.store(true, SeqCst);
    let of_ada = Query::new("shop").of_user("ada".into());
    assert_eq!(Index::list(&store, &of_ada).await.unwrap().sessions.len(), 1);
}
