//! A new hash as one value, which `RESTORE` puts under a key that is free: [`payload`].
//!
//! It is what `DUMP` answers, in the plainest of its forms: a hash as pairs of texts, of version 9, which
//! Redis reads from 5.0 on and Valkey always. A server that does not take it is asked by a script instead.

use crc::{CRC_64_REDIS, Crc, Table};

const CHECKSUM: Crc<u64, Table<16>> = Crc::<u64, Table<16>>::new(&CRC_64_REDIS);

/// The sign of a hash as pairs of texts.
const HASH: u8 = 4;

/// The version of the form, its lower byte first.
const VERSION: [u8; 2] = [9, 0];

/// The value of a hash with these names and values, none of them twice.
pub(crate) fn payload<'a>(
    pairs: impl ExactSizeIterator<Item = (&'a str, &'a str)>,
) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(512);
    bytes.push(HASH);
    length(&mut bytes, pairs.len())?;
    for (name, value) in pairs {
        for text in [name, value] {
            length(&mut bytes, text.len())?;
            bytes.extend_from_slice(text.as_bytes());
        }
    }
    bytes.extend(VERSION);
    let sum = CHECKSUM.checksum(&bytes);
    bytes.extend(sum.to_le_bytes());
    Some(bytes)
}

/// A length, in one, two or five bytes.
fn length(bytes: &mut Vec<u8>, length: usize) -> Option<()> {
    let length = u32::try_from(length).ok()?;
    let [a, b, c, d] = length.to_be_bytes();
    match length {
        0..64 => bytes.push(d),
        64..16_384 => bytes.extend([0x40 | c, d]),
        _ => bytes.extend([0x80, a, b, c, d]),
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payload_is_what_redis_dumps() {
        // `DUMP` of a hash with one field `a`, of value `1`, is of another form; its checksum is of this kind.
        assert_eq!(Crc::<u64>::new(&CRC_64_REDIS).checksum(b"123456789"), 0xe9c6_d914_c4b8_d9ca);
        let bytes = payload([("a", "1")].into_iter()).unwrap();
        assert_eq!(bytes[..6], [4, 1, 1, b'a', 1, b'1']);
        assert_eq!(bytes.len(), 6 + 2 + 8);
    }

    #[test]
    fn lengths_are_written_in_as_few_bytes_as_they_need() {
        for (size, expected) in [
            (0, &[0][..]),
            (63, &[63]),
            (64, &[0x40, 64]),
            (16_383, &[0x7f, 0xff]),
            (16_384, &[0x80, 0, 0, 0x40, 0]),
        ] {
            let mut bytes = Vec::new();
            length(&mut bytes, size).unwrap();
            assert_eq!(bytes, expected, "{size}");
        }
    }
}
