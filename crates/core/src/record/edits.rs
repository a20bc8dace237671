//! Changes of single fields: [`Edits`].

use std::{borrow::Cow, fmt};

use compact_str::CompactString;
use smallvec::SmallVec;

/// Fields that are set (to JSON text) or removed, each name once.
///
/// A request that changes one field, to a short value, takes no memory for it.
///
/// ```
/// use tower_keep_core::{Edits, Fields};
///
/// let mut edits = Edits::default();
/// edits.set("visits", "1");
/// edits.remove("notice");
/// assert_eq!(Fields::default().with(edits.iter()).get("visits"), Some("1"));
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Edits(SmallVec<[(Cow<'static, str>, Option<CompactString>); 1]>);

impl Edits {
    /// Sets a field to JSON text.
    pub fn set(&mut self, name: impl Into<Cow<'static, str>>, json: &str) {
        self.put(name.into(), Some(json.into()));
    }

    /// Removes a field.
    pub fn remove(&mut self, name: impl Into<Cow<'static, str>>) {
        self.put(name.into(), None);
    }

    /// The names, and the JSON text of each field that is set.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, Option<&str>)> + Clone {
        self.0.iter().map(|(name, json)| (&**name, json.as_deref()))
    }

    /// How many fields are set or removed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no field is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Where the edit of a name is; it stays there.
    pub(crate) fn place(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|(edited, _)| edited == name)
    }

    /// The edit in a place.
    pub(crate) fn at(&self, place: usize) -> Option<(&str, Option<&str>)> {
        self.0.get(place).map(|(name, json)| (&**name, json.as_deref()))
    }

    /// Adds an edit, or replaces the one of this name; says where it is.
    pub(crate) fn put(&mut self, name: Cow<'static, str>, json: Option<CompactString>) -> usize {
        if let Some(place) = self.place(&name) {
            self.0[place].1 = json;
            return place;
        }
        self.0.push((name, json));
        self.0.len() - 1
    }

    /// Sets the field of the edit in a place.
    pub(crate) fn replace(&mut self, place: usize, json: CompactString) {
        if let Some((_, value)) = self.0.get_mut(place) {
            *value = Some(json);
        }
    }

    /// Takes all out, in their places.
    pub(crate) fn drain(
        &mut self,
    ) -> impl Iterator<Item = (Cow<'static, str>, Option<CompactString>)> {
        std::mem::take(&mut self.0).into_iter()
    }
}

/// Collects edits; of two of one name the later counts.
impl<'a> FromIterator<(&'a str, Option<&'a str>)> for Edits {
    fn from_iter<I: IntoIterator<Item = (&'a str, Option<&'a str>)>>(edits: I) -> Self {
        let mut all = Self::default();
        for (name, json) in edits {
            all.put(name.to_owned().into(), json.map(Into::into));
        }
        all
    }
}

/// Tells how many edits there are, never to what.
impl fmt::Debug for Edits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Edits({})", self.len())
    }
}
