//! A row of the table, whatever the database: [`Row`].

use std::{borrow::Cow, net::IpAddr};

use tower_keep_core::{
    Change, Client, Fields, LayerName, Record, SessionId, StoreError, StoreErrorKind, Timestamp,
    UserId,
};

use crate::data;

/// A row as it was read, whose parts borrow from the driver's buffer where they can.
pub(crate) struct Row<'a> {
    pub(crate) layer: Cow<'a, str>,
    pub(crate) user: Option<Cow<'a, str>>,
    pub(crate) address: Option<IpAddr>,
    pub(crate) agent: Option<Cow<'a, str>>,
    pub(crate) created_at: Timestamp,
    pub(crate) last_active: Timestamp,
    pub(crate) expires_at: Timestamp,
    pub(crate) version: i64,
    pub(crate) remember: bool,
    pub(crate) data: Cow<'a, str>,
    pub(crate) seal: i64,
}

impl Row<'_> {
    /// The record of the row, if it is that of this id.
    pub(crate) fn record(&self, id: &SessionId) -> Result<Record, StoreError> {
        if data::seal(id, &self.data) != self.seal {
            return Err(corrupt("a row that is not what was written under its id"));
        }
        let fields = data::decode(&self.data).ok_or_else(|| corrupt("data that is no object"))?;
        let mut record = Record::new(LayerName::from(&*self.layer), self.created_at);
        record.version = self.version.cast_unsigned();
        record.last_active = self.last_active;
        record.expires_at = self.expires_at;
        record.user = self.user.as_deref().map(UserId::from);
        record.client = self.client();
        record.remember = self.remember;
        record.fields = fields;
        Ok(record)
    }

    fn client(&self) -> Option<Client> {
        let client = match self.agent.as_deref() {
            Some(agent) => Client::new().with_agent(agent),
            None => Client::new(),
        };
        match self.address {
            Some(address) => Some(client.with_address(address)),
            None => self.agent.is_some().then_some(client),
        }
    }
}

/// The data column of some fields, and its seal.
#[derive(Clone, Debug)]
pub(crate) struct Sealed {
    pub(crate) data: String,
    pub(crate) seal: i64,
}

impl Sealed {
    /// The fields as they are kept under an id.
    pub(crate) fn new(id: &SessionId, fields: &Fields) -> Result<Self, StoreError> {
        // The parser's own error could quote a value, so it goes no further.
        let data = data::encode(fields).map_err(|_| corrupt("a name that JSON cannot carry"))?;
        Ok(Self { seal: data::seal(id, &data), data })
    }
}

/// What an update is bound to, and what it writes: it takes effect only on the very row that its data was
/// computed from.
#[derive(Clone, Debug)]
pub(crate) struct Swap {
    /// The version that the row must have.
    pub(crate) version: i64,
    /// When the row's absolute lifetime began.
    #[cfg(feature = "mysql")]
    pub(crate) created_at: Timestamp,
    /// The seal that the row must have.
    pub(crate) before: i64,
    /// The data that it gets.
    pub(crate) after: Sealed,
}

impl Swap {
    /// A change of the record that it was computed from.
    pub(crate) fn of_base(
        change: &Change,
        from: &SessionId,
        to: &SessionId,
    ) -> Result<Self, StoreError> {
        Self::of(change, change.base_version, change.created_at, &change.base_fields, from, to)
    }

    /// A change of a record as it is now.
    pub(crate) fn of_fresh(
        change: &Change,
        fresh: &Record,
        from: &SessionId,
        to: &SessionId,
    ) -> Result<Self, StoreError> {
        Self::of(change, fresh.version, fresh.created_at, &fresh.fields, from, to)
    }

    fn of(
        change: &Change,
        base: u64,
        #[cfg_attr(not(feature = "mysql"), expect(unused_variables, reason = "others return it"))]
        created_at: Timestamp,
        fields: &Fields,
        from: &SessionId,
        to: &SessionId,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            version: version(base),
            #[cfg(feature = "mysql")]
            created_at,
            before: Sealed::new(from, fields)?.seal,
            after: Sealed::new(to, &change.edited(fields))?,
        })
    }
}

/// A version as the column keeps it.
pub(crate) fn version(version: u64) -> i64 {
    version.cast_signed()
}

pub(crate) fn corrupt(what: &'static str) -> StoreError {
    StoreError::new(StoreErrorKind::Corrupt, what)
}
