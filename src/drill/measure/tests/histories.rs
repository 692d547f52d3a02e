//! Random histories: what is measured agrees with what was so, and nothing that is left out of a log makes it better.

use proptest::prelude::*;

use super::*;

/// The longest time without service that ends after 0, on a grid of 5 ms: a model that knows no lanes and no gaps. A moment of service
/// that is no longer than `unseen` counts as none.
fn truly_away(away: &[(i64, i64)], end: i64, unseen: i64) -> i64 {
    let mut spans = away.to_vec();
    spans.sort_unstable();
    let mut longest = 0;
    let mut run = 0;
    for at in (-10_000..end).step_by(5) {
        let left = spans.iter().map(|(_, to)| *to).filter(|to| *to <= at).max();
        let next = spans.iter().map(|(from, _)| *from).find(|from| *from > at);
        let between = left
            .zip(next)
            .is_some_and(|(left, next)| next - left <= unseen);
        let is_away = between || spans.iter().any(|(from, to)| *from <= at && at < *to);
        run = if is_away { run + 5 } else { 0 };
        if at > 0 {
            longest = longest.max(run);
        }
    }
    longest
}

/// Spans after the fault that may touch or overlap.
fn spans() -> impl Strategy<Value = Vec<(i64, i64)>> {
    prop::collection::vec((1i64..500, 1i64..1200), 0..4).prop_map(|spans| {
        spans
            .into_iter()
            .map(|(from, length)| (from * 50, (from + length) * 50))
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn downtime_is_within_its_resolution(away in spans()) {
        let end = 60_000;
        let mut it = Recording::new(end, &[("db", MemberRole::Primary)]);
        it.lane("a/w-new", 200, &away);
        let result = it.measure();
        let truth = truly_away(&away, end, 0);
        // A client that comes every 200 ms may miss a moment of service that is hardly longer.
        let seen = truly_away(&away, end, 250);
        match &result.numbers[&Metric::WriteDown] {
            Value::Known { number: 0, resolution } => {
                prop_assert!(truth <= i64::try_from(*resolution).unwrap(), "{truth}");
            }
            Value::Known { number, resolution } => {
                let (number, resolution) = (i64::try_from(*number).unwrap(), i64::try_from(*resolution).unwrap());
                prop_assert!(truth <= number && number - seen <= 2 * resolution, "{number} {truth} {seen} {away:?}");
            }
            Value::Over { .. } => {
                let last = away.iter().any(|(from, to)| *from < end - 2000 && *to >= end - 200);
                prop_assert!(last, "{away:?}");
            }
            Value::Unknown { reason } => prop_assert!(false, "{}", reason),
        }
    }

    #[test]
    fn what_is_missing_in_a_log_never_makes_it_better(away in spans(), dropped in prop::collection::btree_set(1u64..70, 1..6)) {
        let mut it = Recording::new(60_000, &[("db", MemberRole::Primary)]);
        it.lane("a/w-new", 200, &away);
        it.audit(&[ReadPlace::Write, ReadPlace::Member("db".to_owned())], |_, _, seq| seq % 7 == 3);
        let whole = it.round();
        let mut holed = whole.clone();
        holed.runners[0].batches.retain(|batch| !dropped.contains(&batch.number));
        let (all, some) = (measure(&whole), measure(&holed));
        let down = |result: &RoundResult| match result.numbers[&Metric::WriteDown] {
            Value::Known { number, .. } => Some(number),
            Value::Over { .. } => Some(u64::MAX),
            Value::Unknown { .. } => None,
        };
        if let (Some(all), Some(some)) = (down(&all), down(&some)) {
            prop_assert!(some >= all, "{all} {some}");
        }
        if let Value::Known { number: 0, .. } = some.numbers[&Metric::Lost] {
            prop_assert!(false, "losses hidden by {dropped:?}");
        }
    }

    #[test]
    fn rows_are_compared_as_plain_sets_would(
        outcomes in prop::collection::vec(0u8..3, 1..60),
        kept in prop::collection::vec((any::<bool>(), any::<bool>(), any::<bool>()), 60),
    ) {
        use crate::drill::ledger::{Written, compare, count};
        use std::collections::BTreeSet;
        let mut written = Written::default();
        let (mut acked, mut unknown) = (BTreeSet::new(), BTreeSet::new());
        for (index, outcome) in outcomes.iter().enumerate() {
            let seq = index as u64 + 1;
            let outcome = [AttemptOutcome::Acked, AttemptOutcome::Unknown, AttemptOutcome::Refused][usize::from(*outcome)];
            written.add("w", seq, outcome);
            match outcome {
                AttemptOutcome::Acked => { acked.insert(seq); }
                AttemptOutcome::Unknown => { unknown.insert(seq); }
                AttemptOutcome::Refused => {}
            }
        }
        let rows = |pick: fn(&(bool, bool, bool)) -> bool| -> BTreeSet<u64> {
            (1..=outcomes.len()).filter(|seq| pick(&kept[seq - 1])).map(|seq| seq as u64).collect()
        };
        let (one, two, write) = (rows(|k| k.0), rows(|k| k.1), rows(|k| k.2));
        let answer = |place: ReadPlace, rows: &BTreeSet<u64>| AuditAnswer {
            place,
            error: None,
            rows: BTreeMap::from([("w".to_owned(), LaneRows { whole: rows.iter().copied().collect(), ..LaneRows::default() })]),
        };
        let audit = Audit { at_ms: 0, answers: vec![
            answer(ReadPlace::Write, &write),
            answer(ReadPlace::Member("m1".to_owned()), &one),
            answer(ReadPlace::Member("m2".to_owned()), &two),
        ] };
        let found = compare(&written, &audit);
        let anywhere: BTreeSet<u64> = one.iter().chain(&two).chain(&write).copied().collect();
        prop_assert_eq!(count(&found.lost[&ReadPlace::Write]), acked.difference(&write).count() as u64);
        prop_assert_eq!(count(&found.lost[&ReadPlace::Member("m2".to_owned())]), acked.difference(&two).count() as u64);
        prop_assert_eq!(count(&found.lost_everywhere), acked.difference(&anywhere).count() as u64);
        prop_assert_eq!(count(&found.recovered), unknown.intersection(&anywhere).count() as u64);
        prop_assert_eq!(found.diverged.len(), usize::from(one != two));
    }
}
