//! The secret that a client holds: [`Token`].

use std::{fmt, str::FromStr};

use crate::{
    SessionId,
    randomness::{self, RANDOM_BYTES},
};

/// The secret that opens a session: 192 random bits from the operating system, as 32 characters of
/// the alphabet of base64url.
///
/// It is never stored and never printed: stores see its digest, [`SessionId`], and `Debug` is
/// redacted. It has no `Display` and no `==`; [`Token::expose`] is the one way to its text.
/// 192 bits are above the 128 that OWASP ASVS 5.0, 11.5.1, asks for, and fill whole characters.
///
/// ```
/// use tower_keep_core::Token;
///
/// let token = Token::random()?;
/// assert_eq!(token.expose().len(), 32);
/// assert_eq!(format!("{token:?}"), "Token(..)");
/// assert_eq!(token.expose().parse::<Token>()?.id(), token.id());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
pub struct Token([u8; Token::LENGTH]);

impl Token {
    /// The number of characters of a token.
    pub const LENGTH: usize = 32;

    /// Draws a token from the operating system's generator.
    ///
    /// The bits are fetched for 32 tokens at once and by thread, and kept for a second at
    /// most, since asking for them costs more than all else that makes a session.
    ///
    /// # Errors
    ///
    /// When the operating system has no randomness to give. There is no fallback.
    pub fn random() -> Result<Self, RandomnessError> {
        let random = randomness::draw().map_err(RandomnessError)?;
        Ok(Self::encode(random))
    }

    /// Reads a token from the bytes of a header; `None` for whatever has not the form of one.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let characters: [u8; Self::LENGTH] = bytes.try_into().ok()?;
        // Without a branch for each character, so that they are looked at all at once.
        let is_token = characters.iter().fold(true, |so_far, byte| {
            so_far & (byte.is_ascii_alphanumeric() | (*byte == b'-') | (*byte == b'_'))
        });
        is_token.then_some(Self(characters))
    }

    /// The digest under which stores keep the session.
    #[must_use]
    pub fn id(&self) -> SessionId {
        SessionId::of(&self.0)
    }

    /// The secret itself, to be handed to the client and nobody else.
    #[must_use]
    pub fn expose(&self) -> &str {
        // All characters are ASCII by construction.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// As [`expose`](Self::expose), in bytes.
    pub(crate) fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }

    /// Each byte's lower six bits make a character, and the upper two of three bytes another, so that
    /// every bit of every character is random. In words, since nobody turns characters into bytes
    /// again and their order is free.
    fn encode(random: [u8; RANDOM_BYTES]) -> Self {
        const LOWER: u64 = u64::from_ne_bytes([0b0011_1111; 8]);
        let mut words = [0_u64; RANDOM_BYTES / 8];
        for (word, bytes) in words.iter_mut().zip(random.as_chunks().0) {
            *word = u64::from_ne_bytes(*bytes);
        }
        let [a, b, c] = words;
        let upper = (a & !LOWER) >> 2 | (b & !LOWER) >> 4 | (c & !LOWER) >> 6;
        let mut characters = [0_u8; Self::LENGTH];
        let sixes = [a & LOWER, b & LOWER, c & LOWER, upper];
        for (eight, word) in characters.as_chunks_mut().0.iter_mut().zip(sixes) {
            *eight = word.to_ne_bytes();
        }
        characters.iter_mut().for_each(|six| *six = character(*six));
        Self(characters)
    }
}

/// The character of six bits in base64url.
///
/// By arithmetic, on all characters at once: which places of a table were looked at would stay in the processor's
/// cache for others to find out.
fn character(six: u8) -> u8 {
    let past = |last: u8, step: u8| if six > last { step } else { 0 };
    let letter = b'A' + six + past(25, b'a' - b'Z' - 1);
    letter - past(51, b'z' + 1 - b'0') - past(61, b'9' + 1 - b'-') + past(62, b'_' - b'-' - 1)
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl FromStr for Token {
    type Err = InvalidToken;

    fn from_str(text: &str) -> Result<Self, InvalidToken> {
        Self::from_bytes(text.as_bytes()).ok_or(InvalidToken(()))
    }
}

/// The text has not the form of a token.
#[derive(Clone, Copy, Debug)]
pub struct InvalidToken(());

impl fmt::Display for InvalidToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a session token: pass the 32 base64url characters that were handed out")
    }
}

impl std::error::Error for InvalidToken {}

/// The operating system gave no randomness.
#[derive(Clone, Copy, Debug)]
pub struct RandomnessError(getrandom::Error);

impl fmt::Display for RandomnessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the operating system gave no random bytes for a session token")
    }
}

impl std::error::Error for RandomnessError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_random_bit_is_one_bit_of_one_character() {
        let sixes = |random| {
            Token::encode(random).0.map(|byte| (0..64).find(|six| character(*six) == byte).unwrap())
        };
        assert_eq!(sixes([0; RANDOM_BYTES]), [0; Token::LENGTH]);
        assert_eq!(sixes([0xff; RANDOM_BYTES]), [63; Token::LENGTH]);
        let mut seen = HashSet::new();
        for bit in 0..8 * RANDOM_BYTES {
            let mut random = [0; RANDOM_BYTES];
            random[bit / 8] = 1 << (bit % 8);
            let sixes = sixes(random);
            assert_eq!(sixes.map(u8::count_ones).iter().sum::<u32>(), 1);
            assert!(seen.insert(sixes));
        }
    }

    #[test]
    fn each_six_bits_have_their_character() {
        let characters: Vec<u8> = (0..64).map(character).collect();
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        assert_eq!(characters, alphabet);
    }

    #[test]
    fn every_position_uses_the_whole_alphabet() {
        let mut seen = vec![HashSet::new(); Token::LENGTH];
        for _ in 0..3_000 {
            let token = Token::random().unwrap();
            for (place, character) in token.expose().bytes().enumerate() {
                seen[place].insert(character);
            }
        }
        assert!(seen.iter().all(|characters| characters.len() == 64));
    }

    #[test]
    fn random_tokens_do_not_repeat() {
        let tokens: HashSet<String> =
            (0..10_000).map(|_| Token::random().unwrap().expose().to_owned()).collect();
        assert_eq!(tokens.len(), 10_000);
    }

    #[test]
    fn only_the_exact_form_is_a_token() {
        let good = "abcdefghijklmnopqrstuvwxyzABC-_9";
        assert!(good.parse::<Token>().is_ok());
        for bad in ["", "short", &good[1..], &format!("{good}A"), &format!("\"{}\"", &good[2..])] {
            assert!(bad.parse::<Token>().is_err(), "{bad:?}");
        }
        for odd in ['=', '+', '/', '%', ' ', '.', '\0', '\u{7f}'] {
            assert!(good.replace('a', &odd.to_string()).parse::<Token>().is_err(), "{odd:?}");
        }
        assert!(Token::from_bytes(&[0xff; 32]).is_none());
    }

    #[test]
    fn debug_is_redacted() {
        let token = Token::random().unwrap();
        assert_eq!(format!("{token:?} {token:#?}"), "Token(..) Token(..)");
    }
}
