//! The connections that one caller has for itself: [`Exclusive`].

use std::sync::{Mutex, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};
use tower_keep_core::{StoreError, StoreErrorKind};

use super::link::{Address, Link};

/// So many transactions, listings and sweeps run at once; more wait.
const MOST: usize = 4;

/// Connections for what takes several statements or long: limited sign-ins, listings, sweeps.
pub(crate) struct Exclusive {
    address: Address,
    idle: Mutex<Vec<Link>>,
    permits: Semaphore,
}

/// A connection for one caller. Dropped and not given back it is closed, and the server rolls back
/// what was begun on it.
pub(crate) struct Held<'a> {
    link: Link,
    owner: &'a Exclusive,
    _permit: SemaphorePermit<'a>,
}

impl Exclusive {
    pub(crate) fn new(address: Address) -> Self {
        Self { address, idle: Mutex::default(), permits: Semaphore::new(MOST) }
    }

    pub(crate) async fn take(&self) -> Result<Held<'_>, StoreError> {
        let closed = |error| StoreError::new(StoreErrorKind::Unavailable, error);
        let permit = self.permits.acquire().await.map_err(closed)?;
        let link = loop {
            let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            match idle {
                Some(link) if link.is_closed() => {}
                Some(link) => break link,
                None => break Link::open(&self.address).await?,
            }
        };
        Ok(Held { link, owner: self, _permit: permit })
    }
}

impl Held<'_> {
    /// Keeps the connection for the next caller; nothing may be under way on it.
    pub(crate) fn give_back(self) {
        self.owner.idle.lock().unwrap_or_else(PoisonError::into_inner).push(self.link);
    }
}

impl std::ops::Deref for Held<'_> {
    type Target = Link;

    fn deref(&self) -> &Link {
        &self.link
    }
}
