//! Values as the lab takes and gives them: JSON text, kept as it is.

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

/// A JSON value as its text, so that no number is rounded and no member reordered.
pub(crate) type Json = Box<RawValue>;

/// Takes JSON as it is, and any other text as a string.
pub(crate) fn from_text(text: &str) -> Json {
    // A string always has a form in JSON.
    serde_json::from_str(text).unwrap_or_else(|_| to_raw_value(text).unwrap_or_default())
}

/// `{"value":…}`
#[derive(Serialize)]
pub(crate) struct Value<T> {
    pub(crate) value: T,
}

/// `{"ok":true}`
#[derive(Serialize)]
pub(crate) struct Done {
    ok: bool,
}

pub(crate) const DONE: Done = Done { ok: true };
