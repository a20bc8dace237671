//! What goes wrong with files, as a store says it.

use std::{error::Error as StdError, fmt, io, path::Path, path::PathBuf};

use rustix::io::Errno;
use tower_keep_core::{StoreError, StoreErrorKind};

/// An operation on a file failed.
#[derive(Debug)]
pub(crate) struct FileError {
    action: &'static str,
    path: PathBuf,
    advice: &'static str,
    source: io::Error,
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}: {}", self.action, self.path.display(), self.advice)
    }
}

impl StdError for FileError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.source)
    }
}

/// The store's error for a failed operation on a file.
pub(crate) fn trouble(action: &'static str, path: &Path, source: io::Error) -> StoreError {
    let (kind, advice) = judge(&source);
    StoreError::new(kind, FileError { action, path: path.to_owned(), advice, source })
}

fn judge(error: &io::Error) -> (StoreErrorKind, &'static str) {
    use StoreErrorKind::{Full, Misconfigured, Unavailable};
    match Errno::from_io_error(error) {
        Some(Errno::NOSPC) => (Full, "make room on the disk, for files as well as for bytes"),
        Some(Errno::DQUOT) => (Full, "raise the quota of the user that the process runs as"),
        Some(Errno::FBIG) => (Full, "raise the limit of the size of files"),
        Some(Errno::ACCESS | Errno::PERM) => (
            Misconfigured,
            "let the user that the process runs as read, write and search the directory and all in it",
        ),
        Some(Errno::ROFS) => (Misconfigured, "mount the file system so that it can be written"),
        Some(Errno::NOENT) => {
            (Misconfigured, "make the directory again, or mount the share that it lies on")
        }
        Some(Errno::LOOP | Errno::NOTDIR) => {
            (Misconfigured, "put a real directory there, since symbolic links are not followed")
        }
        Some(Errno::NOLCK | Errno::NOTSUP | Errno::NOSYS) => {
            (Misconfigured, "mount the share with locks, or keep the sessions elsewhere")
        }
        Some(Errno::MFILE | Errno::NFILE) => {
            (Unavailable, "raise the limit of open files (`ulimit -n`)")
        }
        Some(Errno::STALE) => (Unavailable, "mount the share again"),
        _ if error.kind() == io::ErrorKind::TimedOut => {
            (Unavailable, "look for a process that holds it and is stopped")
        }
        _ => (Unavailable, "check the disk or the share that it lies on"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_trouble_has_its_kind_and_names_the_path() {
        use StoreErrorKind::{Full, Misconfigured, Unavailable};
        for (errno, kind, word) in [
            (Errno::NOSPC, Full, "room"),
            (Errno::DQUOT, Full, "quota"),
            (Errno::ACCESS, Misconfigured, "user"),
            (Errno::ROFS, Misconfigured, "mount"),
            (Errno::NOENT, Misconfigured, "directory"),
            (Errno::LOOP, Misconfigured, "links"),
            (Errno::MFILE, Unavailable, "ulimit"),
            (Errno::IO, Unavailable, "disk"),
        ] {
            let error = trouble("write", Path::new("/sessions/ab"), errno.into());
            assert_eq!(error.kind(), kind, "{errno:?}");
            let cause = error.source().unwrap().to_string();
            assert!(cause.contains("/sessions/ab") && cause.contains(word), "{cause}");
        }
    }
}
