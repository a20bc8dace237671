//! A record as bytes: [`Record::encode`] and [`Record::decode`].

use std::{borrow::Cow, collections::BTreeMap, net::IpAddr};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Client, Fields, Record};
use crate::{SessionId, StoreError, StoreErrorKind, Timestamp};

/// The first member of every encoded record. A reader refuses what it does not know.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Encoded<'a> {
    format: u32,
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    layer: Cow<'a, str>,
    version: u64,
    created_at: Timestamp,
    last_active: Timestamp,
    expires_at: Timestamp,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    user: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    agent: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    remember: bool,
    #[serde(borrow)]
    fields: BTreeMap<Cow<'a, str>, &'a RawValue>,
}

impl Record {
    /// Writes the record as one JSON object that is bound to its id.
    ///
    /// The format is versioned and stays readable by later releases. Field values keep their text,
    /// so that big integers survive.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Corrupt`] if a field does not hold JSON.
    ///
    /// ```
    /// use tower_keep_core::{LayerName, Record, Timestamp, Token};
    ///
    /// let id = Token::random()?.id();
    /// let record = Record::new(LayerName::from("shop"), Timestamp::from_millis(0));
    /// let bytes = record.encode(&id)?;
    /// assert_eq!(Record::decode(&id, &bytes)?, record);
    /// // A row or file that was swapped for another is refused.
    /// let other = Token::random()?.id();
    /// assert!(Record::decode(&other, &bytes).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn encode(&self, id: &SessionId) -> Result<Vec<u8>, StoreError> {
        let fields = self
            .fields
            .iter()
            .map(|(name, json)| Ok((Cow::Borrowed(name), serde_json::from_str(json)?)))
            .collect::<Result<_, serde_json::Error>>()
            .map_err(|_| corrupt("a field that does not hold JSON"))?;
        let encoded = Encoded {
            format: FORMAT,
            id: id.to_string().into(),
            layer: self.layer.as_str().into(),
            version: self.version,
            created_at: self.created_at,
            last_active: self.last_active,
            expires_at: self.expires_at,
            user: self.user.as_ref().map(|user| user.as_str().into()),
            address: self.client.as_ref().and_then(Client::address),
            agent: self.client.as_ref().and_then(Client::agent).map(Cow::Borrowed),
            remember: self.remember,
            fields,
        };
        serde_json::to_vec(&encoded).map_err(|_| corrupt("a value that JSON cannot carry"))
    }

    /// Reads a record that [`Record::encode`] wrote for the same id.
    ///
    /// Time and memory are linear in the length of `bytes`; any bytes give a record or an error.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Corrupt`] for bytes that are damaged, of an unknown format or of another
    /// id. The error never quotes them.
    pub fn decode(id: &SessionId, bytes: &[u8]) -> Result<Self, StoreError> {
        // The parser's own error could quote a value, so it goes no further.
        let encoded: Encoded<'_> =
            serde_json::from_slice(bytes).map_err(|_| corrupt("bytes that are no record"))?;
        if encoded.format != FORMAT {
            return Err(corrupt("a record of an unknown format"));
        }
        if encoded.id.parse().ok() != Some(*id) {
            return Err(corrupt("the record of another session"));
        }
        let mut record = Self::new((&*encoded.layer).into(), encoded.created_at);
        record.version = encoded.version;
        record.last_active = encoded.last_active;
        record.expires_at = encoded.expires_at;
        record.user = encoded.user.map(|user| (&*user).into());
        record.client = client(encoded.address, encoded.agent.as_deref());
        record.remember = encoded.remember;
        record.fields =
            encoded.fields.iter().map(|(name, json)| (&**name, json.get())).collect::<Fields>();
        Ok(record)
    }
}

fn client(address: Option<IpAddr>, agent: Option<&str>) -> Option<Client> {
    if address.is_none() && agent.is_none() {
        return None;
    }
    let client = agent.map_or_else(Client::new, |agent| Client::new().with_agent(agent));
    Some(address.map_or(client.clone(), |address| client.with_address(address)))
}

fn corrupt(what: &'static str) -> StoreError {
    StoreError::new(StoreErrorKind::Corrupt, what)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn full_record() -> Record {
        let mut record = Record::new("shop".into(), Timestamp::from_millis(1_000));
        record.version = 7;
        record.last_active = Timestamp::from_millis(2_000);
        record.expires_at = Timestamp::from_millis(3_000);
        record.user = Some("ada".into());
        record.client =
            Some(Client::new().with_address([127, 0, 0, 1].into()).with_agent("a \"b\""));
        record.remember = true;
        record.fields = [
            ("", "null"),
            ("big", "123456789012345678901234567890"),
            ("nul\0", "\"\\u0000\""),
            ("text", "\"\u{1F3F0}\""),
        ]
        .into_iter()
        .collect();
        record
    }

    /// Bytes that a release wrote must be readable by every later one.
    #[test]
    fn format_1_is_pinned() {
        let id = SessionId::from_bytes([0xab; 32]);
        let bytes = full_record().encode(&id).unwrap();
        let golden = concat!(
            r#"{"format":1,"id":"abababababababababababababababababababababababababababababababab","#,
            r#""layer":"shop","version":7,"created_at":1000,"last_active":2000,"expires_at":3000,"#,
            r#""user":"ada","address":"127.0.0.1","agent":"a \"b\"","remember":true,"fields":{"#,
            r#""":null,"big":123456789012345678901234567890,"nul\u0000":"\u0000","text":"🏰"}}"#,
        );
        assert_eq!(String::from_utf8(bytes).unwrap(), golden);
        assert_eq!(Record::decode(&id, golden.as_bytes()).unwrap(), full_record());
    }

    #[test]
    fn record_of_another_id_is_corrupt() {
        let bytes = full_record().encode(&SessionId::from_bytes([1; 32])).unwrap();
        let error = Record::decode(&SessionId::from_bytes([2; 32]), &bytes).unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Corrupt);
    }

    #[test]
    fn deep_nesting_is_an_error_and_not_a_crash() {
        let id = SessionId::from_bytes([1; 32]);
        let text = String::from_utf8(full_record().encode(&id).unwrap()).unwrap();
        let deep = text.replace("null", &"[".repeat(100_000));
        assert!(Record::decode(&id, deep.as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn damaged_bytes_give_the_record_or_an_error(place in 0_usize..300, byte: u8) {
            let id = SessionId::from_bytes([1; 32]);
            let mut bytes = full_record().encode(&id).unwrap();
            let place = place % bytes.len();
            bytes[place] = byte;
            let _ = Record::decode(&id, &bytes);
            let _ = Record::decode(&id, &bytes[..place]);
        }

        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            let _ = Record::decode(&SessionId::from_bytes([1; 32]), &bytes);
        }
    }
}
