//! Durations and sizes as people write them.

use std::time::Duration;

const UNITS_OF_TIME: &[(&str, f64)] = &[("h", 3600.0), ("m", 60.0), ("s", 1.0)];
const UNITS_OF_SIZE: &[(&str, f64)] = &[
    ("KiB", 1024.0),
    ("MiB", 1048576.0),
    ("GiB", 1073741824.0),
    ("TiB", 1099511627776.0),
    ("KB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("TB", 1e12),
    ("K", 1024.0),
    ("M", 1048576.0),
    ("G", 1073741824.0),
    ("B", 1.0),
];

/// Longest duration that is accepted: ten years.
const LONGEST: f64 = 10.0 * 365.0 * 86400.0;

/// Parses a duration such as `90s`, `10m`, `1h30m` or `1.5h`; above zero.
///
/// # Errors
/// A message that names the forms that are understood.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "a duration is written like 90s, 10m or 1h30m".to_owned();
    let mut rest = text.trim();
    let mut seconds = 0.0;
    let mut units = UNITS_OF_TIME;
    while !rest.is_empty() {
        let (number, after) = leading_number(rest).ok_or_else(wrong)?;
        let at = units.iter().position(|(unit, _)| after.starts_with(unit)).ok_or_else(wrong)?;
        let (unit, factor) = units[at];
        seconds += number * factor;
        rest = &after[unit.len()..];
        // Units go from large to small, each once.
        units = &units[at + 1..];
    }
    match seconds {
        s if s <= 0.0 => Err(if text.trim().is_empty() { wrong() } else { "a duration must be above zero".to_owned() }),
        s if s > LONGEST => Err("a duration of more than ten years is a slip".to_owned()),
        s => Ok(Duration::from_secs_f64(s)),
    }
}

/// Parses a size in bytes such as `4GiB`, `512MB` or `800000000`; above zero. `K`, `M` and `G` alone are binary.
///
/// # Errors
/// A message that names the forms that are understood.
pub fn size(text: &str) -> Result<u64, String> {
    let wrong = || "a size is written like 4GiB, 512MB or a number of bytes".to_owned();
    let (number, unit) = leading_number(text.trim()).ok_or_else(wrong)?;
    let unit = unit.trim();
    let factor = if unit.is_empty() {
        1.0
    } else {
        UNITS_OF_SIZE.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).ok_or_else(wrong)?.1
    };
    let bytes = (number * factor).round();
    match bytes {
        0.0..1.0 => Err("a size must be at least one byte".to_owned()),
        bytes if bytes <= 1e18 => Ok(bytes as u64),
        _ => Err("a size must be less than 1EB; leave the limit out where there is to be none".to_owned()),
    }
}

/// A duration in words short enough for a line: `42s`, `5m12s`, `1h03m`, `2d04h`.
pub fn in_words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86400 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86400, seconds / 3600 % 24),
    }
}

fn leading_number(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_parse() {
        for (text, seconds) in [("90s", 90.0), ("10m", 600.0), ("1h30m", 5400.0), ("1.5h", 5400.0), ("1h0m1s", 3601.0)] {
            assert_eq!(duration(text), Ok(Duration::from_secs_f64(seconds)), "{text}");
        }
        for wrong in ["", "soon", "10", "m", "10x", "0s", "-5m", "1m1h", "1m1m", "1..5s", "99999999h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_parse() {
        for (text, bytes) in [("4GiB", 4 << 30), ("512MB", 512_000_000), ("1.5 KiB", 1536), ("2g", 2 << 30), ("77", 77)] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for wrong in ["", "much", "0", "4XB", "-1", "GiB"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations_in_words() {
        for (seconds, words) in [(0, "0s"), (59, "59s"), (312, "5m12s"), (3780, "1h03m"), (187200, "2d04h")] {
            assert_eq!(in_words(Duration::from_secs(seconds)), words);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_below_a_day_parses_again(seconds in 1u64..3600) {
            prop_assert_eq!(duration(&in_words(Duration::from_secs(seconds))), Ok(Duration::from_secs(seconds)));
        }

        #[test]
        fn nothing_panics(text in ".*") {
            let _ = (duration(&text), size(&text));
        }
    }
}
