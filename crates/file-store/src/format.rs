//! The file of a session.
//!
//! ```text
//! tower-keep-session 1 3fa9…e1 00000182 7c0a91d2                            id, length and CRC-32 of the record
//! touched 0000000000 +0001795262400000 … +0001795264200000 … 5a1b9c3d       last used, expires; and once more
//! touched 0000000000 +0001795262400000 … +0001795264200000 … 5a1b9c3d
//! {"format":1,"id":"3fa9…e1",…}
//! ```
//!
//! A touch overwrites the older of the two lines of times: one that is torn by a power cut, or that a
//! reader meets half written, has a wrong checksum, and the other counts, or, if both are torn, what the
//! record itself says. What follows the record is
//! the same again for the id that a rotation comes from; after the rotation it is cut off.

use tower_keep_core::{Record, SessionId, StoreError, StoreErrorKind, Timestamp};

/// More than any session holds; what is longer is not read.
pub(crate) const MAX_RECORD: usize = 32 << 20;
/// The longest file: two records, and what comes with them.
pub(crate) const MAX_FILE: usize = 2 * (MAX_RECORD + BODY + 1);
/// So much of a file is enough for [`peek`].
pub(crate) const BODY: usize = HEAD + 2 * TIMES;

const MAGIC: &str = "tower-keep-session ";
const VERSION: &str = "1";
const HEAD: usize = 104;
const TIMES: usize = 70;

/// A record as it lies in a file.
#[derive(Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) record: Record,
    /// Whether neither line of times was whole, so that those in the record count. A power cut after
    /// two touches can do that, or a reader meets both half written.
    pub(crate) is_torn: bool,
    /// Where the next times are to be written, and their number.
    next: (usize, u32),
}

/// Why a file cannot be read as the session's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// It is not what was written.
    Damaged(&'static str),
    /// A later release wrote it.
    Later,
}

/// The content of a file that holds a record.
pub(crate) fn encode(id: &SessionId, record: &Record) -> Result<Vec<u8>, StoreError> {
    let body = record.encode(id)?;
    if body.len() > MAX_RECORD {
        let cause = "one session is larger than 32 MiB: keep less in it";
        return Err(StoreError::new(StoreErrorKind::Full, cause));
    }
    let sum = crc32fast::hash(&body);
    let mut file = Vec::with_capacity(BODY + body.len() + 1);
    file.extend(format!("{MAGIC}{VERSION} {id} {:08} {sum:08x}\n", body.len()).into_bytes());
    let times = times(id, 0, record.last_active, record.expires_at);
    file.extend(times.as_bytes());
    file.extend(times.as_bytes());
    file.extend(body);
    file.push(b'\n');
    Ok(file)
}

/// Reads the record of an id from the content of its file.
pub(crate) fn decode(id: &SessionId, file: &[u8]) -> Result<Entry, Unreadable> {
    let mut start = 0;
    // Two at most, so that a file of many records takes no longer.
    for _ in 0..2 {
        let section = &file[start..];
        let head = head(section)?;
        let end = BODY + head.length + 1;
        if head.id != *id {
            start += end;
            if start >= file.len() {
                break;
            }
            continue;
        }
        let body = section.get(BODY..end - 1).ok_or(Unreadable::Damaged("it is cut short"))?;
        if crc32fast::hash(body) != head.sum {
            return Err(Unreadable::Damaged("its record has another checksum"));
        }
        let mut record = Record::decode(id, body)
            .map_err(|_| Unreadable::Damaged("its record is of no known form"))?;
        let times = Times::of(id, section);
        let is_torn = times.is_none();
        // Those in the record are of its last change, and whole as it is.
        let times = times.unwrap_or(Times {
            number: 0,
            last_active: record.last_active,
            expires_at: record.expires_at,
            is_second: true,
        });
        record.last_active = times.last_active;
        record.expires_at = times.expires_at;
        let line = usize::from(!times.is_second);
        let next = (start + HEAD + TIMES * line, times.number.wrapping_add(1));
        return Ok(Entry { record, is_torn, next });
    }
    Err(Unreadable::Damaged("it is the file of another session"))
}

/// When a session expires, from the first [`BODY`] bytes of its file; `None` if the whole is needed.
pub(crate) fn peek(id: &SessionId, start: &[u8]) -> Option<Timestamp> {
    let head = head(start).ok().filter(|head| head.id == *id);
    head.and_then(|_| Times::of(id, start)).map(|times| times.expires_at)
}

/// Whether a file that begins like this is one of the store's. One that was lost in a power cut may
/// be empty.
pub(crate) fn is_ours(start: &[u8]) -> bool {
    start.is_empty() || start.starts_with(MAGIC.as_bytes())
}

/// Where in the file the times of a touched record are to be written, and the line.
pub(crate) fn touch(id: &SessionId, entry: &Entry, touched: &Record) -> (u64, String) {
    let (at, number) = entry.next;
    (at as u64, times(id, number, touched.last_active, touched.expires_at))
}

struct Head {
    id: SessionId,
    length: usize,
    sum: u32,
}

fn head(section: &[u8]) -> Result<Head, Unreadable> {
    const NO_HEAD: Unreadable = Unreadable::Damaged("it does not begin as a session does");
    let text = section.get(..HEAD).and_then(|head| str::from_utf8(head).ok()).ok_or(NO_HEAD)?;
    let rest = text.strip_prefix(MAGIC).ok_or(NO_HEAD)?;
    let Some(rest) = rest.strip_prefix(VERSION).and_then(|rest| rest.strip_prefix(' ')) else {
        let is_number = rest.starts_with(|digit: char| digit.is_ascii_digit());
        return Err(if is_number { Unreadable::Later } else { NO_HEAD });
    };
    let mut words = rest.strip_suffix('\n').ok_or(NO_HEAD)?.split(' ');
    let id = words.next().and_then(|id| id.parse().ok()).ok_or(NO_HEAD)?;
    let length = words.next().and_then(|length| length.parse().ok()).ok_or(NO_HEAD)?;
    let sum = words.next().and_then(|sum| u32::from_str_radix(sum, 16).ok()).ok_or(NO_HEAD)?;
    if length > MAX_RECORD {
        return Err(Unreadable::Damaged("it says that it is longer than a session can be"));
    }
    Ok(Head { id, length, sum })
}

#[derive(Clone, Copy)]
struct Times {
    number: u32,
    last_active: Timestamp,
    expires_at: Timestamp,
    is_second: bool,
}

impl Times {
    /// The later of the two lines that are whole.
    fn of(id: &SessionId, section: &[u8]) -> Option<Self> {
        let read = |second: bool| {
            let at = HEAD + TIMES * usize::from(second);
            let line = section.get(at..at + TIMES)?;
            Some(Self { is_second: second, ..Self::parse(id, str::from_utf8(line).ok()?)? })
        };
        let lines = [read(false), read(true)].into_iter().flatten();
        lines.max_by_key(|times| times.number)
    }

    fn parse(id: &SessionId, line: &str) -> Option<Self> {
        let mut words = line.strip_prefix("touched ")?.split(' ');
        let number = words.next()?.parse().ok()?;
        let mut time = || Some(Timestamp::from_millis(words.next()?.parse().ok()?));
        let (last_active, expires_at) = (time()?, time()?);
        // Written again, it has to be the same, checksum included.
        (times(id, number, last_active, expires_at) == line).then_some(Self {
            number,
            last_active,
            expires_at,
            is_second: false,
        })
    }
}

fn times(id: &SessionId, number: u32, last_active: Timestamp, expires_at: Timestamp) -> String {
    let (used, expires) = (last_active.as_millis(), expires_at.as_millis());
    let line = format!("touched {number:010} {used:+020} {expires:+020} ");
    let mut sum = crc32fast::Hasher::new();
    sum.update(id.as_bytes());
    sum.update(line.as_bytes());
    format!("{line}{:08x}\n", sum.finalize())
}

#[cfg(test)]
mod tests {
    use tower_keep_core::Lifetime;

    use super::*;

    const ID: SessionId = SessionId::from_bytes([0xab; 32]);
    const OTHER: SessionId = SessionId::from_bytes([0xcd; 32]);

    fn record() -> Record {
        let mut record = Record::new("shop".into(), Timestamp::from_millis(1_000));
        record.last_active = Timestamp::from_millis(2_000);
        record.expires_at = Timestamp::from_millis(3_000);
        record.fields = [("visits", "3")].into_iter().collect();
        record
    }

    /// Files that a release wrote must be readable by every later one.
    #[test]
    fn format_1_is_pinned() {
        let file = encode(&ID, &record()).unwrap();
        let id = ID.to_string();
        let golden = format!(
            "tower-keep-session 1 {id} 00000188 c7ca3828\n\
             touched 0000000000 +0000000000000002000 +0000000000000003000 945e0a98\n\
             touched 0000000000 +0000000000000002000 +0000000000000003000 945e0a98\n\
             {{\"format\":1,\"id\":\"{id}\",\"layer\":\"shop\",\"version\":1,\"created_at\":1000,\
             \"last_active\":2000,\"expires_at\":3000,\"fields\":{{\"visits\":3}}}}\n"
        );
        assert_eq!(String::from_utf8(file).unwrap(), golden);
        assert_eq!(decode(&ID, golden.as_bytes()).unwrap().record, record());
    }

    #[test]
    fn times_of_the_extremes_keep_their_width() {
        for millis in [i64::MIN, -1, 0, i64::MAX] {
            let at = Timestamp::from_millis(millis);
            let line = times(&ID, u32::MAX, at, at);
            assert_eq!(line.len(), TIMES, "{line}");
            assert_eq!(Times::parse(&ID, &line).unwrap().expires_at, at);
        }
    }

    #[test]
    fn torn_touch_leaves_the_times_before_it() {
        let mut file = encode(&ID, &record()).unwrap();
        let mut before = record();
        for round in 1..6 {
            let lifetime = Lifetime::default();
            let touched = before.touched(lifetime, Timestamp::from_millis(round * 10_000));
            let (at, line) = touch(&ID, &decode(&ID, &file).unwrap(), &touched);
            for cut in 0..line.len() {
                let mut torn = file.clone();
                torn[at as usize..at as usize + cut].copy_from_slice(&line.as_bytes()[..cut]);
                let read = decode(&ID, &torn).unwrap().record;
                assert!(read == before || read == touched, "cut at {cut}");
                assert!(peek(&ID, &torn).is_some());
            }
            file[at as usize..at as usize + line.len()].copy_from_slice(line.as_bytes());
            assert_eq!(decode(&ID, &file).unwrap().record, touched);
            before = touched;
        }
    }

    #[test]
    fn two_torn_touches_leave_the_times_of_the_last_change() {
        let mut file = encode(&ID, &record()).unwrap();
        file[HEAD + 20] ^= 1;
        file[HEAD + TIMES + 20] ^= 1;
        let entry = decode(&ID, &file).unwrap();
        assert!(entry.is_torn && entry.record == record());
        let touched = record().touched(Lifetime::default(), Timestamp::from_millis(9_000));
        let (at, line) = touch(&ID, &entry, &touched);
        file[at as usize..at as usize + TIMES].copy_from_slice(line.as_bytes());
        assert_eq!(decode(&ID, &file).unwrap().record, touched);
    }

    #[test]
    fn file_of_a_rotation_holds_both_and_no_third() {
        let mut file = encode(&OTHER, &record()).unwrap();
        let length = file.len();
        file.extend(encode(&ID, &record()).unwrap());
        assert_eq!(decode(&ID, &file).unwrap().record, record());
        assert_eq!(decode(&OTHER, &file).unwrap().record, record());
        assert_eq!(decode(&OTHER, &file[..length]).unwrap().record, record());
        assert!(decode(&ID, &file[..length]).is_err());
        assert!(decode(&SessionId::from_bytes([0; 32]), &file).is_err());
        let touched = record().touched(Lifetime::default(), Timestamp::from_millis(9_000));
        let (at, _) = touch(&ID, &decode(&ID, &file).unwrap(), &touched);
        assert!(at as usize > length);
    }

    #[test]
    fn no_byte_can_be_changed_unseen() {
        let file = encode(&ID, &record()).unwrap();
        for place in 0..file.len() - 1 {
            for change in [1_u8, 0x20, 0x80] {
                let mut damaged = file.clone();
                damaged[place] ^= change;
                // Either line of times may be damaged: the other one is the same.
                if let Ok(entry) = decode(&ID, &damaged) {
                    assert_eq!(entry.record, record(), "byte {place}");
                }
            }
            assert!(decode(&ID, &file[..place]).is_err(), "cut at {place}");
        }
    }

    #[test]
    fn later_format_is_not_damage() {
        let file = String::from_utf8(encode(&ID, &record()).unwrap()).unwrap();
        let later = file.replacen("session 1", "session 2", 1);
        assert_eq!(decode(&ID, later.as_bytes()), Err(Unreadable::Later));
        assert!(is_ours(later.as_bytes()) && is_ours(b"") && !is_ours(b"\x80\x04\x95"));
    }
}
