//! Makes texts safe and short enough to show.

use std::borrow::Cow;

/// A text of no more than so many characters, `…` after them if there were more.
pub fn shortened(text: &str, characters: usize) -> Cow<'_, str> {
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

/// The characters at the start of a text that are within so many bytes.
pub fn within(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// A text without control characters, `�` in their place: what a file or a server holds must not
/// steer a terminal.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_shortened_between_characters() {
        assert_eq!(shortened("Zürich", 6), "Zürich");
        assert_eq!(shortened("Zürich", 2), "Zü…");
        assert_eq!(shortened("", 0), "");
        assert_eq!(within("Zürich", 2), "Z");
        assert_eq!(within("Zürich", 3), "Zü");
        assert_eq!(within("Zürich", 99), "Zürich");
    }

    #[test]
    fn a_printable_text_cannot_steer_a_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\n"), "a\u{fffd}[2Jb\u{fffd}");
    }
}
