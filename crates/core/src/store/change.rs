//! What a store is asked to write: [`NewRecord`] and [`Change`].

use std::fmt;

use crate::{Client, Edits, Fields, LayerName, Lifetime, Record, Timestamp, UserId};

/// A session that is to be created.
///
/// [`NewRecord::at`] makes the record of it, so that a store only has to say what time it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewRecord {
    /// The layer that makes the session.
    pub layer: LayerName,
    /// How long it lives.
    pub lifetime: Lifetime,
    /// Who signed in, if anyone.
    pub user: Option<UserId>,
    /// How many sessions that user may have, if there is a limit.
    pub user_limit: Option<UserLimit>,
    /// The client that it is made for, if it is known.
    pub client: Option<Client>,
    /// Whether it lives by the 'remember me' lifetime.
    pub remember: bool,
    /// The data.
    pub fields: Fields,
}

impl NewRecord {
    /// A session without user, client or data.
    #[must_use]
    pub fn new(layer: LayerName, lifetime: Lifetime) -> Self {
        Self {
            layer,
            lifetime,
            user: None,
            user_limit: None,
            client: None,
            remember: false,
            fields: Fields::default(),
        }
    }

    /// The record to store, at the time of the store's clock.
    #[must_use]
    pub fn at(self, now: Timestamp) -> Record {
        Record {
            layer: self.layer,
            version: 1,
            created_at: now,
            last_active: now,
            expires_at: self.lifetime.expires_at(now, now),
            user: self.user,
            client: self.client,
            remember: self.remember,
            fields: self.fields,
        }
    }
}

/// How many live sessions one user may have in one layer, and what happens to one too many.
///
/// A store that has an [`Index`](super::Index) enforces it in `create` and `rotate`, exactly however
/// many sign-ins run at once: only it can. It counts for a session whose user is being set, and is
/// never zero; the session itself is not evicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UserLimit {
    /// The most sessions, the new one included.
    pub sessions: u32,
    /// What happens to one too many.
    pub over: OverLimit,
}

impl UserLimit {
    /// A limit to so many sessions.
    #[must_use]
    pub const fn new(sessions: u32, over: OverLimit) -> Self {
        Self { sessions, over }
    }
}

/// What happens when a user signs in once too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OverLimit {
    /// The user's oldest sessions, by `created_at`, are revoked.
    EvictOldest,
    /// The new session is refused.
    Refuse,
}

/// What one request changed in a session, based on a version of its record.
///
/// [`Change::applied_to`] is the meaning of a change; a store that keeps whole records calls it, one
/// that can write single fields reads [`Change::edits`] instead, and one that writes all fields
/// without reading them first begins with [`Change::base_fields`].
///
/// A store that [answers at once](super::Store::answers_at_once) has the record at hand, so what
/// [`apply`](super::Store::apply) brings it may leave out `base_fields`, `layer`, `base_user` and
/// `client`. A rotation brings them always.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// The version that the change was computed from.
    pub base_version: u64,
    /// The fields of that version, shared with the record.
    pub base_fields: Fields,
    /// When the absolute lifetime of the record that it was computed from began.
    pub created_at: Timestamp,
    /// The layer of that record, which no change changes.
    pub layer: LayerName,
    /// The user of that record.
    pub base_user: Option<UserId>,
    /// The client of that record, which no change changes.
    pub client: Option<Client>,
    /// Whether that record was remembered.
    pub base_remember: bool,
    /// When that record was used last.
    pub base_last_active: Timestamp,
    /// When that record was to expire.
    pub base_expires_at: Timestamp,
    /// How long the session lives from now on.
    pub lifetime: Lifetime,
    /// Whether the absolute lifetime begins anew, as it does when a user signs in.
    pub restart: bool,
    /// Whether all fields are removed before the edits.
    pub clear: bool,
    /// Whether a value was computed from what was read, so that the change must not be applied to
    /// any other version.
    pub exact: bool,
    /// The fields that are set or removed.
    pub edits: Edits,
    /// The user who signed in, if one did.
    pub user: Option<UserId>,
    /// How many sessions that user may have, if there is a limit.
    pub user_limit: Option<UserLimit>,
    /// The new 'remember me', if it changed.
    pub remember: Option<bool>,
}

impl Change {
    /// A change of nothing, based on `record`.
    #[must_use]
    pub fn new(record: &Record, lifetime: Lifetime) -> Self {
        Self {
            base_fields: record.fields.clone(),
            layer: record.layer.clone(),
            base_user: record.user.clone(),
            client: record.client.clone(),
            ..Self::beside(record, lifetime)
        }
    }

    /// As [`new`](Self::new), for a store that has the record: holds on to none of its parts, so that
    /// the store can change them where they are.
    pub(crate) fn beside(record: &Record, lifetime: Lifetime) -> Self {
        Self {
            base_version: record.version,
            base_fields: Fields::default(),
            created_at: record.created_at,
            layer: LayerName::default(),
            base_user: None,
            client: None,
            base_remember: record.remember,
            base_last_active: record.last_active,
            base_expires_at: record.expires_at,
            lifetime,
            restart: false,
            clear: false,
            exact: false,
            edits: Edits::default(),
            user: None,
            user_limit: None,
            remember: None,
        }
    }

    /// Whether the change may be applied to a record of this version without a conflict: to the one
    /// it was computed from, and, if it only sets and removes fields whatever they held, to any.
    ///
    /// A store MAY be stricter and take the first case only.
    #[must_use]
    pub fn fits(&self, version: u64) -> bool {
        version == self.base_version || !(self.exact || self.clear)
    }

    /// The fields after the change, where they were `fields` before it: those of the record, or
    /// [`base_fields`](Self::base_fields) for a statement that is bound to them.
    #[must_use]
    pub fn edited(&self, fields: &Fields) -> Fields {
        let edits = self.edits.iter();
        if self.clear { Fields::default().with(edits) } else { fields.with(edits) }
    }

    /// Writes the change over fields that nobody shares, where it sets one of them to a value of the
    /// same length, as a counter nearly always is; says whether it did. Else
    /// [`edited`](Self::edited) gives the fields.
    #[must_use]
    pub fn overwrite(&self, fields: &mut Fields) -> bool {
        let mut edits = self.edits.iter();
        match (edits.next(), edits.next()) {
            (Some((name, Some(value))), None) if !self.clear => fields.overwrite(name, value),
            _ => false,
        }
    }

    /// The record that the change was computed from, as far as a change tells it: all but when it was
    /// last used and when it expires. So a rotation need not read it, if a later step makes sure that
    /// its version and `created_at` are still these: an id that was given to another session may be at
    /// the same version.
    #[must_use]
    pub fn base(&self) -> Record {
        let mut record = Record::new(self.layer.clone(), self.created_at);
        record.version = self.base_version;
        record.user = self.base_user.clone();
        record.client = self.client.clone();
        record.remember = self.base_remember;
        record.fields = self.base_fields.clone();
        record
    }

    /// The record after the change, at the time of the store's clock.
    #[must_use]
    pub fn applied_to(&self, record: &Record, now: Timestamp) -> Record {
        let mut changed = Record {
            layer: record.layer.clone(),
            user: record.user.clone(),
            client: record.client.clone(),
            fields: self.edited(&record.fields),
            ..*record
        };
        self.apply_facts(&mut changed, now);
        changed
    }

    /// As [`applied_to`](Self::applied_to) but for the fields, in a record that is changed where it
    /// is: for a store that has the last hold of it, and [overwrites](Self::overwrite) its fields or
    /// puts in their place those that [`edited`](Self::edited) gives.
    pub fn apply_facts(&self, record: &mut Record, now: Timestamp) {
        if self.restart {
            record.created_at = now;
        }
        record.version = record.version.saturating_add(1);
        record.last_active = now;
        record.expires_at = self.lifetime.expires_at(record.created_at, now);
        if self.user.is_some() {
            record.user.clone_from(&self.user);
        }
        record.remember = self.remember.unwrap_or(record.remember);
    }
}

/// Shows how many fields change, never to what.
impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Change")
            .field("base_version", &self.base_version)
            .field("clear", &self.clear)
            .field("exact", &self.exact)
            .field("edits", &self.edits.len())
            .field("user", &self.user)
            .field("remember", &self.remember)
            .finish_non_exhaustive()
    }
}
