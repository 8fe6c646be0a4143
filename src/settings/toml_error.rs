//! Errors about values in `taxi.toml` in plain words; the parser's own name its types.

use crate::redact::name_or_mask;

/// A sentence about a key's value. The value itself may be a secret and is not told, but for a
/// word that is none of those to choose from.
pub(super) fn sentence(key: Option<&str>, said: &str) -> String {
    if let Some(missing) = said.strip_prefix("missing field ") {
        return format!("{} is missing", quoted(missing));
    }
    let Some(key) = key else { return said.to_owned() };
    if let Some((given, known)) = said.strip_prefix("unknown variant ").and_then(cut) {
        let given = name_or_mask(given.trim_matches('`'));
        return format!("'{key}' cannot be '{given}': choose from {}", quoted(known));
    }
    let of_type = ["invalid type: ", "invalid value: "];
    let expected = of_type.iter().find_map(|start| cut(said.strip_prefix(start)?));
    match expected {
        Some((_, wanted)) => format!("'{key}' must be {}", in_words(wanted)),
        None if said == "wanted string or table" => format!("'{key}' must be {TEXT}"),
        None => said.to_owned(),
    }
}

const TEXT: &str = "a text in quotes";

/// What is wanted, in words.
fn in_words(wanted: &str) -> &str {
    match wanted {
        "usize" => "a whole number, 0 or more",
        "u16" => "a whole number from 0 to 65535",
        "a boolean" => "true or false",
        "a string" | "path string" => TEXT,
        "a sequence" => "a list in brackets",
        "a map" => "a table of its own",
        other => other,
    }
}

/// What is given, and what is expected.
fn cut(said: &str) -> Option<(&str, &str)> {
    said.rsplit_once(", expected ")
}

fn quoted(names: &str) -> String {
    names.trim_start_matches("one of ").replace('`', "'").replace(" or ", ", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_none_is_told_in_words_and_without_itself() {
        let said = [
            "invalid type: string \"hush, expected\", expected usize",
            "invalid value: integer `99999`, expected u16",
            "invalid type: boolean `true`, expected path string",
            "unknown variant `x`, expected one of `a`, `b`, `c`",
            "unknown variant `postgres://u:hush@h`, expected `a` or `b`",
            "wanted string or table",
            "missing field `address`",
            "write it as 500ms, 30s or 2m",
        ];
        let said = said.map(|said| sentence(Some("key"), said));
        insta::assert_snapshot!(said.join("\n"), @"
            'key' must be a whole number, 0 or more
            'key' must be a whole number from 0 to 65535
            'key' must be a text in quotes
            'key' cannot be 'x': choose from 'a', 'b', 'c'
            'key' cannot be '********': choose from 'a', 'b'
            'key' must be a text in quotes
            'address' is missing
            write it as 500ms, 30s or 2m
            ");
    }
}
