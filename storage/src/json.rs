//! JSON as Python writes it: with bare `NaN`, `Infinity` and `-Infinity`, which attributes of Zarr v2 often have.

use serde_json::Value;

/// Parses a document; the bare words of Python become strings of the same name.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(bytes).or_else(|e| {
        let text = std::str::from_utf8(bytes).map_err(|e| e.to_string())?;
        serde_json::from_str(&quote_bare_words(text)).map_err(|_| e.to_string())
    })
}

fn quote_bare_words(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let (mut rest, mut in_string) = (text, false);
    while let Some(c) = rest.chars().next() {
        let word = ["NaN", "Infinity", "-Infinity"]
            .into_iter()
            .find(|w| !in_string && rest.starts_with(w));
        let taken = match (word, c) {
            (Some(w), _) => {
                out.extend(["\"", w, "\""]);
                rest = &rest[w.len()..];
                continue;
            }
            // An escape takes its character with it, so that an escaped quote does not end the string.
            (_, '\\') if in_string => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
            _ => c.len_utf8(),
        };
        in_string ^= c == '"';
        out.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn bare_words_of_python_become_strings() {
        let text = r#"{"a": NaN, "b": [-Infinity, Infinity, 1], "c": "NaN \" NaN", "d\\": NaN}"#;
        let expected =
            json!({"a": "NaN", "b": ["-Infinity", "Infinity", 1], "c": "NaN \" NaN", "d\\": "NaN"});
        assert_eq!(parse(text.as_bytes()).unwrap(), expected);
        assert!(parse(b"{\"a\": nope}").is_err());
    }
}
