//! Fields in one piece of memory: [`Packed`].

use std::sync::Arc;

use smallvec::SmallVec;

/// Names and values in one allocation, in the order of the names, so that a million small sessions
/// cost little more than their text, and reading one touches little memory.
///
/// The text of all names and values comes first (name, value, name, value, …), then where each of
/// them ends, then how many fields there are; the numbers are of two bytes where all fits in 64 KiB,
/// else of four.
#[derive(Clone, Default)]
pub(super) struct Packed(Arc<[u8]>);

/// What [`Packer`] wrote as text is text.
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

impl Packed {
    /// How many fields there are.
    pub(super) fn len(&self) -> usize {
        self.table().fields
    }

    /// The bytes of all names and values.
    pub(super) fn text_bytes(&self) -> usize {
        self.table().text.len()
    }

    /// Where the field of a name is, or would be.
    pub(super) fn place(&self, name: &str) -> Result<usize, usize> {
        self.table().place(name)
    }

    pub(super) fn name(&self, place: usize) -> &[u8] {
        self.table().part(2 * place)
    }

    pub(super) fn value(&self, place: usize) -> &[u8] {
        self.table().part(2 * place + 1)
    }

    /// The value of a field.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let table = self.table();
        let place = table.place(name).ok()?;
        Some(text(table.part(2 * place + 1)))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let table = self.table();
        (0..table.fields)
            .map(move |place| (text(table.part(2 * place)), text(table.part(2 * place + 1))))
    }

    /// These fields with one set or removed: what lies before and after it is copied in two pieces.
    pub(super) fn with(&self, name: &str, value: Option<&str>) -> Self {
        let table = self.table();
        let (place, after) = match table.place(name) {
            Ok(place) => (place, place + 1),
            Err(_) if value.is_none() => return self.clone(),
            Err(place) => (place, place),
        };
        let (start, end) = (table.start(2 * place), table.start(2 * after));
        let mut packer = Packer::with_capacity(
            table.text.len() - (end - start) + value.map_or(0, |value| name.len() + value.len()),
            table.fields - (after - place) + usize::from(value.is_some()),
        );
        packer.bytes.extend_from_slice(&table.text[..start]);
        packer.ends.extend((1..=2 * place).map(|part| table.start(part)));
        packer.push(name, value);
        let now = packer.bytes.len();
        packer.bytes.extend_from_slice(&table.text[end..]);
        packer.ends.extend((2 * after + 1..=2 * table.fields).map(|n| table.start(n) - end + now));
        packer.finish()
    }

    #[cfg(test)]
    pub(super) fn shares_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn table(&self) -> Table<'_> {
        let bytes = &*self.0;
        let width = width(bytes.len());
        let Some(last) = bytes.len().checked_sub(width) else { return Table::default() };
        let fields = number(&bytes[last..], width);
        let (text, ends) = bytes.split_at(last.saturating_sub(2 * fields * width));
        Table { text, ends, width, fields }
    }
}

/// The parts of what is packed.
#[derive(Clone, Copy, Default)]
struct Table<'a> {
    text: &'a [u8],
    /// Where each name and value ends in the text.
    ends: &'a [u8],
    width: usize,
    fields: usize,
}

impl<'a> Table<'a> {
    fn place(&self, name: &str) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.fields);
        while low < high {
            let middle = low.midpoint(high);
            match self.part(2 * middle).cmp(name.as_bytes()) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Ok(middle),
            }
        }
        Err(low)
    }

    /// The `index`th of all names and values.
    fn part(&self, index: usize) -> &'a [u8] {
        self.text.get(self.start(index)..self.start(index + 1)).unwrap_or_default()
    }

    /// Where the `index`th of all names and values begins, and the one before it ends.
    fn start(&self, index: usize) -> usize {
        match index.checked_sub(1).and_then(|before| self.ends.get(before * self.width..)) {
            Some(end) => number(end, self.width),
            None => 0,
        }
    }
}

/// The number that some bytes begin with.
fn number(bytes: &[u8], width: usize) -> usize {
    match (width, bytes) {
        (2, [a, b, ..]) => u16::from_ne_bytes([*a, *b]).into(),
        (_, [a, b, c, d, ..]) => u32::from_ne_bytes([*a, *b, *c, *d]) as usize,
        _ => 0,
    }
}

/// How many bytes a number has where all is so long.
fn width(bytes: usize) -> usize {
    if bytes <= usize::from(u16::MAX) { 2 } else { 4 }
}

/// Packs fields that come in the order of their names.
pub(super) struct Packer {
    bytes: Vec<u8>,
    ends: SmallVec<[usize; 16]>,
}

impl Packer {
    pub(super) fn with_capacity(text_bytes: usize, fields: usize) -> Self {
        let numbers = 2 * fields + 1;
        Self {
            bytes: Vec::with_capacity(text_bytes + numbers * width(text_bytes + 2 * numbers)),
            ends: SmallVec::with_capacity(numbers),
        }
    }

    /// Adds a field, if there is a value.
    pub(super) fn push(&mut self, name: &str, value: Option<&str>) {
        let Some(value) = value else { return };
        for part in [name, value] {
            self.bytes.extend_from_slice(part.as_bytes());
            self.ends.push(self.bytes.len());
        }
    }

    pub(super) fn finish(self) -> Packed {
        if self.ends.is_empty() {
            return Packed::default();
        }
        let Self { mut bytes, mut ends } = self;
        ends.push(ends.len() / 2);
        // Records are limited to far less than the four gigabytes at which this saturates.
        let numbers = ends.iter().map(|end| u32::try_from(*end).unwrap_or(u32::MAX));
        if width(bytes.len() + 2 * ends.len()) == 2 {
            // What is so short has no larger number.
            numbers.for_each(|number| bytes.extend_from_slice(&(number as u16).to_ne_bytes()));
        } else {
            numbers.for_each(|number| bytes.extend_from_slice(&number.to_ne_bytes()));
        }
        Packed(bytes.into())
    }
}
