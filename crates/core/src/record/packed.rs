//! Fields in one piece of memory: [`Packed`].

use std::sync::Arc;

use smallvec::SmallVec;

/// Sessions up to this size are packed without a buffer on the heap.
const BUFFER_BYTES: usize = 512;

/// Names and values in one allocation, in the order of the names, so that a million small sessions
/// cost little more than their text, and reading one touches little memory.
///
/// The text of all names and values comes first (name, value, name, value, …), then where each of
/// them ends, then how many fields there are; the numbers are of four bytes.
#[derive(Clone, Default)]
pub(super) struct Packed(Option<Arc<[u8]>>);

const NUMBER: usize = size_of::<u32>();

/// What [`Packer`] wrote as text is text.
pub(super) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

impl Packed {
    /// How many fields there are.
    pub(super) fn len(&self) -> usize {
        let bytes = self.bytes();
        number(bytes, bytes.len().saturating_sub(NUMBER))
    }

    /// The bytes of all names and values.
    pub(super) fn text_bytes(&self) -> usize {
        self.bytes()
            .len()
            .saturating_sub((2 * self.len() + 1) * NUMBER)
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

    #[cfg(test)]
    pub(super) fn shares_with(&self, other: &Self) -> bool {
        matches!((&self.0, &other.0), (Some(one), Some(two)) if Arc::ptr_eq(one, two))
    }

    /// The `index`th of all names and values.
    fn part(&self, index: usize) -> &[u8] {
        let bytes = self.bytes();
        let ends = self.text_bytes();
        let start = match index {
            0 => 0,
            _ => number(bytes, ends + (index - 1) * NUMBER),
        };
        bytes
            .get(start..number(bytes, ends + index * NUMBER))
            .unwrap_or_default()
    }

    fn bytes(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }
}

fn number(bytes: &[u8], at: usize) -> usize {
    let number = bytes
        .get(at..at + NUMBER)
        .and_then(|number| number.try_into().ok());
    u32::from_ne_bytes(number.unwrap_or_default()) as usize
}

/// Packs fields that come in the order of their names.
pub(super) struct Packer {
    bytes: SmallVec<[u8; BUFFER_BYTES]>,
    ends: SmallVec<[u32; 16]>,
}

impl Packer {
    pub(super) fn with_capacity(text_bytes: usize, fields: usize) -> Self {
        Self {
            bytes: SmallVec::with_capacity(text_bytes + (2 * fields + 1) * NUMBER),
            ends: SmallVec::with_capacity(2 * fields),
        }
    }

    pub(super) fn push(&mut self, name: &str, value: Option<&str>) {
        let Some(value) = value else { return };
        for part in [name, value] {
            self.bytes.extend_from_slice(part.as_bytes());
            // Records are limited to far less than the four gigabytes at which this saturates.
            self.ends
                .push(u32::try_from(self.bytes.len()).unwrap_or(u32::MAX));
        }
    }

    pub(super) fn finish(mut self) -> Packed {
        if self.ends.is_empty() {
            return Packed::default();
        }
        for end in &self.ends {
            self.bytes.extend_from_slice(&end.to_ne_bytes());
        }
        let fields = u32::try_from(self.ends.len() / 2).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(&fields.to_ne_bytes());
        Packed(Some(Arc::from(&*self.bytes)))
    }
}
