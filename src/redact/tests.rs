use super::*;

/// The forms in which programs print secrets, `CANARY` for the secret.
const FORMS: &str = include_str!("forms.txt");

/// Secrets as they are made: random, keys of clouds, phrases.
const SECRETS: &[&str] = &[
    "CANARY001zQ",
    "xK9vR2mQ7pL4",
    "QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
    "550e8400-e29b-41d4-a716-446655440000",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "p4ssw0rd!",
    "correct-h0rse-battery",
];

fn masked(text: &str) -> String {
    Redactor::default().text(text)
}

#[test]
fn no_form_shows_its_secret() {
    for form in FORMS.lines().filter(|form| form.contains("CANARY")) {
        let form = form.replace("\\n", "\n");
        for secret in SECRETS {
            let text = form.replace("CANARY", secret);
            let shown = masked(&text);
            for piece in secret
                .split(|c: char| "/+=!".contains(c))
                .filter(|piece| piece.len() > 5)
            {
                assert!(!shown.contains(piece), "{text}\n  became {shown}");
            }
        }
    }
}

#[test]
fn a_plain_word_goes_where_its_place_makes_it_a_secret() {
    for (text, wanted) in [
        ("password=sunshine rest", "password=*** rest"),
        ("DB_PASS=sunshine", "DB_PASS=***"),
        (
            r#"{"token": "a b c", "n": 1}"#,
            r#"{"token": "***", "n": 1}"#,
        ),
        ("the secret key is sunshine", "the secret key is ***"),
        ("password 'sunshine' rejected", "password '***' rejected"),
        ("--password sunshine", "--password ***"),
        ("redis-cli -a sunshine PING", "redis-cli -a *** PING"),
        ("mysql -uapp -psunshine", "mysql -uapp -p***"),
        ("curl -u app:sunshine http://x", "curl -u app:*** http://x"),
        ("mysql://app:sunshine@db:3306/x", "mysql://***@db:3306/x"),
        ("Authorization: Bearer sunshine", "Authorization: ***"),
        ("password=\"sun shine", "password=\"***"),
        ("password=\nsunshine", "password=\n***"),
    ] {
        let shown = masked(text);
        assert!(
            !shown.contains("sun") && !shown.contains("a b c"),
            "{shown}"
        );
        assert!(
            shown.starts_with(&wanted[..wanted.find(MASK).unwrap()]),
            "{shown} for {wanted}"
        );
    }
}

#[test]
fn what_programs_and_the_cluster_complain_of_can_be_read() {
    for text in [
        "0/2 nodes are available: 2 Insufficient cpu. preemption: none",
        "11.8.3-MariaDB-0+deb13u1 from Debian, 10.11.14-MariaDB-0ubuntu0.24.04.1",
        "it comes neither from the public CAs nor from the URLs and PVCs of the VMs",
        "Get \"http://10.244.1.5:2001/live\": dial tcp 10.244.1.5:2001: connect: connection refused",
        "read tcp 10.244.1.5:53422->10.244.2.3:3306: i/o timeout",
        "Access denied for user 'app'@'10.1.1.1' (using password: YES)",
        "@@read_only is on, and @@super_read_only is off",
        "FATAL: password authentication failed for user \"app\" (SQLSTATE 28P01)",
        "ERROR 1045 (28000): Access denied",
        "Unknown MySQL server host 'DB' (-2)",
        "Error: connect ECONNREFUSED 10.96.0.12:3306",
        "getaddrinfo ENOTFOUND db.default.svc.cluster.local",
        "getaddrinfo EAI_AGAIN kvs",
        "    at TCPConnectWrap.afterConnect [as oncomplete] (node:net:1611:16)",
        "sqlalchemy.exc.OperationalError: (psycopg2.OperationalError) connection to server at \"db\" (10.96.3.4), port 5432 failed: Connection refused",
        "com.mysql.cj.jdbc.exceptions.CommunicationsException: Communications link failure",
        "NOAUTH Authentication required.",
        "WRONGPASS invalid username-password pair or user is disabled.",
        "2026-11-29T06:41:29.123Z [ERROR] could not open /etc/app/app.conf:12: No such file or directory",
        "secret \"db-secret\" not found",
        "couldn't find key PASSWORD in Secret default/db-secret",
        "exec: \"mysqladmin ping\": executable file not found in $PATH: unknown",
        "Liveness probe failed: HTTP probe failed with statuscode: 503",
        "Back-off pulling image \"docker.io/library/nginx:1.27-alpine\": ErrImagePull",
        "x509: certificate signed by unknown authority",
        "server gave HTTP response to HTTPS client",
        "invalid port number: \"tcp://10.96.128.4:6379\"",
        "panic: runtime error: invalid memory address or nil pointer dereference",
        "exceeded quota: compute, requested: limits.memory=64Mi, used: limits.memory=512Mi, limited: limits.memory=512Mi",
        "Job has reached the specified backoff limit",
        "java.lang.NullPointerException: Cannot invoke \"String.length()\" because \"url\" is null",
        "the answer has more than 64 MiB (limit 512 Mi, 3 KiB a line), waited 20 ms",
        "service \"kvs\" has no endpoints; [fd00:10::5]:6379 refused",
        "User \"system:serviceaccount:ci:bot\" cannot list resource \"services\" in API group \"\" in the namespace \"shop\"",
    ] {
        let known = Redactor::with_names(
            ["db-secret", "default/db-secret", "PASSWORD", "default"].map(str::to_owned),
        );
        assert_eq!(known.text(text), text);
    }
}

#[test]
fn names_that_the_run_knows_stay_and_hidden_texts_go() {
    let redactor = Redactor::with_names(
        ["ap-7d9f8c-x2x4p", "ghcr.io/shop/ap:4f2a91c", "shop"].map(str::to_owned),
    );
    assert_eq!(
        redactor.text("pod ap-7d9f8c-x2x4p of default/ap-7d9f8c-x2x4p: image \"ghcr.io/shop/ap:4f2a91c\"; ap-7d9f8c-zzzz9"),
        "pod ap-7d9f8c-x2x4p of default/ap-7d9f8c-x2x4p: image \"ghcr.io/shop/ap:4f2a91c\"; ***"
    );
    let hiding = redactor.hiding(["sunshine", "shop", "sunshine-long"]);
    assert_eq!(
        hiding.text("at sunshine-long in shop: xsunshine"),
        "at *** in shop: x***"
    );
}

#[test]
fn a_text_that_was_masked_once_stays_as_it_is() {
    for form in FORMS.lines() {
        let once = masked(&form.replace("CANARY", SECRETS[0]));
        assert_eq!(masked(&once), once);
    }
}

#[test]
fn control_and_invisible_characters_do_not_pass() {
    assert_eq!(masked("a\u{1b}[31mred\u{7}\u{202e}b\nc"), "ared  b\nc");
}

#[test]
fn a_name_that_dns_was_asked_for_stays_with_its_answer() {
    let redactor = Redactor::with_names([
        "token-api-x7k2q.shop-9f3qz.svc.cluster.local.".to_owned(),
        "token-api-x7k2q".to_owned(),
    ]);
    let text =
        "`token-api-x7k2q` does not exist: token-api-x7k2q.shop-9f3qz.svc.cluster.local.=NXDOMAIN";
    assert_eq!(redactor.text(text), text);
    assert_eq!(
        redactor.text("token-api-x7k2q=sunshine"),
        "token-api-x7k2q=***"
    );
}

#[test]
fn what_hides_more_shares_the_names() {
    let redactor = Redactor::with_names(["shop".to_owned()]);
    let hiding = redactor.hiding(["sunshine"]);
    // One list a Pod would grow with the square of the namespace.
    assert!(std::sync::Arc::ptr_eq(&redactor.known, &hiding.known));
}
