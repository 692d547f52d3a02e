//! A server that says any bytes, to each protocol of the agent: it ends in time, has a word on the edge, and shows no password.
#![no_main]

#[path = "../peers.rs"]
#[allow(dead_code)]
mod peers;

/// The protocols whose answers the agent reads.
const PROTOCOLS: [&str; 16] = [
    "mysql", "postgres", "redis", "mongodb", "amqp", "kafka", "http", "https", "grpc", "smtp", "nats", "mqtt", "zookeeper",
    "cassandra", "ldap", "memcached",
];

libfuzzer_sys::fuzz_target!(|input: (bool, Vec<Vec<u8>>)| {
    let (greets, parts) = input;
    let all: Vec<peers::Conversation> = PROTOCOLS
        .into_iter()
        .map(|protocol| peers::Conversation {
            protocol,
            greets,
            parts: parts.clone(),
        })
        .collect();
    peers::peers(&all);
});
