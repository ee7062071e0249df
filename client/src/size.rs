//! Sizes in bytes, as people write them.

/// Reads `1073741824`, `512MB`, `1.5GiB`, `2G`: powers of 1000, with an `i` powers of 1024.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let wrong = || format!("{text:?} is not a size like 1073741824, 512MB or 1.5GiB");
    let digits = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    let unit = text[digits..].trim().to_ascii_lowercase();
    let short = unit.strip_suffix('b').unwrap_or(&unit);
    let (prefix, base) = match short.strip_suffix('i') {
        Some(prefix) => (prefix, 1024f64),
        None => (short, 1000f64),
    };
    let power = match prefix {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        _ => return Err(wrong()),
    };
    if power == 0 && !text[digits..].is_empty() && !unit.eq_ignore_ascii_case("b") {
        return Err(wrong());
    }
    let bytes = text[..digits].parse::<f64>().map_err(|_| wrong())? * base.powi(power);
    if bytes >= 1.0 && bytes < u64::MAX as f64 {
        Ok(bytes as u64)
    } else {
        Err(wrong())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_sizes_as_written() {
        let sizes =
            ["1073741824", "512MB", "1.5GiB", "2g", "64 KiB", "7b"].map(|t| parse_size(t).unwrap());
        assert_eq!(
            sizes,
            [1 << 30, 512_000_000, 3 << 29, 2_000_000_000, 65_536, 7]
        );
        let wrong = [
            "",
            "0",
            "MB",
            "12 apples",
            "1i",
            "-5",
            "1e9",
            "1.2.3",
            "1TBB",
        ];
        for text in wrong {
            assert!(parse_size(text).is_err(), "{text:?} was read");
        }
    }
}
