//! Values as JSON text.
//!
//! The errors of the parser are dropped: they may quote the value, which must never be printed.

use compact_str::CompactString;
use serde::{Serialize, de::DeserializeOwned};

use smallvec::SmallVec;

use crate::{Error, ErrorKind};

/// Up to so many bytes JSON text is short.
const SHORT: usize = 64;

/// A copy of a field's JSON text. Most are short, and copied faster than shared.
pub(crate) struct Text(SmallVec<[u8; SHORT]>);

impl Text {
    pub(crate) fn of(json: &[u8]) -> Self {
        Self(SmallVec::from_slice(json))
    }

    /// Reads the value, nested at most 128 deep.
    pub(crate) fn decode<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.0).map_err(|_| Error::new(ErrorKind::Decode))
    }
}

/// Reads a value, nested at most 128 deep.
pub(crate) fn decode<T: DeserializeOwned>(json: &str) -> Result<T, Error> {
    serde_json::from_str(json).map_err(|_| Error::new(ErrorKind::Decode))
}

/// Writes a value.
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<CompactString, Error> {
    // Most are short, and written without asking for memory; one that is not is begun anew.
    let mut room = [0; SHORT];
    let mut free = &mut room[..];
    if serde_json::to_writer(&mut free, value).is_ok() {
        let length = SHORT - free.len();
        return CompactString::from_utf8(&room[..length]).map_err(|_| ErrorKind::Encode.into());
    }
    let json = serde_json::to_string(value).map_err(|_| Error::new(ErrorKind::Encode))?;
    Ok(json.into())
}
