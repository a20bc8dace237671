//! What a store keeps under a [`SessionId`](crate::SessionId): [`Record`] and its parts.

mod client;
mod codec;
mod edits;
mod fields;
mod lifetime;
mod names;
mod packed;

pub use client::Client;
pub use edits::Edits;
pub use fields::Fields;
pub use lifetime::Lifetime;
pub use names::{LayerName, UserId};

use crate::Timestamp;

/// What a store keeps under a [`SessionId`](crate::SessionId).
///
/// A store fills it from its rows, files or hashes and hands it out in an `Arc`, so that a read
/// shares it instead of copying it. [`Record::encode`] and [`Record::decode`] turn it into bytes for
/// a store that has no columns of its own.
///
/// ```
/// use tower_keep_core::{LayerName, Record, Timestamp};
///
/// let now = Timestamp::from_millis(1_795_262_400_000);
/// let mut record = Record::new(LayerName::from("shop"), now);
/// record.fields = [("visits", "3")].into_iter().collect();
/// assert_eq!(record.fields.get("visits"), Some("3"));
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// The layer that made the session. Another layer on the same store does not open it.
    pub layer: LayerName,
    /// Grows with every change of data; a touch leaves it.
    pub version: u64,
    /// When the absolute lifetime began: at creation, or at the last sign-in.
    pub created_at: Timestamp,
    /// When the session was last used, as exactly as `renew_after` makes it.
    pub last_active: Timestamp,
    /// From this point on the record is never loaded.
    pub expires_at: Timestamp,
    /// Who signed in.
    pub user: Option<UserId>,
    /// The client that the session was made for.
    pub client: Option<Client>,
    /// Whether the session lives by the longer 'remember me' lifetime.
    pub remember: bool,
    /// The data: names and JSON values.
    pub fields: Fields,
}

impl Record {
    /// An empty record at version 1 that begins at `now` and does not expire.
    #[must_use]
    pub fn new(layer: LayerName, now: Timestamp) -> Self {
        Self {
            layer,
            version: 1,
            created_at: now,
            last_active: now,
            expires_at: Timestamp::MAX,
            user: None,
            client: None,
            remember: false,
            fields: Fields::default(),
        }
    }

    /// Whether the record has expired at `now`, by its store's clock.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at <= now
    }

    /// This record used at `now`: version and data as they are, the idle deadline moved.
    #[must_use]
    pub fn touched(&self, lifetime: Lifetime, now: Timestamp) -> Self {
        Self {
            last_active: now,
            expires_at: lifetime.expires_at(self.created_at, now),
            ..self.clone()
        }
    }
}

/// Shows the facts, never the fields.
impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Record")
            .field("layer", &self.layer)
            .field("version", &self.version)
            .field("created_at", &self.created_at)
            .field("last_active", &self.last_active)
            .field("expires_at", &self.expires_at)
            .field("user", &self.user)
            .field("client", &self.client)
            .field("remember", &self.remember)
            .field("fields", &self.fields)
            .finish()
    }
}
