//! Which known word a misspelt one stands for. Pure.

/// The one of `known` that was probably meant: it differs by case, or in few letters.
pub(crate) fn meant<'k>(asked: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let wanted = asked.to_lowercase();
    let most = match wanted.chars().count() {
        0..=3 => 1,
        4..=8 => 2,
        _ => 3,
    };
    known
        .into_iter()
        .map(|name| (strsim::osa_distance(&wanted, &name.to_lowercase()), name))
        .filter(|(edits, _)| *edits <= most)
        .min()
        .map(|(_, name)| name)
}

/// `; did you mean …?`, or nothing.
pub(crate) fn hint<'k>(asked: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    meant(asked, known).map_or_else(String::new, |name| format!("; did you mean {name}?"))
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
            ("kube-systme", Some("kube-system")),
            ("payments", None),
            ("xy", None),
        ] {
            assert_eq!(meant(asked, known), wanted, "{asked}");
        }
    }
}
