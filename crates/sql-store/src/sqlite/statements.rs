//! The text of all statements: [`Statements`].

use crate::{name::TableName, schema::Migration};

/// The text of all statements, with the table's name in it.
#[derive(Debug)]
pub(crate) struct Statements {
    pub(crate) load: String,
    pub(crate) create: String,
    pub(crate) apply: String,
    pub(crate) rotate: String,
    pub(crate) clear_expired: String,
    pub(crate) touch: String,
    pub(crate) delete: String,
    pub(crate) others: String,
    pub(crate) list: String,
    pub(crate) list_user: String,
    pub(crate) stats: String,
    pub(crate) sweep: String,
    pub(crate) purge: String,
}

/// The columns of a row, in the order in which they are read.
const COLUMNS: &str = "layer, user_id, client_address, client_agent, created_at, last_active, \
                       expires_at, version, remember, data, seal";

impl Statements {
    pub(crate) fn new(table: &TableName) -> Self {
        let table = table.quoted('"');
        // What a change writes.
        let changes = "version = version + 1, \
             created_at = iif(?3, ?9, created_at), \
             last_active = ?9, \
             expires_at = min(?9 + ?4, iif(?3, ?9, created_at) + ?5), \
             user_id = coalesce(?6, user_id), \
             remember = coalesce(?7, remember), \
             data = ?8";
        let receipt = "RETURNING version, expires_at";
        Self {
            load: format!("SELECT {COLUMNS} FROM {table} WHERE id = ?1 AND expires_at > ?2"),
            create: format!(
                "INSERT INTO {table} (id, {COLUMNS}) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) \
                 ON CONFLICT (id) DO UPDATE SET \
                 layer = excluded.layer, user_id = excluded.user_id, \
                 client_address = excluded.client_address, client_agent = excluded.client_agent, \
                 created_at = excluded.created_at, last_active = excluded.last_active, \
                 expires_at = excluded.expires_at, version = excluded.version, \
                 remember = excluded.remember, data = excluded.data, seal = excluded.seal \
                 WHERE {table}.expires_at <= ?13"
            ),
            apply: format!(
                "UPDATE {table} SET {changes}, seal = ?10 \
                 WHERE id = ?1 AND version = ?2 AND seal = ?11 AND expires_at > ?9 {receipt}"
            ),
            rotate: format!(
                "UPDATE OR IGNORE {table} SET id = ?12, {changes}, seal = ?10 \
                 WHERE id = ?1 AND version = ?2 AND seal = ?11 AND expires_at > ?9 {receipt}"
            ),
            clear_expired: format!("DELETE FROM {table} WHERE id = ?1 AND expires_at <= ?2"),
            touch: format!(
                "UPDATE {table} SET last_active = ?2, expires_at = min(?2 + ?3, created_at + ?4) \
                 WHERE id = ?1 AND expires_at > ?2 {receipt}"
            ),
            delete: format!("DELETE FROM {table} WHERE id = ?1 RETURNING expires_at > ?2"),
            others: format!(
                "SELECT id FROM {table} WHERE user_id = ?1 AND id <> ?2 AND expires_at > ?3 \
                 AND layer = (SELECT layer FROM {table} WHERE id = ?2) ORDER BY created_at, id"
            ),
            list: format!(
                "SELECT {COLUMNS}, id FROM {table} \
                 WHERE id > ?1 AND expires_at > ?2 AND (?3 IS NULL OR layer = ?3) \
                 ORDER BY id LIMIT ?4"
            ),
            list_user: format!(
                "SELECT {COLUMNS}, id FROM {table} \
                 WHERE id > ?1 AND expires_at > ?2 AND layer = ?3 AND user_id = ?5 \
                 ORDER BY id LIMIT ?4"
            ),
            // The sign keeps the query from the index of users, which would lead it to the data.
            stats: format!(
                "SELECT count(*), count(user_id), min(created_at), max(created_at), \
                 (SELECT count(*) FROM (SELECT DISTINCT layer, user_id FROM {table} \
                 WHERE +user_id IS NOT NULL AND expires_at > ?1 AND (?2 IS NULL OR layer = ?2))) \
                 FROM {table} WHERE expires_at > ?1 AND (?2 IS NULL OR layer = ?2)"
            ),
            sweep: format!(
                "DELETE FROM {table} WHERE rowid IN \
                 (SELECT rowid FROM {table} WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)"
            ),
            purge: format!(
                "DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table} LIMIT ?1) \
                 RETURNING length(data)"
            ),
        }
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
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 32), -- SHA-256 of the token
    layer TEXT NOT NULL,
    user_id TEXT,
    client_address TEXT,
    client_agent TEXT,
    created_at INTEGER NOT NULL,                          -- times in milliseconds since 1970
    last_active INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    remember INTEGER NOT NULL,
    data TEXT NOT NULL,                                   -- a JSON object
    seal INTEGER NOT NULL                                 -- binds data to id
) STRICT"
            ),
            // What stats ask for is in the index, so that they read no data.
            format!(
                "CREATE INDEX IF NOT EXISTS {expiry} ON {name} \
                 (expires_at, layer, user_id, created_at)"
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
        "CREATE TABLE IF NOT EXISTS {} (\n    version INTEGER PRIMARY KEY,\n    \
         applied_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP\n) STRICT",
        table.suffixed("_migrations", '"')
    )
}
