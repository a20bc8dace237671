//! The data of a session: [`Fields`].

use std::{fmt, sync::Arc};

use smallvec::SmallVec;

use super::packed::{Packed, text};

/// Up to this many bytes a change writes all of the text anew; above, it shares what it leaves.
const SHARE_FROM_BYTES: usize = 2_048;

/// So many changed fields lie over a shared text before it is written anew.
const MAX_OVERLAY: usize = 16;

/// The data of a session: names and their values as JSON text, in the order of the names.
///
/// Values are kept as text and decoded one by one when a handler reads them. A copy shares the text,
/// unless that is a few bytes, and a change of one field in a large session copies that field alone, so
/// that a record can be handed out and replaced without copying it.
///
/// ```
/// use tower_keep_core::Fields;
///
/// let fields: Fields = [("cart", "[1,2]"), ("visits", "3")].into_iter().collect();
/// let changed = fields.with([("visits", Some("4")), ("cart", None)]);
/// assert_eq!(changed.get("visits"), Some("4"));
/// assert_eq!(changed.get("cart"), None);
/// assert_eq!(fields.get("visits"), Some("3"));
/// ```
#[derive(Clone)]
pub struct Fields(Parts);

#[derive(Clone)]
enum Parts {
    Packed(Packed),
    /// A large session, and what was changed since it was packed, in the order of the names.
    Overlaid(Arc<(Packed, Vec<Edit>)>),
}

#[derive(Clone)]
struct Edit {
    name: Arc<str>,
    /// Its text; `None` where the field is removed.
    value: Option<Arc<[u8]>>,
}

impl Fields {
    /// What these edits make of no fields; of two of one name the later counts.
    pub(crate) fn of<'a>(edits: impl Iterator<Item = (&'a str, Option<&'a str>)> + Clone) -> Self {
        let mut first = edits.clone();
        match (first.next(), first.next()) {
            // Apart, since there is nothing to look through.
            (Some((name, Some(value))), None) => Self(Parts::Packed(Packed::of(&[(name, value)]))),
            _ => Self::default().with(edits),
        }
    }

    /// The value of a field, as JSON text.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.get_bytes(name).map(text)
    }

    /// As [`get`](Self::get), for a parser, which makes sure by itself that text is text.
    pub(crate) fn get_bytes(&self, name: &str) -> Option<&[u8]> {
        let (packed, overlay) = self.parts();
        if let Ok(place) = overlay.binary_search_by(|edit| (*edit.name).cmp(name)) {
            return overlay[place].value.as_deref();
        }
        packed.get(name)
    }

    /// The fields in the order of their names, with their values as JSON text.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let (packed, overlay) = self.parts();
        let mut packed = packed.iter().peekable();
        let mut edits = overlay.iter().peekable();
        std::iter::from_fn(move || {
            loop {
                let edit_comes_first = match (packed.peek(), edits.peek()) {
                    (None, None) => return None,
                    (Some(_), None) => false,
                    (None, Some(_)) => true,
                    (Some((name, _)), Some(edit)) => {
                        if *name == &*edit.name {
                            // The edit stands for the field beneath it.
                            packed.next();
                            continue;
                        }
                        *name > &*edit.name
                    }
                };
                if !edit_comes_first {
                    return packed.next();
                }
                if let Some(Edit { name, value: Some(value) }) = edits.next() {
                    return Some((&**name, text(value)));
                }
            }
        })
    }

    /// How many fields there are.
    #[must_use]
    pub fn len(&self) -> usize {
        let (packed, overlay) = self.parts();
        overlay.iter().fold(packed.len(), |fields, edit| {
            let before = usize::from(packed.place(&edit.name).is_ok());
            (fields + usize::from(edit.value.is_some())).saturating_sub(before)
        })
    }

    /// Whether there is no field.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes of all names and values.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let (packed, overlay) = self.parts();
        overlay.iter().fold(packed.text_bytes(), |bytes, edit| {
            let before = packed
                .place(&edit.name)
                .map_or(0, |place| packed.name(place).len() + packed.value(place).len());
            let after = edit.value.as_ref().map_or(0, |value| edit.name.len() + value.len());
            (bytes + after).saturating_sub(before)
        })
    }

    /// These fields with some set (`Some`) and some removed (`None`); of two edits of one name the
    /// later counts.
    #[must_use]
    pub fn with<'a>(&self, edits: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) -> Self {
        let mut edits = edits.into_iter();
        let Some(first) = edits.next() else {
            return self.clone();
        };
        let Some(second) = edits.next() else {
            return self.with_ordered(&[first]);
        };
        let mut edits: SmallVec<[_; 8]> = [first, second].into_iter().chain(edits).collect();
        // Stable, so that the last of equal names stays the last.
        edits.sort_by_key(|(name, _)| *name);
        edits.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                *earlier = *later;
            }
            same
        });
        self.with_ordered(&edits)
    }

    /// Writes a value over one of the same length, if nobody shares what it is kept in; says whether
    /// it did.
    pub(crate) fn overwrite(&mut self, name: &str, value: &str) -> bool {
        let present = match &mut self.0 {
            Parts::Packed(packed) => return packed.overwrite(name, value),
            Parts::Overlaid(parts) => Arc::get_mut(parts).and_then(|(_, overlay)| {
                let place = overlay.binary_search_by(|edit| (*edit.name).cmp(name)).ok()?;
                Arc::get_mut(overlay[place].value.as_mut()?)
            }),
        };
        match present {
            Some(present) if present.len() == value.len() => {
                present.copy_from_slice(value.as_bytes());
                true
            }
            _ => false,
        }
    }

    /// These fields with edits in the order of their names, each once.
    fn with_ordered(&self, edits: &[(&str, Option<&str>)]) -> Self {
        let (packed, _) = self.parts();
        if packed.text_bytes() >= SHARE_FROM_BYTES {
            let overlay = self.overlaid(edits);
            if overlay.len() <= MAX_OVERLAY {
                let shared = Self(Parts::Overlaid(Arc::new((packed.clone(), overlay))));
                // What lost most of its text does not hold on to it.
                if 2 * shared.bytes() >= packed.text_bytes() {
                    return shared;
                }
            }
        }
        Self(Parts::Packed(match (&self.0, edits) {
            (Parts::Packed(packed), [(name, value)]) => packed.with(name, *value),
            _ => self.repacked(edits),
        }))
    }

    /// How many bytes names and values have at most, and how many fields there are at most: what can
    /// be told without a look.
    pub(crate) fn at_most(&self) -> (usize, usize) {
        let (packed, overlay) = self.parts();
        let (bytes, fields) = packed.at_most();
        let edited = overlay
            .iter()
            .map(|edit| edit.name.len() + edit.value.as_ref().map_or(0, |value| value.len()));
        (bytes + edited.sum::<usize>(), fields + overlay.len())
    }

    /// What is packed, and what lies over it.
    fn parts(&self) -> (&Packed, &[Edit]) {
        match &self.0 {
            Parts::Packed(packed) => (packed, &[]),
            Parts::Overlaid(parts) => (&parts.0, &parts.1),
        }
    }

    /// The overlay with the edits, which are in order, laid over it.
    fn overlaid(&self, edits: &[(&str, Option<&str>)]) -> Vec<Edit> {
        let mut overlay = self.parts().1.to_vec();
        for (name, value) in edits {
            let value = value.map(|value| Arc::from(value.as_bytes()));
            match overlay.binary_search_by(|edit| (*edit.name).cmp(name)) {
                Ok(place) => overlay[place].value = value,
                Err(place) => overlay.insert(place, Edit { name: Arc::from(*name), value }),
            }
        }
        overlay
    }

    /// These fields and the edits, which are in order, in one piece.
    fn repacked(&self, edits: &[(&str, Option<&str>)]) -> Packed {
        let mut fields = SmallVec::<[_; 16]>::new();
        let mut edits = edits.iter().peekable();
        for (name, value) in self.iter() {
            while let Some((edited, value)) = edits.next_if(|(edited, _)| *edited < name) {
                fields.extend(value.map(|value| (*edited, value)));
            }
            match edits.next_if(|(edited, _)| *edited == name) {
                Some((_, value)) => fields.extend(value.map(|value| (name, value))),
                None => fields.push((name, value)),
            }
        }
        fields.extend(edits.filter_map(|(name, value)| value.map(|value| (*name, value))));
        Packed::of(&fields)
    }
}

impl Default for Fields {
    fn default() -> Self {
        Self(Parts::Packed(Packed::EMPTY))
    }
}

/// Collects names and their JSON texts; of two fields of one name the later counts.
impl<'a> FromIterator<(&'a str, &'a str)> for Fields {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(fields: I) -> Self {
        Self::default().with(fields.into_iter().map(|(name, value)| (name, Some(value))))
    }
}

impl PartialEq for Fields {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Fields {}

/// Tells how many fields there are, never what they hold.
impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fields({})", self.len())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_that_was_removed_is_let_go_of() {
        let names: Vec<String> = (0..8).map(|field| format!("field {field}")).collect();
        let value = "x".repeat(10_000);
        let mut fields: Fields = names.iter().map(|name| (&**name, &*value)).collect();
        for name in &names {
            fields = fields.with([(&**name, None)]);
            let (held, kept) = (fields.at_most().0, fields.bytes());
            assert!(held <= 2 * kept + 100, "{held} bytes held for {kept}");
        }
    }

    proptest! {
        #[test]
        fn fields_behave_as_a_sorted_map(
            steps in prop::collection::vec(
                prop::collection::vec(("[a-f]{0,2}", prop::option::of("[0-9]{0,400}")), 0..6),
                0..20,
            ),
        ) {
            let mut fields = Fields::default();
            let mut model = BTreeMap::new();
            for edits in &steps {
                let before: Vec<(String, String)> = owned(&fields);
                let changed = fields.with(edits.iter().map(|(n, v)| (n.as_str(), v.as_deref())));
                prop_assert_eq!(before, owned(&fields));
                for (name, value) in edits {
                    match value {
                        Some(value) => model.insert(name.clone(), value.clone()),
                        None => model.remove(name),
                    };
                }
                fields = changed;
                prop_assert_eq!(owned(&fields), model.clone().into_iter().collect::<Vec<_>>());
                prop_assert_eq!(fields.len(), model.len());
                let bytes: usize = model.iter().map(|(n, v)| n.len() + v.len()).sum();
                prop_assert_eq!(fields.bytes(), bytes);
                for name in ["", "a", "bb", "f"] {
                    prop_assert_eq!(fields.get(name), model.get(name).map(String::as_str));
                }
            }
        }
    }

    fn owned(fields: &Fields) -> Vec<(String, String)> {
        fields.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn change_of_a_large_session_shares_its_text() {
        let value = "9".repeat(160);
        let names: Vec<String> = (0..100).map(|n| format!("key{n}")).collect();
        let fields: Fields = names.iter().map(|name| (name.as_str(), value.as_str())).collect();
        let changed = fields.with([("key7", Some("1"))]);
        assert!(fields.parts().0.shares_with(changed.parts().0));
        assert_eq!(changed.get("key7"), Some("1"));
        assert_eq!(changed.get("key8"), Some(value.as_str()));
    }

    #[test]
    fn value_is_written_over_only_where_nobody_shares_it() {
        // In one piece, and laid over a shared text.
        for bytes in [10, 4_000] {
            let long = "9".repeat(bytes);
            let fields: Fields = [("a", "10"), ("b", &*long), ("c", "20")].into_iter().collect();
            let mut fields = fields.with([("a", Some("11"))]);
            let shared = fields.clone();
            assert!(!fields.overwrite("a", "12"));
            assert_eq!(shared.get("a"), Some("11"));
            drop(shared);
            assert!(fields.overwrite("a", "12"));
            for (name, value) in [("a", "1"), ("a", "123"), ("d", "12"), ("", "")] {
                assert!(!fields.overwrite(name, value), "{name}");
            }
            let expected: [(String, String); 3] =
                [("a".into(), "12".into()), ("b".into(), long), ("c".into(), "20".into())];
            assert_eq!(owned(&fields), expected);
        }
    }

    #[test]
    fn one_short_field_is_kept_in_place_and_copies_are_their_own() {
        let mut fields: Fields = [("visits", "1000")].into_iter().collect();
        let copy = fields.clone();
        assert!(!fields.parts().0.shares_with(copy.parts().0));
        assert!(fields.overwrite("visits", "1001"));
        assert_eq!((fields.get("visits"), copy.get("visits")), (Some("1001"), Some("1000")));
        // One digit more than fits.
        let longer = copy.with([("visits", Some("100000"))]);
        assert!(longer.parts().0.shares_with(longer.clone().parts().0));
        assert_eq!(longer.get("visits"), Some("100000"));
    }

    #[test]
    fn longer_fields_are_packed_with_wider_numbers() {
        for bytes in (230..270).chain([65_400, 65_535, 70_000, 200_000]) {
            let value = "9".repeat(bytes);
            let fields: Fields = [("a", "1"), ("b", &*value), ("c", "3")].into_iter().collect();
            let small = Fields::default().with([("b", Some(&*value))]);
            assert_eq!(small.get("b"), Some(&*value));
            assert_eq!((fields.get("a"), fields.get("c")), (Some("1"), Some("3")));
            assert_eq!(fields.get("b"), Some(&*value));
            let changed = fields.with([("b", None)]);
            assert_eq!(owned(&changed), [("a".into(), "1".into()), ("c".into(), "3".into())]);
        }
    }

    #[test]
    fn fields_are_two_words() {
        assert_eq!(size_of::<Fields>(), 2 * size_of::<usize>());
    }

    #[test]
    fn debug_shows_no_values() {
        let fields: Fields = [("name", "\"secret\"")].into_iter().collect();
        assert_eq!(format!("{fields:?}"), "Fields(1)");
    }
}
