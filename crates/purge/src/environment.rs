//! Reads and checks variables of the environment: [`SettingError`].

use std::{ffi::OsString, fmt, path::PathBuf};

/// Where variables come from: the process's environment, or what a test says.
pub(crate) type Lookup<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The environment of this process.
pub(crate) fn process(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// A variable of the environment cannot mean anything. Its text names the variable and what it may
/// be, and does not quote what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SettingError {
    variable: &'static str,
    expected: &'static str,
}

impl SettingError {
    pub(crate) const fn new(variable: &'static str, expected: &'static str) -> Self {
        Self { variable, expected }
    }

    /// The variable's name.
    #[must_use]
    pub fn variable(&self) -> &'static str {
        self.variable
    }
}

impl fmt::Display for SettingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the variable {} is not understood: {}", self.variable, self.expected)
    }
}

impl std::error::Error for SettingError {}

/// A variable that is true or false; `None` if it is not set.
pub(crate) fn boolean(
    lookup: Lookup<'_>,
    name: &'static str,
) -> Result<Option<bool>, SettingError> {
    let Some(value) = lookup(name) else { return Ok(None) };
    let value = value.to_str().map(|value| value.trim().to_ascii_lowercase());
    match value.as_deref() {
        Some("true" | "1" | "yes" | "on") => Ok(Some(true)),
        Some("false" | "0" | "no" | "off") => Ok(Some(false)),
        _ => Err(SettingError::new(
            name,
            "set it to true, 1, yes or on, or to false, 0, no or off, in any case",
        )),
    }
}

/// A variable that is a whole number in a range; `None` if it is not set. The text says the range.
pub(crate) fn number(
    lookup: Lookup<'_>,
    name: &'static str,
    range: std::ops::RangeInclusive<u64>,
    expected: &'static str,
) -> Result<Option<u64>, SettingError> {
    let Some(value) = lookup(name) else { return Ok(None) };
    let digits = value.to_str().map(str::trim).unwrap_or_default();
    // `parse` takes a plus sign, which nobody writes on purpose.
    let number = digits.starts_with(|first: char| first.is_ascii_digit()).then(|| digits.parse());
    match number {
        Some(Ok(number)) if range.contains(&number) => Ok(Some(number)),
        _ => Err(SettingError::new(name, expected)),
    }
}

/// A variable that is a path. One that holds nothing but spaces names no path and counts as not set;
/// any other is taken as it is, spaces and bytes that are no text included.
pub(crate) fn path(lookup: Lookup<'_>, name: &str) -> Option<PathBuf> {
    let value = lookup(name)?;
    let is_blank = value.to_str().is_some_and(|value| value.trim().is_empty());
    (!is_blank).then(|| value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(value: &str) -> impl Fn(&str) -> Option<OsString> {
        let value = OsString::from(value);
        move |_| Some(value.clone())
    }

    #[test]
    fn booleans_are_taken_in_any_case_and_with_spaces_around() {
        for (text, value) in
            [("True", true), ("1", true), (" yes ", true), ("ON\r", true), ("False", false)]
        {
            assert_eq!(boolean(&set(text), "V"), Ok(Some(value)), "{text:?}");
        }
        for (text, value) in [("0", false), ("nO", false), ("off", false)] {
            assert_eq!(boolean(&set(text), "V"), Ok(Some(value)), "{text:?}");
        }
        assert_eq!(boolean(&|_| None, "V"), Ok(None));
    }

    #[test]
    fn what_is_no_boolean_names_the_variable_and_not_its_value() {
        for text in ["", " ", "ture", "2", "y", "hunter2"] {
            let error = boolean(&set(text), "SOME_SWITCH").unwrap_err();
            assert_eq!(error.variable(), "SOME_SWITCH");
            let message = error.to_string();
            assert!(message.contains("SOME_SWITCH") && !message.contains("hunter2"), "{message}");
        }
    }

    #[test]
    fn numbers_out_of_range_or_form_are_refused() {
        for text in ["", "0", "-1", "+5", "1.5", "11", "1e1", "99999999999999999999", "five"] {
            assert!(number(&set(text), "V", 1..=10, "").is_err(), "{text:?}");
        }
        assert_eq!(number(&set(" 10\r\n"), "V", 1..=10, ""), Ok(Some(10)));
    }

    #[cfg(unix)]
    #[test]
    fn bytes_that_are_no_text_are_a_path_but_no_setting() {
        use std::os::unix::ffi::OsStringExt;
        let bytes = || OsString::from_vec(vec![b'/', 0xff, b' ']);
        let lookup = move |_: &str| Some(bytes());
        assert!(boolean(&lookup, "V").is_err());
        assert!(number(&lookup, "V", 0..=9, "").is_err());
        assert_eq!(path(&lookup, "V"), Some(bytes().into()));
    }

    #[test]
    fn a_blank_path_counts_as_not_set() {
        assert_eq!(path(&set(""), "V"), None);
        assert_eq!(path(&set("  "), "V"), None);
        assert_eq!(path(&set(" a dir "), "V"), Some(" a dir ".into()));
    }
}
