//! A million sessions and their cookies: [`Crowd`].

use http::HeaderValue;

use crate::{
    client,
    contender::{Contender, Lives},
    data::Shape,
};

/// So many sessions.
pub(crate) const SESSIONS: usize = 1_000_000;

/// As long as the cookies of one client may be; most are shorter.
const WIDEST: usize = 128;

/// The cookies of many live sessions, in one piece of memory that is there before they are: what a
/// contender holds can be measured while it is filled.
pub(crate) struct Crowd {
    width: usize,
    text: Vec<u8>,
}

impl Crowd {
    pub(crate) fn with_capacity(sessions: usize) -> Self {
        Self { width: 0, text: Vec::with_capacity(sessions * WIDEST) }
    }

    /// Fills a contender with [`SESSIONS`] small sessions, and keeps the cookies of those that live on.
    pub(crate) async fn fill<C: Contender>(
        &mut self,
        contender: &C,
        lives: impl Fn(usize) -> Lives,
    ) {
        let mut alive = contender.fill(Shape::Small, Lives::On);
        let mut expired = contender.fill(Shape::Small, Lives::Over);
        for number in 0..SESSIONS {
            match lives(number) {
                Lives::On => self.push(&client::visit(&mut alive).await),
                Lives::Over => {
                    client::visit(&mut expired).await;
                }
            }
        }
    }

    fn push(&mut self, cookies: &str) {
        if self.text.is_empty() {
            self.width = cookies.len();
        }
        assert!(cookies.len() == self.width && self.width <= WIDEST);
        self.text.extend_from_slice(cookies.as_bytes());
    }

    /// The cookies of a session that nobody can foresee, so that no cache helps.
    pub(crate) fn any(&self, random: &mut Random) -> HeaderValue {
        let start = random.below(self.text.len() / self.width) * self.width;
        let cookies = &self.text[start..start + self.width];
        HeaderValue::from_bytes(cookies).expect("cookies")
    }
}

/// A generator that costs next to nothing (SplitMix64) and starts where it is told to.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) % limit as u64) as usize
    }
}
