//! Numbers over the rounds of a fault, in words and as a spread. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::drill::model::{Metric, Unit, Value, seconds};
use crate::report::drill::{RoundReport, Spread};

/// The numbers of all rounds.
pub(super) fn over_rounds(rounds: &[RoundReport]) -> BTreeMap<Metric, Spread> {
    Metric::ALL
        .iter()
        .filter_map(|metric| {
            let values: Vec<&Value> = rounds
                .iter()
                .filter_map(|round| round.result.numbers.get(metric))
                .collect();
            (!values.is_empty()).then(|| (*metric, spread(&values)))
        })
        .collect()
}

/// Minimum, median, maximum.
pub fn spread(values: &[&Value]) -> Spread {
    let mut found = Spread::default();
    let mut known = Vec::new();
    let mut reasons = BTreeSet::new();
    for value in values {
        match value {
            Value::Known { number, resolution } => {
                known.push(*number);
                found.resolution = found.resolution.max(*resolution);
            }
            Value::Over { number } => {
                found.over += 1;
                found.at_least = found.at_least.max(Some(*number));
            }
            Value::Unknown { reason } => {
                found.unknown += 1;
                reasons.insert(reason.clone());
            }
        }
    }
    known.sort_unstable();
    found.known = u32::try_from(known.len()).unwrap_or(u32::MAX);
    found.min = known.first().copied();
    found.max = known.last().copied().filter(|_| found.over == 0);
    if found.unknown == 0 {
        let middle = (values.len().max(1) - 1) / 2;
        found.median = known.get(middle).copied();
    }
    found.reasons = reasons.into_iter().collect();
    found
}

/// "0 lost in 3 rounds" with what it does not exclude; none where something was lost, or nothing is known.
pub(super) fn not_excluded(rounds: &[RoundReport]) -> Option<String> {
    let mut clean = 0u32;
    for round in rounds {
        match round.result.numbers.get(&Metric::Lost) {
            Some(Value::Known { number: 0, .. }) => clean += 1,
            Some(Value::Known { .. }) => return None,
            _ => {}
        }
    }
    (clean > 0).then(|| {
        format!(
            "0 lost in {clean} {} does not exclude a loss in up to {} % of such faults",
            if clean == 1 { "round" } else { "rounds" },
            chance_not_excluded(clean)
        )
    })
}

/// `1 - 0.05^(1/n)` in whole per cent, rounded: a loss with this chance goes unseen in `rounds` rounds once in twenty times.
pub fn chance_not_excluded(rounds: u32) -> u32 {
    let chance = 1.0 - 0.05_f64.powf(1.0 / f64::from(rounds.max(1)));
    let percent = (chance * 100.0).round();
    // The nearest whole number of 0 to 95, without a cast.
    (0..=100)
        .find(|whole| f64::from(*whole) >= percent)
        .unwrap_or(100)
}

/// `6.2 s`, `14`.
pub fn amount(metric: Metric, number: u64) -> String {
    match metric.unit() {
        Unit::Count => number.to_string(),
        Unit::Time => seconds(i64::try_from(number).unwrap_or(i64::MAX)),
    }
}

/// A value in words: `6.2 s ±0.2`, `none seen (under 1.0 s)`, `over 90.0 s`, `unknown: REASON`.
pub fn value_text(metric: Metric, value: &Value) -> String {
    match value {
        Value::Known {
            number: 0,
            resolution,
        } if metric.unit() == Unit::Time && *resolution > 0 => {
            format!("none seen (under {})", amount(metric, *resolution))
        }
        Value::Known { number, resolution } => {
            let shown = amount(metric, *number);
            if *resolution == 0 {
                shown
            } else {
                let coarse = amount(metric, *resolution);
                format!("{shown} ±{}", coarse.trim_end_matches(" s"))
            }
        }
        Value::Over { number } => format!("over {}", amount(metric, *number)),
        Value::Unknown { reason } => format!("unknown: {reason}"),
    }
}
