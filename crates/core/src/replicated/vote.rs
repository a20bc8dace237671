//! What a member holds for one id, in a record of its own: [`Vote`].

use std::{borrow::Cow, net::IpAddr, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    ballot::Ballot,
    value::{Phase, State, Value},
};
use crate::{
    Change, Client, Edits, Fields, LayerName, Lifetime, NewRecord, Record, StoreError,
    StoreErrorKind, Timestamp, UserId,
};

/// The field of a member's record that says what the other ones mean.
const VOTE: &str = "tower-keep.replica";

/// So long a member keeps a record after it has expired, so that no member forgets earlier than the
/// clock that judges expiry.
const MARGIN: Duration = Duration::from_secs(60);

/// What a member holds for one id.
#[derive(Clone, Debug)]
pub(super) struct Vote {
    /// No proposal below this one is taken.
    pub(super) promised: Ballot,
    /// The last proposal that was taken.
    pub(super) accepted: Option<(Ballot, Value)>,
}

/// A vote as JSON. The fields of the session lie beside it, as they are.
#[derive(Serialize, Deserialize)]
struct Encoded<'a> {
    promised: Ballot,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    accepted: Option<Accepted<'a>>,
}

#[derive(Serialize, Deserialize)]
struct Accepted<'a> {
    ballot: Ballot,
    step: u64,
    origin: u32,
    past: Cow<'a, [u32]>,
    since: Timestamp,
    homes: u64,
    phase: Phase,
    reach: Timestamp,
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
}

impl Vote {
    /// Reads a member's record; `None` for one that is not of a replicated store.
    pub(super) fn decode(record: &Record) -> Result<Option<Self>, StoreError> {
        let Some(json) = record.fields.get(VOTE) else {
            return Ok(None);
        };
        // The parser's own text would quote what it read.
        let Encoded { promised, accepted } = serde_json::from_str(json).map_err(|_| {
            StoreError::new(StoreErrorKind::Corrupt, "a member holds a vote that has no meaning")
        })?;
        let accepted = accepted.map(|accepted| (accepted.ballot, accepted.with(&record.fields)));
        Ok(Some(Self { promised, accepted }))
    }

    /// What a member is asked to make where it holds nothing.
    pub(super) fn to_create(
        &self,
        layer: &LayerName,
        now: Timestamp,
    ) -> Result<NewRecord, StoreError> {
        let mut new = NewRecord::new(layer.clone(), self.life(now));
        new.fields = self.fields()?;
        Ok(new)
    }

    /// What a member is asked to change, which holds `record`: no other field than those that differ.
    pub(super) fn to_replace(&self, record: &Record, now: Timestamp) -> Result<Change, StoreError> {
        let mut change = Change::new(record, self.life(now));
        change.exact = true;
        change.restart = true;
        change.edits = differences(&record.fields, &self.fields()?);
        Ok(change)
    }

    /// A promise, which leaves all else as it is.
    pub(super) fn to_promise(&self, record: &Record, now: Timestamp) -> Result<Change, StoreError> {
        let mut change = Change::new(record, self.life(now));
        change.exact = true;
        change.restart = true;
        change.edits.set(VOTE, &self.json()?);
        Ok(change)
    }

    fn life(&self, now: Timestamp) -> Lifetime {
        let until = self.accepted.as_ref().map_or(now, |(_, value)| value.record().expires_at);
        let life = until.since(now).saturating_add(MARGIN);
        Lifetime::new(life, life)
    }

    fn json(&self) -> Result<String, StoreError> {
        let accepted = self.accepted.as_ref().map(|(ballot, value)| Accepted::of(*ballot, value));
        serde_json::to_string(&Encoded { promised: self.promised, accepted })
            .map_err(|cause| StoreError::new(StoreErrorKind::Corrupt, cause))
    }

    fn fields(&self) -> Result<Fields, StoreError> {
        let json = self.json()?;
        let none = Fields::default();
        let fields = self.accepted.as_ref().map_or(&none, |(_, value)| &value.record().fields);
        let clashes = fields.iter().any(|(name, _)| name.starts_with(VOTE));
        if !clashes {
            return Ok(fields.with([(VOTE, Some(&*json))]));
        }
        let names: Vec<(String, &str)> =
            fields.iter().map(|(name, json)| (outward(name), json)).collect();
        let stored: Fields = names.iter().map(|(name, json)| (&**name, *json)).collect();
        Ok(stored.with([(VOTE, Some(&*json))]))
    }
}

impl<'a> Accepted<'a> {
    fn of(ballot: Ballot, value: &'a Value) -> Self {
        let State { phase, record, reach } = &value.state;
        let client = record.client.as_ref();
        Self {
            ballot,
            step: value.step,
            origin: value.origin,
            past: (&*value.past).into(),
            since: value.since,
            homes: value.homes,
            phase: *phase,
            reach: *reach,
            layer: record.layer.as_str().into(),
            version: record.version,
            created_at: record.created_at,
            last_active: record.last_active,
            expires_at: record.expires_at,
            user: record.user.as_ref().map(|user| user.as_str().into()),
            address: client.and_then(Client::address),
            agent: client.and_then(Client::agent).map(Into::into),
            remember: record.remember,
        }
    }

    /// The value, whose fields are among those of the member's record.
    fn with(self, stored: &Fields) -> Value {
        let mut record = Record::new((&*self.layer).into(), self.created_at);
        record.version = self.version;
        record.last_active = self.last_active;
        record.expires_at = self.expires_at;
        record.user = self.user.as_deref().map(UserId::from);
        record.remember = self.remember;
        if self.address.is_some() || self.agent.is_some() {
            let mut client = Client::new();
            if let Some(address) = self.address {
                client = client.with_address(address);
            }
            if let Some(agent) = &self.agent {
                client = client.with_agent(agent);
            }
            record.client = Some(client);
        }
        let clashes = |name: &str| name.starts_with(VOTE) && name != VOTE;
        record.fields = if stored.iter().any(|(name, _)| clashes(name)) {
            let own = stored.iter().filter(|(name, _)| *name != VOTE);
            own.map(|(name, json)| (inward(name), json)).collect()
        } else {
            stored.with([(VOTE, None)])
        };
        Value {
            state: State::new(self.phase, record, self.reach),
            step: self.step,
            origin: self.origin,
            past: self.past.into_owned(),
            since: self.since,
            homes: self.homes,
        }
    }
}

/// The name by which a member keeps a field: a session may have one that is named as the vote, as the
/// sessions of a replicated store within another one do.
fn outward(name: &str) -> String {
    if name.starts_with(VOTE) { format!("{name}'") } else { name.to_owned() }
}

fn inward(name: &str) -> &str {
    if name.starts_with(VOTE) { name.strip_suffix('\'').unwrap_or(name) } else { name }
}

fn differences(from: &Fields, to: &Fields) -> Edits {
    let removed = from.iter().filter(|(name, _)| to.get(name).is_none());
    let removed = removed.map(|(name, _)| (name, None));
    let set = to.iter().filter(|(name, json)| from.get(name) != Some(*json));
    removed.chain(set.map(|(name, json)| (name, Some(json)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vote(fields: &[(&str, &str)]) -> Vote {
        let now = Timestamp::from_millis(1_795_262_400_000);
        let mut record = Record::new("shop".into(), now);
        record.version = 7;
        record.user = Some("ada".into());
        record.client = Some(Client::new().with_agent("Firefox/145"));
        record.fields = fields.iter().copied().collect();
        let state = State::new(Phase::Live, record, Timestamp::MAX);
        let value =
            Value { state, step: 3, origin: 9, past: vec![8, u32::MAX], since: now, homes: 5 };
        let ballot = Ballot::above(Ballot::default()).unwrap();
        Vote { promised: ballot, accepted: Some((ballot, value)) }
    }

    #[test]
    fn vote_comes_back_from_a_record_with_all_its_parts() {
        let now = Timestamp::from_millis(1_795_262_400_000);
        for fields in [
            &[][..],
            &[("", "1"), ("cart", "[2]")],
            &[(VOTE, "1"), ("tower-keep.replica'", "2"), ("tower-keep.replicas", "3")],
        ] {
            let vote = vote(fields);
            let held = vote.to_create(&"shop".into(), now).unwrap().at(now);
            let found = Vote::decode(&held).unwrap().unwrap();
            let ((ballot, value), (found_ballot, found)) =
                (vote.accepted.unwrap(), found.accepted.unwrap());
            assert_eq!((ballot, &**value.record()), (found_ballot, &**found.record()));
            assert_eq!(
                (value.step, value.origin, value.homes),
                (found.step, found.origin, found.homes)
            );
            assert_eq!((value.past, value.since), (found.past, found.since));
            assert_eq!(
                (value.state.phase, value.state.reach),
                (found.state.phase, found.state.reach)
            );
        }
    }

    #[test]
    fn only_what_differs_travels() {
        let now = Timestamp::from_millis(1_795_262_400_000);
        let before = vote(&[("a", "1"), ("b", "2"), ("c", "3")]);
        let held = before.to_create(&"shop".into(), now).unwrap().at(now);
        let after = vote(&[("a", "1"), ("b", "4")]);
        let change = after.to_replace(&held, now).unwrap();
        let mut names: Vec<&str> = change.edits.iter().map(|(name, _)| name).collect();
        names.sort_unstable();
        assert_eq!(names, ["b", "c", VOTE]);
        assert_eq!(change.applied_to(&held, now).fields, after.fields().unwrap());
    }

    #[test]
    fn record_of_another_store_is_no_vote_and_a_damaged_one_is_corrupt() {
        let mut record = Record::new("shop".into(), Timestamp::from_millis(0));
        assert!(Vote::decode(&record).unwrap().is_none());
        record.fields = [(VOTE, "{\"secret\":1}")].into_iter().collect();
        let error = Vote::decode(&record).unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Corrupt);
        assert!(!format!("{error:?}").contains("secret"));
    }
}
