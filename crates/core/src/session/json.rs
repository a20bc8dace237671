//! Values as JSON text.
//!
//! The errors of the parser are dropped: they may quote the value, which must never be printed.

use serde::{Serialize, de::DeserializeOwned};

use crate::{Error, ErrorKind};

/// Reads a value, nested at most 128 deep.
pub(crate) fn decode<T: DeserializeOwned>(json: &str) -> Result<T, Error> {
    serde_json::from_str(json).map_err(|_| Error::new(ErrorKind::Decode))
}

/// Writes a value.
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|_| Error::new(ErrorKind::Encode))
}
