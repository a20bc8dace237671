//! What a request has written and not committed yet: [`Pending`].

use std::{borrow::Cow, fmt};

use smallvec::SmallVec;

use crate::{Error, Fields};

/// Computes the value of a field from the one that it has.
pub(crate) type Update = Box<dyn FnMut(Option<&str>) -> Result<String, Error> + Send>;

/// What a request has written and not committed yet, as operations that can be replayed on a newer
/// record.
#[derive(Default)]
pub(crate) struct Pending {
    clear: bool,
    /// At most one for each name, but for updates, which follow one another.
    operations: Vec<(Cow<'static, str>, Operation)>,
    /// The names whose stored values the request has read, by their digests.
    read: SmallVec<[u64; 4]>,
    /// Grows with everything that a value could have been computed from, so that it can be computed
    /// without a lock.
    generation: u64,
    /// Whether updates were computed from something else than what they will be written over.
    outdated: bool,
}

pub(crate) enum Operation {
    Set(String),
    Remove,
    /// With the value that it gave on the record that the request loaded.
    Update(Update, String),
}

/// What a request sees of one field.
pub(crate) enum View {
    /// What it wrote itself: the value, or that there is none.
    Own(Option<String>),
    /// What the record holds.
    Stored,
}

impl Pending {
    /// Whether anything was written.
    pub(crate) fn is_empty(&self) -> bool {
        !self.clear && self.operations.is_empty()
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// What the request sees of a field.
    pub(crate) fn view(&self, name: &str) -> View {
        match self.operations.iter().rfind(|(written, _)| written == name) {
            Some((_, operation)) => View::Own(operation.value().map(str::to_owned)),
            None if self.clear => View::Own(None),
            None => View::Stored,
        }
    }

    /// Whether the value of a field follows from what the request wrote, whatever the record holds.
    pub(crate) fn determines(&self, name: &str) -> bool {
        match self.operations.iter().rfind(|(written, _)| written == name) {
            Some((_, operation)) => !matches!(operation, Operation::Update(..)),
            None => self.clear,
        }
    }

    /// Notes that the stored value of a field was read.
    pub(crate) fn note_read(&mut self, name: &str) {
        let digest = digest(name);
        if !self.read.contains(&digest) {
            self.read.push(digest);
        }
    }

    /// Adds an operation. Those before it that it makes void are dropped.
    pub(crate) fn push(&mut self, name: Cow<'static, str>, operation: Operation) {
        self.generation += 1;
        if !matches!(operation, Operation::Update(..)) {
            self.operations.retain(|(written, _)| *written != name);
        }
        self.operations.push((name, operation));
    }

    /// Removes all fields.
    pub(crate) fn clear(&mut self) {
        self.generation += 1;
        self.operations.clear();
        self.clear = true;
    }

    /// Takes all operations out.
    pub(crate) fn take(&mut self) -> Self {
        let generation = self.generation + 1;
        std::mem::replace(self, Self { generation, ..Self::default() })
    }

    /// Says that the session has another record than the one that values were computed from.
    pub(crate) fn outdate(&mut self) {
        self.generation += 1;
        self.outdated |= self.has_updates();
    }

    /// Computes outdated updates anew, on the record that they are to be written over.
    pub(crate) fn freshen(&mut self, fields: &Fields) -> Result<(), Error> {
        if std::mem::take(&mut self.outdated) {
            self.recompute(fields)?;
        }
        Ok(())
    }

    /// Takes up again what could not be committed; what was written since comes after it.
    pub(crate) fn put_back(&mut self, mut earlier: Self) {
        let later = self.take();
        // It was computed as if the earlier had not been.
        earlier.outdated |= later.outdated || later.has_updates();
        if later.clear {
            earlier.clear();
        }
        for (name, operation) in later.operations {
            earlier.push(name, operation);
        }
        earlier.generation = earlier.generation.max(later.generation) + 1;
        for digest in later.read {
            if !earlier.read.contains(&digest) {
                earlier.read.push(digest);
            }
        }
        *self = earlier;
    }

    /// The last operation of each name, as edits of a record's fields.
    pub(crate) fn edits(&self) -> Vec<(Cow<'static, str>, Option<String>)> {
        let mut edits: Vec<(Cow<'static, str>, Option<String>)> =
            Vec::with_capacity(self.operations.len());
        for (name, operation) in &self.operations {
            let value = operation.value().map(str::to_owned);
            match edits.iter_mut().find(|(edited, _)| edited == name) {
                Some(edit) => edit.1 = value,
                None => edits.push((name.clone(), value)),
            }
        }
        edits
    }

    /// The operations as edits, those included that later ones make void.
    pub(crate) fn written(&self) -> impl Iterator<Item = (&str, Option<&str>)> + Clone {
        self.operations.iter().map(|(name, operation)| (&**name, operation.value()))
    }

    /// Whether all fields are removed first.
    pub(crate) fn clears(&self) -> bool {
        self.clear
    }

    /// Whether a value was computed from the record that the request loaded.
    pub(crate) fn has_updates(&self) -> bool {
        self.operations.iter().any(|(_, operation)| matches!(operation, Operation::Update(..)))
    }

    /// Whether a field is set blindly that the request has read, so that it must be found out
    /// whether others changed it meanwhile.
    pub(crate) fn sets_what_it_read(&self) -> bool {
        !self.read.is_empty()
            && self.operations.iter().any(|(name, operation)| {
                matches!(operation, Operation::Set(_)) && self.read.contains(&digest(name))
            })
    }

    /// Computes the updates anew on a record that was changed since. Gives the number of values
    /// that others wrote after this request had read them, and that it now overwrites.
    pub(crate) fn replay(&mut self, before: &Fields, fresh: &Fields) -> Result<usize, Error> {
        let mut lost = 0;
        for (name, operation) in &self.operations {
            if let Operation::Set(_) = operation {
                let changed = before.get(name) != fresh.get(name);
                lost += usize::from(changed && self.read.contains(&digest(name)));
            }
        }
        self.recompute(fresh)?;
        // The request now knows what it overwrites.
        self.read.clear();
        Ok(lost)
    }

    fn recompute(&mut self, fields: &Fields) -> Result<(), Error> {
        for place in 0..self.operations.len() {
            let (earlier, rest) = self.operations.split_at_mut(place);
            let [(name, Operation::Update(update, value)), ..] = rest else {
                continue;
            };
            let own = earlier.iter().rfind(|(written, _)| written == name);
            *value = match own {
                Some((_, operation)) => update(operation.value())?,
                None if self.clear => update(None)?,
                None => update(fields.get(name))?,
            };
        }
        Ok(())
    }
}

impl Operation {
    fn value(&self) -> Option<&str> {
        match self {
            Self::Set(value) | Self::Update(_, value) => Some(value),
            Self::Remove => None,
        }
    }
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pending({})", self.operations.len())
    }
}

/// FNV-1a in 64 bits. Names are the application's own, so that nobody makes them collide.
fn digest(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |digest, byte| {
        (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(pending: &mut Pending, name: &'static str, value: &str) {
        pending.push(name.into(), Operation::Set(value.into()));
    }

    fn increment(pending: &mut Pending, name: &'static str, on: Option<&str>) {
        let mut update: Update = Box::new(|value| {
            let number: u64 = value.unwrap_or("0").parse().unwrap();
            Ok((number + 1).to_string())
        });
        let value = update(on).unwrap();
        pending.push(name.into(), Operation::Update(update, value));
    }

    fn edits(pending: &Pending) -> Vec<(String, Option<String>)> {
        pending.edits().into_iter().map(|(name, value)| (name.into_owned(), value)).collect()
    }

    #[test]
    fn later_set_makes_earlier_operations_void() {
        let mut pending = Pending::default();
        increment(&mut pending, "a", None);
        set(&mut pending, "a", "7");
        assert!(!pending.has_updates());
        assert_eq!(edits(&pending), [("a".into(), Some("7".into()))]);
        pending.push("a".into(), Operation::Remove);
        assert_eq!(edits(&pending), [("a".into(), None)]);
        pending.clear();
        assert!(edits(&pending).is_empty() && pending.clears());
    }

    #[test]
    fn updates_are_computed_anew_in_their_order() {
        let mut pending = Pending::default();
        increment(&mut pending, "a", Some("1"));
        increment(&mut pending, "a", Some("2"));
        let before: Fields = [("a", "1")].into_iter().collect();
        let fresh: Fields = [("a", "10")].into_iter().collect();
        assert_eq!(pending.replay(&before, &fresh).unwrap(), 0);
        assert_eq!(edits(&pending), [("a".into(), Some("12".into()))]);
    }

    #[test]
    fn overwriting_what_was_read_is_lost_once() {
        let before: Fields = [("a", "1"), ("b", "1")].into_iter().collect();
        let fresh: Fields = [("a", "2"), ("b", "1")].into_iter().collect();
        let mut pending = Pending::default();
        pending.note_read("a");
        pending.note_read("b");
        set(&mut pending, "a", "5");
        set(&mut pending, "b", "5");
        assert!(pending.sets_what_it_read());
        assert_eq!(pending.replay(&before, &fresh).unwrap(), 1);
        assert_eq!(pending.replay(&before, &fresh).unwrap(), 0);
        assert!(!pending.sets_what_it_read());
    }

    #[test]
    fn blind_set_is_no_lost_update() {
        let before: Fields = [("a", "1")].into_iter().collect();
        let fresh: Fields = [("a", "2")].into_iter().collect();
        let mut pending = Pending::default();
        set(&mut pending, "a", "5");
        assert!(!pending.sets_what_it_read());
        assert_eq!(pending.replay(&before, &fresh).unwrap(), 0);
    }

    #[test]
    fn updates_are_computed_anew_after_what_was_put_back() {
        let mut earlier = Pending::default();
        increment(&mut earlier, "a", None);
        let mut pending = Pending::default();
        increment(&mut pending, "a", None);
        pending.put_back(earlier);
        pending.freshen(&Fields::default()).unwrap();
        assert_eq!(edits(&pending), [("a".into(), Some("2".into()))]);
    }

    #[test]
    fn updates_are_computed_anew_on_another_record() {
        let mut pending = Pending::default();
        increment(&mut pending, "a", Some("1"));
        let generation = pending.generation();
        pending.outdate();
        assert_ne!(pending.generation(), generation);
        let fresh: Fields = [("a", "10")].into_iter().collect();
        pending.freshen(&fresh).unwrap();
        assert_eq!(edits(&pending), [("a".into(), Some("11".into()))]);
    }

    #[test]
    fn what_was_put_back_comes_before_what_was_written_since() {
        let mut earlier = Pending::default();
        set(&mut earlier, "a", "1");
        set(&mut earlier, "b", "1");
        let mut pending = Pending::default();
        set(&mut pending, "b", "2");
        pending.put_back(earlier);
        assert_eq!(edits(&pending).len(), 2);
        assert!(matches!(pending.view("b"), View::Own(Some(value)) if value == "2"));
    }
}
