//! What the layer and the handler share of a session: [`Handle`] and [`Session`].

use std::sync::{Arc, OnceLock};

use http::{Extensions, HeaderMap, HeaderValue, header};

use super::{cookie, keep::Keep, record::Record};

/// What the layer puts in the extensions, and all that it needs to load and commit a session.
#[derive(Clone)]
pub(super) struct Handle(pub(super) Arc<Shared>);

/// The layer's and the handler's common part.
pub(super) struct Shared {
    pub(super) keep: Keep,
    pub(super) expires_at: u64,
    /// Looked through when the handler asks for its session, not before.
    pub(super) cookies: Option<HeaderValue>,
    /// Set once, when the handler lets go of a session that it changed: a response whose session
    /// was only read finds nothing here, and nobody takes a lock.
    pub(super) written: OnceLock<Written>,
}

/// What the response must commit.
pub(super) struct Written {
    id: Option<u128>,
    record: Arc<Record>,
}

impl Shared {
    /// Writes what the handler changed, and tells the client the id of a new session.
    pub(super) fn commit(&self, headers: &mut HeaderMap) {
        let Some(Written { id, record }) = self.written.get() else {
            return;
        };
        let record = Arc::clone(record);
        match *id {
            Some(id) => self.keep.replace(id, record),
            None => cookie::set(headers, self.keep.create(record)),
        }
    }
}

/// The handler's session; one per request.
pub(super) struct Session<'a> {
    shared: &'a Shared,
    /// `None` if the session is new.
    id: Option<u128>,
    /// `None` if the session is new and empty.
    record: Option<Arc<Record>>,
    changed: bool,
}

impl<'a> Session<'a> {
    pub(super) fn load(extensions: &'a Extensions) -> Self {
        let Handle(shared) = extensions.get().expect("the layer of the floor");
        let id = shared.cookies.as_ref().and_then(cookie::find);
        let record = id.and_then(|id| shared.keep.load(id));
        Self { shared, id: id.filter(|_| record.is_some()), record, changed: false }
    }

    /// A field that holds a number.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        let value = self.record.as_ref()?.get(name.as_bytes())?;
        value.iter().try_fold(0_u64, |number, character| {
            let digit = character.wrapping_sub(b'0');
            (digit < 10).then(|| number.checked_mul(10)?.checked_add(digit.into())).flatten()
        })
    }

    pub(super) fn set_number(&mut self, name: &str, number: u64) {
        let mut text = [0_u8; 20];
        let mut start = text.len();
        let mut rest = number;
        loop {
            start -= 1;
            text[start] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.set(name, &text[start..]);
    }

    /// Sets a field to JSON text.
    pub(super) fn set(&mut self, name: &str, value: &[u8]) {
        let record = match &self.record {
            Some(record) => record.with(name.as_bytes(), value),
            None => Record::new(self.shared.expires_at).with(name.as_bytes(), value),
        };
        self.record = Some(Arc::new(record));
        self.changed = true;
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        if !self.changed {
            return;
        }
        if let Some(record) = self.record.take() {
            // The floor's handlers hold one session at a time, hence nothing was written before.
            let _ = self.shared.written.set(Written { id: self.id, record });
        }
    }
}

/// The cookies of a request, to be looked through later; cloning shares them.
pub(super) fn cookies(headers: &HeaderMap) -> Option<HeaderValue> {
    headers.get(header::COOKIE).cloned()
}
