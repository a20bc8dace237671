//! The file operations of the operating system: [`System`].

use std::{
    ffi::OsString,
    fs::{DirBuilder, File},
    io::{self, Read, Write},
    os::unix::{
        ffi::OsStringExt,
        fs::{DirBuilderExt, FileExt},
    },
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    fs::{
        AtFlags, Dir, FileType, FlockOperation, Mode, OFlags, flock, fstat, mkdirat, open, openat,
        renameat, statat, unlinkat,
    },
    io::Errno,
    process::geteuid,
};

use super::{FileSystem, Found, Lock, Root};

const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);
const FOLDER_MODE: Mode = Mode::RWXU;
const FOLDER: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
// NONBLOCK, so that a pipe in the place of a file holds nobody up.
const FILE: OFlags = OFlags::NOFOLLOW.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);

/// The file systems that lie on this machine, by their magic numbers (statfs(2)): ext2 to ext4, XFS,
/// Btrfs, tmpfs, overlayfs, ZFS, F2FS and bcachefs.
#[cfg(target_os = "linux")]
const LOCAL: [u32; 8] = [
    0xEF53,
    0x5846_5342,
    0x9123_683E,
    0x0102_1994,
    0x794C_7630,
    0x2FC1_2FC1,
    0xF2F5_2010,
    0xCA45_1A4E,
];

/// So often a file is opened anew that another has taken the place of.
const LOOKS: usize = 20;

const FIRST_WAIT: Duration = Duration::from_micros(20);
const LONGEST_WAIT: Duration = Duration::from_millis(2);

/// A directory of the operating system's.
#[derive(Debug)]
pub(crate) struct System {
    directory: PathBuf,
}

impl System {
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self { directory }
    }
}

impl FileSystem for System {
    fn make(&self) -> io::Result<()> {
        match DirBuilder::new().recursive(true).mode(0o700).create(&self.directory) {
            // Something else is there; opening it tells what.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    }

    fn open(&self) -> io::Result<Box<dyn Root>> {
        Ok(Box::new(Opened(open(&self.directory, FOLDER, Mode::empty())?)))
    }
}

struct Opened(OwnedFd);

/// A folder on the way to a file: the directory itself, or one that was opened.
enum Folder<'a> {
    Root(BorrowedFd<'a>),
    Below(OwnedFd),
}

impl AsFd for Folder<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Root(folder) => *folder,
            Self::Below(folder) => folder.as_fd(),
        }
    }
}

impl Opened {
    fn folder(&self, path: &str) -> io::Result<Folder<'_>> {
        let mut folder = Folder::Root(self.0.as_fd());
        for name in path.split('/').filter(|name| !name.is_empty()) {
            folder = Folder::Below(openat(&folder, name, FOLDER, Mode::empty())?);
        }
        Ok(folder)
    }

    /// The folder of a file, and the file's name in it.
    fn place<'a>(&self, path: &'a str) -> io::Result<(Folder<'_>, &'a str)> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        Ok((self.folder(folder)?, name))
    }

    /// Whether a file of this owner may hold a session: this process's own, root's, or that of the
    /// directory, who can do as he pleases with it anyhow. A network share can show all of them as
    /// another user's than the process's.
    fn trusts(&self, owner: u32) -> io::Result<bool> {
        const ROOT: u32 = 0;
        let is_ours = owner == geteuid().as_raw() || owner == ROOT;
        Ok(is_ours || owner == fstat(&self.0)?.st_uid)
    }

    /// Reads a file, unless another takes its place on a network share while it is opened.
    fn look(&self, folder: &Folder<'_>, name: &str, most: usize) -> io::Result<Found> {
        let file = match openat(folder, name, FILE | OFlags::RDONLY, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(Found::Missing),
            // A link; some systems say MLINK. A socket cannot be opened at all.
            Err(Errno::LOOP | Errno::MLINK | Errno::NXIO) => return Ok(Found::NoFile),
            other => other?,
        };
        let facts = fstat(&file)?;
        if FileType::from_raw_mode(facts.st_mode) != FileType::RegularFile {
            return Ok(Found::NoFile);
        }
        if !self.trusts(facts.st_uid)? {
            return Ok(Found::Strange);
        }
        let size = u64::try_from(facts.st_size).unwrap_or(0);
        let expected = usize::try_from(size).unwrap_or(usize::MAX).min(most);
        // One more, so that the end is seen without a second read.
        let mut bytes = Vec::with_capacity(expected + 1);
        File::from(file).take(most as u64).read_to_end(&mut bytes)?;
        Ok(Found::File { bytes, size })
    }

    fn open_file(&self, path: &str, flags: OFlags) -> io::Result<File> {
        let (folder, name) = self.place(path)?;
        Ok(File::from(openat(folder, name, FILE | flags, FILE_MODE)?))
    }
}

impl Root for Opened {
    fn device(&self) -> io::Result<u64> {
        #[allow(clippy::useless_conversion, reason = "narrower on other systems")]
        Ok(u64::try_from(fstat(&self.0)?.st_dev).unwrap_or(0))
    }

    #[cfg(target_os = "linux")]
    fn is_remote(&self) -> io::Result<bool> {
        // Narrower on some machines; all of these fit.
        Ok(!LOCAL.contains(&(rustix::fs::fstatfs(&self.0)?.f_type as u32)))
    }

    #[cfg(not(target_os = "linux"))]
    fn is_remote(&self) -> io::Result<bool> {
        Ok(true)
    }

    fn is_shared(&self) -> io::Result<bool> {
        Ok(Mode::from_raw_mode(fstat(&self.0)?.st_mode).intersects(Mode::WGRP | Mode::WOTH))
    }

    fn read(&self, path: &str, most: usize) -> io::Result<Found> {
        let (folder, name) = match self.place(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Missing),
            other => other?,
        };
        let mut looks = 1;
        loop {
            match self.look(&folder, name, most) {
                Err(error) if looks < LOOKS && was_replaced(&error) => looks += 1,
                found => return found,
            }
        }
    }

    fn write_new(&self, path: &str, content: &[u8], sync: bool) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let mut file = self.open_file(path, flags)?;
        file.write_all(content)?;
        if sync {
            file.sync_data()?;
        }
        Ok(())
    }

    fn write_at(&self, path: &str, at: u64, part: &[u8], sync: bool) -> io::Result<()> {
        let file = self.open_file(path, OFlags::WRONLY)?;
        file.write_all_at(part, at)?;
        if sync {
            file.sync_data()?;
        }
        Ok(())
    }

    fn truncate(&self, path: &str, length: u64) -> io::Result<()> {
        self.open_file(path, OFlags::WRONLY)?.set_len(length)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (from_folder, from_name) = self.place(from)?;
        let (to_folder, to_name) = self.place(to)?;
        Ok(renameat(from_folder, from_name, to_folder, to_name)?)
    }

    fn remove(&self, path: &str) -> io::Result<bool> {
        let (folder, name) = match self.place(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            other => other?,
        };
        match unlinkat(folder, name, AtFlags::empty()) {
            Err(Errno::NOENT) => Ok(false),
            other => Ok(other.map(|()| true)?),
        }
    }

    fn make_folder(&self, path: &str) -> io::Result<bool> {
        let (folder, name) = self.place(path)?;
        match mkdirat(folder, name, FOLDER_MODE) {
            Err(Errno::EXIST) => Ok(false),
            other => Ok(other.map(|()| true)?),
        }
    }

    fn sync_folder(&self, path: &str) -> io::Result<()> {
        // Opened anew, since the directory's own descriptor is only borrowed.
        let folder = openat(self.folder(path)?, ".", FOLDER, Mode::empty())?;
        File::from(folder).sync_all()
    }

    fn list(&self, path: &str) -> io::Result<Vec<OsString>> {
        let folder = match self.folder(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let mut names = Vec::new();
        for entry in Dir::read_from(folder)? {
            let name = entry?.file_name().to_bytes().to_vec();
            if name != b"." && name != b".." {
                names.push(OsString::from_vec(name));
            }
        }
        Ok(names)
    }

    fn lock(&self, path: &str, patience: Duration) -> io::Result<Option<Lock>> {
        let began = Instant::now();
        let (folder, name) = self.place(path)?;
        let mut wait = FIRST_WAIT;
        loop {
            let flags = FILE | OFlags::RDWR | OFlags::CREATE;
            let file = openat(&folder, name, flags, FILE_MODE)?;
            loop {
                match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                    Ok(()) => break,
                    Err(Errno::WOULDBLOCK | Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
                if began.elapsed() >= patience {
                    return Ok(None);
                }
                thread::sleep(wait);
                wait = (wait * 2).min(LONGEST_WAIT);
            }
            // Whoever removed the file meanwhile lets others lock another of the same name.
            let held = fstat(&file)?;
            match statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(named) if (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino) => {
                    return Ok(Some(Box::new(file)));
                }
                Ok(_) | Err(Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Whether a file was opened whose place another had taken by then: a network share cannot read it.
fn was_replaced(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::NOENT | Errno::STALE))
}
