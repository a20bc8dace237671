//! Sessions in several independent stores: [`ReplicatedStore`].
//!
//! The stores, its *members*, know nothing of each other; each is any [`Store`](crate::Store). Every
//! change goes to all of them and is acknowledged when a *quorum*, more than half, has it. Prefer Redis
//! Sentinel or Cluster, or a SQL server with a standby, where you can: they need one round trip where
//! this needs three, and people know how to run them.
//!
//! # What it promises
//!
//! As long as a quorum of the members that know a session can be reached, and forgets nothing:
//!
//! - What was acknowledged is there for every later read, on every server.
//! - Of two changes of one version one is acknowledged at most, whichever servers make them; the other
//!   one gets a conflict with the record as it is.
//! - A session whose end was acknowledged is never read again: no member that was away, and none that
//!   lost everything, brings it back, whatever is repaired.
//! - A member that fails, or never answers, costs the others nothing but its share of the work.
//! - Limits of sessions per user are exact, and no live session is missing among those of its user.
//!
//! With fewer members in reach it is an outage, never an answer.
//!
//! # What it does not promise
//!
//! - An error of the kind `TimedOut` or `Unavailable` leaves open what becomes of the change, as with any
//!   store. If a member has it, the next read that meets it there decides it, for all alike.
//! - A member that comes back *older* than it went, from a backup or an old snapshot, takes part with what
//!   it then knows. One at a time is outvoted. Where as many did as make a quorum with those that missed
//!   a change, the change is undone, a sign-out among them. Let a member whose data cannot be trusted come
//!   back empty.
//! - A session that only some members know, because the others were away when it was made or came back
//!   empty since, needs these until it was repaired: by a read, or by
//!   [`repair`](ReplicatedStore::repair). If too many have lost it, it reads as over.
//! - The clocks of all servers and members have to agree within a minute. Expiry is judged by the server's.
//! - Members that need a [`Sweep`](crate::Sweep) are swept one by one: the members' records outlive the
//!   sessions by a minute and count more than sessions, so there is none for all of them.
//! - Listing all sessions, and figures, read each session from a quorum: they are for admin pages. A
//!   session that its member has just lost is shown again once it is repaired.
//!
//! # What it costs
//!
//! A read asks one call of each member; a change, or a new session, three, one after another. A new session
//! of a user takes ten, for its place among the others; a rotation seven, or eleven of a user's session. All
//! members are asked at once, and the quorum is waited for. A copy takes about half a kilobyte more than
//! the session.
//!
//! # How it works
//!
//! For each id the members keep one value: a session's record with its data, or its end. Each member's
//! copy lies in an ordinary record of its own under the same id, the session's fields as they are, and all
//! else in the field `tower-keep.replica`, so that any store will do; its version is what a change of it
//! is compared with. A value is replaced in two rounds, each of which needs a quorum:
//!
//! 1. *Prepare*: a ballot above all that were seen is written into each copy, unless a higher one is
//!    there. The copy takes no lower one from then on.
//! 2. *Accept*: the last value that any of these copies had accepted is changed, and written where the
//!    ballot still is the highest. A quorum of copies with one ballot decides it.
//!
//! This is Paxos without a log (D. Rystsov, *CASPaxos*, 2018; E. Gafni and L. Lamport, *Disk Paxos*, 2003),
//! with stores that compare and set in the place of acceptors. Reads need one round where a quorum has the
//! same ballot, which is the rule; where they do not, the two rounds are run for the value as it is.
//!
//! ## Why nothing is decided twice
//!
//! Any two quorums have a member in common, for each is more than half: [`build`] refuses any other. If a
//! value was decided by ballot *b*, each later ballot's first round meets a copy that has accepted *b* or
//! something later that came from it, and goes on from there; so one history is common to all. Whoever was
//! outbid with a proposal half way looks for it in that history, which remembers the last twelve steps, and
//! is told what became of it; a change is never applied twice.
//!
//! ## Why the end is final
//!
//! An end is a value too: a record without data that is kept for what would have been the session's
//! remaining lifetime. But that alone would not do, since a member may forget it. So **a member that holds
//! nothing has no vote**: no value is read unless a quorum of members *holds* it, and a repair copies
//! nothing to an empty member that a quorum does not hold. When an end is acknowledged, a quorum holds it,
//! and fewer than a quorum can hold the session. From then on this number never grows: a copy goes forward
//! only, an empty member gets the session from a quorum only, which there is not, and a member that loses
//! all it has makes it smaller. By induction the session never has a quorum again, however many members
//! forget and in whatever order they come back; the ends may even go before the copies that were missed.
//! Only [`create`](crate::Store::create) gives empty members a vote, under an id that nobody had, which
//! 192 random bits see to.
//!
//! ## Over two ids
//!
//! A rotation first puts the record under its new id, *pending*, then ends the old one with a note of where
//! it went: that one step decides, and whoever finds a pending record looks for the note. At every moment
//! exactly one id is live. A user's sessions are found by a value of their own, a list of places, one of
//! which is taken before the session lives.
//!
//! [`build`]: ReplicatedStoreBuilder::build

mod ask;
mod ballot;
mod begin;
mod builder;
mod calls;
mod change;
mod error;
mod keep;
mod list;
mod members;
mod propose;
mod purge;
mod register;
mod repair;
mod rotate;
mod store;
mod users;
mod value;
mod vote;
mod walk;

pub use builder::ReplicatedStoreBuilder;
pub use repair::{Repaired, Repairing};
pub use store::ReplicatedStore;
