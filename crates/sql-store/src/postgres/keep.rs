//! What the copies of a store share: [`Keep`].

use tower_keep_core::{Loaded, SessionId};

use super::{exclusive::Exclusive, lanes::Lanes, link::Address};
use crate::{
    gather::Gather,
    name::TableName,
    server::{Inserted, Moved, New, Update},
};

/// The connections, the table, and what waits for them.
pub(crate) struct Keep {
    pub(super) table: TableName,
    pub(super) address: Address,
    pub(super) lanes: Lanes,
    pub(super) exclusive: Exclusive,
    pub(super) loads: Gather<SessionId, Option<Loaded>>,
    pub(super) creates: Gather<New, Inserted>,
    pub(super) updates: Gather<Update, Moved>,
}

impl Keep {
    /// A store on so many connections that requests share.
    pub(super) fn new(table: TableName, address: Address, connections: usize) -> Self {
        Self {
            table,
            lanes: Lanes::new(address.clone(), connections),
            exclusive: Exclusive::new(address.clone()),
            address,
            loads: Gather::new(connections),
            creates: Gather::new(connections),
            updates: Gather::new(connections),
        }
    }
}
