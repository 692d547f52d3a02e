//! Which tokens are harmless by their shape: words that can be spoken, numbers, versions, addresses, paths. Pure.

use std::net::{IpAddr, SocketAddr};

use super::words::{Words, set};

/// Longer words are hardly words.
const LONGEST_WORD: usize = 20;
/// Longer names in capitals are keys rather than error codes.
const LONGEST_CAPITALS: usize = 14;
/// Longer numbers are no port, size, code or time.
const LONGEST_NUMBER: usize = 15;
/// Words with digits in them that everybody writes.
static TERMS: Words = Words::new(|| {
    set(
        "aes128 aes256 amd64 argon2 arm64 arm64v8 base64 bz2 crc32 db1 db2 deb10 deb11 deb12 deb13 ec2 ed25519 eth0 ext4 \
    float64 grpc h2 h2c hs256 http1 http11 http2 http3 i18n int32 int64 ipv4 ipv6 iso8601 iso8859 java11 java17 java21 \
    java8 k8s k8sverify latin1 libc6 log4j log4j2 logfile0 lz4 md5 mtls mysql2 neo4j node1 node2 oauth2 p12 pbkdf2 \
    perl5 pg8000 php7 php8 pkcs1 pkcs12 pkcs8 psycopg2 psycopg3 python2 python3 rs256 s3 sha1 sha2 sha256 sha384 sha512 \
    sqlite3 ssl3 sslv2 sslv23 sslv3 tcp4 tcp6 tls1 tlsv1 tlsv10 tlsv11 tlsv12 tlsv13 udp4 udp6 uint16 uint32 uint64 \
    utf16 utf8 utf8mb3 utf8mb4 web1 web2 win32 win64 x509 x86",
    )
});
/// What a number counts, with it or as a word of its own.
const UNITS: &[&str] = &[
    "s", "ms", "us", "µs", "ns", "m", "h", "d", "w", "b", "k", "kb", "mb", "gb", "tb", "kib",
    "mib", "gib", "ki", "mi", "gi", "ti", "th", "st", "nd", "rd", "x", "z", "t",
];
/// Words without a vowel that are longer than an abbreviation.
static VOWELLESS: Words = Words::new(|| {
    set("https grpcs amqps mqtts pgsql lstat fstat mkdir xhtml httpd ldaps smtps tmpfs")
});
/// Pairs of letters that no word has.
static IMPOSSIBLE: Words = Words::new(|| {
    set(
        "bq bx cj cx dx fq fx fz gq gx hx hz jb jc jd jf jg jh jk jl jm jn jq jr jt jv jw jx jz kq kx kz pz qb qc qd \
    qf qg qh qj qk qm qn qp qr qt qv qw qx qz sx vb vc vf vg vh vj vk vq vt vw vx vz wq wv wx wz xj xk xq xr xz yq zf zj zq zr zx kj \
    xb xg vv jj qy zg zk zv zd xn xv qo vn",
    )
});

/// Whether every part of the token between dots, dashes and the like is harmless.
pub(super) fn is_plain(token: &str) -> bool {
    is_time(token)
        || token
            .split(['.', '-', '_', '+', '%', '~', '$', '*', '^', '…', '/', ':'])
            .all(is_plain_part)
}

/// A date, a time, a duration, a version or a range: digits and what stands between them.
fn is_time(token: &str) -> bool {
    token.starts_with(|c: char| c.is_ascii_digit())
        && token
            .chars()
            .all(|c| c.is_ascii_digit() || "-:.TZ+/_".contains(c))
        && token
            .split(|c: char| !c.is_ascii_digit())
            .all(|digits| digits.len() <= LONGEST_NUMBER)
        && token.len() <= 40
}

fn is_plain_part(part: &str) -> bool {
    let lower = part.to_lowercase();
    if TERMS.contains(lower.as_str()) || UNITS.contains(&lower.as_str()) {
        return true;
    }
    if part.chars().all(|c| c.is_ascii_digit()) {
        return part.len() <= LONGEST_NUMBER;
    }
    if part.chars().all(char::is_alphabetic) {
        return is_word(part);
    }
    part.chars().count() <= 2 && part.chars().all(char::is_alphanumeric)
        || is_quantity(&lower)
        || is_code(part)
        || part.chars().all(|c| !c.is_alphanumeric()) && part.chars().count() <= 3
}

/// `30s`, `512Mi`, `v2`, `rc1`, `0x7f`.
fn is_quantity(part: &str) -> bool {
    const STEMS: &[&str] = &[
        "v", "rc", "alpha", "beta", "r", "u", "ubuntu", "debian", "alpine", "el", "fc", "go",
        "java", "node", "p", "build", "exit", "errno", "line", "col", "deb",
    ];
    if let Some(hex) = part.strip_prefix("0x") {
        return hex.len() <= 8 && hex.chars().all(|c| c.is_ascii_hexdigit());
    }
    let number = part.trim_end_matches(|c: char| !c.is_ascii_digit());
    if !number.is_empty() && number.len() <= 9 && number.chars().all(|c| c.is_ascii_digit()) {
        return UNITS.contains(&&part[number.len()..]);
    }
    let stem = part.trim_end_matches(|c: char| c.is_ascii_digit());
    if stem.len() < part.len() && part.len() - stem.len() <= 5 {
        // `deb12u2`
        let before = stem.trim_end_matches(|c: char| !c.is_ascii_digit());
        return STEMS.contains(&&stem[before.len()..])
            && (before.chars().all(|c| c.is_ascii_digit()) || is_quantity(before));
    }
    // `1m30s`
    part.len() <= 12
        && part.starts_with(|c: char| c.is_ascii_digit())
        && part
            .split_inclusive(|c: char| c.is_ascii_alphabetic())
            .all(|step| {
                matches!(
                    step.trim_start_matches(|c: char| c.is_ascii_digit()),
                    "h" | "m" | "s"
                )
            })
}

/// An SQLSTATE: `28P01`, `HY000`.
fn is_code(part: &str) -> bool {
    part.len() == 5
        && part
            .chars()
            .all(|c| c.is_ascii_digit() || c.is_ascii_uppercase())
        && part.chars().filter(char::is_ascii_digit).count() >= 3
}

/// A word, or several in one as programs write them: `ConnectionRefusedError`, `ECONNREFUSED`.
fn is_word(word: &str) -> bool {
    let count = word.chars().count();
    if count <= 2 {
        return true;
    }
    if word.chars().all(char::is_uppercase) {
        return count <= LONGEST_CAPITALS && (count <= 5 || is_spoken(&word.to_lowercase()));
    }
    // The plural of an abbreviation: `URLs`.
    if let Some(one) = word.strip_suffix('s')
        && one.chars().all(char::is_uppercase)
    {
        return is_word(one);
    }
    let camel_case_words = camel_case_words(word);
    let several = camel_case_words.len() > 1;
    camel_case_words.len() <= 8
        && (!several || 2 * count >= 5 * camel_case_words.len())
        && camel_case_words.iter().all(|hump| {
            let capitals = hump.chars().all(char::is_uppercase);
            let length = hump.chars().count();
            if capitals {
                length <= 6
            } else {
                (length > 1 || hump == "s") && is_spoken(&hump.to_lowercase())
            }
        })
}

/// `SQLSyntaxError` → `SQL`, `Syntax`, `Error`.
fn camel_case_words(word: &str) -> Vec<String> {
    let letters: Vec<char> = word.chars().collect();
    let mut camel_case_words: Vec<String> = Vec::new();
    for (index, letter) in letters.iter().enumerate() {
        let before = index.checked_sub(1).map(|before| letters[before]);
        let next_lower = letters
            .get(index + 1)
            .is_some_and(|next| next.is_lowercase());
        let starts = match before {
            None => true,
            Some(before) if letter.is_uppercase() => !before.is_uppercase() || next_lower,
            Some(before) => {
                before.is_uppercase()
                    && index > 1
                    && letters[index - 2].is_uppercase()
                    && !next_lower
                    && *letter == 's'
            }
        };
        match camel_case_words.last_mut() {
            Some(hump) if !starts => hump.push(*letter),
            _ => camel_case_words.push(letter.to_string()),
        }
    }
    camel_case_words
}

/// Whether a lower-case word could be spoken: it has vowels, and no pair of letters or run of consonants that words do not have.
fn is_spoken(word: &str) -> bool {
    let letters: Vec<char> = word.chars().collect();
    if letters.len() <= 4 || VOWELLESS.contains(word) {
        return true;
    }
    let vowel = |c: &char| "aeiouy".contains(*c) || !c.is_ascii();
    let longest = |wanted: &dyn Fn(&char) -> bool| {
        letters
            .split(|c| !wanted(c))
            .map(<[char]>::len)
            .max()
            .unwrap_or(0)
    };
    letters.len() <= LONGEST_WORD
        && letters.iter().any(vowel)
        && longest(&|c| !vowel(c)) <= 5
        && longest(&|c| vowel(c) && c.is_ascii()) <= 4
        && !letters.windows(2).any(|pair| {
            let pair: String = pair.iter().collect();
            IMPOSSIBLE.contains(pair.as_str())
        })
}

/// A host by its looks: labels that are words or numbers.
pub(super) fn is_host(host: &str) -> bool {
    !host.is_empty()
        && host.len() <= 253
        && host.split('.').all(|label| {
            !label.is_empty()
                && label
                    .chars()
                    .all(|c| c.is_alphanumeric() || c == '-' || c == '_')
                && is_plain(label)
        })
}

/// An address, with or without a port, brackets (which are delimiters elsewhere) left out, or a network.
pub(super) fn is_address(token: &str) -> bool {
    let token = token.trim_end_matches([':', '.']);
    token.parse::<IpAddr>().is_ok()
        || token.parse::<SocketAddr>().is_ok()
        || token.split_once('/').is_some_and(|(address, length)| {
            address.parse::<IpAddr>().is_ok() && length.parse::<u8>().is_ok()
        })
}

/// `/etc/x`, `./x`, `../x`, `~/x`.
pub(super) fn is_path_start(token: &str) -> bool {
    ["/", "./", "../", "~/"]
        .iter()
        .any(|start| token.starts_with(start))
}
