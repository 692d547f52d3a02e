//! Sets of sequence numbers as sorted ranges: a lane's attempts, and the rows that a member holds. Pure.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A set of sequence numbers; in JSON `[[1, 50], [52, 60]]`, both ends included, sorted, neither touching nor overlapping.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Vec<(u64, u64)>", into = "Vec<(u64, u64)>")]
pub struct SeqSet(Vec<(u64, u64)>);

impl SeqSet {
    /// The empty set.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds one number; cheap where numbers come in order.
    pub fn insert(&mut self, seq: u64) {
        let at = self.0.partition_point(|(_, last)| *last < seq);
        if self.0.get(at).is_some_and(|(first, _)| *first <= seq) {
            return;
        }
        let joins_before = at > 0 && self.0[at - 1].1.checked_add(1) == Some(seq);
        let joins_after = self
            .0
            .get(at)
            .is_some_and(|(first, _)| seq.checked_add(1) == Some(*first));
        match (joins_before, joins_after) {
            (true, true) => {
                self.0[at - 1].1 = self.0[at].1;
                self.0.remove(at);
            }
            (true, false) => self.0[at - 1].1 = seq,
            (false, true) => self.0[at].0 = seq,
            (false, false) => self.0.insert(at, (seq, seq)),
        }
    }

    /// Whether the number is in it.
    pub fn contains(&self, seq: u64) -> bool {
        let at = self.0.partition_point(|(_, last)| *last < seq);
        self.0.get(at).is_some_and(|(first, _)| *first <= seq)
    }

    /// How many numbers it holds.
    pub fn len(&self) -> u64 {
        self.0.iter().fold(0, |sum, (first, last)| {
            sum.saturating_add((last - first).saturating_add(1))
        })
    }

    /// Whether it holds none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is in it or in `other`.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.0.iter().chain(&other.0).copied().collect()
    }

    /// What is in it and in `other`.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.difference(&self.difference(other))
    }

    /// What is in it and not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let mut left = Vec::new();
        for (first, last) in &self.0 {
            let mut from = Some(*first);
            let begin = other.0.partition_point(|(_, end)| end < first);
            for (other_first, other_last) in &other.0[begin..] {
                if other_first > last {
                    break;
                }
                if let Some(start) = from.filter(|start| start < other_first) {
                    left.push((start, other_first - 1));
                }
                from = other_last.checked_add(1);
            }
            if let Some(start) = from.filter(|start| start <= last) {
                left.push((start, *last));
            }
        }
        left.into_iter().collect()
    }
}

impl FromIterator<(u64, u64)> for SeqSet {
    /// Of any ranges; one that ends before it begins holds nothing.
    fn from_iter<I: IntoIterator<Item = (u64, u64)>>(ranges: I) -> Self {
        let mut sorted: Vec<(u64, u64)> = ranges
            .into_iter()
            .filter(|(first, last)| first <= last)
            .collect();
        sorted.sort_unstable();
        let mut merged: Vec<(u64, u64)> = Vec::with_capacity(sorted.len());
        for (first, last) in sorted {
            match merged.last_mut() {
                Some(before) if first <= before.1.saturating_add(1) => {
                    before.1 = before.1.max(last);
                }
                _ => merged.push((first, last)),
            }
        }
        Self(merged)
    }
}

impl FromIterator<u64> for SeqSet {
    fn from_iter<I: IntoIterator<Item = u64>>(seqs: I) -> Self {
        seqs.into_iter().map(|seq| (seq, seq)).collect()
    }
}

impl From<Vec<(u64, u64)>> for SeqSet {
    fn from(ranges: Vec<(u64, u64)>) -> Self {
        ranges.into_iter().collect()
    }
}

impl From<SeqSet> for Vec<(u64, u64)> {
    fn from(set: SeqSet) -> Self {
        set.0
    }
}

/// `1-50, 52`.
impl fmt::Display for SeqSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (first, last)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            if first == last {
                write!(f, "{comma}{first}")?;
            } else {
                write!(f, "{comma}{first}-{last}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Numbers that look random and are the same each time.
    fn numbers(seed: u64, count: u64) -> Vec<u64> {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        (0..count)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state % 40
            })
            .collect()
    }

    fn plain(set: &SeqSet) -> BTreeSet<u64> {
        set.0
            .iter()
            .flat_map(|(first, last)| *first..=*last)
            .collect()
    }

    #[test]
    fn sets_agree_with_plain_sets() {
        for seed in 1..400 {
            let (one, two) = (numbers(seed, seed % 60), numbers(seed + 7000, seed % 37));
            let (a, b): (BTreeSet<u64>, BTreeSet<u64>) =
                (one.iter().copied().collect(), two.iter().copied().collect());
            let (set_a, set_b): (SeqSet, SeqSet) =
                (one.iter().copied().collect(), two.iter().copied().collect());
            let mut inserted = SeqSet::new();
            for seq in &one {
                inserted.insert(*seq);
            }
            assert_eq!(inserted, set_a);
            assert_eq!(plain(&set_a), a);
            assert_eq!(set_a.len(), a.len() as u64);
            assert_eq!(plain(&set_a.union(&set_b)), &a | &b);
            assert_eq!(plain(&set_a.intersection(&set_b)), &a & &b);
            assert_eq!(plain(&set_a.difference(&set_b)), &a - &b);
            for seq in 0..42 {
                assert_eq!(set_a.contains(seq), a.contains(&seq));
            }
        }
    }

    #[test]
    fn it_reads_as_ranges_and_whatever_order_they_stand_in() {
        let set: SeqSet = serde_json::from_str("[[5,9],[1,2],[3,3],[8,4]]").unwrap();
        assert_eq!(serde_json::to_string(&set).unwrap(), "[[1,3],[5,9]]");
        assert_eq!(set.to_string(), "1-3, 5-9");
        let end: SeqSet = [(u64::MAX - 1, u64::MAX)].into_iter().collect();
        assert_eq!(end.difference(&SeqSet::new()), end);
        assert!(end.difference(&end).is_empty());
    }
}
