//! Text that came from outside, safe for a terminal: [`printable`].

/// The text with what is not printed escaped, so that no name in a store can move the cursor, hide
/// text or turn its direction. A backslash is doubled, so that what is shown is not ambiguous.
pub(crate) fn printable(text: &str) -> String {
    escape(text, "\\\\")
}

/// As [`printable`], for JSON and for sentences, in which a backslash means what it does.
pub(crate) fn printable_json(text: &str) -> String {
    escape(text, "\\")
}

fn escape(text: &str, backslash: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    // What the standard library escapes is what is not printed, quotes and the backslash.
    for part in text.split_inclusive(['\'', '"', '\\']) {
        let (part, last) = match part.char_indices().next_back() {
            Some((place, last @ ('\'' | '"' | '\\'))) => (&part[..place], Some(last)),
            _ => (part, None),
        };
        // It escapes an accent at the start only, so there is none.
        shown.extend(format!("x{part}").escape_debug().skip(1));
        match last {
            Some('\\') => shown.push_str(backslash),
            Some(quote) => shown.push(quote),
            None => {}
        }
    }
    shown
}

/// So many sessions, in words.
pub(crate) fn sessions(count: u64) -> String {
    format!("{count} session{}", if count == 1 { "" } else { "s" })
}

/// The text with each URL in it cut to its scheme, since one may hold a password.
///
/// `arguments` are what the text may quote.
pub(crate) fn without_urls(text: &str, arguments: impl IntoIterator<Item = String>) -> String {
    let mut text = text.to_owned();
    for argument in arguments {
        // Of `--to=postgres://…` the value is quoted as well as the whole.
        let Some(colon) = argument.find(':') else { continue };
        let before = &argument[..colon];
        let start = before.rfind(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c)));
        let start = start
            .map_or(0, |place| place + before[place..].chars().next().map_or(1, char::len_utf8));
        let url = &argument[start..];
        if url.len() > colon - start + 1 {
            text = text.replace(url, &format!("{}:…", &argument[start..colon]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_moves_the_cursor_or_turns_text() {
        for (text, shown) in [
            ("ada", "ada"),
            ("Ada O'Hara \"x\"", "Ada O'Hara \"x\""),
            ("é e\u{301} 李", "é e\u{301} 李"),
            ("a\u{1b}[31mb", "a\\u{1b}[31mb"),
            ("a\nb\tc\r", "a\\nb\\tc\\r"),
            ("\u{9b}2J", "\\u{9b}2J"),
            ("x\u{202e}y\u{200b}", "x\\u{202e}y\\u{200b}"),
            ("\\n", "\\\\n"),
            ("'\u{301}\u{7}'", "'\u{301}\\u{7}'"),
        ] {
            assert_eq!(printable(text), shown, "{text:?}");
        }
        assert_eq!(printable_json("\"a\\n\u{1b}\""), "\"a\\n\\u{1b}\"");
    }

    #[test]
    fn urls_are_cut_to_their_scheme() {
        let cut = |text: &str, argument: &str| without_urls(text, [argument.to_owned()]);
        let url = "postgres://ada:hunter2@host/db?password=x y";
        assert_eq!(cut(&format!("unrecognized '{url}'"), url), "unrecognized 'postgres:…'");
        let argument = format!("--strore={url}");
        assert_eq!(
            cut(&format!("unexpected '{argument}'"), &argument),
            "unexpected '--strore=postgres:…'"
        );
        assert_eq!(cut("é:", "é:"), "é:");
        assert_eq!(cut("a 'list' b", "list"), "a 'list' b");
    }
}
