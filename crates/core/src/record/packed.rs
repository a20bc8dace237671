//! Fields in one piece of memory: [`Packed`].

use std::{ops::Range, sync::Arc};

use smallvec::SmallVec;

/// Sessions up to this size are packed without a buffer on the heap.
const BUFFER_BYTES: usize = 512;

/// Names and values in one allocation, in the order of the names, so that a million small sessions
/// cost little more than their text, and reading one touches little memory.
///
/// The text of all names and values comes first (name, value, name, value, …), then where each of
/// them ends, then how many fields there are; the numbers are of two bytes where all fits in 64 KiB,
/// else of four.
#[derive(Clone, Default)]
pub(super) struct Packed(Arc<[u8]>);

/// What [`Packer`] wrote as text is text.
pub(super) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

impl Packed {
    /// How many fields there are.
    pub(super) fn len(&self) -> usize {
        self.number(self.0.len().saturating_sub(self.width()))
    }

    /// The bytes of all names and values.
    pub(super) fn text_bytes(&self) -> usize {
        self.0.len().saturating_sub((2 * self.len() + 1) * self.width())
    }

    /// Where the field of a name is, or would be.
    pub(super) fn place(&self, name: &str) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.name(middle).cmp(name.as_bytes()) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Ok(middle),
            }
        }
        Err(low)
    }

    pub(super) fn name(&self, place: usize) -> &[u8] {
        self.part(2 * place)
    }

    pub(super) fn value(&self, place: usize) -> &[u8] {
        self.part(2 * place + 1)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        (0..self.len()).map(|place| (text(self.name(place)), text(self.value(place))))
    }

    /// These fields with one set or removed: what lies before and after it is copied in two pieces.
    pub(super) fn with(&self, name: &str, value: Option<&str>) -> Self {
        let (place, after) = match self.place(name) {
            Ok(place) => (place, place + 1),
            Err(_) if value.is_none() => return self.clone(),
            Err(place) => (place, place),
        };
        let added = value.map_or(0, |value| name.len() + value.len());
        let mut packer = Packer::with_capacity(self.text_bytes() + added, self.len() + 1);
        packer.extend(self, 0..place);
        packer.push(name, value);
        packer.extend(self, after..self.len());
        packer.finish()
    }

    #[cfg(test)]
    pub(super) fn shares_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The `index`th of all names and values.
    fn part(&self, index: usize) -> &[u8] {
        self.0.get(self.start(index)..self.start(index + 1)).unwrap_or_default()
    }

    /// Where the `index`th of all names and values begins, and the one before it ends.
    fn start(&self, index: usize) -> usize {
        match index.checked_sub(1) {
            None => 0,
            Some(before) => self.number(self.text_bytes() + before * self.width()),
        }
    }

    fn width(&self) -> usize {
        width(self.0.len())
    }

    fn number(&self, at: usize) -> usize {
        let bytes = &self.0;
        match self.width() {
            2 => bytes.get(at..at + 2).map_or(0, |number| {
                usize::from(u16::from_ne_bytes(number.try_into().unwrap_or_default()))
            }),
            _ => bytes.get(at..at + 4).map_or(0, |number| {
                u32::from_ne_bytes(number.try_into().unwrap_or_default()) as usize
            }),
        }
    }
}

/// How many bytes a number has where all is so long.
fn width(bytes: usize) -> usize {
    if bytes <= usize::from(u16::MAX) { 2 } else { 4 }
}

/// Packs fields that come in the order of their names.
pub(super) struct Packer {
    bytes: SmallVec<[u8; BUFFER_BYTES]>,
    ends: SmallVec<[u32; 16]>,
}

impl Packer {
    pub(super) fn with_capacity(text_bytes: usize, fields: usize) -> Self {
        Self {
            bytes: SmallVec::with_capacity(text_bytes + (2 * fields + 1) * width(text_bytes)),
            ends: SmallVec::with_capacity(2 * fields),
        }
    }

    /// Adds a field, if there is a value.
    pub(super) fn push(&mut self, name: &str, value: Option<&str>) {
        let Some(value) = value else { return };
        for part in [name, value] {
            self.bytes.extend_from_slice(part.as_bytes());
            self.ends.push(end(self.bytes.len()));
        }
    }

    /// Adds fields as they are packed already.
    fn extend(&mut self, packed: &Packed, places: Range<usize>) {
        let parts = 2 * places.start..2 * places.end;
        let (from, here) = (packed.start(parts.start), self.bytes.len());
        let text = packed.0.get(from..packed.start(parts.end)).unwrap_or_default();
        self.bytes.extend_from_slice(text);
        self.ends.extend(parts.map(|part| end(packed.start(part + 1) - from + here)));
    }

    pub(super) fn finish(mut self) -> Packed {
        if self.ends.is_empty() {
            return Packed::default();
        }
        let fields = end(self.ends.len() / 2);
        let numbers = self.ends.iter().copied().chain([fields]);
        if width(self.bytes.len() + 2 * (self.ends.len() + 1)) == 2 {
            // What is so short has no larger number.
            self.bytes.extend(numbers.flat_map(|number| (number as u16).to_ne_bytes()));
        } else {
            self.bytes.extend(numbers.flat_map(u32::to_ne_bytes));
        }
        Packed(Arc::from(&*self.bytes))
    }
}

/// Records are limited to far less than the four gigabytes at which this saturates.
fn end(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
