//! Random bytes of the operating system, fetched in bulk: [`draw`].

use std::{cell::RefCell, time::Duration};

use crate::{Clock, SystemClock, Timestamp};

/// The random bytes of one token.
pub(crate) const RANDOM_BYTES: usize = 24;

/// For so many tokens bytes are fetched at once. The system's generator takes a new key with every
/// call, which costs as much as the bytes of four tokens: 32 share that until it hardly counts, and more
/// would only leave more of them in memory.
const DRAWS: usize = 32;

/// What was fetched longer ago is thrown away, so that neither a copy of the process's memory nor a
/// machine that was restored from a snapshot gives out tokens of long ago.
const LIFE: Duration = Duration::from_secs(1);

thread_local! {
    static POOL: RefCell<Option<Pool>> = const { RefCell::new(None) };
}

/// Bytes that nobody has seen. Each is overwritten when it is handed out.
struct Pool {
    bytes: [[u8; RANDOM_BYTES]; DRAWS],
    left: usize,
    fetched: Timestamp,
}

/// Draws the random bytes of one token.
pub(crate) fn draw() -> Result<[u8; RANDOM_BYTES], getrandom::Error> {
    POOL.with_borrow_mut(|slot| {
        let pool = match slot {
            Some(pool) if pool.left > 0 && pool.is_fresh() => pool,
            _ => slot.insert(Pool::fetch()?),
        };
        pool.left -= 1;
        Ok(std::mem::take(&mut pool.bytes[pool.left]))
    })
}

impl Pool {
    fn fetch() -> Result<Self, getrandom::Error> {
        let mut bytes = [[0; RANDOM_BYTES]; DRAWS];
        getrandom::fill(bytes.as_flattened_mut())?;
        Ok(Self { bytes, left: DRAWS, fetched: SystemClock.now() })
    }

    /// By the clock of the day, which goes on while a machine sleeps in a snapshot; one that was set
    /// back is not believed.
    fn is_fresh(&self) -> bool {
        let now = SystemClock.now();
        self.fetched <= now && now < self.fetched + LIFE
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn nothing_is_handed_out_twice() {
        let threads: Vec<_> = (0..4)
            .map(|_| std::thread::spawn(|| (0..1_000).map(|_| draw().unwrap()).collect::<Vec<_>>()))
            .collect();
        let drawn: HashSet<_> =
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert_eq!(drawn.len(), 4_000);
    }

    #[test]
    fn what_was_handed_out_is_kept_nowhere() {
        let drawn = draw().unwrap();
        POOL.with_borrow(|pool| {
            let pool = pool.as_ref().unwrap();
            assert!(pool.bytes.iter().all(|bytes| *bytes != drawn));
            assert_eq!(pool.bytes[pool.left], [0; RANDOM_BYTES]);
        });
    }

    #[test]
    fn old_bytes_are_thrown_away() {
        draw().unwrap();
        let now = SystemClock.now();
        let long_ago = Timestamp::from_millis(now.as_millis() - LIFE.as_millis() as i64);
        let yet_to_come = now + Duration::from_secs(60);
        for fetched in [long_ago, yet_to_come] {
            POOL.with_borrow_mut(|pool| {
                let pool = pool.as_mut().unwrap();
                pool.fetched = fetched;
                pool.bytes = [[7; RANDOM_BYTES]; DRAWS];
            });
            assert_ne!(draw().unwrap(), [7; RANDOM_BYTES]);
        }
    }
}
