//! Kubernetes' `$(VAR)` expansion. Pure.

/// A text in parts: what is copied as it stands, and the names in `$(NAME)`. Source: `Expand` of the kubelet.
enum Part<'t> {
    Text(&'t str),
    /// `$$`, a literal `$`.
    Escape,
    Reference(&'t str),
}

fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        parts.push(Part::Text(&rest[..at]));
        let after = &rest[at + 1..];
        if let Some(tail) = after.strip_prefix('$') {
            parts.push(Part::Escape);
            rest = tail;
        } else if let Some((name, tail)) = after
            .strip_prefix('(')
            .and_then(|inner| inner.split_once(')'))
        {
            parts.push(Part::Reference(name));
            rest = tail;
        } else {
            parts.push(Part::Text(&rest[at..=at]));
            rest = after;
        }
    }
    parts.push(Part::Text(rest));
    parts
}

/// Replaces `$(VAR)` by what `lookup` knows; an unknown one stays as written, `$$` is a literal `$`.
pub fn expand(value: &str, lookup: &dyn Fn(&str) -> Option<String>) -> String {
    parts(value)
        .into_iter()
        .map(|part| match part {
            Part::Text(text) => text.to_owned(),
            Part::Escape => "$".to_owned(),
            Part::Reference(name) => lookup(name).unwrap_or_else(|| format!("$({name})")),
        })
        .collect()
}

/// The names that a text refers to by `$(NAME)`, in its order.
pub(crate) fn references(value: &str) -> Vec<&str> {
    parts(value)
        .into_iter()
        .filter_map(|part| match part {
            Part::Reference(name) => Some(name),
            Part::Text(_) | Part::Escape => None,
        })
        .collect()
}

/// The names in `$$(NAME)`: for the kubelet no reference, so that `$(NAME)` is what the application gets.
pub(crate) fn escaped_references(value: &str) -> Vec<&str> {
    let parts = parts(value);
    let pairs = parts.windows(2);
    pairs
        .filter_map(|pair| match pair {
            [Part::Escape, Part::Text(text)] => text.strip_prefix('(')?.split_once(')'),
            _ => None,
        })
        .map(|(name, _)| name)
        .collect()
}

/// The same text for a kubelet that knows the variables under other names: a reference that `renamed` does not know is escaped.
pub(crate) fn rewrite_references(value: &str, renamed: &dyn Fn(&str) -> Option<String>) -> String {
    parts(value)
        .into_iter()
        .map(|part| match part {
            Part::Text(text) => text.to_owned(),
            Part::Escape => "$$".to_owned(),
            Part::Reference(name) => {
                renamed(name).map_or_else(|| format!("$$({name})"), |name| format!("$({name})"))
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_variables_are_replaced_and_others_stay() {
        let lookup = |name: &str| (name == "HOST").then(|| "db".to_owned());
        assert_eq!(expand("mysql://$(HOST):1/x", &lookup), "mysql://db:1/x");
        assert_eq!(expand("$(NONE)/$(HOST)", &lookup), "$(NONE)/db");
        assert_eq!(expand("$$(HOST) $ $(HOST", &lookup), "$(HOST) $ $(HOST");
        assert_eq!(escaped_references("$(A)$$(B)/$$C$$$(D)"), ["B"]);
    }
}
