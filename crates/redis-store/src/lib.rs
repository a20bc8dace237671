//! Sessions in Redis 6.2 or later, or in Valkey: one server, one with replicas under Sentinel, or a cluster.
//!
//! ```no_run
//! use tower_keep_redis_store::RedisStore;
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let store = RedisStore::connect("redis://:password@localhost:6379/0").await?;
//! # Ok::<(), tower_keep_core::StoreError>(()) }).unwrap();
//! ```
//!
//! # What is kept
//!
//! A session is a hash, `tower-keep:` and the 64 digits of its id:
//!
//! | field | holds |
//! |---|---|
//! | a field of the session, by its name | its JSON, as it is; a name that begins with `@` has one more before it |
//! | `@state` | `[version, created_at, reach, last_active, expires_at]`, times in milliseconds since 1970; `reach` is how far its place in the user's set reaches, 0 without a user |
//! | `@layer` | the first 16 digits of the id, a colon, and the layer's name: a hash under the key of another is refused as corrupt |
//! | `@user` | who signed in, if anyone |
//! | `@address`, `@agent` | what is known of the client |
//! | `@remember` | `true` in a session that is remembered |
//!
//! ```text
//! > HGETALL tower-keep:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
//! @state   [2,1795262400000,1795348800000,1795262460000,1795264260000]
//! @layer   9f86d081884c7d65:id
//! @user    ada
//! visits   3
//! ```
//!
//! The hash is given its end in the step that makes it, and with each use, by the server's clock: no key
//! is ever without one. So expired sessions go by themselves, and there is nothing to sweep.
//!
//! The sessions of a user are in a sorted set, `tower-keep:user:`, the length of the layer's name, the
//! layer and the user, scored by when each can no longer be live. A place in it is reserved before its
//! session is made, so that no live session is missing; places of dead sessions are dropped when they are
//! met, and three places are looked at with each new one. The set ends with the last of its sessions.
//!
//! # What it costs
//!
//! A read is one command (`HGETALL`, or `HGET` where the record is [kept](#what-is-kept-in-the-process)), a write
//! one more (a script, called by its digest), and only the fields that changed travel. A session without a user is
//! made by one plain command, `RESTORE`, which puts a whole hash and its end under a key that is free (by a script
//! where the time was not asked of late); a sign-in reserves a place before. A rotation takes one round trip, in
//! which no field travels, and under a limit of the user's sessions three. A server's time is asked once in ten
//! seconds, along with a read (in a cluster by a round trip of its own), and reckoned from then: new sessions and
//! most changes are dated by it. Whether a session has ended is always the server's word.
//!
//! A change that others came before, or whose session is gone, is told so by the same script, in one round trip.
//! Where it only sets or removes fields, whatever they held, a longer script writes it over theirs instead, by one
//! more.
//!
//! Each script touches one key, so that all of it works in a cluster; but for rotations, which rename a key where
//! one server has both. In a cluster these take two steps, one on each key.
//!
//! Against a layer that keeps a string by `GETEX` and `SET` through the `redis` crate, in requests a second at 64
//! tasks and in processor time of a request, ours and the string's:
//!
//! | | of the string | client | server | nothing kept | client | server |
//! |---|--:|--:|--:|--:|--:|--:|
//! | read, 3 fields | 137 % | 3.9 µs, 3.7 | 2.4 µs, 2.8 | 110 % | 4.8 µs | 3.4 µs |
//! | read, 100 fields of 16 KB | 317 % | 4.0 µs, 8.5 | 2.1 µs, 8.6 | 30 % | 39 µs | 37 µs |
//! | increment, 3 fields | 71 % | 9.9 µs, 8.3 | 9.7 µs, 7.1 | 66 % | 11 µs | 12 µs |
//! | increment, 100 fields | 209 % | 11 µs, 26 | 11 µs, 17 | 33 % | 58 µs | 51 µs |
//! | begin | 113 % | 6.6 µs, 4.3 | 6.2 µs, 4.0 | | | |
//!
//! So the hash stands in the way where many fields travel: the server makes two answers of each, and it keeps the
//! hash as a table (see `hash-max-listpack-value` below). A change costs it a script: one that does nothing costs it
//! 1.9 µs, and the commands within as much again. The figures are of one run on two shared cores; runs differ by a third.
//! `cargo bench -p tower-keep-bench-redis` measures it anew, with tower-sessions beside it, and
//! `cargo bench -p tower-keep-redis-store --bench raw` without the layers.
//!
//! A session of 200 bytes with its place in the user's set takes 690 bytes among a million, 1.7 times a string of the same
//! bytes with an end. Listing and ending a user's ten sessions took as many commands and as long as among a thousand.
//!
//! Other commands: `EVALSHA` and `EVAL` (the scripts), `TIME`, `HMGET`, `HEXISTS`, `EXISTS`, `ZRANGE` (a user's
//! sessions), `SCAN` (listing all, figures, purging) and `UNLINK` (purging), `SELECT` for another database than 0,
//! `CLUSTER SLOTS` and `ASKING` in a cluster and `WAIT` if asked for; `RESTORE`, without which a script makes
//! sessions; within the scripts, `DEL`, `HDEL`, `HKEYS`, `HSET`, `PEXPIRE`, `PEXPIREAT`, `RENAME` and the commands
//! of sorted sets. That is what a user with few permissions needs.
//!
//! Set `hash-max-listpack-value 1024` at the server: by default one value of more than 64 bytes makes a
//! session's hash a large one, which takes three times the memory. Set it before the sessions are made.
//!
//! A listing of all sessions goes through the servers' tables. Redis may show a session twice if such a table
//! shrinks meanwhile, and may leave some out where another server took over or slots moved in the middle of it;
//! a user's sessions are listed exactly.
//!
//! # What is kept in the process
//!
//! The records that were read last, [16 MiB](RedisStoreBuilder::cache) of them, none larger than a sixteenth of that, and what
//! this process made of them. None is used unheard: a read asks the server for `@state`, fifty bytes, and takes the
//! record from here only if that is what it was, since each change changes it. So a sign-out, a change or a rotation
//! elsewhere is seen by the next read, as without a cache. The first read after another process's change
//! takes two round trips; from then on the session is read whole at once, until a read finds it as it was.
//!
//! Ten seconds after a record was read whole it is read whole again, at once, so that what someone changed by
//! hand, and left `@state`, is seen. A record that ended elsewhere lies in memory until it makes room.
//!
//! # Sliding expiry
//!
//! A change moves the idle deadline in the same step, unless that would move it by less than a second (by less than
//! a thousandth of the idle timeout, if that is shorter); a read does so once the last use is as long ago as the layer's
//! `renew_after`, by one more round trip. Minutes since the sign-in, with 30 of idle timeout:
//!
//! | minute | request | ends at, `renew_after` 1 minute | ends at, `renew_after` 25 minutes |
//! |--:|---|--:|--:|
//! | 0 | sign-in | 30 | 30 |
//! | 0.5 | read | 30 | 30 |
//! | 10 | read | 40, one write | 30 |
//! | 26 | read | 56, one write | 56, one write |
//! | 40 | change | 70, in the same step | 70, in the same step |
//! | 70 | none | ended by the server | ended by the server |
//!
//! The last column is 'extend it when less than 5 of 30 minutes remain'. The absolute lifetime ends a session in any case.
//!
//! # Sentinel and Cluster
//!
//! By the URL: `redis+sentinel://host:port,host:port/service` and `redis+cluster://host:port,host:port`, see
//! [`connect`](RedisStoreBuilder::connect). Sessions are read and written at primaries only: a replica may be
//! behind, and would show a session that was signed out.
//!
//! With Sentinel, each new connection goes to whoever the sentinels name then; a primary that was demoted
//! says so by a lost connection or `READONLY`. In a cluster, commands go to the node that has the key, and
//! `MOVED` and `ASK` are followed; the map is asked for anew when a node is lost. A user's set and sessions are
//! keys of their own, on different nodes perhaps, and no command touches two. Nothing is sent twice: a write
//! whose answer was lost may have been carried out, and is an error.
//!
//! ## What an acknowledged write means
//!
//! A primary answers before its replicas have the write. If it dies then, the write is undone when a replica takes
//! over: a changed field, a new session, and a sign-out too. Three settings narrow that:
//!
//! | setting | what it does | what is left |
//! |---|---|---|
//! | none | | the writes of the last moments before the primary died, a second at most where its link was good |
//! | `min-replicas-to-write 1`, `min-replicas-max-lag 10` at the servers | a primary without replicas takes no writes (`Unavailable`) | the last moments; a primary that was cut off takes writes for ten seconds more, which are lost |
//! | [`replicas(1)`](RedisStoreBuilder::replicas) here | a write is acknowledged once a replica has it (`WAIT`) | writes whose replica is lost together with the primary; Sentinel and Cluster choose the one with the most data, and do not promise it |
//!
//! With the third, a write costs a round trip between servers besides, and writes of one process wait for each other.
//! With all of them, this crate's tests kill primaries under load and find nothing that was acknowledged lost.
//! None of it makes Redis a store that never loses a write: for that, use one in SQL.
//!
//! In a cluster, set `cluster-require-full-coverage no`: a lost node then takes down its own sessions alone until its
//! replica takes over.
//!
//! # When the server fails
//!
//! A lost connection is made anew by the next call, and calls meanwhile wait for the same attempt, for
//! [`timeout`](RedisStoreBuilder::timeout) at most. While a server fails, nobody waits for it longer than a quarter of
//! a second, so that requests do not pile up; the first call after its return finds it. An error tells whether
//! to wait (`Unavailable`, `TimedOut`), to make room (`Full`) or to mend the settings (`Misconfigured`).
//!
//! `maxmemory-policy` should be `noeviction`: a full server then refuses new sessions and keeps those that
//! are there. Under a policy that evicts, sessions end early, which reads as if they had expired, and a user's
//! set may go before them: they are then not found by user, and the limit of the user's sessions begins anew.
//!
//! Redis answers before a write is on disk: after a crash without a replica, the last second of
//! writes may be undone, a sign-out among them. `appendfsync always` keeps them.
//!
//! # The client
//!
//! The `redis` crate, for its URLs, values, errors and Sentinel: with `GETEX` and `SET` over the same server it
//! served 1.45 to 1.9 times the requests of `fred` where sessions are read and changed.
//!
//! Not its connections: it makes two values of each field of a hash, and a read of a session of 100 fields
//! took its client three times as long as ours. There is one to each server that all callers share; what they send at
//! once leaves in one write, and each takes its own answer apart, in place. A call whose caller is gone disturbs nobody.
//! And nothing is sent twice, as what the crate has for reconnecting and for clusters would where an answer was
//! lost: an increment must not count twice.

mod analytics;
mod apply;
mod builder;
mod cache;
mod clock;
mod create;
mod edits;
mod error;
mod find;
mod hash;
mod keep;
mod key;
mod link;
mod payload;
mod plain;
mod purge;
mod rotate;
mod script;
mod servers;
mod settle;
mod store;
mod users;

pub use analytics::{Analytics, Within};
pub use builder::RedisStoreBuilder;
pub use store::RedisStore;
