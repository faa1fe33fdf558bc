//! Numbers as people read them, and text inside HTML.

use crate::study::objective::Unit;

/// A metric's value: four decimals below ten, else about five digits; with an exponent where these would be zeros, or more
/// digits than are meant.
pub fn number(value: f64) -> String {
    match value.abs() {
        v if v.is_nan() => "undefined".to_owned(),
        v if v > 0.0 && v < 5e-5 => format!("{value:.2e}"),
        v if v < 10.0 => format!("{value:.4}"),
        v if v < 1000.0 => format!("{value:.2}"),
        v if v < 1e9 => format!("{value:.0}"),
        _ => format!("{value:.4e}"),
    }
}

/// A count with thin spaces between thousands: `1 234 567`.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() * 2);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A size in binary units: `1.4 MiB`.
pub fn bytes(count: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", units[unit])
}

/// A value of an objective with its unit: `1 234`, `1.2 KiB`, `0.0412 ms`.
pub fn quantity(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Count => grouped(value as u64),
        Unit::Bytes => bytes(value as u64),
        Unit::Milliseconds if value < 0.1 => format!("{value:.4} ms"),
        Unit::Milliseconds => format!("{value:.3} ms"),
    }
}

/// A count in few characters: `940`, `12k`, `3.4M`.
pub(super) fn short(count: f64) -> String {
    let (value, unit) = match count {
        c if c >= 1e9 => (c / 1e9, "G"),
        c if c >= 1e6 => (c / 1e6, "M"),
        c if c >= 1e3 => (c / 1e3, "k"),
        c => (c, ""),
    };
    if value >= 9.95 || value.fract() < 0.05 { format!("{value:.0}{unit}") } else { format!("{value:.1}{unit}") }
}

/// Text made safe inside HTML elements and attributes.
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            [number(0.86124), number(-12.345), number(551.0), number(12345.6)],
            ["0.8612", "-12.35", "551.00", "12346"]
        );
        assert_eq!(number(f64::NAN), "undefined");
        let shown = [0.0, 4e-5, -1.234e-30, 123_456_789.0, 9.498e37];
        assert_eq!(shown.map(number), ["0.0000", "4.00e-5", "-1.23e-30", "123456789", "9.4980e37"]);
        assert_eq!([grouped(7), grouped(1234), grouped(1234567)], ["7", "1\u{202f}234", "1\u{202f}234\u{202f}567"]);
        let shown = [(Unit::Count, 1234.0), (Unit::Bytes, 2048.0), (Unit::Milliseconds, 0.0412)];
        assert_eq!(shown.map(|(unit, value)| quantity(unit, value)), ["1\u{202f}234", "2.0 KiB", "0.0412 ms"]);
        assert_eq!([bytes(10), bytes(2048), bytes(1_500_000)], ["10 B", "2.0 KiB", "1.4 MiB"]);
        assert_eq!([short(940.0), short(12_000.0), short(3_400_000.0)], ["940", "12k", "3.4M"]);
    }

    #[test]
    fn markup_is_escaped() {
        assert_eq!(escape("<a b='\"&\">"), "&lt;a b=&#39;&quot;&amp;&quot;&gt;");
    }
}
