//! What the copies of a store share: [`Keep`].

use super::{exclusive::Exclusive, lanes::Lanes, link::Address};
use crate::name::TableName;

/// The connections and the table.
pub(crate) struct Keep {
    pub(super) table: TableName,
    pub(super) address: Address,
    pub(super) lanes: Lanes,
    pub(super) exclusive: Exclusive,
}
