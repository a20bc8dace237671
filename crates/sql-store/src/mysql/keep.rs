//! What the copies of a store share: [`Keep`].

use tower_keep_core::{Loaded, SessionId};

use super::{pool::Pool, statements::Statements};
use crate::{
    gather::Gather,
    name::TableName,
    server::{Inserted, Moved, New, Update},
};

/// The connections, the table, and what waits for them.
pub(crate) struct Keep {
    pub(super) table: TableName,
    pub(super) statements: Statements,
    pub(super) pool: Pool,
    pub(super) loads: Gather<SessionId, Option<Loaded>>,
    pub(super) creates: Gather<New, Inserted>,
    pub(super) updates: Gather<Update, Moved>,
}

impl Keep {
    /// A store on a pool, a quarter of whose connections carries each of the three kinds.
    pub(super) fn new(table: TableName, statements: Statements, pool: Pool) -> Self {
        let carriers = pool.carriers();
        Self {
            table,
            statements,
            pool,
            loads: Gather::new(carriers),
            creates: Gather::new(carriers),
            updates: Gather::new(carriers),
        }
    }
}
