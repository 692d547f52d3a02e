//! What was acknowledged, refused or left open, against what is there. Pure.

use std::collections::BTreeMap;

use crate::drill::model::{AttemptOutcome, Audit, ReadPlace};
use crate::drill::seqs::SeqSet;

/// Lane → seqs.
pub type Lanes = BTreeMap<String, SeqSet>;

/// What the clients know of their writes, by outcome.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Written {
    /// The server said that they are done.
    pub acked: Lanes,
    /// Surely without effect.
    pub refused: Lanes,
    /// May or may not be there.
    pub unknown: Lanes,
}

impl Written {
    /// Adds one attempt.
    pub fn add(&mut self, lane: &str, seq: u64, outcome: AttemptOutcome) {
        let lanes = match outcome {
            AttemptOutcome::Acked => &mut self.acked,
            AttemptOutcome::Refused => &mut self.refused,
            AttemptOutcome::Unknown => &mut self.unknown,
        };
        lanes.entry(lane.to_owned()).or_default().insert(seq);
    }
}

/// What the audit shows. `None`: it could not be determined.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Comparison {
    /// Place → what was acknowledged and is absent there; a place that did not answer is missing.
    pub lost: BTreeMap<ReadPlace, Lanes>,
    /// Places that did not answer, with the reason.
    pub silent: BTreeMap<ReadPlace, String>,
    /// Acknowledged and on no member (where none was asked: in no place); an upper bound where a place did not answer.
    pub lost_everywhere: Lanes,
    /// Unknown and present somewhere.
    pub recovered: Lanes,
    /// Refused and present somewhere.
    pub unexpected: Lanes,
    /// One half of a transaction, in any place.
    pub torn: Lanes,
    /// Members whose rows differ from those of the largest group of members that agree.
    pub diverged: Vec<String>,
}

/// How many seqs are in all lanes together.
pub fn count(lanes: &Lanes) -> u64 {
    lanes.values().map(SeqSet::len).sum()
}

fn minus(lanes: &Lanes, there: &Lanes) -> Lanes {
    let none = SeqSet::new();
    keep(lanes, |lane, seqs| {
        seqs.difference(there.get(lane).unwrap_or(&none))
    })
}

fn both(lanes: &Lanes, there: &Lanes) -> Lanes {
    let none = SeqSet::new();
    keep(lanes, |lane, seqs| {
        seqs.intersection(there.get(lane).unwrap_or(&none))
    })
}

fn keep(lanes: &Lanes, of: impl Fn(&str, &SeqSet) -> SeqSet) -> Lanes {
    lanes
        .iter()
        .map(|(lane, seqs)| (lane.clone(), of(lane, seqs)))
        .filter(|(_, seqs)| !seqs.is_empty())
        .collect()
}

fn add(to: &mut Lanes, lane: &str, seqs: &SeqSet) {
    if !seqs.is_empty() {
        let all = to.entry(lane.to_owned()).or_default();
        *all = all.union(seqs);
    }
}

/// Compares the clients' word with the rows. Two runners may have asked one place: a row that either saw is there.
pub fn compare(written: &Written, audit: &Audit) -> Comparison {
    let mut places: BTreeMap<ReadPlace, Lanes> = BTreeMap::new();
    let mut found = Comparison::default();
    for answer in &audit.answers {
        if let Some(error) = &answer.error {
            found.silent.insert(answer.place.clone(), error.clone());
            continue;
        }
        let there = places.entry(answer.place.clone()).or_default();
        for (lane, rows) in &answer.rows {
            add(there, lane, &rows.whole);
            add(&mut found.torn, lane, &rows.half);
        }
    }
    found.silent.retain(|place, _| !places.contains_key(place));
    found.lost = places
        .iter()
        .map(|(place, there)| (place.clone(), minus(&written.acked, there)))
        .collect();
    let members: Vec<(&String, &Lanes)> = places
        .iter()
        .filter_map(|(place, there)| match place {
            ReadPlace::Member(name) => Some((name, there)),
            ReadPlace::Write | ReadPlace::Read => None,
        })
        .collect();
    let mut anywhere = Lanes::new();
    for there in places.values() {
        for (lane, seqs) in there {
            add(&mut anywhere, lane, seqs);
        }
    }
    found.lost_everywhere = minus(&written.acked, &anywhere);
    found.recovered = both(&written.unknown, &anywhere);
    found.unexpected = both(&written.refused, &anywhere);
    found.diverged = diverged(&members);
    found
}

/// Those that are not of the largest group with the same rows; of groups that are as large, the one that holds most counts as right.
fn diverged(members: &[(&String, &Lanes)]) -> Vec<String> {
    let size = |rows: &Lanes| members.iter().filter(|(_, other)| *other == rows).count();
    let Some((_, right)) = members
        .iter()
        .rev()
        .max_by_key(|(_, rows)| (size(rows), count(rows)))
    else {
        return Vec::new();
    };
    members
        .iter()
        .filter(|(_, rows)| rows != right)
        .map(|(name, _)| (*name).clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::model::{AuditAnswer, LaneRows};

    fn answer(place: ReadPlace, whole: &[(u64, u64)], half: &[(u64, u64)]) -> AuditAnswer {
        let rows = LaneRows {
            whole: whole.iter().copied().collect(),
            half: half.iter().copied().collect(),
        };
        AuditAnswer {
            place,
            error: None,
            rows: BTreeMap::from([("w".to_owned(), rows)]),
        }
    }

    fn written() -> Written {
        let mut written = Written::default();
        for seq in 1..=10 {
            written.add("w", seq, AttemptOutcome::Acked);
        }
        written.add("w", 11, AttemptOutcome::Unknown);
        written.add("w", 12, AttemptOutcome::Unknown);
        written.add("w", 13, AttemptOutcome::Refused);
        written
    }

    #[test]
    fn a_promoted_replica_that_lost_writes_is_seen_beside_the_one_that_holds_them() {
        let audit = Audit {
            at_ms: 0,
            answers: vec![
                answer(ReadPlace::Write, &[(1, 7), (11, 11)], &[]),
                answer(ReadPlace::Member("db-1".into()), &[(1, 7), (11, 11)], &[]),
                answer(ReadPlace::Member("db-2".into()), &[(1, 9)], &[(12, 12)]),
            ],
        };
        let found = compare(&written(), &audit);
        assert_eq!(found.lost[&ReadPlace::Write]["w"].to_string(), "8-10");
        assert_eq!(
            found.lost[&ReadPlace::Member("db-2".into())]["w"].to_string(),
            "10"
        );
        assert_eq!(found.lost_everywhere["w"].to_string(), "10");
        assert_eq!(found.recovered["w"].to_string(), "11");
        assert_eq!(found.torn["w"].to_string(), "12");
        assert!(found.unexpected.is_empty());
        // Two that differ: the one with more rows counts as right.
        assert_eq!(found.diverged, ["db-1"]);
    }

    #[test]
    fn a_place_that_did_not_answer_has_lost_nothing_that_is_known() {
        let mut silent = answer(ReadPlace::Member("db-0".into()), &[], &[]);
        silent.error = Some("refused".into());
        silent.rows.clear();
        let audit = Audit {
            at_ms: 0,
            answers: vec![answer(ReadPlace::Write, &[(1, 10), (13, 13)], &[]), silent],
        };
        let found = compare(&written(), &audit);
        assert!(found.lost[&ReadPlace::Write].is_empty());
        assert_eq!(found.lost.len(), 1);
        assert_eq!(found.silent[&ReadPlace::Member("db-0".into())], "refused");
        assert_eq!(found.unexpected["w"].to_string(), "13");
        assert!(found.diverged.is_empty());
    }
}
