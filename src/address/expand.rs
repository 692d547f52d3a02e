//! Kubernetes' `$(VAR)` expansion. Pure.

/// Replaces `$(VAR)` by what `lookup` knows; an unknown one stays as written, `$$` is a literal `$`.
#[must_use]
pub fn expand(value: &str, lookup: &dyn Fn(&str) -> Option<String>) -> String {
    let mut result = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = rest.find('$') {
        result.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(tail) = after.strip_prefix('$') {
            result.push('$');
            rest = tail;
        } else if let Some((name, tail)) = after
            .strip_prefix('(')
            .and_then(|inner| inner.split_once(')'))
        {
            if let Some(found) = lookup(name) {
                result.push_str(&found);
            } else {
                result.push_str("$(");
                result.push_str(name);
                result.push(')');
            }
            rest = tail;
        } else {
            result.push('$');
            rest = after;
        }
    }
    result.push_str(rest);
    result
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
    }
}
