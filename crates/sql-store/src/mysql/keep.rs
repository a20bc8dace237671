//! What the copies of a store share: [`Keep`].

use super::{pool::Pool, statements::Statements};
use crate::name::TableName;

/// The connections and the table.
pub(crate) struct Keep {
    pub(super) table: TableName,
    pub(super) statements: Statements,
    pub(super) pool: Pool,
}
