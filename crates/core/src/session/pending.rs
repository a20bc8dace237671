//! What a request has written and not committed yet: [`Pending`].

use std::{borrow::Cow, fmt};

use compact_str::CompactString;
use smallvec::SmallVec;

use crate::{Edits, Error, Fields};

/// Computes the value of a field from the one that it has.
pub(crate) type Update = Box<dyn FnMut(Option<&str>) -> Result<CompactString, Error> + Send>;

/// What a request has written and not committed yet, such that it can be replayed on a newer record.
#[derive(Default)]
pub(crate) struct Pending {
    clear: bool,
    /// None is taken out before all are, so that updates refer to them by place.
    edits: Edits,
    /// How those values came about that depend on others, in the order of the calls.
    updates: SmallVec<[Computed; 1]>,
    /// The names whose stored values the request has read, by their digests.
    read: SmallVec<[u32; 4]>,
    /// Grows with everything that a value could have been computed from, so that it can be computed
    /// without a lock.
    generation: u64,
    /// Whether updates were computed from something else than what they will be written over.
    outdated: bool,
}

/// The value of an edit that was computed.
struct Computed {
    edit: usize,
    base: Base,
    update: Update,
}

/// What a value was computed from.
enum Base {
    /// What the updates of this name before it gave, or what the record holds.
    Before,
    /// What the request had set.
    Own(Box<Option<CompactString>>),
}

/// What a request sees of one field.
pub(crate) enum View<'a> {
    /// What it wrote itself: the value, or that there is none.
    Own(Option<&'a str>),
    /// What the record holds.
    Stored,
}

impl Pending {
    /// Whether anything was written.
    pub(crate) fn is_empty(&self) -> bool {
        !self.clear && self.edits.is_empty()
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// What the request sees of a field.
    pub(crate) fn view(&self, name: &str) -> View<'_> {
        match self.edits.place(name).and_then(|edit| self.edits.at(edit)) {
            Some((_, value)) => View::Own(value),
            None if self.clear => View::Own(None),
            None => View::Stored,
        }
    }

    /// Whether the request wrote to a field, by its name or by clearing all.
    pub(crate) fn writes(&self, name: &str) -> bool {
        self.clear || self.edits.place(name).is_some()
    }

    /// Whether the value of a field follows from what the request wrote, whatever the record holds.
    pub(crate) fn determines(&self, name: &str) -> bool {
        self.edits.place(name).map_or(self.clear, |edit| !self.is_computed(edit))
    }

    /// Notes that the stored value of a field was read.
    pub(crate) fn note_read(&mut self, name: &str) {
        self.note_digest(digest(name));
    }

    fn note_digest(&mut self, digest: u32) {
        if !self.read.contains(&digest) {
            self.read.push(digest);
        }
    }

    /// Sets or removes a field, whatever was done to it before.
    pub(crate) fn set(&mut self, name: Cow<'static, str>, value: Option<CompactString>) {
        let edit = self.put(name, value);
        self.updates.retain(|computed| computed.edit != edit);
    }

    /// Sets a field to what `update` made of the value that the request sees.
    pub(crate) fn update(&mut self, name: Cow<'static, str>, update: Update, value: CompactString) {
        let edit = self.put(name, Some(value));
        self.updates.push(Computed { edit, base: Base::Before, update });
    }

    fn put(&mut self, name: Cow<'static, str>, value: Option<CompactString>) -> usize {
        self.generation += 1;
        self.edits.put(name, value)
    }

    /// Removes all fields.
    pub(crate) fn clear(&mut self) {
        self.generation += 1;
        self.edits.clear();
        self.updates.clear();
        self.clear = true;
    }

    /// Takes everything out.
    pub(crate) fn take(&mut self) -> Self {
        let successor = self.successor();
        std::mem::replace(self, successor)
    }

    /// What takes the place of this one when it is taken out.
    pub(super) fn successor(&self) -> Self {
        Self { generation: self.generation + 1, ..Self::default() }
    }

    /// Says that the session has another record than the one that values were computed from.
    pub(crate) fn outdate(&mut self) {
        self.generation += 1;
        self.outdated |= self.has_updates();
    }

    /// Whether updates are to be computed anew.
    pub(crate) fn is_outdated(&self) -> bool {
        self.outdated
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
        let mut later = self.take();
        // It was computed as if the earlier had not been.
        earlier.outdated |= later.outdated || later.has_updates();
        if later.clear {
            earlier.clear();
        }
        for (place, (name, value)) in later.edits.drain().enumerate() {
            let (mine, others) =
                later.updates.into_iter().partition(|computed| computed.edit == place);
            later.updates = others;
            earlier.follow(name, value, mine);
        }
        earlier.generation = earlier.generation.max(later.generation) + 1;
        for digest in later.read {
            earlier.note_digest(digest);
        }
        *self = earlier;
    }

    /// Adds what was written to one field later.
    fn follow(
        &mut self,
        name: Cow<'static, str>,
        value: Option<CompactString>,
        updates: SmallVec<[Computed; 1]>,
    ) {
        if updates.is_empty() {
            return self.set(name, value);
        }
        let own = self.edits.place(&name).filter(|edit| !self.is_computed(*edit));
        let own = own.and_then(|edit| self.edits.at(edit));
        let mut own = own.map(|(_, value)| value.map(CompactString::from));
        let edit = self.put(name, value);
        for Computed { base, update, .. } in updates {
            let base = own.take().map_or(base, |own| Base::Own(Box::new(own)));
            self.updates.push(Computed { edit, base, update });
        }
    }

    /// What the fields become, each name once.
    pub(crate) fn edits(&self) -> impl Iterator<Item = (&str, Option<&str>)> + Clone {
        self.edits.iter()
    }

    /// Lends the edits to a call of the store; they are to be given back for a replay.
    pub(crate) fn lend(&mut self) -> Edits {
        std::mem::take(&mut self.edits)
    }

    /// Takes back the edits that were lent.
    pub(crate) fn give_back(&mut self, edits: Edits) {
        self.edits = edits;
    }

    /// Whether all fields are removed first.
    pub(crate) fn clears(&self) -> bool {
        self.clear
    }

    /// Whether a value was computed from the record that the request loaded.
    pub(crate) fn has_updates(&self) -> bool {
        !self.updates.is_empty()
    }

    /// Whether a field is set blindly that the request has read, so that it must be found out
    /// whether others changed it meanwhile.
    pub(crate) fn sets_what_it_read(&self) -> bool {
        !self.read.is_empty() && self.set_after_reading().next().is_some()
    }

    /// Computes the updates anew on a record that was changed since. Gives the number of values
    /// that others wrote after this request had read them, and that it now overwrites.
    pub(crate) fn replay(&mut self, before: &Fields, fresh: &Fields) -> Result<usize, Error> {
        let set = self.set_after_reading();
        let lost = set.filter(|name| before.get(name) != fresh.get(name)).count();
        self.recompute(fresh)?;
        // The request now knows what it overwrites.
        self.read.clear();
        Ok(lost)
    }

    /// The names of fields that are set whatever they held, and that the request has read.
    fn set_after_reading(&self) -> impl Iterator<Item = &str> {
        self.edits
            .iter()
            .enumerate()
            .filter(|(edit, (_, value))| value.is_some() && !self.is_computed(*edit))
            .map(|(_, (name, _))| name)
            .filter(|name| self.read.contains(&digest(name)))
    }

    fn recompute(&mut self, fields: &Fields) -> Result<(), Error> {
        for place in 0..self.updates.len() {
            let (earlier, rest) = self.updates.split_at_mut(place);
            let [Computed { edit, base, update }, ..] = rest else {
                continue;
            };
            let Some((name, value)) = self.edits.at(*edit) else {
                continue;
            };
            let follows = earlier.iter().any(|computed| computed.edit == *edit);
            let value = match base {
                Base::Own(own) => update((**own).as_deref())?,
                Base::Before if follows => update(value)?,
                Base::Before if self.clear => update(None)?,
                Base::Before => update(fields.get(name))?,
            };
            self.edits.replace(*edit, value);
        }
        Ok(())
    }

    fn is_computed(&self, edit: usize) -> bool {
        self.updates.iter().any(|computed| computed.edit == edit)
    }
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pending({})", self.edits.len())
    }
}

/// FNV-1a in 32 bits. Names are the application's own, so that nobody makes them collide; two that
/// do cost a change a conflict too many.
fn digest(name: &str) -> u32 {
    name.bytes()
        .fold(0x811c_9dc5, |digest, byte| (digest ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(pending: &mut Pending, name: &'static str, value: &str) {
        pending.set(name.into(), Some(value.into()));
    }

    fn increment(pending: &mut Pending, name: &'static str, on: Option<&str>) {
        let mut update: Update = Box::new(|value| {
            let number: u64 = value.unwrap_or("0").parse().unwrap();
            Ok((number + 1).to_string().into())
        });
        let value = update(on).unwrap();
        pending.update(name.into(), update, value);
    }

    fn edits(pending: &Pending) -> Vec<(String, Option<String>)> {
        let edits = pending.edits();
        edits.map(|(name, value)| (name.to_owned(), value.map(str::to_owned))).collect()
    }

    #[test]
    fn later_set_makes_earlier_operations_void() {
        let mut pending = Pending::default();
        increment(&mut pending, "a", None);
        set(&mut pending, "a", "7");
        assert!(!pending.has_updates());
        assert_eq!(edits(&pending), [("a".into(), Some("7".into()))]);
        pending.set("a".into(), None);
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
    fn update_is_computed_anew_from_what_was_set_and_put_back() {
        let mut earlier = Pending::default();
        set(&mut earlier, "a", "7");
        let mut pending = Pending::default();
        increment(&mut pending, "a", None);
        increment(&mut pending, "a", Some("1"));
        pending.put_back(earlier);
        let stored: Fields = [("a", "50")].into_iter().collect();
        pending.freshen(&stored).unwrap();
        assert_eq!(edits(&pending), [("a".into(), Some("9".into()))]);
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
        assert_eq!(pending.edits().count(), 2);
        assert!(matches!(pending.view("b"), View::Own(Some("2"))));
    }
}
