//! The name of the table: [`TableName`].

use tower_keep_core::{StoreError, StoreErrorKind};

/// The longest name that leaves room for the suffixes of the indexes in PostgreSQL's 63 bytes.
const MAX_BYTES: usize = 48;

/// The name of the table, checked, so that it can stand in a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TableName {
    schema: Option<String>,
    table: String,
}

impl TableName {
    /// What the table is called unless told.
    pub(crate) const DEFAULT: &'static str = "tower_keep_sessions";

    /// A table, in a schema or where the connection looks first.
    pub(crate) fn new(schema: Option<&str>, table: &str) -> Result<Self, StoreError> {
        for name in schema.iter().chain([&table]) {
            check(name)?;
        }
        Ok(Self { schema: schema.map(str::to_owned), table: table.to_owned() })
    }

    /// The schema in quotes, if there is one.
    #[cfg(feature = "postgres")]
    pub(crate) fn schema(&self, quote: char) -> Option<String> {
        self.schema.as_ref().map(|schema| format!("{quote}{schema}{quote}"))
    }

    /// The whole name in the dialect's quotes.
    pub(crate) fn quoted(&self, quote: char) -> String {
        self.suffixed("", quote)
    }

    /// The name of something that belongs to the table and lies beside it.
    pub(crate) fn suffixed(&self, suffix: &str, quote: char) -> String {
        let own = self.own(suffix, quote);
        match &self.schema {
            Some(schema) => format!("{quote}{schema}{quote}.{own}"),
            None => own,
        }
    }

    /// The schema, and the name of something that belongs to the table, as values.
    #[cfg(feature = "mysql")]
    pub(crate) fn parts(&self, suffix: &str) -> (Option<&str>, String) {
        (self.schema.as_deref(), format!("{}{suffix}", self.table))
    }

    /// As [`suffixed`](Self::suffixed), without the schema, as the names of indexes are given.
    pub(crate) fn own(&self, suffix: &str, quote: char) -> String {
        format!("{quote}{}{suffix}{quote}", self.table)
    }
}

/// Letters, digits and underscores, so that no quoting can be escaped.
fn check(name: &str) -> Result<(), StoreError> {
    let mut characters = name.chars();
    let begins = characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
    let goes_on = characters.all(|other| other.is_ascii_alphanumeric() || other == '_');
    if begins && goes_on && name.len() <= MAX_BYTES {
        return Ok(());
    }
    Err(StoreError::new(
        StoreErrorKind::Misconfigured,
        "a table or schema name that is none: use at most 48 ASCII letters, digits and underscores, \
         and no digit first",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_are_names() {
        let name = TableName::new(Some("shop"), "sessions").unwrap();
        assert_eq!(name.quoted('"'), r#""shop"."sessions""#);
        assert_eq!(name.own("_by_user", '`'), "`sessions_by_user`");
        let long = "t".repeat(MAX_BYTES + 1);
        for bad in ["", "1st", "a-b", "a b", "a\"b", "a`b", "a;b", "a.b", "é", "a\0", &long] {
            assert!(TableName::new(None, bad).is_err(), "{bad:?}");
            assert!(TableName::new(Some(bad), "sessions").is_err(), "{bad:?}");
        }
    }
}
