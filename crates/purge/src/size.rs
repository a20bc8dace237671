//! Bytes as people read them: [`Size`].

use std::fmt;

/// A number of bytes, shown in decimal units as disks are sold: `812 B`, `1.45 MB`.
///
/// ```
/// use tower_keep_purge::Size;
///
/// assert_eq!(Size(999).to_string(), "999 B");
/// assert_eq!(Size(1_454_000).to_string(), "1.45 MB");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

/// The units above the byte, each a thousand of the one before.
const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1_000 {
            return write!(f, "{} B", self.0);
        }
        // In hundredths of a unit, rounded half up, so that no float is involved.
        let mut unit = 1_000_u128;
        for (place, name) in UNITS.iter().enumerate() {
            let hundredths = (u128::from(self.0) * 100 + unit / 2) / unit;
            if hundredths < 100_000 || place + 1 == UNITS.len() {
                return write!(f, "{}.{:02} {name}", hundredths / 100, hundredths % 100);
            }
            unit *= 1_000;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_round_and_never_show_a_thousand_of_a_unit() {
        for (bytes, text) in [
            (0, "0 B"),
            (1_000, "1.00 kB"),
            (999_994, "999.99 kB"),
            (999_995, "1.00 MB"),
            (1_450_000, "1.45 MB"),
            (u64::MAX, "18.45 EB"),
        ] {
            assert_eq!(Size(bytes).to_string(), text);
        }
    }
}
