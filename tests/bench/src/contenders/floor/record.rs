//! What the floor keeps of a session: [`Record`].

use std::sync::Arc;

use super::flat::Flat;

/// Up to this many bytes a change writes all fields anew; above, it shares what it leaves.
const SHARE_FROM_BYTES: usize = 1_024;

/// The fields of a session and the end of its life.
///
/// It is never changed, only replaced, so that readers share it. A small session is one [`Flat`]; a
/// large one has a shared part, which a change leaves, under the fields that were changed since.
pub(super) struct Record {
    pub(super) expires_at: u64,
    shared: Option<Arc<Flat>>,
    recent: Flat,
}

impl Record {
    pub(super) fn new(expires_at: u64) -> Self {
        Self { expires_at, shared: None, recent: Flat::default() }
    }

    pub(super) fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.recent.get(name).or_else(|| self.shared.as_ref()?.get(name))
    }

    /// A copy with one field set.
    pub(super) fn with(&self, name: &[u8], value: &[u8]) -> Self {
        let recent = self.recent.with(name, value);
        if recent.size() <= SHARE_FROM_BYTES {
            return Self { expires_at: self.expires_at, shared: self.shared.clone(), recent };
        }
        let shared = match &self.shared {
            None => recent,
            Some(shared) => shared.under(&recent),
        };
        Self {
            expires_at: self.expires_at,
            shared: Some(Arc::new(shared)),
            recent: Flat::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_session_shares_what_a_change_leaves() {
        let mut record = Record::new(0);
        for number in 0..100 {
            record = record.with(format!("{number}").as_bytes(), &[b'x'; 160]);
        }
        for number in 0..100 {
            let name = format!("{number}");
            assert_eq!(record.get(name.as_bytes()), Some(&[b'x'; 160][..]));
        }
        let changed = record.with(b"5", b"new");
        assert_eq!(changed.get(b"5"), Some(&b"new"[..]));
        assert_eq!(record.get(b"5"), Some(&[b'x'; 160][..]));
        let shared = |record: &Record| record.shared.as_ref().map(Arc::as_ptr);
        assert_eq!(shared(&changed), shared(&record));
    }
}
