//! Any key and value: URLs, data source names, lists. No panic, hosts that are hosts, and no password in what may be shown.
#![no_main]

use std::collections::BTreeMap;

use k8sverify::address::{self, LoginReference};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str)| {
    let (key, value) = input;
    for target in address::targets(key, value) {
        assert!(address::is_host(&target.host), "{} is no host", target.host);
        assert!(!address::is_local(&target.host));
    }
    let environment = BTreeMap::from([
        (key.to_owned(), value.to_owned()),
        ("DB_HOST".to_owned(), value.to_owned()),
        ("DB_PASSWORD".to_owned(), "secret-of-the-test".to_owned()),
    ]);
    for family in address::families(&environment) {
        let Some(login) = family.login else { continue };
        if let Ok(credentials) = address::credentials(&login, &environment) {
            assert!(!format!("{credentials:?}").contains("secret-of-the-test"));
        }
    }
    let url = LoginReference::Url {
        variable: key.to_owned(),
    };
    let _ = address::credentials(&url, &environment);
    let _ = address::expand(value, &|name| environment.get(name).cloned());
});
