//! Which known word a misspelt one stands for. Pure.

/// The one of `known` that was probably meant: it differs by case, or in few letters.
#[must_use]
pub(crate) fn meant<'k>(asked: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let wanted = asked.to_lowercase();
    let most = match wanted.chars().count() {
        0..=3 => 1,
        4..=8 => 2,
        _ => 3,
    };
    known
        .into_iter()
        .map(|name| (edits(&wanted, &name.to_lowercase()), name))
        .filter(|(edits, _)| *edits <= most)
        .min()
        .map(|(_, name)| name)
}

/// `; did you mean …?`, or nothing.
pub(crate) fn hint<'k>(asked: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    meant(asked, known).map_or_else(String::new, |name| format!("; did you mean {name}?"))
}

/// How many letters must be put in, taken out, exchanged or swapped with their neighbour to turn one word into the other.
fn edits(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for row in 1..=left.len() {
        let mut next = vec![row];
        for column in 1..=right.len() {
            let differs = usize::from(left[row - 1] != right[column - 1]);
            let mut cost = (last[column - 1] + differs)
                .min(last[column] + 1)
                .min(next[column - 1] + 1);
            let swapped = row > 1
                && column > 1
                && left[row - 1] == right[column - 2]
                && left[row - 2] == right[column - 1];
            if swapped {
                cost = cost.min(before[column - 2] + 1);
            }
            next.push(cost);
        }
        before = std::mem::replace(&mut last, next);
    }
    last[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_finds_the_nearest_name() {
        let known = ["story", "shop", "store", "kube-system"];
        for (asked, wanted) in [
            ("stroy", Some("story")),
            ("storry", Some("story")),
            ("Shop", Some("shop")),
            ("kube-sytem", Some("kube-system")),
            ("payments", None),
            ("xy", None),
        ] {
            assert_eq!(meant(asked, known), wanted, "{asked}");
        }
        assert_eq!(edits("enviroment", "environment"), 1);
    }
}
