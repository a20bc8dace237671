//! Which node of a cluster has which keys: [`Slots`].

use redis::Value;

/// Where a node listens.
pub(super) type Address = (String, u16);

/// The slots of a cluster and their primaries, as a node told them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Slots(Vec<Range>);

#[derive(Debug, PartialEq, Eq)]
struct Range {
    first: u16,
    last: u16,
    primary: Address,
}

impl Slots {
    /// Reads the answer to `CLUSTER SLOTS`; `asked` is where it comes from, which may not know its own name.
    pub(super) fn read(answer: &Value, asked: &str) -> Option<Self> {
        let Value::Array(ranges) = answer else { return None };
        let mut slots = Vec::with_capacity(ranges.len());
        for range in ranges {
            let Value::Array(parts) = range else { return None };
            let [first, last, Value::Array(primary), ..] = &parts[..] else { return None };
            let [host, port, ..] = &primary[..] else { return None };
            let host = match host {
                Value::Nil => asked,
                host => crate::hash::text(host)
                    .ok()
                    .filter(|host| !matches!(*host, "" | "?"))
                    .unwrap_or(asked),
            };
            let primary = (host.to_owned(), number(port)?);
            slots.push(Range { first: number(first)?, last: number(last)?, primary });
        }
        slots.sort_by_key(|range| range.first);
        Some(Self(slots))
    }

    /// The primary that has a slot, if one has.
    pub(super) fn primary(&self, slot: u16) -> Option<&Address> {
        let after = self.0.partition_point(|range| range.first <= slot);
        let range = self.0.get(after.checked_sub(1)?)?;
        (slot <= range.last).then_some(&range.primary)
    }

    /// The primaries, each with the first of its slots, in the order of these.
    pub(super) fn primaries(&self) -> Vec<(u16, &Address)> {
        let mut found: Vec<(u16, &Address)> = Vec::new();
        for range in &self.0 {
            if found.iter().all(|(_, known)| **known != range.primary) {
                found.push((range.first, &range.primary));
            }
        }
        found
    }
}

/// The slot of a key: of what stands between its first braces, if anything does.
///
/// <https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#key-distribution-model>
pub(super) fn slot(key: &[u8]) -> u16 {
    let tag = key.iter().position(|byte| *byte == b'{').and_then(|open| {
        let rest = &key[open + 1..];
        let length = rest.iter().position(|byte| *byte == b'}')?;
        (length > 0).then(|| &rest[..length])
    });
    crc16::State::<crc16::XMODEM>::calculate(tag.unwrap_or(key)) % 16_384
}

fn number(value: &Value) -> Option<u16> {
    match value {
        Value::Int(number) => u16::try_from(*number).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(slot(b"123456789"), 0x31c3);
        assert_eq!(slot(b"{user1000}.following"), slot(b"{user1000}.followers"));
        assert_eq!(
            slot(b"foo{}{bar}"),
            crc16::State::<crc16::XMODEM>::calculate(b"foo{}{bar}") % 16_384
        );
        assert_eq!(slot(b"foo{{bar}}zap"), slot(b"{bar"));
        assert_eq!(
            slot(b"open{brace"),
            crc16::State::<crc16::XMODEM>::calculate(b"open{brace") % 16_384
        );
    }

    #[test]
    fn each_slot_has_the_primary_of_its_range() {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let node = |host: Value, port| Value::Array(vec![host, Value::Int(port), text("id")]);
        let range =
            |first, last, node| Value::Array(vec![Value::Int(first), Value::Int(last), node]);
        let answer = Value::Array(vec![
            range(100, 199, node(text("b"), 2)),
            range(0, 99, node(Value::Nil, 1)),
            range(300, 399, node(text(""), 1)),
        ]);
        let slots = Slots::read(&answer, "asked").unwrap();
        let (a, b) = (("asked".to_owned(), 1), ("b".to_owned(), 2));
        for (slot, primary) in [
            (0, Some(&a)),
            (99, Some(&a)),
            (100, Some(&b)),
            (250, None),
            (399, Some(&a)),
            (400, None),
        ] {
            assert_eq!(slots.primary(slot), primary, "{slot}");
        }
        assert_eq!(slots.primaries(), [(0, &a), (100, &b)]);
        assert_eq!(Slots::read(&Value::Nil, ""), None);
    }
}
