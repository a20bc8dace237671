//! The hash of a session: what [`Stored`] reads, and [`pairs`] writes.
//!
//! A field of the session is a field of the hash, with its JSON as it is. What begins with `@` is ours;
//! a session's own name that does so has one more `@` before it.

use std::{borrow::Cow, cell::RefCell};

use redis::Value;
use tower_keep_core::{
    Client, Fields, LayerName, Record, SessionId, StoreError, Timestamp, UserId,
};

use crate::{error::corrupt, servers::Reply};

const NO_HASH: &str = "an answer that is no hash";

/// What is under the key of a session.
#[derive(Debug)]
pub(crate) enum Stored<'a> {
    /// A record, and its state as the server has it.
    Live(Record, &'a str),
    /// A record that comes from another id, and is live once that one has let go.
    Arriving(SessionId),
    /// Nothing that lives.
    Nothing,
}

impl<'a> Stored<'a> {
    /// Reads the answer of `HGETALL`.
    pub(crate) fn read(id: &SessionId, reply: &'a Reply) -> Result<Self, StoreError> {
        let mut texts = reply.texts().ok_or_else(|| corrupt(NO_HASH))?;
        let stored = Self::of(id, std::iter::from_fn(|| Some(Ok((texts.next()?, texts.next()?)))))?;
        if texts.is_at_end() { Ok(stored) } else { Err(corrupt(NO_HASH)) }
    }

    /// Reads an answer of `HGETALL` that is a part of another.
    pub(crate) fn part(id: &SessionId, answer: &'a Value) -> Result<Self, StoreError> {
        let Value::Array(flat) = answer else { return Err(corrupt(NO_HASH)) };
        Self::of(id, flat.chunks_exact(2).map(|pair| Ok((text(&pair[0])?, text(&pair[1])?))))
    }

    /// Reads the names and values of a hash.
    fn of(
        id: &SessionId,
        pairs: impl Iterator<Item = Result<(&'a str, &'a str), StoreError>>,
    ) -> Result<Self, StoreError> {
        let mut facts = Facts::default();
        let mut fields = Vec::with_capacity(8);
        for pair in pairs {
            let (name, value) = pair?;
            facts.take(name, value, &mut fields);
        }
        let Some(text) = facts.state else {
            return Ok(match facts.arriving {
                Some(arriving) => Self::Arriving(origin(arriving)?),
                None => Self::Nothing,
            });
        };
        let state = State::read(text).ok_or_else(|| corrupt("a state that is none"))?;
        let layer = facts.layer.and_then(|layer| bound_layer(id, layer));
        let layer = layer.ok_or_else(|| corrupt("a hash that was not written under this key"))?;
        let mut record = Record::new(named(layer), state.created_at);
        record.version = state.version;
        record.last_active = state.last_active;
        record.expires_at = state.expires_at;
        record.user = facts.user.map(UserId::from);
        record.client = facts.client()?;
        record.remember = facts.remember;
        record.fields = fields.into_iter().collect::<Fields>();
        Ok(Self::Live(record, text))
    }
}

thread_local! {
    /// The layer that was read last: most applications have one, whose name need not be made anew.
    static LAST: RefCell<Option<LayerName>> = const { RefCell::new(None) };
}

/// A layer by its name.
fn named(layer: &str) -> LayerName {
    LAST.with_borrow_mut(|last| match last {
        Some(last) if last.as_str() == layer => last.clone(),
        _ => last.insert(LayerName::from(layer)).clone(),
    })
}

/// What stands in the fields that are ours.
#[derive(Default)]
struct Facts<'a> {
    state: Option<&'a str>,
    arriving: Option<&'a str>,
    layer: Option<&'a str>,
    user: Option<&'a str>,
    address: Option<&'a str>,
    agent: Option<&'a str>,
    remember: bool,
}

impl<'a> Facts<'a> {
    fn take(&mut self, name: &'a str, value: &'a str, fields: &mut Vec<(&'a str, &'a str)>) {
        match name {
            "@state" => self.state = Some(value),
            "@arriving" => self.arriving = Some(value),
            "@layer" => self.layer = Some(value),
            "@user" => self.user = Some(value),
            "@address" => self.address = Some(value),
            "@agent" => self.agent = Some(value),
            "@remember" => self.remember = value == "true",
            _ if name.starts_with("@@") => fields.push((&name[1..], value)),
            // What a later release may add.
            _ if name.starts_with('@') => {}
            _ => fields.push((name, value)),
        }
    }

    fn client(&self) -> Result<Option<Client>, StoreError> {
        if self.address.is_none() && self.agent.is_none() {
            return Ok(None);
        }
        let mut client = Client::new();
        if let Some(agent) = self.agent {
            client = client.with_agent(agent);
        }
        if let Some(address) = self.address {
            let address = address.parse().map_err(|_| corrupt("an address that is none"))?;
            client = client.with_address(address);
        }
        Ok(Some(client))
    }
}

/// The numbers that change with each use.
pub(crate) struct State {
    version: u64,
    pub(crate) created_at: Timestamp,
    pub(crate) last_active: Timestamp,
    pub(crate) expires_at: Timestamp,
}

impl State {
    pub(crate) fn read(text: &str) -> Option<Self> {
        let mut numbers = text.strip_prefix('[')?.strip_suffix(']')?.split(',');
        let version = numbers.next()?.parse().ok()?;
        let mut time = || {
            let number: i128 = numbers.next()?.parse().ok()?;
            // The server counts in doubles, which may round the largest up.
            let millis = number.clamp(i64::MIN.into(), i64::MAX.into());
            Some(Timestamp::from_millis(i64::try_from(millis).ok()?))
        };
        let created_at = time()?;
        let _reach = time()?;
        let (last_active, expires_at) = (time()?, time()?);
        if numbers.next().is_some() {
            return None;
        }
        Some(Self { version, created_at, last_active, expires_at })
    }
}

/// The text of a state.
pub(crate) fn state(
    version: u64,
    created_at: Timestamp,
    reach: i64,
    last_active: Timestamp,
    expires_at: Timestamp,
) -> String {
    // Room for all but the longest.
    let mut text = String::with_capacity(72);
    let mut digits = itoa::Buffer::new();
    text.push('[');
    text.push_str(digits.format(version));
    for time in [created_at.as_millis(), reach, last_active.as_millis(), expires_at.as_millis()] {
        text.push(',');
        text.push_str(digits.format(time));
    }
    text.push(']');
    text
}

/// The names and values of a hash that a record begins with, apart from its state.
pub(crate) fn pairs(
    id: &SessionId,
    layer: &LayerName,
    user: Option<&UserId>,
    client: Option<&Client>,
    remember: bool,
    fields: &Fields,
) -> Vec<(Cow<'static, str>, String)> {
    let mut pairs = Vec::with_capacity(fields.len() + 3);
    pairs.push((Cow::Borrowed("@layer"), bound_to(id, layer)));
    if let Some(user) = user {
        pairs.push((Cow::Borrowed("@user"), user.as_str().to_owned()));
    }
    if let Some(address) = client.and_then(Client::address) {
        pairs.push((Cow::Borrowed("@address"), address.to_string()));
    }
    if let Some(agent) = client.and_then(Client::agent) {
        pairs.push((Cow::Borrowed("@agent"), agent.to_owned()));
    }
    if remember {
        pairs.push((Cow::Borrowed("@remember"), "true".to_owned()));
    }
    for (name, json) in fields.iter() {
        pairs.push((Cow::Owned(field(name).into_owned()), json.to_owned()));
    }
    pairs
}

/// The name in the hash of a session's field.
pub(crate) fn field(name: &str) -> Cow<'_, str> {
    if name.starts_with('@') { Cow::Owned(format!("@{name}")) } else { Cow::Borrowed(name) }
}

/// The layer in a text that binds it to an id, if it is this one.
///
/// It guards against mishaps such as a renamed key, not against those who can write to the server.
pub(crate) fn bound_layer<'a>(id: &SessionId, text: &'a str) -> Option<&'a str> {
    let (digits, layer) = text.split_once(':')?;
    let [a, b, c, d, e, f, g, h, ..] = *id.as_bytes();
    let own = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
    (digits.len() == 16 && u64::from_str_radix(digits, 16) == Ok(own)).then_some(layer)
}

/// A layer's name, bound to an id.
pub(crate) fn bound_to(id: &SessionId, layer: &LayerName) -> String {
    format!("{}{}:{layer}", id.short(), tail(id))
}

fn tail(id: &SessionId) -> String {
    let [_, _, _, _, e, f, g, h, ..] = *id.as_bytes();
    format!("{:08x}", u32::from_be_bytes([e, f, g, h]))
}

fn origin(arriving: &str) -> Result<SessionId, StoreError> {
    let from = arriving.get(..64).and_then(|digits| digits.parse().ok());
    from.ok_or_else(|| corrupt("an origin that is none"))
}

pub(crate) fn text(value: &Value) -> Result<&str, StoreError> {
    let text = match value {
        Value::BulkString(bytes) => str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(&**text),
        Value::Okay => Some("OK"),
        _ => None,
    };
    text.ok_or_else(|| corrupt("a value that is no text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(entries: &[(&str, &str)]) -> Reply {
        let bulk = |text: &str| format!("${}\r\n{text}\r\n", text.len());
        let texts = entries.iter().map(|(name, value)| bulk(name) + &bulk(value));
        let reply = format!("*{}\r\n{}", 2 * entries.len(), texts.collect::<String>());
        Reply::from(bytes::Bytes::from(reply))
    }

    #[test]
    fn names_with_our_sign_are_the_sessions_own() {
        for name in ["", "@", "@@", "@state", "@@state", "a@"] {
            let id = SessionId::from_bytes([7; 32]);
            let fields: Fields = [(name, "1")].into_iter().collect();
            let pairs = pairs(&id, &"shop".into(), None, None, false, &fields);
            let mut entries: Vec<_> = pairs.iter().map(|(name, json)| (&**name, &**json)).collect();
            entries.push(("@state", "[1,2,0,3,4]"));
            match Stored::read(&id, &hash(&entries)).unwrap() {
                Stored::Live(record, _) => assert_eq!(record.fields, fields, "{name}"),
                other => panic!("{name}: {other:?}"),
            }
        }
    }

    #[test]
    fn hash_under_another_key_is_corrupt() {
        let (one, other) = (SessionId::from_bytes([1; 32]), SessionId::from_bytes([2; 32]));
        let pairs = pairs(&one, &"shop".into(), None, None, false, &Fields::default());
        let entries = [("@state", "[1,2,0,3,4]"), ("@layer", &*pairs[0].1)];
        assert!(matches!(Stored::read(&one, &hash(&entries)), Ok(Stored::Live(..))));
        let error = Stored::read(&other, &hash(&entries)).unwrap_err();
        assert_eq!(error.kind(), tower_keep_core::StoreErrorKind::Corrupt);
    }

    #[test]
    fn damaged_states_are_corrupt() {
        for state in ["", "[]", "[1,2,3,4]", "[1,2,3,4,5,6]", "[x,2,0,3,4]", "1,2,0,3,4"] {
            let id = SessionId::from_bytes([1; 32]);
            let entries = [("@layer", "0101010101010101:shop"), ("@state", state)];
            assert!(Stored::read(&id, &hash(&entries)).is_err(), "{state}");
        }
    }
}
