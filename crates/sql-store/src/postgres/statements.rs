//! The text of all statements: [`Statements`].

use crate::{name::TableName, schema::Migration};

/// A statement, by which a connection finds what it prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    Load,
    Create,
    Import,
    Update,
    Apply,
    Rotate,
    ClearExpired,
    Touch,
    Delete,
    Others,
    List,
    ListUser,
    Stats,
    Sweep,
    PurgeSome,
    PurgeRest,
}

impl Which {
    pub(crate) const COUNT: usize = Self::PurgeRest as usize + 1;
}

/// The text of all statements, with the table's name in it.
#[derive(Debug)]
pub(crate) struct Statements(Vec<(Which, String)>);

/// The columns of a row, in the order in which they are read.
const COLUMNS: &str = "layer, user_id, client_address, client_agent, created_at, last_active, \
                       expires_at, version, remember, data, seal";

/// The time of the server, as exact as a `Timestamp`.
const NOW: &str = "date_trunc('milliseconds', statement_timestamp())";

impl Statements {
    /// The statements; `clock` stands in for the server's where it is turned by a test.
    pub(crate) fn new(table: &TableName, clock: Option<&str>) -> Self {
        let key = format!("'{}'::regclass::oid::int", table.quoted('"'));
        let table = table.quoted('"');
        let now = clock.map_or_else(|| NOW.to_owned(), |clock| format!("({clock})"));
        // Computed once and not for each row, by the server's own rule for OFFSET.
        let at = format!("(SELECT {now} AS at OFFSET 0) AS clock");
        let after = |parameter| format!("at + ${parameter}::float8 * interval '1 millisecond'");
        let receipt = "RETURNING version, expires_at, at";
        // What a change writes.
        let changes = format!(
            "version = version + 1, \
             created_at = CASE WHEN $4 THEN at ELSE created_at END, \
             last_active = at, \
             expires_at = least({}, CASE WHEN $4 THEN at ELSE created_at END \
             + $6::float8 * interval '1 millisecond'), \
             user_id = coalesce($7, user_id), \
             remember = coalesce($8, remember), \
             data = $9, seal = $10",
            after(5)
        );
        let is_base = "id = $1 AND version = $2 AND seal = $3 AND expires_at > at";
        // In the index alone: those whose last minute has not begun; looked at: those in their last.
        let live = format!(
            "(SELECT layer, user_id, created_at FROM {table} WHERE sweep_at > {now} \
             UNION ALL SELECT layer, user_id, created_at FROM {table} \
             WHERE sweep_at <= {now} AND sweep_at > {now} - interval '1 minute' \
             AND expires_at > {now}) AS live WHERE ($1::text IS NULL OR layer = $1)"
        );
        let listed =
            format!("SELECT {COLUMNS}, id FROM {table} WHERE id > $1 AND expires_at > {now}");
        Self(vec![
            (
                Which::Load,
                format!(
                    "SELECT {COLUMNS}, at, id FROM {at}, {table} \
                     WHERE id = ANY($1::bytea[]) AND expires_at > at"
                ),
            ),
            (
                Which::Create,
                format!(
                    "INSERT INTO {table} (id, {COLUMNS}) \
                     SELECT new.id, new.layer, user_id, address, agent, at, at, \
                     at + idle * interval '1 millisecond', 1, remember, data, seal \
                     FROM {at}, unnest($1::bytea[], $2::text[], $3::text[], $4::inet[], $5::text[], \
                     $6::float8[], $7::boolean[], $8::json[], $9::bigint[]) \
                     AS new (id, layer, user_id, address, agent, idle, remember, data, seal) \
                     RETURNING version, expires_at, created_at AS at, id"
                ),
            ),
            (
                Which::Import,
                format!(
                    "INSERT INTO {table} (id, {COLUMNS}) \
                     SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12 \
                     FROM {at} WHERE $8 > at RETURNING version, expires_at, {now} AS at"
                ),
            ),
            (
                Which::Update,
                format!(
                    "UPDATE {table} AS kept SET version = version + 1, last_active = at, \
                     expires_at = least({}, created_at + $7::float8 * interval '1 millisecond'), \
                     data = new.data, seal = new.seal \
                     FROM {at}, unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::json[], \
                     $5::bigint[]) AS new (id, base, before, data, seal) \
                     WHERE kept.id = new.id AND version = base AND kept.seal = before \
                     AND expires_at > at {receipt}, kept.id",
                    after(6)
                ),
            ),
            (
                Which::Apply,
                format!("UPDATE {table} SET {changes} FROM {at} WHERE {is_base} {receipt}"),
            ),
            (
                Which::Rotate,
                format!(
                    "UPDATE {table} SET id = $11, {changes} FROM {at} WHERE {is_base} {receipt}"
                ),
            ),
            (
                Which::ClearExpired,
                format!("DELETE FROM {table} WHERE id = $1 AND expires_at <= {now}"),
            ),
            (
                Which::Touch,
                format!(
                    "UPDATE {table} SET last_active = at, expires_at = least({}, \
                     created_at + $3::float8 * interval '1 millisecond') \
                     FROM {at} WHERE id = $1 AND expires_at > at {receipt}",
                    after(2)
                ),
            ),
            (
                Which::Delete,
                format!("DELETE FROM {table} WHERE id = $1 RETURNING expires_at > {now}"),
            ),
            (
                Which::Others,
                format!(
                    "SELECT id FROM {table} WHERE user_id = $1 AND id <> $2 AND expires_at > {now} \
                     AND layer = (SELECT layer FROM {table} WHERE id = $2) ORDER BY created_at, id"
                ),
            ),
            (
                Which::List,
                format!("{listed} AND ($2::text IS NULL OR layer = $2) ORDER BY id LIMIT $3"),
            ),
            (
                Which::ListUser,
                format!("{listed} AND layer = $2 AND user_id = $4 ORDER BY id LIMIT $3"),
            ),
            (
                Which::Stats,
                format!(
                    "SELECT count(*), count(user_id), min(created_at), max(created_at), \
                     (SELECT count(*) FROM (SELECT DISTINCT layer, user_id FROM {live} \
                     AND user_id IS NOT NULL) AS users) FROM {live}"
                ),
            ),
            (
                // 1952804208 is 'tkep'.
                Which::Sweep,
                format!(
                    "WITH turn AS MATERIALIZED \
                     (SELECT pg_try_advisory_xact_lock(1952804208, {key}) AS mine), \
                     expired AS MATERIALIZED (SELECT id FROM {table} \
                     WHERE (SELECT mine FROM turn) AND sweep_at <= {now} AND expires_at <= {now} \
                     ORDER BY sweep_at LIMIT $1 FOR UPDATE SKIP LOCKED), \
                     removed AS (DELETE FROM {table} WHERE id IN (SELECT id FROM expired) RETURNING 1) \
                     SELECT (SELECT mine FROM turn), (SELECT count(*) FROM removed)"
                ),
            ),
            (
                Which::PurgeSome,
                format!(
                    "WITH removed AS (DELETE FROM {table} WHERE id IN (SELECT id FROM {table} \
                     LIMIT $1) RETURNING octet_length(data::text) AS bytes) \
                     SELECT count(*), coalesce(sum(bytes), 0)::bigint FROM removed"
                ),
            ),
            (
                Which::PurgeRest,
                format!(
                    "WITH removed AS (DELETE FROM {table} RETURNING octet_length(data::text) AS bytes) \
                     SELECT count(*), coalesce(sum(bytes), 0)::bigint FROM removed"
                ),
            ),
        ])
    }

    pub(crate) fn text(&self, which: Which) -> &str {
        self.0.iter().find(|(of, _)| *of == which).map_or("", |(_, text)| text)
    }
}

/// The steps to the present table.
pub(crate) fn migrations(table: &TableName) -> Vec<Migration> {
    let name = table.quoted('"');
    let (expiry, user) = (table.own("_expiry", '"'), table.own("_user", '"'));
    vec![Migration {
        version: 1,
        statements: vec![
            format!(
                "CREATE TABLE IF NOT EXISTS {name} (
    id bytea PRIMARY KEY CHECK (octet_length(id) = 32), -- SHA-256 of the token
    layer text COLLATE \"C\" NOT NULL,
    user_id text COLLATE \"C\",
    client_address inet,
    client_agent text,
    created_at timestamptz NOT NULL,
    last_active timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    version bigint NOT NULL,
    remember boolean NOT NULL,
    data json NOT NULL,
    seal bigint NOT NULL,                               -- binds data to id
    -- The minute in which it expires: a session that is written again within a minute changes no index.
    sweep_at timestamptz NOT NULL
        GENERATED ALWAYS AS (date_bin('1 minute', expires_at, '2000-01-01 00:00Z')) STORED
) WITH (fillfactor = 70)"
            ),
            // What stats ask for is in the index, so that they read no data.
            format!(
                "CREATE INDEX IF NOT EXISTS {expiry} ON {name} (sweep_at) \
                 INCLUDE (layer, user_id, created_at)"
            ),
            format!(
                "CREATE INDEX IF NOT EXISTS {user} ON {name} (layer, user_id, id) \
                 WHERE user_id IS NOT NULL"
            ),
        ],
    }]
}

/// What keeps the steps that were taken.
pub(crate) fn migrations_table(table: &TableName) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS {} (\n    version int PRIMARY KEY,\n    \
         applied_at timestamptz NOT NULL DEFAULT now()\n)",
        table.suffixed("_migrations", '"')
    )
}

/// What makes the schema, if one is named.
pub(crate) fn schema(table: &TableName) -> Option<String> {
    table.schema('"').map(|schema| format!("CREATE SCHEMA IF NOT EXISTS {schema}"))
}
