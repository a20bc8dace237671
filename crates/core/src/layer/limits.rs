//! How much a layer lets sessions take: [`Limits`].

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::{Error, ErrorKind, Fields, Timestamp, UserLimit};

/// How much a layer lets sessions take.
///
/// What goes over a limit is an error, and leaves what was there before as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The most bytes of one field, name and JSON text together: 256 KiB unless told.
    pub field_bytes: usize,
    /// The most bytes of all fields: 1 MiB unless told, what Redis and SQL servers take with ease.
    /// Changes that requests make at once may go over it by what each was allowed.
    pub record_bytes: usize,
    /// The most fields of a session: 1,024 unless told.
    pub fields: usize,
    /// How many sessions one user may have: any number unless told.
    pub user_sessions: Option<UserLimit>,
    /// How many sessions one client address may begin in how much time: any number unless told.
    /// Needs [`client`](super::SessionLayerBuilder::client). Each process counts for itself.
    pub new_sessions: Option<(u32, Duration)>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            field_bytes: 256 * 1_024,
            record_bytes: 1_024 * 1_024,
            fields: 1_024,
            user_sessions: None,
            new_sessions: None,
        }
    }
}

impl Limits {
    /// Makes sure that a field may be written.
    pub(crate) fn check_field(&self, name: &str, json: &str) -> Result<(), Error> {
        if name.len() + json.len() > self.field_bytes {
            return Err(ErrorKind::TooLarge.into());
        }
        Ok(())
    }

    /// Makes sure that a session may hold these fields with those edits.
    pub(crate) fn check_record<'a>(
        &self,
        fields: Option<&Fields>,
        edits: impl Iterator<Item = (&'a str, Option<&'a str>)> + Clone,
    ) -> Result<(), Error> {
        // The cheap upper bounds are below the limits for nearly every request. That of the fields
        // says little of a large session, whose fields are counted instead.
        let (count, bytes) = edits.clone().fold((0, 0), |(count, bytes), (name, json)| {
            (count + 1, bytes + name.len() + json.map_or(0, str::len))
        });
        let (most_bytes, most_fields) = fields.map_or((0, 0), Fields::at_most);
        let has_room = |fields: usize| fields + count <= self.fields;
        if most_bytes + bytes <= self.record_bytes
            && (has_room(most_fields) || fields.is_some_and(|fields| has_room(fields.len())))
        {
            return Ok(());
        }
        let fields = match fields {
            Some(fields) => fields.with(edits),
            None => Fields::of(edits),
        };
        if fields.bytes() > self.record_bytes || fields.len() > self.fields {
            return Err(ErrorKind::TooLarge.into());
        }
        Ok(())
    }
}

/// How many addresses are remembered at once. More are let through, since a flood from so many is
/// nothing that a count by address stops.
const MAX_ADDRESSES: usize = 65_536;

/// Counts the new sessions of each client address.
#[derive(Debug, Default)]
pub(crate) struct NewSessions {
    counts: Mutex<HashMap<IpAddr, Count>>,
}

#[derive(Debug)]
struct Count {
    since: Timestamp,
    sessions: u32,
}

impl NewSessions {
    /// Counts a new session of an address, or refuses it.
    pub(crate) fn admit(
        &self,
        address: IpAddr,
        now: Timestamp,
        (most, per): (u32, Duration),
    ) -> Result<(), Error> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let address = network(address);
        if counts.len() >= MAX_ADDRESSES && !counts.contains_key(&address) {
            counts.retain(|_, count| now.since(count.since) < per);
            if counts.len() >= MAX_ADDRESSES {
                return Ok(());
            }
        }
        let count = counts.entry(address).or_insert(Count { since: now, sessions: 0 });
        if now.since(count.since) >= per {
            *count = Count { since: now, sessions: 0 };
        }
        if count.sessions >= most {
            return Err(ErrorKind::TooManyNew.into());
        }
        count.sessions += 1;
        Ok(())
    }
}

/// One customer of an IPv6 provider has at least the lower 64 bits of an address to choose from.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)))
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_begins_so_many_sessions_in_so_much_time() {
        let counts = NewSessions::default();
        let limit = (2, Duration::from_secs(60));
        let start = Timestamp::from_millis(0);
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        assert!(counts.admit(address, start, limit).is_ok());
        assert!(counts.admit(address, start, limit).is_ok());
        assert!(counts.admit(address, start, limit).is_err());
        assert!(counts.admit("192.0.2.2".parse().unwrap(), start, limit).is_ok());
        assert!(counts.admit(address, start + Duration::from_secs(60), limit).is_ok());
    }

    #[test]
    fn addresses_of_one_ipv6_network_count_as_one() {
        let counts = NewSessions::default();
        let limit = (1, Duration::from_secs(60));
        let now = Timestamp::from_millis(0);
        assert!(counts.admit("2001:db8::1".parse().unwrap(), now, limit).is_ok());
        assert!(counts.admit("2001:db8::2".parse().unwrap(), now, limit).is_err());
        assert!(counts.admit("2001:db8:0:1::1".parse().unwrap(), now, limit).is_ok());
    }

    #[test]
    fn memory_of_addresses_is_bounded() {
        let counts = NewSessions::default();
        let limit = (1, Duration::from_secs(60));
        let now = Timestamp::from_millis(0);
        for bits in 0..(MAX_ADDRESSES as u32 + 10) {
            assert!(counts.admit(IpAddr::V4(bits.into()), now, limit).is_ok());
        }
        assert_eq!(counts.counts.lock().unwrap().len(), MAX_ADDRESSES);
    }
}
