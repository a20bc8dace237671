//! Random interleavings of requests, held to a model: [`run_in_steps`] and [`run_at_once`].
//!
//! A request is a list of operations, and its handler carries out one each time it is told to. So a
//! schedule decides what happens before what, and the same case always goes the same way.

mod drive;
mod model;

pub use drive::{Case, run_at_once, run_in_steps};
pub use model::{Key, Model};
use proptest::prelude::*;

/// What a handler does with its session. Fields are numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as the methods are")]
pub enum Operation {
    Get(u8),
    Insert(u8, u64),
    Remove(u8),
    /// Triples the number and adds another, so that the order of updates shows.
    Update(u8, u64),
    Clear,
    Rotate,
    SetUser(u8),
    Destroy,
    Save,
}

/// The name of a field.
fn name(field: u8) -> String {
    format!("field-{field}")
}

/// What an update does. It does not commute with itself.
fn updated(number: u64, by: u64) -> u64 {
    number.wrapping_mul(3).wrapping_add(by) % 1_000_003
}

/// Any operation.
pub fn operations() -> impl Strategy<Value = Operation> {
    let field = 0_u8..3;
    let number = 1_u64..100;
    prop_oneof![
        2 => field.clone().prop_map(Operation::Get),
        4 => (field.clone(), number.clone()).prop_map(|(f, n)| Operation::Insert(f, n)),
        2 => field.clone().prop_map(Operation::Remove),
        6 => (field, number).prop_map(|(f, n)| Operation::Update(f, n)),
        1 => Just(Operation::Clear),
        1 => Just(Operation::Rotate),
        1 => (0_u8..3).prop_map(Operation::SetUser),
        1 => Just(Operation::Destroy),
        3 => Just(Operation::Save),
    ]
}

/// Any two to four requests, and a schedule of their steps.
pub fn cases() -> impl Strategy<Value = Case> {
    let request = prop::collection::vec(operations(), 0..6);
    let requests = prop::collection::vec(request, 2..=4);
    let schedule = prop::collection::vec(any::<u8>(), 0..40);
    (requests, schedule).prop_map(|(requests, schedule)| Case { requests, schedule })
}
