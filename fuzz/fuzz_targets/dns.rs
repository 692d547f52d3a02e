//! A name server that says any bytes: the agent ends in time and has a word on the name.
#![no_main]

#[path = "../peers.rs"]
#[allow(dead_code)]
mod peers;

libfuzzer_sys::fuzz_target!(|input: Vec<(bool, [u8; 8], Vec<u8>)>| {
    let all: Vec<peers::Reply> = input
        .into_iter()
        .take(64)
        .map(|(fits, header, records)| peers::Reply {
            fits,
            header,
            records,
        })
        .collect();
    peers::dns(&all);
});
