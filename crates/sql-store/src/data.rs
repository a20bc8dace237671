//! The column `data`: all fields as one JSON object, and the seal that binds it to its row.
//!
//! Each field is a member with its own JSON text, character for character, so that the database can
//! query it and big integers survive. PostgreSQL refuses to look into a text that holds `\u0000` or half
//! a surrogate pair, so those are written with an escape character of our own.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::value::RawValue;
use tower_keep_core::{Fields, SessionId};
use twox_hash::XxHash3_64;

/// A noncharacter, which Unicode keeps for use inside of programs.
const ESCAPE: char = '\u{FDD0}';

/// After the escape: the escape character itself.
const ITSELF: char = 'e';
/// After the escape: what were the four digits of `\uXXXX`.
const UNIT: char = 'u';

/// The fields as one JSON object.
pub(crate) fn encode(fields: &Fields) -> Result<String, serde_json::Error> {
    let mut text = String::with_capacity(fields.bytes() + 4 * fields.len() + 2);
    text.push('{');
    for (place, (name, json)) in fields.iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        text.push_str(&serde_json::to_string(name)?);
        text.push(':');
        text.push_str(json);
    }
    text.push('}');
    Ok(match escape(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(escaped) => escaped,
    })
}

/// The fields that [`encode`] wrote; `None` for any other text.
pub(crate) fn decode(text: &str) -> Option<Fields> {
    let text = unescape(text)?;
    let members: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(&text).ok()?;
    Some(members.iter().map(|(name, json)| (&**name, json.get())).collect())
}

/// Binds data to the id that it is kept under, so that a row swapped for another is noticed.
///
/// It guards against mishaps, not against those who can write to the table: they need no seal.
pub(crate) fn seal(id: &SessionId, data: &str) -> i64 {
    let [a, b, c, d, e, f, g, h, ..] = *id.as_bytes();
    let seed = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    XxHash3_64::oneshot_with_seed(seed, data.as_bytes()).cast_signed()
}

/// A name as PostgreSQL takes it, which refuses NUL in text.
#[cfg(feature = "postgres")]
pub(crate) fn escape_text(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', ESCAPE]) {
        return Cow::Borrowed(text);
    }
    let escaped = text.replace(ESCAPE, "\u{FDD0}e").replace('\0', "\u{FDD0}u0000");
    Cow::Owned(escaped)
}

/// The name that [`escape_text`] was given.
#[cfg(feature = "postgres")]
pub(crate) fn unescape_text(text: &str) -> Cow<'_, str> {
    if !text.contains(ESCAPE) {
        return Cow::Borrowed(text);
    }
    let plain = text.replace("\u{FDD0}u0000", "\0").replace("\u{FDD0}e", "\u{FDD0}");
    Cow::Owned(plain)
}

/// Escapes what databases refuse in JSON: `\u0000` and halves of surrogate pairs.
fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains("\\u") && !text.contains(ESCAPE) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(place) = rest.find(['\\', ESCAPE]) {
        escaped.push_str(&rest[..place]);
        rest = &rest[place..];
        let taken = match unit(rest) {
            None if rest.starts_with(ESCAPE) => {
                escaped.extend([ESCAPE, ITSELF]);
                ESCAPE.len_utf8()
            }
            // A backslash and what it escapes, so that `\\u0000` is not taken for `\u0000`.
            None => {
                let pair = 1 + rest[1..].chars().next().map_or(0, char::len_utf8);
                escaped.push_str(&rest[..pair]);
                pair
            }
            Some(0xD800..=0xDBFF)
                if matches!(rest.get(6..).and_then(unit), Some(0xDC00..=0xDFFF)) =>
            {
                escaped.push_str(&rest[..12]);
                12
            }
            Some(0 | 0xD800..=0xDFFF) => {
                escaped.extend([ESCAPE, UNIT]);
                escaped.push_str(&rest[2..6]);
                6
            }
            Some(_) => {
                escaped.push_str(&rest[..6]);
                6
            }
        };
        rest = &rest[taken..];
    }
    escaped.push_str(rest);
    Cow::Owned(escaped)
}

/// The number of the `\uXXXX` that a text begins with.
fn unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u16::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'))
}

fn unescape(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(ESCAPE) {
        return Some(Cow::Borrowed(text));
    }
    let mut plain = String::with_capacity(text.len());
    let mut parts = text.split(ESCAPE);
    plain.push_str(parts.next()?);
    for part in parts {
        if let Some(rest) = part.strip_prefix(ITSELF) {
            plain.push(ESCAPE);
            plain.push_str(rest);
        } else {
            plain.push_str("\\u");
            plain.push_str(part.strip_prefix(UNIT)?);
        }
    }
    Some(Cow::Owned(plain))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fields(json: &str) -> Fields {
        [("a", json), ("nul\0\u{FDD0}", "1")].into_iter().collect()
    }

    #[test]
    fn ordinary_fields_are_ordinary_json() {
        let fields: Fields = [("visits", "3"), ("name", "\"Ada\"")].into_iter().collect();
        assert_eq!(encode(&fields).unwrap(), r#"{"name":"Ada","visits":3}"#);
    }

    #[test]
    fn what_databases_refuse_comes_back_character_for_character() {
        for json in [
            r#""\u0000""#,
            r#""\\u0000""#,
            r#""\\\u0000""#,
            r#""\ud83c\udff0""#,
            r#""\uD83C""#,
            r#""\udff0\ud83c""#,
            r#""\ud83c\ud83c\udff0""#,
            "\"\u{FDD0}\"",
            "\"\u{FDD0}u0000\"",
            "\"\u{FDD0}e\"",
            r#""\ufdd0""#,
        ] {
            let text = encode(&fields(json)).unwrap();
            assert_eq!(decode(&text).unwrap(), fields(json), "{text}");
            assert!(!text.replace("\\\\", "").contains("\\u0000"), "{text}");
            assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{text}");
        }
    }

    #[test]
    fn seal_is_of_the_id_and_of_the_data() {
        let (one, other) = (SessionId::from_bytes([1; 32]), SessionId::from_bytes([2; 32]));
        // Pinned: what a release wrote must be readable by every later one.
        assert_eq!(seal(&one, "{}"), PINNED);
        assert_ne!(seal(&one, "{}"), seal(&other, "{}"));
        assert_ne!(seal(&one, "{}"), seal(&one, "{ }"));
    }

    const PINNED: i64 = -413_327_162_944_239_932;

    #[cfg(feature = "postgres")]
    #[test]
    fn names_come_back_with_what_postgres_refuses() {
        for name in ["ada", "a\0b", "\u{FDD0}", "\u{FDD0}u0000", "\u{FDD0}e\0\u{FDD0}"] {
            assert!(!escape_text(name).contains('\0'));
            assert_eq!(unescape_text(&escape_text(name)), name);
        }
    }

    proptest! {
        #[test]
        fn any_text_comes_back(name: String, value: String) {
            let json = serde_json::to_string(&value).unwrap();
            let fields: Fields = [(&*name, &*json)].into_iter().collect();
            prop_assert_eq!(decode(&encode(&fields).unwrap()), Some(fields));
        }

        #[test]
        fn any_text_is_survived(text: String) {
            let _ = decode(&text);
            let _ = unescape(&escape(&text));
        }
    }
}
