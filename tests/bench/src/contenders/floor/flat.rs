//! Fields in one piece of memory: [`Flat`].

use std::cmp::Ordering;

/// Fields in one piece of memory, in the order of their names.
///
/// One allocation whatever their number: how many fields there are, where each name and value ends,
/// and the bytes themselves.
#[derive(Default)]
pub(super) struct Flat(Box<[u8]>);

const NUMBER: usize = size_of::<u32>();

impl Flat {
    /// Writes fields that come in the order of their names.
    fn write<'a>(fields: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone) -> Self {
        let (count, bytes) = fields.clone().fold((0, 0), |(count, bytes), (name, value)| {
            (count + 1, bytes + name.len() + value.len())
        });
        let mut out = Vec::with_capacity(NUMBER * (1 + 2 * count) + bytes);
        push(&mut out, count);
        let mut end = 0;
        for (name, value) in fields.clone() {
            end += name.len();
            push(&mut out, end);
            end += value.len();
            push(&mut out, end);
        }
        for (name, value) in fields {
            out.extend_from_slice(name);
            out.extend_from_slice(value);
        }
        Self(out.into_boxed_slice())
    }

    /// The bytes that it takes.
    pub(super) fn size(&self) -> usize {
        self.0.len()
    }

    pub(super) fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.place(name).ok().map(|place| self.field(place).1)
    }

    /// A copy with one field set.
    pub(super) fn with(&self, name: &[u8], value: &[u8]) -> Self {
        let (before, after) = match self.place(name) {
            Ok(place) => (place, place + 1),
            Err(place) => (place, place),
        };
        Self::write(
            (0..before)
                .map(|place| self.field(place))
                .chain([(name, value)])
                .chain((after..self.count()).map(|place| self.field(place))),
        )
    }

    /// A copy with the fields of another over it.
    pub(super) fn under(&self, over: &Self) -> Self {
        Self::write(Merged { under: self, over, under_at: 0, over_at: 0 })
    }

    fn count(&self) -> usize {
        if self.0.is_empty() { 0 } else { self.number(0) }
    }

    fn field(&self, place: usize) -> (&[u8], &[u8]) {
        let text = NUMBER * (1 + 2 * self.count());
        let start = match place {
            0 => 0,
            _ => self.number(2 * place),
        };
        let middle = self.number(2 * place + 1);
        let end = self.number(2 * place + 2);
        let field = &self.0[text + start..text + end];
        field.split_at(middle - start)
    }

    /// Where the field is, or where it would be.
    fn place(&self, name: &[u8]) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.count());
        while low < high {
            let middle = low.midpoint(high);
            match self.field(middle).0.cmp(name) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal => return Ok(middle),
                Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }

    fn number(&self, place: usize) -> usize {
        let bytes = self.0[NUMBER * place..].first_chunk::<NUMBER>();
        bytes.map_or(0, |bytes| u32::from_ne_bytes(*bytes) as usize)
    }
}

fn push(out: &mut Vec<u8>, number: usize) {
    out.extend_from_slice(&(number as u32).to_ne_bytes());
}

/// The fields of two, those of `over` where both have one.
#[derive(Clone)]
struct Merged<'a> {
    under: &'a Flat,
    over: &'a Flat,
    under_at: usize,
    over_at: usize,
}

impl<'a> Iterator for Merged<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let under = (self.under_at < self.under.count()).then(|| self.under.field(self.under_at));
        let over = (self.over_at < self.over.count()).then(|| self.over.field(self.over_at));
        let order = match (under, over) {
            (Some(under), Some(over)) => under.0.cmp(over.0),
            (Some(_), None) => Ordering::Less,
            (None, _) => Ordering::Greater,
        };
        self.under_at += usize::from(order.is_le());
        self.over_at += usize::from(order.is_ge());
        if order.is_lt() { under } else { over }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(flat: &Flat) -> String {
        (0..flat.count())
            .map(|place| flat.field(place))
            .map(|(name, value)| {
                let [name, value] = [name, value].map(|text| str::from_utf8(text).unwrap());
                format!("{name}={value} ")
            })
            .collect()
    }

    #[test]
    fn fields_are_set_and_found_in_any_order() {
        let flat =
            Flat::default().with(b"m", b"1").with(b"z", b"").with(b"a", b"33").with(b"m", b"4444");
        assert_eq!(listed(&flat), "a=33 m=4444 z= ");
        assert_eq!(flat.get(b"m"), Some(&b"4444"[..]));
        assert_eq!(flat.get(b"z"), Some(&b""[..]));
        assert_eq!(flat.get(b"b"), None);
        assert_eq!(Flat::default().get(b"b"), None);
    }

    #[test]
    fn the_upper_field_counts() {
        let under = Flat::default().with(b"a", b"1").with(b"c", b"1");
        let over = Flat::default().with(b"b", b"2").with(b"c", b"2").with(b"d", b"2");
        assert_eq!(listed(&under.under(&over)), "a=1 b=2 c=2 d=2 ");
        assert_eq!(listed(&Flat::default().under(&over)), "b=2 c=2 d=2 ");
        assert_eq!(listed(&under.under(&Flat::default())), "a=1 c=1 ");
    }
}
