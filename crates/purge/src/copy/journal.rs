//! What a copy knows of the sessions that it brought to the target: [`Journal`].

use std::{
    collections::HashMap,
    fmt::Write as _,
    fs::File,
    io::{Read, Seek, SeekFrom, Write},
    path::Path,
};

use tower_keep_core::{Receipt, Record, SessionId, Timestamp};

use super::CopyError;

/// The first line of a journal's file.
const HEADER: &str = "tower-keep copy journal 1\n";

/// What a copy knows of the sessions that it brought to the target: how each of them was there when
/// the copy last looked. It is how a copy tells that a session was used or ended at the target since.
///
/// It takes about 120 bytes of memory for each session. Kept in a file, it serves later runs of the
/// same copy too; it names sessions by their ids, which open nothing.
#[derive(Debug, Default)]
pub struct Journal {
    known: HashMap<SessionId, Known>,
    file: Option<File>,
    /// Lines that are not written yet.
    lines: String,
}

/// How a session was at the target when the copy last looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) version: u64,
    pub(super) last_active: Timestamp,
    pub(super) expires_at: Timestamp,
    /// The last pass that saw it at the source.
    pub(super) seen: u32,
}

impl Known {
    pub(super) fn of(record: &Record) -> Self {
        let Record { version, last_active, expires_at, .. } = *record;
        Self { version, last_active, expires_at, seen: 0 }
    }

    pub(super) fn written(receipt: &Receipt) -> Self {
        let Receipt { version, at, expires_at, .. } = *receipt;
        Self { version, last_active: at, expires_at, seen: 0 }
    }

    /// Whether the session was changed or touched at the target since.
    pub(super) fn was_used(&self, there: &Record) -> bool {
        there.version != self.version || there.last_active > self.last_active
    }
}

impl Journal {
    /// A journal that ends with the process.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::default()
    }

    /// A journal in a file, which is made if it is not there.
    ///
    /// Use one file for one source and target. A line that a killed process left unfinished is
    /// dropped.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened, read or written, or holds anything else; it is left as it is then.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, CopyError> {
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(path)?;
        let mut text = String::new();
        // What is not text is no journal; other errors are the file's.
        if let Err(error) = file.read_to_string(&mut text) {
            return Err(match error.kind() {
                std::io::ErrorKind::InvalidData => CopyError::NO_JOURNAL,
                _ => error.into(),
            });
        }
        let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
        let known = match whole.strip_prefix(HEADER) {
            Some(lines) => {
                let lines = lines.lines().map(|line| parse(line).ok_or(CopyError::NO_JOURNAL));
                lines.collect::<Result<_, _>>()?
            }
            // Empty, or killed while its first line was written.
            None if HEADER.starts_with(&text) => HashMap::new(),
            None => return Err(CopyError::NO_JOURNAL),
        };
        file.set_len(whole.len() as u64)?;
        file.seek(SeekFrom::End(0))?;
        if whole.is_empty() {
            file.write_all(HEADER.as_bytes())?;
        }
        Ok(Self { known, file: Some(file), lines: String::new() })
    }

    /// How many sessions it knows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether it knows none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    pub(super) fn get(&self, id: &SessionId) -> Option<Known> {
        self.known.get(id).copied()
    }

    /// Notes how a session is at the target, as the pass `seen` found it.
    pub(super) fn note(&mut self, id: SessionId, known: Known, seen: u32) {
        let known = Known { seen, ..known };
        let before = self.known.insert(id, known);
        let is_news = before.is_none_or(|before| Known { seen, ..before } != known);
        if self.file.is_some() && is_news {
            let Known { version, last_active, expires_at, .. } = known;
            let (last_active, expires_at) = (last_active.as_millis(), expires_at.as_millis());
            // Writing to a string cannot fail.
            let _ = writeln!(self.lines, "{id} {version} {last_active} {expires_at}");
        }
    }

    /// Notes that a pass saw a session at the source.
    pub(super) fn see(&mut self, id: &SessionId, seen: u32) {
        if let Some(known) = self.known.get_mut(id) {
            known.seen = seen;
        }
    }

    /// The sessions that this pass has not seen at the source.
    pub(super) fn unseen(&self, pass: u32) -> Vec<(SessionId, Known)> {
        let unseen = self.known.iter().filter(|(_, known)| known.seen != pass);
        unseen.map(|(id, known)| (*id, *known)).collect()
    }

    /// Forgets sessions that are over, in memory.
    pub(super) fn forget(&mut self, id: &SessionId) {
        self.known.remove(id);
    }

    /// Writes what was noted to the file.
    pub(super) fn flush(&mut self) -> Result<(), CopyError> {
        if let Some(file) = &mut self.file {
            file.write_all(self.lines.as_bytes())?;
            self.lines.clear();
        }
        Ok(())
    }
}

fn parse(line: &str) -> Option<(SessionId, Known)> {
    let mut words = line.split(' ');
    let id = words.next()?.parse().ok()?;
    let version = words.next()?.parse().ok()?;
    let mut time = || Some(Timestamp::from_millis(words.next()?.parse().ok()?));
    let (last_active, expires_at) = (time()?, time()?);
    words.next().is_none().then_some((id, Known { version, last_active, expires_at, seen: 0 }))
}
