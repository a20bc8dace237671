//! One cookie with 128 bits: found, read and written.

use http::{HeaderMap, HeaderValue, header};

/// As long as tower-keep's default name, so that both look for as many bytes.
const NAME: &[u8] = b"__Host-id=";
const ATTRIBUTES: &[u8] = b"; HttpOnly; Secure; SameSite=Lax; Path=/";
const ID_LENGTH: usize = 22;
const LENGTH: usize = NAME.len() + ID_LENGTH + ATTRIBUTES.len();

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const NO_DIGIT: u8 = 0xff;
const DIGITS: [u8; 256] = {
    let mut digits = [NO_DIGIT; 256];
    let mut digit = 0;
    while digit < ALPHABET.len() {
        digits[ALPHABET[digit] as usize] = digit as u8;
        digit += 1;
    }
    digits
};

/// The id in the cookie of our name.
pub(super) fn find(header: &HeaderValue) -> Option<u128> {
    let mut rest = header.as_bytes();
    loop {
        if let Some(value) = rest.strip_prefix(NAME) {
            let (id, after) = value.split_first_chunk::<ID_LENGTH>()?;
            return match after.first() {
                None | Some(b';') => decode(id),
                Some(_) => None,
            };
        }
        let end = memchr::memchr(b';', rest)?;
        rest = &rest[end + 1..];
        rest = rest.strip_prefix(b" ").unwrap_or(rest);
    }
}

/// Tells the client its new id.
pub(super) fn set(headers: &mut HeaderMap, id: u128) {
    let mut text = [0_u8; LENGTH];
    text[..NAME.len()].copy_from_slice(NAME);
    text[NAME.len()..][..ID_LENGTH].copy_from_slice(&encode(id));
    text[NAME.len() + ID_LENGTH..].copy_from_slice(ATTRIBUTES);
    let value = HeaderValue::from_bytes(&text).expect("the characters of a cookie");
    headers.append(header::SET_COOKIE, value);
}

fn decode(text: &[u8; ID_LENGTH]) -> Option<u128> {
    let mut all = 0;
    let id = text.iter().fold(0_u128, |id, character| {
        let digit = DIGITS[usize::from(*character)];
        all |= digit;
        id << 6 | u128::from(digit)
    });
    (all != NO_DIGIT).then_some(id)
}

fn encode(id: u128) -> [u8; ID_LENGTH] {
    std::array::from_fn(|place| {
        let bits = id >> (6 * (ID_LENGTH - 1 - place));
        ALPHABET[(bits & 63) as usize]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_the_way_through_a_client() {
        for id in [0, 1, u128::MAX, 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef] {
            let mut headers = HeaderMap::new();
            set(&mut headers, id);
            let set_cookie = headers[header::SET_COOKIE].to_str().unwrap();
            let pair = set_cookie.split(';').next().unwrap();
            for cookies in [pair.to_owned(), format!("a=b; {pair}"), format!("a=b; {pair}; c=d")] {
                assert_eq!(find(&cookies.parse().unwrap()), Some(id), "{cookies}");
            }
        }
    }

    #[test]
    fn what_is_no_id_is_none() {
        for cookies in [
            "",
            "a=b",
            "__Host-id=short",
            "__Host-id=AAAAAAAAAAAAAAAAAAAAA!",
            "__Host-id=AAAAAAAAAAAAAAAAAAAAAAA",
        ] {
            assert_eq!(find(&cookies.parse().unwrap()), None, "{cookies}");
        }
    }
}
