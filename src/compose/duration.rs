//! Durations as compose reads and prints them: `90s` and `1m30s` are the same. Pure.

/// A duration as compose prints it: `90s` → `1m30s`; none if it is none.
pub(super) fn duration(text: &str) -> Option<String> {
    let mut nanoseconds: u128 = 0;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        if !number.bytes().any(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let unit_end = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, next) = tail.split_at(unit_end);
        let scale: u128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            "d" => 86_400_000_000_000,
            "w" => 604_800_000_000_000,
            _ if number == "0" && unit.is_empty() => 1,
            _ => return None,
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let whole: u128 = if whole.is_empty() {
            0
        } else {
            whole.parse::<u64>().ok()?.into()
        };
        nanoseconds += whole * scale;
        if !fraction.is_empty() {
            let digits = u32::try_from(fraction.len())
                .ok()
                .filter(|length| *length <= 18)?;
            nanoseconds += fraction.parse::<u128>().ok()? * scale / 10_u128.pow(digits);
        }
        rest = next;
    }
    Some(print_duration(nanoseconds))
}

fn print_duration(nanoseconds: u128) -> String {
    let with_fraction = |value: u128, unit: u128, name: &str| {
        let fraction = value % unit;
        if fraction == 0 {
            return format!("{}{name}", value / unit);
        }
        let width = unit.ilog10() as usize;
        let digits = format!("{fraction:0width$}");
        format!("{}.{}{name}", value / unit, digits.trim_end_matches('0'))
    };
    match nanoseconds {
        0 => "0s".to_owned(),
        1..1_000 => format!("{nanoseconds}ns"),
        1_000..1_000_000 => with_fraction(nanoseconds, 1_000, "µs"),
        1_000_000..1_000_000_000 => with_fraction(nanoseconds, 1_000_000, "ms"),
        _ => {
            let minutes = nanoseconds / 60_000_000_000;
            let seconds = with_fraction(nanoseconds % 60_000_000_000, 1_000_000_000, "s");
            match (minutes / 60, minutes % 60) {
                (0, 0) => seconds,
                (0, minutes) => format!("{minutes}m{seconds}"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_print_as_compose_prints_them() {
        for (text, expected) in [
            ("10s", "10s"),
            ("90s", "1m30s"),
            ("1h", "1h0m0s"),
            ("1m30s", "1m30s"),
            ("500ms", "500ms"),
            ("1.5s", "1.5s"),
            ("100us", "100µs"),
            ("1d", "24h0m0s"),
            ("0s", "0s"),
            ("0", "0s"),
        ] {
            assert_eq!(duration(text).as_deref(), Some(expected), "{text}");
        }
        for text in ["", "10", "x", "1y", "s", "1.2.3s"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
