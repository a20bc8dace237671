//! The contenders, and the lists of those that each part measures.

mod axum_session;
mod bare;
mod floor;
mod tower_keep;
mod tower_sessions;

pub(crate) use self::{
    axum_session::AxumSession,
    bare::Bare,
    floor::Floor,
    tower_keep::TowerKeep,
    tower_sessions::{TowerSessions, TowerSessionsSwept},
};

/// Calls a function once for each contender, as its type parameter.
///
/// A new contender is a line here, in each list that it can be in.
macro_rules! for_each_contender {
    (all: $function:ident($($argument:expr),*)) => {
        $function::<$crate::contenders::Bare>($($argument),*);
        $crate::contenders::for_each_contender!(with_sessions: $function($($argument),*));
    };
    (with_sessions: $function:ident($($argument:expr),*)) => {
        $function::<$crate::contenders::Floor>($($argument),*);
        $function::<$crate::contenders::TowerKeep>($($argument),*);
        $function::<$crate::contenders::TowerSessions>($($argument),*);
        $function::<$crate::contenders::AxumSession>($($argument),*);
    };
    (sweeping: $function:ident($($argument:expr),*)) => {
        $function::<$crate::contenders::Floor>($($argument),*);
        $function::<$crate::contenders::TowerKeep>($($argument),*);
        $function::<$crate::contenders::TowerSessionsSwept>($($argument),*);
    };
}
pub(crate) use for_each_contender;
