//! `--limit NAME=VALUE`: which numbers decide the exit code. Pure.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::model::{Metric, Unit, Value};
use crate::report::VerdictValue;

/// The limits in force: at most so many milliseconds, or so many things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitSet(pub BTreeMap<Metric, u64>);

impl Default for LimitSet {
    /// Data is kept and members agree, in every case: what else is too much only the user can say.
    fn default() -> Self {
        Self(
            [
                Metric::Lost,
                Metric::Diverged,
                Metric::SplitBrain,
                Metric::Torn,
            ]
            .map(|metric| (metric, 0))
            .into(),
        )
    }
}

impl LimitSet {
    /// The limits in force after what the user said.
    #[must_use]
    pub fn with(mut self, said: &[LimitOption]) -> Self {
        for option in said {
            match option.most {
                Some(most) => self.0.insert(option.metric, most),
                None => self.0.remove(&option.metric),
            };
        }
        self
    }
}

/// One `NAME=VALUE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitOption {
    /// Which number.
    pub metric: Metric,
    /// At most; none (`any`): without limit.
    pub most: Option<u64>,
}

impl FromStr for LimitOption {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or_else(|| {
            format!("`{text}`: expected NAME=VALUE, such as write_down=10s or lost=0")
        })?;
        let metric: Metric = name.trim().parse()?;
        let value = value.trim();
        if value == "any" {
            return Ok(Self { metric, most: None });
        }
        let most = match metric.unit() {
            Unit::Time => milliseconds(value),
            Unit::Count => value.parse().ok(),
        };
        let expected = match metric.unit() {
            Unit::Time => "a time such as 500ms, 10s or 2m, or `any`",
            Unit::Count => "a whole number, or `any`",
        };
        match most {
            Some(most) => Ok(Self {
                metric,
                most: Some(most),
            }),
            None => Err(format!("`{text}`: {} takes {expected}", metric.name())),
        }
    }
}

/// `500ms`, `1.5s`, `2m`; a bare 0 needs no unit.
fn milliseconds(text: &str) -> Option<u64> {
    if text == "0" {
        return Some(0);
    }
    let (number, unit) = [("ms", 1u64), ("s", 1000), ("m", 60_000)]
        .iter()
        .find_map(|(suffix, unit)| Some((text.strip_suffix(suffix)?, *unit)))?;
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(part) || part.len() > 3 {
        return None;
    }
    let thousandths: u64 = format!("{part:0<3}").parse().ok()?;
    let whole: u64 = whole.parse().ok()?;
    whole
        .checked_mul(unit)?
        .checked_add(thousandths * unit / 1000)
}

/// Whether a value meets a limit: broken only where that is proven, met only where it is known.
pub const fn meets(value: &Value, most: u64) -> VerdictValue {
    match value {
        Value::Known { number, resolution } => {
            if *number <= most {
                VerdictValue::Pass
            } else if number.saturating_sub(*resolution) > most {
                VerdictValue::Fail
            } else {
                VerdictValue::Unknown
            }
        }
        Value::Over { number } if *number > most => VerdictValue::Fail,
        Value::Over { .. } | Value::Unknown { .. } => VerdictValue::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_reads_with_its_unit_and_says_what_it_takes() {
        let read = |text: &str| text.parse::<LimitOption>().map(|option| option.most);
        assert_eq!(read("write_down=1.5s"), Ok(Some(1500)));
        assert_eq!(read("write-down=2m"), Ok(Some(120_000)));
        assert_eq!(read("pinned=0"), Ok(Some(0)));
        assert_eq!(read("lost=3"), Ok(Some(3)));
        assert_eq!(read("lost=any"), Ok(None));
        for (bad, expected) in [
            ("write_down", "NAME=VALUE"),
            ("write_down=5", "500ms"),
            ("write_down=-5s", "500ms"),
            ("write_down=1.2345s", "500ms"),
            ("write_down=99999999999999999999s", "500ms"),
            ("lost=1s", "whole number"),
            ("downtime=5s", "write_down, read_down"),
        ] {
            let error = read(bad).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_later_word_replaces_an_earlier_one_and_any_lifts() {
        let said = ["lost=any", "write_down=5s", "write_down=9s"].map(|text| text.parse().unwrap());
        let limits = LimitSet::default().with(&said);
        assert_eq!(limits.0.get(&Metric::Lost), None);
        assert_eq!(limits.0[&Metric::WriteDown], 9000);
        assert_eq!(limits.0[&Metric::Diverged], 0);
    }

    #[test]
    fn a_limit_is_broken_only_where_that_is_proven() {
        let known = |number, resolution| Value::Known { number, resolution };
        assert_eq!(meets(&known(5000, 300), 5000), VerdictValue::Pass);
        assert_eq!(meets(&known(5200, 300), 5000), VerdictValue::Unknown);
        assert_eq!(meets(&known(5400, 300), 5000), VerdictValue::Fail);
        assert_eq!(meets(&Value::Over { number: 90 }, 80), VerdictValue::Fail);
        assert_eq!(
            meets(&Value::Over { number: 90 }, 100),
            VerdictValue::Unknown
        );
        let unknown = Value::Unknown {
            reason: String::new(),
        };
        assert_eq!(meets(&unknown, u64::MAX), VerdictValue::Unknown);
    }
}
