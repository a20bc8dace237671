//! Fields in one piece of memory: [`Packed`].

use triomphe::{Arc, ThinArc};

/// Names and values in one piece, in the order of the names, so that a million small sessions cost
/// little more than their text, and reading one touches little memory.
///
/// The text of all names and values comes first (name, value, name, value, …), then where each of
/// them ends, then how many fields there are; the numbers are of one byte where all fits in 255, of two
/// where it fits in 64 KiB, else of four.
#[derive(Clone)]
pub(super) struct Packed(Room);

/// Where the piece is. Two words wide with what says which, so that no record is longer for it.
#[derive(Clone)]
enum Room {
    /// In place, as one short field is, with which most sessions begin: it takes no memory of its own.
    Inline { length: u8, bytes: [u8; INLINE] },
    /// In one allocation, which copies share.
    Shared(ThinArc<(), u8>),
}

/// What fits beside the length and what says that it is there.
const INLINE: usize = 2 * size_of::<usize>() - 2;

/// Up to so many bytes a piece is put together without asking for memory.
const SHORT: usize = 256;

/// Among so few fields one is found sooner by comparing it with all, since most have another length.
const SCANNED_UP_TO: usize = 8;

/// What was packed as text is text.
pub(super) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

impl Packed {
    /// No fields.
    pub(super) const EMPTY: Self = Self(Room::Inline { length: 0, bytes: [0; INLINE] });

    /// How many fields there are.
    pub(super) fn len(&self) -> usize {
        self.table().fields
    }

    /// The bytes of all names and values.
    pub(super) fn text_bytes(&self) -> usize {
        self.table().text.len()
    }

    /// How many bytes names and values have at most, and how many fields there are at most.
    pub(super) fn at_most(&self) -> (usize, usize) {
        // Each field has two numbers.
        let bytes = self.bytes().len();
        (bytes, bytes / (2 * width(bytes)))
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
    pub(super) fn get(&self, name: &str) -> Option<&[u8]> {
        let table = self.table();
        let place = table.find(name)?;
        Some(table.part(2 * place + 1))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let table = self.table();
        (0..table.fields)
            .map(move |place| (text(table.part(2 * place)), text(table.part(2 * place + 1))))
    }

    /// These fields with one set or removed: what lies before and after it is copied as it is.
    pub(super) fn with(&self, name: &str, value: Option<&str>) -> Self {
        let table = self.table();
        let place = table.find(name).map_or_else(|| table.place(name), Ok);
        let (place, after) = match (place, value) {
            (Ok(place), Some(value)) if value.len() == table.part(2 * place + 1).len() => {
                return self.patched(table.start(2 * place + 1), value);
            }
            (Ok(place), _) => (place, place + 1),
            (Err(_), None) => return self.clone(),
            (Err(place), Some(_)) => (place, place),
        };
        // What goes, and what comes in its stead.
        let (start, end) = (table.start(2 * place), table.start(2 * after));
        let (name, added, value) = match value {
            Some(value) => (name, 1, value),
            None => ("", 0, ""),
        };
        let fields = table.fields - (after - place) + added;
        let text_bytes = table.text.len() - (end - start) + name.len() + value.len();
        Self::write(text_bytes, fields, |text, ends| {
            let middle = start + name.len();
            let now = middle + value.len();
            text[..start].copy_from_slice(&table.text[..start]);
            text[start..middle].copy_from_slice(name.as_bytes());
            text[middle..now].copy_from_slice(value.as_bytes());
            text[now..].copy_from_slice(&table.text[end..]);
            (1..=2 * place).for_each(|part| ends.push(table.start(part)));
            [middle, now].iter().take(2 * added).for_each(|part| ends.push(*part));
            let behind = 2 * after + 1..=2 * table.fields;
            behind.for_each(|part| ends.push(table.start(part) - end + now));
        })
    }

    /// A copy with other text of the same length at some place.
    fn patched(&self, start: usize, text: &str) -> Self {
        let mut packed = Self::copied(self.bytes());
        packed.change(|bytes| bytes[start..start + text.len()].copy_from_slice(text.as_bytes()));
        packed
    }

    /// Writes a value over that of a field, if it is as long and nobody shares what is packed; says
    /// whether it did.
    pub(super) fn overwrite(&mut self, name: &str, value: &str) -> bool {
        let table = self.table();
        let Some(place) = table.find(name) else { return false };
        let present = table.start(2 * place + 1)..table.start(2 * place + 2);
        present.len() == value.len()
            && self.change(|bytes| bytes[present].copy_from_slice(value.as_bytes()))
    }

    /// Changes the bytes, if nobody shares them; says whether it did.
    fn change(&mut self, change: impl FnOnce(&mut [u8])) -> bool {
        match &mut self.0 {
            Room::Inline { length, bytes } => {
                change(&mut bytes[..usize::from(*length)]);
                true
            }
            Room::Shared(shared) => shared.with_arc_mut(|shared| {
                Arc::get_mut(shared).map(|shared| change(shared.slice_mut())).is_some()
            }),
        }
    }

    /// Packs fields that come in the order of their names, each once.
    pub(super) fn of(fields: &[(&str, &str)]) -> Self {
        let text_bytes = fields.iter().map(|(name, value)| name.len() + value.len()).sum();
        Self::write(text_bytes, fields.len(), |text, ends| {
            let mut end = 0;
            for part in fields.iter().flat_map(|(name, value)| [name, value]) {
                let start = end;
                end += part.len();
                text[start..end].copy_from_slice(part.as_bytes());
                ends.push(end);
            }
        })
    }

    /// Makes the piece, whose text and numbers `fill` writes.
    fn write(
        text_bytes: usize,
        fields: usize,
        fill: impl FnOnce(&mut [u8], &mut Ends<'_>),
    ) -> Self {
        if fields == 0 {
            return Self::EMPTY;
        }
        let numbers = 2 * fields + 1;
        // The narrowest with which all is so long that it is read with the same.
        let width = [1, 2].into_iter().find(|bytes| width(text_bytes + bytes * numbers) == *bytes);
        let width = width.unwrap_or(4);
        let length = text_bytes + numbers * width;
        let fill = |bytes: &mut [u8]| {
            let (text, rest) = bytes.split_at_mut(text_bytes);
            let mut ends = Ends { rest, width };
            fill(text, &mut ends);
            ends.push(fields);
        };
        let mut inline = [0; INLINE];
        if let Some(room) = inline.get_mut(..length) {
            fill(room);
            return Self(Room::Inline { length: length as u8, bytes: inline });
        }
        if let Some(short) = [0; SHORT].get_mut(..length) {
            fill(short);
            return Self::copied(short);
        }
        let zeros = std::iter::repeat_n(0, length);
        let mut packed = Self(Room::Shared(ThinArc::from_header_and_iter((), zeros)));
        packed.change(fill);
        packed
    }

    /// A piece of its own with these bytes.
    fn copied(bytes: &[u8]) -> Self {
        let mut inline = [0; INLINE];
        match inline.get_mut(..bytes.len()) {
            Some(room) => {
                room.copy_from_slice(bytes);
                Self(Room::Inline { length: bytes.len() as u8, bytes: inline })
            }
            None => Self(Room::Shared(ThinArc::from_header_and_slice((), bytes))),
        }
    }

    fn bytes(&self) -> &[u8] {
        match &self.0 {
            Room::Inline { length, bytes } => &bytes[..usize::from(*length)],
            Room::Shared(shared) => &shared.slice,
        }
    }

    #[cfg(test)]
    pub(super) fn shares_with(&self, other: &Self) -> bool {
        self.bytes().as_ptr() == other.bytes().as_ptr()
    }

    fn table(&self) -> Table<'_> {
        let bytes = self.bytes();
        let numbers = if width(bytes.len()) == 1 {
            Numbers::Tiny(bytes.as_rchunks().1)
        } else if width(bytes.len()) == 2 {
            Numbers::Short(bytes.as_rchunks().1)
        } else {
            Numbers::Long(bytes.as_rchunks().1)
        };
        let Some(last) = numbers.len().checked_sub(1) else { return Table::default() };
        let fields = numbers.at(last);
        let first = last.saturating_sub(2 * fields);
        let text = bytes.len() - (numbers.len() - first) * numbers.width();
        Table { text: &bytes[..text], ends: numbers.between(first, last), fields }
    }
}

/// The parts of what is packed.
#[derive(Clone, Copy, Default)]
struct Table<'a> {
    text: &'a [u8],
    /// Where each name and value ends in the text.
    ends: Numbers<'a>,
    fields: usize,
}

impl<'a> Table<'a> {
    /// Where the field of a name is.
    fn find(&self, name: &str) -> Option<usize> {
        if self.fields > SCANNED_UP_TO {
            return self.place(name).ok();
        }
        // Apart for each width, so that each number is not asked for its own.
        match self.ends {
            Numbers::Tiny(ends) => {
                let ends = ends.as_chunks().0.iter();
                self.scan(name, ends.map(|pair| pair.map(|[end]| end.into())))
            }
            Numbers::Short(ends) => {
                let ends = ends.as_chunks().0.iter();
                self.scan(name, ends.map(|pair| pair.map(|end| u16::from_ne_bytes(end).into())))
            }
            Numbers::Long(ends) => {
                let ends = ends.as_chunks().0.iter();
                self.scan(name, ends.map(|pair| pair.map(|end| u32::from_ne_bytes(end) as usize)))
            }
        }
    }

    /// Compares all names, by where they and their values end.
    #[inline]
    fn scan(&self, name: &str, ends: impl Iterator<Item = [usize; 2]>) -> Option<usize> {
        let mut start = 0;
        for (field, [name_end, value_end]) in ends.enumerate() {
            if self.text.get(start..name_end) == Some(name.as_bytes()) {
                return Some(field);
            }
            start = value_end;
        }
        None
    }

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
    #[inline]
    fn part(&self, index: usize) -> &'a [u8] {
        self.text.get(self.start(index)..self.ends.at(index)).unwrap_or_default()
    }

    /// Where the `index`th of all names and values begins, and the one before it ends.
    #[inline]
    fn start(&self, index: usize) -> usize {
        index.checked_sub(1).map_or(0, |before| self.ends.at(before))
    }
}

/// Numbers of one, two or four bytes.
#[derive(Clone, Copy)]
enum Numbers<'a> {
    Tiny(&'a [[u8; 1]]),
    Short(&'a [[u8; 2]]),
    Long(&'a [[u8; 4]]),
}

impl Default for Numbers<'_> {
    fn default() -> Self {
        Self::Tiny(&[])
    }
}

impl<'a> Numbers<'a> {
    fn len(self) -> usize {
        match self {
            Self::Tiny(numbers) => numbers.len(),
            Self::Short(numbers) => numbers.len(),
            Self::Long(numbers) => numbers.len(),
        }
    }

    fn width(self) -> usize {
        match self {
            Self::Tiny(_) => 1,
            Self::Short(_) => 2,
            Self::Long(_) => 4,
        }
    }

    /// One of them; zero if there are not so many.
    #[inline]
    fn at(self, index: usize) -> usize {
        match self {
            Self::Tiny(numbers) => numbers.get(index).map_or(0, |[number]| (*number).into()),
            Self::Short(numbers) => {
                numbers.get(index).map_or(0, |number| u16::from_ne_bytes(*number).into())
            }
            Self::Long(numbers) => {
                numbers.get(index).map_or(0, |number| u32::from_ne_bytes(*number) as usize)
            }
        }
    }

    fn between(self, first: usize, last: usize) -> Numbers<'a> {
        match self {
            Self::Tiny(numbers) => Self::Tiny(&numbers[first..last]),
            Self::Short(numbers) => Self::Short(&numbers[first..last]),
            Self::Long(numbers) => Self::Long(&numbers[first..last]),
        }
    }
}

/// How many bytes a number has where all is so long.
fn width(bytes: usize) -> usize {
    match bytes {
        0..=0xff => 1,
        0x100..=0xffff => 2,
        _ => 4,
    }
}

/// Writes where names and values end.
struct Ends<'a> {
    rest: &'a mut [u8],
    width: usize,
}

impl Ends<'_> {
    fn push(&mut self, end: usize) {
        let (number, rest) = std::mem::take(&mut self.rest).split_at_mut(self.width);
        // Records are limited to far less than the four gigabytes at which this saturates.
        let end = u32::try_from(end).unwrap_or(u32::MAX);
        match number {
            // What is so short has no larger number.
            [a] => *a = end as u8,
            [a, b] => [*a, *b] = (end as u16).to_ne_bytes(),
            number => number.copy_from_slice(&end.to_ne_bytes()),
        }
        self.rest = rest;
    }
}
