//! Where a session lies: [`Place`].

use std::hash::{BuildHasherDefault, Hash, Hasher};

use tower_keep_core::SessionId;

/// How many maps there are: one for each first five bits of an id.
///
/// Threads that write seldom meet in one of so many, and a store that begins to fill has few of them
/// to bring into the processor's caches: with 256, a new session took 40 ns more.
pub(crate) const SHARDS: usize = 1 << SHARD_BITS;

const SHARD_BITS: u32 = 5;

/// The bits of a tag.
pub(crate) const TAG_BITS: u32 = 51;

/// Where a session lies: its shard, and a tag of 51 bits that no other session of the shard has.
///
/// It is what the queues and the indexes keep instead of the id, which is four times its size. Two
/// ids of one place cannot be stored at once: the second is answered as taken, about once in a
/// hundred thousand times that a store is filled with a million sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place(u64);

impl Place {
    pub(crate) fn of(id: &SessionId) -> Self {
        // Odd multipliers, one for each word so that none waits for another: ids that are no digests,
        // as in tests, spread too. From the digits of the golden ratio and of pi.
        const SPREAD: [u64; 4] = [
            0x9E37_79B9_7F4A_7C15,
            0x243F_6A88_85A3_08D3,
            0x1319_8A2E_0370_7345,
            0xA409_3822_299F_31D1,
        ];
        let (words, _) = id.as_bytes().as_chunks::<8>();
        let mixed = words.iter().zip(SPREAD).fold(0_u64, |mixed, (word, spread)| {
            mixed.wrapping_add(u64::from_le_bytes(*word).wrapping_mul(spread))
        });
        Self::new(Self::shard_of(id), mixed >> (64 - TAG_BITS))
    }

    /// The shard of an id. Shards follow each other as the ids in them do.
    pub(crate) fn shard_of(id: &SessionId) -> usize {
        usize::from(id.as_bytes()[0] >> (8 - SHARD_BITS))
    }

    pub(crate) fn new(shard: usize, tag: u64) -> Self {
        Self((shard as u64) << TAG_BITS | tag)
    }

    #[inline]
    pub(crate) fn shard(self) -> usize {
        (self.0 >> TAG_BITS) as usize
    }

    #[inline]
    pub(crate) fn tag(self) -> u64 {
        self.0 & ((1 << TAG_BITS) - 1)
    }
}

/// The map takes its bucket from the upper bits and its filter from the lowest; the shard is in neither.
impl Hash for Place {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        const BELOW: u32 = 64 - TAG_BITS;
        state.write_u64(self.0 << BELOW | self.0 & ((1 << BELOW) - 1));
    }
}

/// Hashes keys that are spread already by taking them as they are.
pub(crate) type AsItIs = BuildHasherDefault<AsItIsHasher>;

#[derive(Default)]
pub(crate) struct AsItIsHasher(u64);

impl Hasher for AsItIsHasher {
    #[inline]
    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn place_gives_back_its_parts() {
        let place = Place::new(SHARDS - 1, (1 << TAG_BITS) - 1);
        assert_eq!(place.shard(), SHARDS - 1);
        assert_eq!(place.tag(), (1 << TAG_BITS) - 1);
    }

    #[test]
    fn counted_ids_have_places_of_their_own() {
        for at in [0, 8, 16, 24] {
            let places: HashSet<u64> = (0..10_000_u64)
                .map(|count| {
                    let mut bytes = [0; 32];
                    bytes[at..at + 8].copy_from_slice(&count.to_be_bytes());
                    Place::of(&SessionId::from_bytes(bytes)).0
                })
                .collect();
            assert_eq!(places.len(), 10_000);
        }
    }
}
