//! YAML scalars as compose reads them: neither quite YAML 1.1 (`yes` and `22:22` are text) nor 1.2 (`0644` is octal). Pure.

use super::node::Value;

/// What a scalar means.
///
/// # Errors
/// A `!!int` or the like that is none: what was expected.
pub(super) fn resolve(text: &str, plain: bool, core_tag: Option<&str>) -> Result<Value, String> {
    let resolved = || plain_value(text);
    match core_tag {
        Some("str" | "binary") => Ok(Value::Text(text.to_owned())),
        Some("null") => Ok(Value::Null),
        Some("int") => match resolved() {
            Value::Int(value) => Ok(Value::Int(value)),
            _ => Err("an integer after `!!int`".to_owned()),
        },
        Some("float") => match resolved() {
            #[expect(clippy::cast_precision_loss, reason = "the tag asks for a float")]
            Value::Int(value) => Ok(Value::Float(value as f64)),
            Value::Float(value) => Ok(Value::Float(value)),
            _ => Err("a number after `!!float`".to_owned()),
        },
        Some("bool") => boolean(text)
            .map(Value::Bool)
            .ok_or_else(|| "true or false after `!!bool`".to_owned()),
        _ if plain => Ok(resolved()),
        _ => Ok(Value::Text(text.to_owned())),
    }
}

fn plain_value(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Value::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Value::Float(f64::INFINITY);
        }
        "-.inf" | "-.Inf" | "-.INF" => return Value::Float(f64::NEG_INFINITY),
        _ => {}
    }
    let first = text.as_bytes().first().copied().unwrap_or_default();
    if !(first.is_ascii_digit() || matches!(first, b'+' | b'-' | b'.')) {
        return Value::Text(text.to_owned());
    }
    let compact = text.replace('_', "");
    if let Some(value) = integer(&compact) {
        return Value::Int(value);
    }
    if is_float(&compact)
        && let Ok(value) = compact.parse::<f64>()
    {
        return Value::Float(value);
    }
    Value::Text(text.to_owned())
}

/// Booleans of typed fields, with the words of YAML 1.1.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "y" | "yes" | "on" | "1" | "t" => Some(true),
        "false" | "n" | "no" | "off" | "0" | "f" => Some(false),
        _ => None,
    }
}

/// Decimal, `0x`, `0o`, `0b`, and `0…` as octal; at most 64 bits.
fn integer(text: &str) -> Option<i128> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    // The sign was taken; a second one is text.
    if !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let value = i128::from(u64::from_str_radix(digits, radix).ok()?);
    if negative {
        (value <= 1 << 63).then_some(-value)
    } else {
        Some(value)
    }
}

fn is_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mantissa_fits =
        digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty());
    let exponent_fits = exponent.is_none_or(|exponent| {
        let unsigned = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !unsigned.is_empty() && digits(unsigned)
    });
    mantissa_fits && exponent_fits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::node::float_text;

    fn text(source: &str) -> String {
        match plain_value(source) {
            Value::Null => "null".to_owned(),
            Value::Bool(value) => format!("bool {value}"),
            Value::Int(value) => format!("int {value}"),
            Value::Float(value) => format!("float {}", float_text(value)),
            Value::Text(value) => format!("text {value}"),
            Value::List(_) | Value::Map(_) => "collection".to_owned(),
        }
    }

    #[test]
    fn scalars_read_as_compose_reads_them() {
        for (source, expected) in [
            ("yes", "text yes"),
            ("on", "text on"),
            ("22:22", "text 22:22"),
            ("True", "bool true"),
            ("tRUE", "text tRUE"),
            ("~", "null"),
            ("0644", "int 420"),
            ("0o17", "int 15"),
            ("0x10", "int 16"),
            ("0b11", "int 3"),
            ("-017", "int -15"),
            ("1_000", "int 1000"),
            ("_1", "text _1"),
            ("+5", "int 5"),
            ("08", "float 8"),
            ("1.10", "float 1.1"),
            ("1e3", "float 1000"),
            ("1e10", "float 1e+10"),
            ("1000000.0", "float 1e+06"),
            ("123456789.5", "float 1.234567895e+08"),
            ("123456.7", "float 123456.7"),
            ("0.0001", "float 0.0001"),
            ("1e-7", "float 1e-07"),
            (".5", "float 0.5"),
            ("1.", "float 1"),
            ("18446744073709551615", "int 18446744073709551615"),
            ("184467440737095516160", "float 1.844674407370955e+20"),
            ("1.2.3", "text 1.2.3"),
            ("-", "text -"),
            (".", "text ."),
            ("+-5", "text +-5"),
            ("2001-12-14", "text 2001-12-14"),
        ] {
            assert_eq!(text(source), expected, "{source}");
        }
    }

    #[test]
    fn tags_force_or_refuse() {
        assert_eq!(resolve("5", true, Some("str")), Ok(Value::Text("5".into())));
        assert_eq!(resolve("7", false, Some("int")), Ok(Value::Int(7)));
        assert!(resolve("x", true, Some("int")).is_err());
    }
}
