//! Values as JSON text.
//!
//! The errors of the parser are dropped: they may quote the value, which must never be printed.

use compact_str::CompactString;
use serde::{Serialize, de::DeserializeOwned};

use smallvec::SmallVec;

use crate::{Error, ErrorKind};

/// A copy of a field's JSON text. Most are short, and copied faster than shared.
pub(crate) struct Text(SmallVec<[u8; 64]>);

impl Text {
    pub(crate) fn of(json: &str) -> Self {
        Self(SmallVec::from_slice(json.as_bytes()))
    }

    pub(crate) fn as_str(&self) -> &str {
        // It was text.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Reads a value, nested at most 128 deep.
pub(crate) fn decode<T: DeserializeOwned>(json: &str) -> Result<T, Error> {
    serde_json::from_str(json).map_err(|_| Error::new(ErrorKind::Decode))
}

/// Writes a value.
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<CompactString, Error> {
    let mut json = SmallVec::<[u8; 128]>::new();
    serde_json::to_writer(&mut json, value).map_err(|_| Error::new(ErrorKind::Encode))?;
    CompactString::from_utf8(json).map_err(|_| Error::new(ErrorKind::Encode))
}
