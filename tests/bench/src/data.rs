//! What the sessions hold: [`texts`] and one number, [`VISITS`].

use std::{hint::black_box, sync::LazyLock};

/// The name of the number that scenarios read and increment.
pub(crate) const VISITS: &str = "visits";

/// Its value in a new session.
pub(crate) const FIRST_VISITS: u64 = 1_000;

/// The size of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Three fields, about 200 bytes.
    Small,
    /// A hundred fields, about 16 KB.
    Large,
}

/// The fields beside [`VISITS`], names and texts.
pub(crate) fn texts(shape: Shape) -> &'static [(String, String)] {
    static SMALL: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
        vec![
            ("user".to_owned(), "ada.lovelace@example.org".to_owned()),
            ("cart".to_owned(), "item-0042,".repeat(15)),
        ]
    });
    static LARGE: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
        (0..99)
            .map(|number| (format!("field-{number:02}"), "0123456789abcdef".repeat(10)))
            .collect()
    });
    match shape {
        Shape::Small => &SMALL,
        Shape::Large => &LARGE,
    }
}

/// Stops a contender that is fast because it lost the session.
pub(crate) fn check_visits(visits: Option<u64>) {
    let visits = black_box(visits);
    assert!(visits >= Some(FIRST_VISITS), "not the session's own number");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_have_the_sizes_of_the_scenarios() {
        for (shape, fields, bytes) in
            [(Shape::Small, 3, 190..=210), (Shape::Large, 100, 16_000..=17_500)]
        {
            let texts = texts(shape);
            let size: usize = texts.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
            assert_eq!(texts.len() + 1, fields);
            let size = size + VISITS.len() + FIRST_VISITS.to_string().len();
            assert!(bytes.contains(&size), "{size}");
        }
    }
}
