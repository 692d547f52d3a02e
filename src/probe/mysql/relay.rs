//! Hands a connection that is already open to the driver, which only knows how to dial: a listener on loopback for exactly one
//! connection, which gets the greeting that was read and then everything else as it comes. So the server sees one connection, from
//! greeting to login. IO: loopback.

use std::net::Ipv4Addr;

use tokio::io::copy_bidirectional;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::probe::found::Failure;
use crate::probe::peer::{Rewound, Stream};
use crate::probe::wire::StepError;

/// A relay; it ends when it is dropped.
pub(super) struct Relay {
    port: u16,
    task: JoinHandle<()>,
}

impl Relay {
    /// Waits on loopback for one connection, to give it `first` and then `stream`.
    pub(super) async fn start(first: Vec<u8>, stream: Stream) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| {
            Failure::new(
                StepError::Broken,
                format!("the probe could not listen on its own loopback: {error}"),
            )
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let task = tokio::spawn(async move {
            if let Ok((mut driver, _)) = listener.accept().await {
                drop(listener);
                // Small packets in both directions: waiting for more of them only costs time.
                let _ = driver.set_nodelay(true);
                let mut server = Rewound::new(first, stream);
                // Either side's end is seen by the driver as such.
                let _ = copy_bidirectional(&mut driver, &mut server).await;
            }
        });
        Ok(Self { port, task })
    }

    /// Where the driver dials.
    pub(super) const fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}
