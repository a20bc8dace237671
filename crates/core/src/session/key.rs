//! The names of fields: text, or a typed [`Key`].

use std::{borrow::Cow, fmt, marker::PhantomData};

/// The name of a field together with the type of its value.
///
/// Declared once, it keeps the two together wherever the field is used.
///
/// ```
/// use tower_keep_core::Key;
///
/// const VISITS: Key<u64> = Key::new("visits");
/// assert_eq!(VISITS.name(), "visits");
/// ```
pub struct Key<T> {
    name: &'static str,
    // A key holds no value, so it may be sent anywhere.
    value: PhantomData<fn() -> T>,
}

impl<T> Key<T> {
    /// Declares a field.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self { name, value: PhantomData }
    }

    /// The name of the field.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

impl<T> Clone for Key<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Key<T> {}

impl<T> fmt::Debug for Key<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Key").field(&self.name).finish()
    }
}

/// What names a field: a `&str`, a `String` or a [`Key`].
pub trait FieldName {
    /// The name.
    fn as_name(&self) -> &str;

    /// The name, to be kept.
    fn into_name(self) -> Cow<'static, str>;
}

/// What names a field that may hold a `T`: a [`Key`] its own type only, text any type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name a session field of type `{T}`",
    note = "a field is named by a `&str`, or by a `Key<{T}>`, whose type must be the value's"
)]
pub trait FieldOf<T>: FieldName {}

impl<T> FieldName for Key<T> {
    fn as_name(&self) -> &str {
        self.name
    }

    fn into_name(self) -> Cow<'static, str> {
        Cow::Borrowed(self.name)
    }
}

impl<T> FieldOf<T> for Key<T> {}

impl FieldName for &str {
    fn as_name(&self) -> &str {
        self
    }

    fn into_name(self) -> Cow<'static, str> {
        Cow::Owned(self.to_owned())
    }
}

impl<T> FieldOf<T> for &str {}

impl FieldName for String {
    fn as_name(&self) -> &str {
        self
    }

    fn into_name(self) -> Cow<'static, str> {
        Cow::Owned(self)
    }
}

impl<T> FieldOf<T> for String {}

impl FieldName for &String {
    fn as_name(&self) -> &str {
        self
    }

    fn into_name(self) -> Cow<'static, str> {
        Cow::Owned(self.clone())
    }
}

impl<T> FieldOf<T> for &String {}
