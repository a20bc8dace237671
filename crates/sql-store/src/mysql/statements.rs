//! The text of all statements: [`Statements`].

use crate::{gather::MOST, name::TableName, schema::Migration};

/// The text of all statements, with the table's name in it.
///
/// MySQL's `UPDATE` returns no rows, so the time of a write comes back as the id that the statement
/// claims to have inserted (MySQL's manual, `LAST_INSERT_ID(expr)`).
#[derive(Debug)]
pub(crate) struct Statements {
    pub(crate) load: BySize,
    pub(crate) create: BySize,
    pub(crate) update: BySize,
    pub(crate) import: String,
    pub(crate) apply: String,
    pub(crate) rotate: String,
    pub(crate) clear_expired: String,
    pub(crate) touch: String,
    pub(crate) delete: String,
    pub(crate) others: String,
    pub(crate) list: String,
    pub(crate) list_layer: String,
    pub(crate) list_user: String,
    pub(crate) stats: String,
    pub(crate) stats_layer: String,
    pub(crate) expired: String,
    pub(crate) some: String,
    pub(crate) all: String,
    pub(crate) remove: String,
    pub(crate) sweep_lock: String,
}

/// A statement for each size of a batch: one, two, four, ….
#[derive(Debug)]
pub(crate) struct BySize(Vec<String>);

impl BySize {
    fn new(text: impl Fn(usize) -> String) -> Self {
        Self((0..=MOST.ilog2()).map(|power| text(1 << power)).collect())
    }

    /// The smallest statement that so many fit into, and how many it takes.
    pub(crate) fn for_at_least(&self, count: usize) -> (&str, usize) {
        let size = count.next_power_of_two();
        (self.0.get(size.ilog2() as usize).map_or("", String::as_str), size)
    }
}

/// A touch gives back the time and, in so many low bits, the version.
pub(crate) const VERSION_BITS: u32 = 22;
/// 2020 in milliseconds since 1970, from which that time counts, so that it fits until 2089.
pub(crate) const EPOCH: i64 = 1_577_836_800_000;

/// An update of several rows gives back, in so many low bits, which of them it wrote: it adds the bit of
/// each to what it claims to have inserted. That begins anew where the bits above, the stamp, are others
/// than the statement's own: the time, and a number that each statement on a connection has another of.
pub(crate) const MARK_BITS: usize = MOST;
/// How many numbers there are, far more than statements in a millisecond.
pub(crate) const MARKS: u8 = 128;
/// Bits below the time.
pub(crate) const STAMP_BITS: usize = MARK_BITS + MARKS.ilog2() as usize;

fn places(count: usize) -> String {
    vec!["?"; count].join(", ")
}

fn to_millis(time: &str) -> String {
    format!("TIMESTAMPDIFF(MICROSECOND, '1970-01-01', {time}) DIV 1000")
}

fn from_millis(millis: &str) -> String {
    format!("(TIMESTAMP('1970-01-01') + INTERVAL ({millis}) * 1000 MICROSECOND)")
}

/// The minute that a point in time lies in, counted from 2020.
fn minute_of(time: &str) -> String {
    format!("TIMESTAMPDIFF(MINUTE, '2020-01-01', {time})")
}

impl Statements {
    /// The statements; `clock` stands in for the server's where it is turned by a test.
    pub(crate) fn new(table: &TableName, clock: Option<&str>) -> Self {
        let sweep_lock = format!("tower-keep sweep {}", table.quoted('`').replace('`', ""));
        let table = table.quoted('`');
        let now = clock.map_or_else(|| "UTC_TIMESTAMP(3)".to_owned(), |clock| format!("({clock})"));
        let at = to_millis(&now);
        let columns = format!(
            "layer, user_id, client_address, client_agent, {}, {}, {}, version, remember, data, seal",
            to_millis("created_at"),
            to_millis("last_active"),
            to_millis("expires_at"),
        );
        let names =
            "id, layer, user_id, client_address, client_agent, remember, data, seal, version";
        let told_at = from_millis(&format!("LAST_INSERT_ID({at})"));
        let after = |time: &str| format!("{time} + INTERVAL ? * 1000 MICROSECOND");
        // Assignments see what those before them assigned; what is the time once is the time again.
        let begin = format!("IF(?, {now}, created_at)");
        let changes = format!(
            "last_active = {told_at}, created_at = {begin}, \
             expires_at = LEAST({}, {}), version = version + 1, \
             user_id = COALESCE(?, user_id), remember = COALESCE(?, remember), \
             data = ?, seal = ?",
            after(&now),
            after(&begin),
        );
        let is_base = format!("id = ? AND version = ? AND seal = ? AND expires_at > {now}");
        let packed = format!(
            "(({at}) - {EPOCH}) * {} + LEAST(version, {})",
            1_u64 << VERSION_BITS,
            (1_u64 << VERSION_BITS) - 1,
        );
        let touched_at =
            from_millis(&format!("(LAST_INSERT_ID({packed}) >> {VERSION_BITS}) + {EPOCH}"));
        let live = format!("expires_at > {now}");
        // In the index alone: those whose last minute has not begun; looked at: those in their last.
        let minute = minute_of(&now);
        let figures = format!(
            "SELECT COUNT(*), COUNT(user_id), COUNT(DISTINCT layer, user_id), {}, {} FROM \
             (SELECT layer, user_id, created_at FROM {table} WHERE sweep_at > {minute} \
             UNION ALL SELECT layer, user_id, created_at FROM {table} \
             WHERE sweep_at = {minute} AND {live}) AS live",
            to_millis("MIN(created_at)"),
            to_millis("MAX(created_at)"),
        );
        let listed = format!("SELECT {columns}, id FROM {table} WHERE id > ? AND {live}");
        let page = "ORDER BY id LIMIT ?";
        Self {
            load: BySize::new(|size| {
                let ids = places(size);
                // By the key, whatever the server makes of a table that is small.
                format!(
                    "SELECT {columns}, id, {at} FROM {table} FORCE INDEX (PRIMARY) \
                     WHERE id IN ({ids}) AND {live}"
                )
            }),
            create: BySize::new(|size| {
                let row = format!("(?, ?, ?, ?, ?, ?, ?, ?, 1, {told_at}, {now}, {})", after(&now));
                let rows = vec![row; size].join(", ");
                format!(
                    "INSERT INTO {table} ({names}, created_at, last_active, expires_at) VALUES {rows}"
                )
            }),
            update: BySize::new(|size| {
                let ids = places(size);
                let own = |values: &str| format!("ELT(FIELD(id, {ids}), {values})");
                let stamp = format!("((({at}) - {EPOCH}) * {MARKS} + ?)");
                let mark = format!(
                    "IF(LAST_INSERT_ID() >> {MARK_BITS} = {stamp}, LAST_INSERT_ID(), \
                     {stamp} << {MARK_BITS}) | (1 << (FIELD(id, {ids}) - 1))"
                );
                let marked_at =
                    from_millis(&format!("(LAST_INSERT_ID({mark}) >> {STAMP_BITS}) + {EPOCH}"));
                let bases = vec!["(?, ?, ?)"; size].join(", ");
                format!(
                    "UPDATE {table} FORCE INDEX (PRIMARY) SET last_active = {marked_at}, \
                     expires_at = LEAST({}, {}), version = version + 1, data = {}, seal = {} \
                     WHERE id IN ({ids}) AND (id, version, seal) IN ({bases}) AND {live}",
                    after(&now),
                    after("created_at"),
                    own(&ids),
                    own(&ids),
                )
            }),
            import: format!(
                "INSERT INTO {table} ({names}, created_at, last_active, expires_at) \
                 SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, {time}, {time}, {time} \
                 FROM DUAL WHERE {time} > {now}",
                time = "CAST(? AS DATETIME(3))"
            ),
            apply: format!("UPDATE {table} SET {changes} WHERE {is_base}"),
            rotate: format!("UPDATE {table} SET id = ?, {changes} WHERE {is_base}"),
            clear_expired: format!("DELETE FROM {table} WHERE id = ? AND expires_at <= {now}"),
            touch: format!(
                "UPDATE {table} SET last_active = {touched_at}, expires_at = LEAST({}, {}) \
                 WHERE id = ? AND {live}",
                after(&now),
                after("created_at"),
            ),
            delete: format!("DELETE FROM {table} WHERE id = ? AND {live}"),
            others: format!(
                "SELECT id FROM {table} WHERE user_id = ? AND id <> ? AND {live} \
                 AND layer = (SELECT layer FROM {table} WHERE id = ?) ORDER BY created_at, id"
            ),
            list: format!("{listed} {page}"),
            list_layer: format!("{listed} AND layer = ? {page}"),
            list_user: format!("{listed} AND layer = ? AND user_id = ? {page}"),
            stats_layer: format!("{figures} WHERE layer = ?"),
            stats: figures,
            expired: format!(
                "SELECT id, 0 FROM {table} WHERE sweep_at <= {minute} AND expires_at <= {now} \
                 ORDER BY sweep_at LIMIT ? FOR UPDATE SKIP LOCKED"
            ),
            some: format!("SELECT id, OCTET_LENGTH(data) FROM {table} LIMIT ? FOR UPDATE"),
            all: format!("SELECT id, OCTET_LENGTH(data) FROM {table} FOR UPDATE"),
            remove: format!("DELETE FROM {table} WHERE id IN (?"),
            sweep_lock,
        }
    }
}

/// The steps to the present table.
pub(crate) fn migrations(table: &TableName) -> Vec<Migration> {
    let name = table.quoted('`');
    let (expiry, user) = (table.own("_expiry", '`'), table.own("_user", '`'));
    vec![Migration {
        version: 1,
        // Names of users and layers are bytes, since they match byte for byte; times are in UTC; data is
        // a JSON object as text, because the type `json` limits how deep values nest, or rewrites them.
        statements: vec![format!(
            "CREATE TABLE IF NOT EXISTS {name} (
    id BINARY(32) NOT NULL PRIMARY KEY COMMENT 'SHA-256 of the token',
    layer VARBINARY(255) NOT NULL,
    user_id VARBINARY(255),
    client_address VARCHAR(45),
    client_agent VARCHAR(256),
    created_at DATETIME(3) NOT NULL COMMENT 'in UTC, as all times',
    last_active DATETIME(3) NOT NULL,
    expires_at DATETIME(3) NOT NULL,
    version BIGINT NOT NULL,
    remember BOOLEAN NOT NULL,
    data LONGTEXT NOT NULL COMMENT 'a JSON object',
    seal BIGINT NOT NULL COMMENT 'binds data to id',
    sweep_at BIGINT AS ({}) STORED COMMENT 'the minute of expires_at, so that few writes change an index',
    INDEX {expiry} (sweep_at, layer, user_id, created_at),
    INDEX {user} (layer, user_id, id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin",
            minute_of("expires_at")
        )],
    }]
}

/// What keeps the steps that were taken.
pub(crate) fn migrations_table(table: &TableName) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS {} (\n    version INT PRIMARY KEY,\n    \
         applied_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP\n) ENGINE = InnoDB",
        table.suffixed("_migrations", '`')
    )
}
