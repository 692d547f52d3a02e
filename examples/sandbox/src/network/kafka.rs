//! The server side of Kafka, as far as `ApiVersions` 0 and Metadata 1 go: one broker that advertises an address. IO: the connection.
//!
//! Source: Kafka's protocol guide.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const METADATA: u16 = 3;
const API_VERSIONS: u16 = 18;
const LONGEST: usize = 1 << 16;

/// Serves one connection to its end.
pub(super) async fn serve(mut stream: TcpStream, host: &str, port: u16) -> io::Result<()> {
    loop {
        let length = usize::try_from(stream.read_u32().await?).unwrap_or(usize::MAX);
        if !(8..LONGEST).contains(&length) {
            return Ok(());
        }
        let mut request = vec![0; length];
        stream.read_exact(&mut request).await?;
        let body = match u16::from_be_bytes([request[0], request[1]]) {
            API_VERSIONS => api_versions(),
            METADATA => metadata(host, port),
            // A broker closes upon what it does not know.
            _ => return Ok(()),
        };
        let length = u32::try_from(4 + body.len()).unwrap_or(4).to_be_bytes();
        stream
            .write_all(&[&length[..], &request[4..8], &body].concat())
            .await?;
    }
}

/// No error; these two, in these versions.
fn api_versions() -> Vec<u8> {
    let one = |key: u16, most: u16| [key.to_be_bytes(), [0, 0], most.to_be_bytes()].concat();
    [
        &[0, 0][..],
        &2_u32.to_be_bytes(),
        &one(METADATA, 1),
        &one(API_VERSIONS, 0),
    ]
    .concat()
}

/// One broker without rack, which is the controller, and no topics.
fn metadata(host: &str, port: u16) -> Vec<u8> {
    let length = u16::try_from(host.len()).unwrap_or(0).to_be_bytes();
    [
        &1_u32.to_be_bytes()[..],
        &1_u32.to_be_bytes(),
        &length,
        host.as_bytes(),
        &u32::from(port).to_be_bytes(),
        &[0xff, 0xff],
        &1_u32.to_be_bytes(),
        &0_u32.to_be_bytes(),
    ]
    .concat()
}
