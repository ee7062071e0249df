//! Kubernetes' quantities as numbers, as far as they are needed: `500m`, `2`, `1.5`, `512Mi`, `1G`, `1e9`.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// The number that is written; none if it is no quantity.
pub(super) fn number(Quantity(text): &Quantity) -> Option<f64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let (digits, suffix) = match text.parse::<f64>() {
        // `1e9` and `1E9` are numbers as they stand.
        Ok(_) => (text.as_str(), ""),
        Err(_) => (digits, &text[digits.len()..]),
    };
    let unit = match suffix {
        "" => 1.0,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 2_f64.powi(10),
        "Mi" => 2_f64.powi(20),
        "Gi" => 2_f64.powi(30),
        "Ti" => 2_f64.powi(40),
        "Pi" => 2_f64.powi(50),
        "Ei" => 2_f64.powi(60),
        _ => return None,
    };
    let number = digits.parse::<f64>().ok()? * unit;
    (number.is_finite() && number >= 0.0).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read() {
        let number = |text: &str| number(&Quantity(text.to_owned()));
        for (text, expected) in [
            ("2", 2.0),
            ("500m", 0.5),
            ("1.5", 1.5),
            ("512Mi", 536_870_912.0),
            ("1Gi", 1_073_741_824.0),
            ("1G", 1e9),
            ("1e9", 1e9),
            ("2E", 2e18),
            ("64k", 64e3),
        ] {
            assert_eq!(number(text), Some(expected), "{text}");
        }
        for wrong in ["", "Mi", "1Xi", "-1", "much", "nan", "inf"] {
            assert_eq!(number(wrong), None, "{wrong:?}");
        }
    }
}
