//! Values of options, refused with what was expected before anything is done. Pure.

use std::num::NonZeroUsize;
use std::time::Duration;

use serde_json::{Value, json};

/// Reads `90s`, `2m`, `1m30s`; 0 needs no unit.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no duration; write it as 90s, 2m or 1m30s, from 1s to 24h");
    let value = match text.parse::<u64>() {
        Ok(0) => Duration::ZERO,
        Ok(_) => return Err(wrong()),
        Err(_) => Duration::try_from(text.parse::<jiff::SignedDuration>().map_err(|_| wrong())?)
            .map_err(|_| wrong())?,
    };
    if (Duration::from_secs(1)..=Duration::from_hours(24)).contains(&value) || value.is_zero() {
        Ok(value)
    } else {
        Err(wrong())
    }
}

/// The same, but not zero.
pub(super) fn positive(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("it must be at least 1s".to_owned()),
        value => Ok(value),
    }
}

/// Reads `KEY=VALUE`.
pub(super) fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("`{text}` is not KEY=VALUE")),
    }
}

/// Whether it is a key of labels, annotations and taints: `[PREFIX/]NAME`.
pub(super) fn is_key(key: &str) -> bool {
    let (prefix, name) = key
        .split_once('/')
        .map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let is_prefix = |prefix: &str| {
        prefix.len() <= 253
            && prefix.split('.').all(|part| {
                is_word(part, 63) && !part.contains(|it: char| it == '_' || it.is_uppercase())
            })
    };
    is_word(name, 63) && prefix.is_none_or(is_prefix)
}

/// Letters, digits, `-`, `_` and `.`, with a letter or digit at both ends.
pub(super) fn is_word(text: &str, most: usize) -> bool {
    let end = |it: Option<char>| it.is_some_and(|it| it.is_ascii_alphanumeric());
    text.len() <= most
        && end(text.chars().next())
        && end(text.chars().last())
        && text
            .chars()
            .all(|it| it.is_ascii_alphanumeric() || "-_.".contains(it))
}

/// Reads a label.
pub(super) fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = annotation(text)?;
    if value.is_empty() || is_word(&value, 63) {
        Ok((key, value))
    } else {
        Err(format!(
            "`{value}` is no value of a label: at most 63 letters, digits, - _ . with a letter or digit at both ends"
        ))
    }
}

/// Reads a number of things that is not 0.
pub(super) fn some(text: &str) -> Result<NonZeroUsize, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is no whole number, 1 or more"))
}

/// Reads an annotation, whose value may be anything.
pub(super) fn annotation(text: &str) -> Result<(String, String), String> {
    let (key, value) = key_value(text)?;
    if is_key(&key) {
        Ok((key, value))
    } else {
        Err(format!(
            "`{key}` is no key of Kubernetes: [PREFIX/]NAME, NAME of at most 63 letters, digits, - _ . with a letter or digit at both ends"
        ))
    }
}

/// Reads `KEY[=VALUE][:EFFECT]`, as `kubectl taint` writes it, into a toleration of a Pod.
pub(super) fn toleration(text: &str) -> Result<Value, String> {
    const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
    let (pair, effect) = text
        .rsplit_once(':')
        .map_or((text, None), |(pair, effect)| (pair, Some(effect)));
    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
    if !is_key(key) || !(value.is_empty() || is_word(value, 63)) {
        return Err(format!("`{pair}` is no taint's KEY or KEY=VALUE"));
    }
    let mut toleration = if pair.contains('=') {
        json!({"key": key, "operator": "Equal", "value": value})
    } else {
        json!({"key": key, "operator": "Exists"})
    };
    if let Some(effect) = effect {
        if !EFFECTS.contains(&effect) {
            return Err(format!(
                "`{effect}` is no effect; there are {}",
                EFFECTS.join(", ")
            ));
        }
        toleration["effect"] = effect.into();
    }
    Ok(toleration)
}

/// Reads `RESOURCE=QUANTITY`.
pub(super) fn quantity(text: &str) -> Result<(String, String), String> {
    let (key, value) = key_value(text)?;
    let number = value.trim_end_matches(|it: char| it.is_ascii_alphabetic());
    let units = [
        "", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei",
    ];
    let fits = number
        .parse::<f64>()
        .is_ok_and(|number| number >= 0.0 && number.is_finite())
        && units.contains(&&value[number.len()..]);
    if fits && is_key(&key) {
        Ok((key, value))
    } else {
        Err(format!(
            "`{text}` is not RESOURCE=QUANTITY such as cpu=50m or memory=64Mi"
        ))
    }
}

/// Reads an image's name: `[REGISTRY/]PATH[:TAG][@DIGEST]`.
pub(super) fn image(text: &str) -> Result<String, String> {
    let fits = !text.is_empty()
        && text.len() <= 512
        && text
            .chars()
            .all(|it| it.is_ascii_alphanumeric() || "-_./:@[]".contains(it))
        && text.starts_with(|it: char| it.is_ascii_alphanumeric() || it == '[')
        && text.ends_with(|it: char| it.is_ascii_alphanumeric());
    if fits {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "`{text}` is no image: [REGISTRY/]PATH[:TAG][@DIGEST]"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tolerations_are_read_as_taints_are_written() {
        assert_eq!(
            toleration("dedicated=shop:NoSchedule"),
            Ok(
                json!({"key": "dedicated", "operator": "Equal", "value": "shop", "effect": "NoSchedule"})
            )
        );
        assert_eq!(
            toleration("gpu"),
            Ok(json!({"key": "gpu", "operator": "Exists"}))
        );
        assert!(toleration("gpu:NoGo").is_err());
    }
}
