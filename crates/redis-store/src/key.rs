//! The names of keys: [`Keys`].

use std::fmt::Write;

use smallvec::SmallVec;
use tower_keep_core::{LayerName, SessionId, UserId};

/// Names the keys of one prefix.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    prefix: Box<str>,
}

/// The key of a session, which needs no allocation with a prefix of up to 32 bytes.
pub(crate) type SessionKey = SmallVec<[u8; 96]>;

/// What a key of our prefix is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A session's hash.
    Session(SessionId),
    /// The set of a user's sessions.
    Users,
}

impl Keys {
    pub(crate) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.into() }
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The key of a session: the prefix and the 64 digits of its id.
    pub(crate) fn session(&self, id: &SessionId) -> SessionKey {
        // All at once, without a look into a table.
        let digit = |half: u8| half + if half < 10 { b'0' } else { b'a' - 10 };
        let mut digits = [[0; 2]; 32];
        for (pair, byte) in digits.iter_mut().zip(id.as_bytes()) {
            *pair = [digit(byte >> 4), digit(byte & 15)];
        }
        let mut key = SmallVec::with_capacity(self.prefix.len() + 64);
        key.extend_from_slice(self.prefix.as_bytes());
        key.extend_from_slice(digits.as_flattened());
        key
    }

    /// The key of the set of a user's sessions. The length of the layer's name keeps the two names apart.
    pub(crate) fn user(&self, layer: &LayerName, user: &UserId) -> Vec<u8> {
        let (layer, user) = (layer.as_str(), user.as_str());
        format!("{}user:{}:{layer}:{user}", self.prefix, layer.len()).into_bytes()
    }

    /// The pattern that all keys of the prefix match.
    pub(crate) fn pattern(&self) -> String {
        let mut pattern = String::with_capacity(self.prefix.len() + 2);
        for character in self.prefix.chars() {
            if matches!(character, '*' | '?' | '[' | ']' | '^' | '-' | '\\') {
                pattern.push('\\');
            }
            pattern.push(character);
        }
        pattern.push('*');
        pattern
    }

    /// What a key is, if it is ours.
    pub(crate) fn kind(&self, key: &[u8]) -> Option<Kind> {
        let rest = key.strip_prefix(self.prefix.as_bytes())?;
        if rest.starts_with(b"user:") {
            return Some(Kind::Users);
        }
        Some(Kind::Session(str::from_utf8(rest).ok()?.parse().ok()?))
    }
}

/// The 64 digits of an id.
pub(crate) fn digits(id: &SessionId) -> String {
    let mut text = String::with_capacity(64);
    // Writing to a string does not fail.
    let _ = write!(text, "{id}");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_tells_what_it_is() {
        let keys = Keys::new("shop:");
        let id = SessionId::from_bytes([0xa5; 32]);
        assert_eq!(&*keys.session(&id), format!("shop:{id}").as_bytes());
        assert_eq!(keys.kind(&keys.session(&id)), Some(Kind::Session(id)));
        let user = keys.user(&"layer".into(), &"ada".into());
        assert_eq!(keys.kind(&user), Some(Kind::Users));
        for other in ["shop:", "shop:a5", "shop:config", "other:user:1:a:b"] {
            assert_eq!(keys.kind(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn names_of_layer_and_user_do_not_mix() {
        let keys = Keys::new("");
        assert_ne!(keys.user(&"a:b".into(), &"c".into()), keys.user(&"a".into(), &"b:c".into()));
    }

    #[test]
    fn a_prefix_is_no_pattern() {
        assert_eq!(Keys::new("a*[b]?").pattern(), "a\\*\\[b\\]\\?*");
    }
}
