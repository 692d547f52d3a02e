//! Which known word a misspelt one stands for. Pure.

/// The one of `known` that was probably meant: it differs by case, or in few letters.
pub(crate) fn meant<'k>(asked: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    known
        .into_iter()
        .filter_map(|name| Some((edits(asked, name)?, name)))
        .min()
        .map(|(_, name)| name)
}

/// In how many letters a name differs from what was asked for, if these are few.
fn edits(asked: &str, name: &str) -> Option<usize> {
    let wanted = asked.to_lowercase();
    let most = match wanted.chars().count() {
        0..=3 => 1,
        4..=8 => 2,
        _ => 3,
    };
    let edits = strsim::osa_distance(&wanted, &name.to_lowercase());
    (edits <= most).then_some(edits)
}

/// Whether two names of hosts are likely to be meant for the same: in other words of them (`redis-cart`, `prod-redis`), with or without a
/// separator or an ending (`cartservice`, `cart-service`, `cart`), or differing in few letters.
pub(crate) fn is_akin(left: &str, right: &str) -> bool {
    let words = |name: &str| -> Vec<String> {
        let words = name.split(|letter: char| !letter.is_ascii_alphanumeric());
        words.map(str::to_lowercase).collect()
    };
    let (left_words, right_words) = (words(left), words(right));
    let all_in = |some: &[String], all: &[String]| some.iter().all(|word| all.contains(word));
    let (left_letters, right_letters) = (left_words.concat(), right_words.concat());
    let is_part = |part: &str, whole: &str| {
        part.len() > 3 && (whole.starts_with(part) || whole.ends_with(part))
    };
    all_in(&left_words, &right_words)
        || all_in(&right_words, &left_words)
        || is_part(&left_letters, &right_letters)
        || is_part(&right_letters, &left_letters)
        || edits(left, right).is_some()
}

/// `; did you mean …?`, or nothing.
pub(crate) fn hint<'k>(asked: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    meant(asked, known).map_or_else(String::new, |name| format!("; did you mean {name}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_one_server_are_akin() {
        for (left, right) in [
            ("cart-service", "cartservice"),
            ("cart", "cartservice"),
            ("redis-cart", "cart-redis"),
            ("mysql", "prod-mysql-primary"),
            ("prod-mysql", "staging-mysql"),
            ("users_db", "users-db"),
            ("catlog", "catalog"),
        ] {
            let akin = is_akin(left, right) && is_akin(right, left);
            assert_eq!(akin, left != "prod-mysql", "{left} {right}");
        }
        assert!(!is_akin("payment", "catalog") && !is_akin("db", "dbus"));
    }

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
