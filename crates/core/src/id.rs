//! What everyone but the client sees of a token: [`SessionId`].

use std::{fmt, str::FromStr};

use sha2::block_api::compress256;

/// The state that SHA-256 begins with (FIPS 180-4, 5.3.3).
const BEGIN: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// The name of a session: the SHA-256 digest of the 32 characters of its token.
///
/// Stores, logs, admin pages and indexes see this. Knowing it opens nothing, since the token cannot
/// be computed from it, so a leaked table is not a list of live sessions (CVE-2019-16782). It is
/// written as 64 lower-case hexadecimal digits, and so never is a path, a pattern or a statement.
///
/// ```
/// use tower_keep_core::{SessionId, Token};
///
/// let id = Token::random()?.id();
/// assert_eq!(id.to_string().parse::<SessionId>()?, id);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId([u8; 32]);

impl SessionId {
    /// The digest of a token's characters.
    ///
    /// Of one block, which is filled in here: a hash of any length would spend a third of its time on
    /// its buffer.
    pub(crate) fn of(token: &[u8; 32]) -> Self {
        // The message, a one bit, zeros, and the length of the message in bits (FIPS 180-4, 5.1.1).
        let mut block = [0; 64];
        block[..32].copy_from_slice(token);
        block[32] = 0x80;
        block[56..].copy_from_slice(&256_u64.to_be_bytes());
        let mut state = BEGIN;
        compress256(&mut state, &[block]);
        let mut digest = [0; 32];
        for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(state) {
            *bytes = word.to_be_bytes();
        }
        Self(digest)
    }

    /// Makes an id from the bytes that a store kept.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes of the digest, as a store keeps them. They are evenly spread, so that any of them
    /// serve as a hash.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first eight digits, for terminals and logs, where a person compares.
    #[must_use]
    pub fn short(&self) -> impl fmt::Display {
        let [a, b, c, d, ..] = self.0;
        Hexadecimal([a, b, c, d])
    }
}

struct Hexadecimal<const N: usize>([u8; N]);

impl<const N: usize> fmt::Display for Hexadecimal<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hexadecimal(self.0).fmt(f)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({self})")
    }
}

impl FromStr for SessionId {
    type Err = InvalidSessionId;

    fn from_str(text: &str) -> Result<Self, InvalidSessionId> {
        let digits = text.as_bytes();
        let mut bytes = [0_u8; 32];
        if digits.len() != 2 * bytes.len() {
            return Err(InvalidSessionId(()));
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let (Some(high), Some(low)) = (nibble(pair[0]), nibble(pair[1])) else {
                return Err(InvalidSessionId(()));
            };
            *byte = high << 4 | low;
        }
        Ok(Self(bytes))
    }
}

/// Upper-case digits are refused, so that one id has one text.
fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// The text is not the id of a session.
#[derive(Clone, Copy, Debug)]
pub struct InvalidSessionId(());

impl fmt::Display for InvalidSessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a session id: pass its 64 lower-case hexadecimal digits")
    }
}

impl std::error::Error for InvalidSessionId {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_is_the_sha256_of_the_characters() {
        let token: crate::Token = "A".repeat(32).parse().unwrap();
        // printf %s AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA | sha256sum
        let digest = "22a48051594c1949deed7040850c1f0f8764537f5191be56732d16a54c1d8153";
        assert_eq!(token.id().to_string(), digest);
        assert_eq!(token.id().short().to_string(), &digest[..8]);
    }

    proptest::proptest! {
        #[test]
        fn digest_is_that_of_any_other_sha256(characters: [u8; 32]) {
            use sha2::Digest;
            let expected: [u8; 32] = sha2::Sha256::digest(characters).into();
            proptest::prop_assert_eq!(SessionId::of(&characters).0, expected);
        }
    }

    #[test]
    fn only_lower_case_hexadecimal_of_full_length_parses() {
        let text = "0123456789abcdef".repeat(4);
        assert_eq!(text.parse::<SessionId>().unwrap().to_string(), text);
        for bad in ["", "../../etc/passwd", &text[1..], &text.to_uppercase(), &"é".repeat(32)] {
            assert!(bad.parse::<SessionId>().is_err(), "{bad:?}");
        }
    }
}
