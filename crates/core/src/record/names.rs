//! The names that a record carries: [`LayerName`] and [`UserId`].
//!
//! Each is one pointer wide, since every record holds both.

use std::{fmt, sync::Arc};

/// The name of a layer, to which its records are bound.
///
/// Two layers in one app never share data, even on one store and even if a client swaps their
/// cookies (CVE-2022-46170).
///
/// The empty name, which is the default, is no layer's.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LayerName(Option<Arc<Box<str>>>);

impl LayerName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_deref().map_or("", |name| name)
    }

    /// As `==`, at the cost of one comparison of pointers where both come from one place.
    pub(crate) fn is(&self, other: &Self) -> bool {
        let pointer = |name: &Self| name.0.as_ref().map(Arc::as_ptr);
        pointer(self) == pointer(other) || self == other
    }
}

impl From<&str> for LayerName {
    fn from(name: &str) -> Self {
        Self((!name.is_empty()).then(|| Arc::new(name.into())))
    }
}

impl fmt::Debug for LayerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LayerName").field(&self.as_str()).finish()
    }
}

impl fmt::Display for LayerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who signed in: the application's own name for a user, such as a primary key.
///
/// ```
/// use tower_keep_core::UserId;
///
/// assert_eq!(UserId::from(42).as_str(), "42");
/// assert_eq!(UserId::from("ada").to_string(), "ada");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(Arc<Box<str>>);

impl UserId {
    /// The most bytes that a user's id may have; what databases index in one column.
    pub const MAX_BYTES: usize = 255;

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! from_text {
    ($($type:ty),*) => {$(
        impl From<$type> for UserId {
            fn from(id: $type) -> Self {
                Self(Arc::new(Box::from(id)))
            }
        }
    )*};
}

macro_rules! from_number {
    ($($type:ty),*) => {$(
        impl From<$type> for UserId {
            fn from(id: $type) -> Self {
                Self(Arc::new(id.to_string().into()))
            }
        }
    )*};
}

from_text!(&str, String, Box<str>);
from_number!(i32, i64, u32, u64, u128);
