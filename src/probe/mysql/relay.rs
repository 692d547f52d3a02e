//! The login of a driver that only knows how to dial, on a connection that is open: it gets the greeting that was read and then everything
//! else as it comes. So the server sees one connection, from greeting to login. TLS with the server is made here, so that its certificate
//! is judged before anything of the login leaves, and what a client sends only by its own words is kept back. IO: loopback, and the
//! connection.

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::probe::ask::Ask;
use crate::probe::found::{Failure, Found};
use crate::probe::login::Account;
use crate::probe::mysql::packets::watched;
use crate::probe::peer::{Stream, rewound};
use crate::probe::relay::{self, Joined, RelayAddress};
use crate::probe::wire::StepError;

/// The capability bit of TLS, in the first four bytes of the client's answer.
const CLIENT_SSL: u32 = 0x0800;
/// The part of the client's answer that asks for TLS.
const TLS_REQUEST: usize = 32;
/// No packet of a login is longer.
const LONGEST: usize = 64 * 1024;
/// "Send the password itself", of `caching_sha2_password`.
const FULL_AUTHENTICATION: &[u8] = &[1, 4];

/// Where the driver dials.
pub(super) struct Relay(RelayAddress);

/// What became of TLS and login.
pub(super) struct Opened {
    pub(super) joined: Joined,
    pub(super) tls: Option<Found>,
}

impl Opened {
    /// How the server broke the connection, if it did.
    pub(super) fn broken(&self) -> Option<Failure> {
        self.joined.broken().map(Failure::broken)
    }
}

/// Why there is no login.
#[derive(Debug)]
pub(super) enum Stop {
    /// The TLS step did not pass.
    Tls(Box<Found>),
    /// The login was not sent; TLS, where there is some, stands.
    Withheld(Option<Box<Found>>, String),
    /// It failed.
    Failed(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Relay {
    /// Waits on loopback.
    pub(super) async fn new() -> Result<Self, Failure> {
        Ok(Self(RelayAddress::open().await?))
    }

    /// Where the driver dials.
    pub(super) const fn port(&self) -> u16 {
        self.0.port()
    }

    /// Gives the driver `first` and then `stream`, up to the end of the login; then both talk on by themselves.
    pub(super) async fn run(
        self,
        first: Vec<u8>,
        stream: Stream,
        secured: bool,
        ask: &Ask<'_>,
        account: &Account,
    ) -> Result<Opened, Stop> {
        let mut driver = self.0.enter().await?;
        driver
            .write_all(&first)
            .await
            .map_err(|error| Failure::broken(&error))?;
        let mut from_driver = BytesMut::new();
        let answer = loop {
            match take(&mut from_driver)? {
                Some(packet) => break packet,
                None => fill(&mut driver, &mut from_driver).await?,
            }
        };
        let (server, tls) = if secured {
            let (stream, step) = secure(stream, &answer, ask).await?;
            (stream, Some(step))
        } else {
            (stream, None)
        };
        let mut phase = Phase {
            driver,
            server,
            from_driver,
            from_server: BytesMut::new(),
            shift: u8::from(secured),
            secured,
            account,
        };
        phase.first(answer).await?;
        match phase.run().await {
            Ok(()) => Ok(Opened {
                joined: phase.go_on(),
                tls,
            }),
            Err(Stop::Withheld(_, why)) => Err(Stop::Withheld(tls.map(Box::new), why)),
            Err(stop) => Err(stop),
        }
    }
}

/// Asks for TLS with the client's own flags, and judges the certificate before the login goes on.
async fn secure(
    mut stream: Stream,
    answer: &Packet,
    ask: &Ask<'_>,
) -> Result<(Stream, Found), Stop> {
    let mut request = answer
        .payload
        .get(..TLS_REQUEST)
        .ok_or_else(|| Failure::new(StepError::Broken, "the driver's own answer is too short"))?
        .to_vec();
    set_tls(&mut request);
    send(&mut stream, 1, &request).await?;
    let (secured, step) = ask.secure(stream, &[]).await.map_err(Stop::Tls)?;
    if ask.login().account().is_none() {
        let why = ask.no_login().map(|step| step.detail).unwrap_or_default();
        return Err(Stop::Withheld(Some(Box::new(step)), why));
    }
    Ok((Box::new(secured.stream), step))
}

fn set_tls(answer: &mut [u8]) {
    if let Some(flags) = answer.first_chunk_mut::<4>() {
        *flags = (u32::from_le_bytes(*flags) | CLIENT_SSL).to_le_bytes();
    }
}

/// The exchange of the login, packet by packet.
struct Phase<'a> {
    driver: TcpStream,
    server: Stream,
    from_driver: BytesMut,
    from_server: BytesMut,
    /// By how much the server's numbers of packets are ahead of the driver's.
    shift: u8,
    secured: bool,
    account: &'a Account,
}

impl Phase<'_> {
    /// The driver's answer to the greeting.
    async fn first(&mut self, mut answer: Packet) -> Result<(), Failure> {
        if self.secured {
            set_tls(&mut answer.payload);
        }
        let number = answer.number.wrapping_add(self.shift);
        send(&mut self.server, number, &answer.payload).await
    }

    /// Up to the server's last word on the login.
    async fn run(&mut self) -> Result<(), Stop> {
        loop {
            while let Some(packet) = take(&mut self.from_server)? {
                if self.is_last(packet).await? {
                    return Ok(());
                }
            }
            while let Some(packet) = take(&mut self.from_driver)? {
                let number = packet.number.wrapping_add(self.shift);
                send(&mut self.server, number, &packet.payload).await?;
            }
            tokio::select! {
                read = fill(&mut self.server, &mut self.from_server) => read?,
                read = fill(&mut self.driver, &mut self.from_driver) => read?,
            }
        }
    }

    /// Passes a packet of the server on; whether the login is over with it.
    async fn is_last(&mut self, packet: Packet) -> Result<bool, Stop> {
        if packet.payload == FULL_AUTHENTICATION {
            if self.secured {
                // The driver knows of no TLS and would ask for a key: here the password may go as it is.
                let password = self.account.credentials.password.as_deref();
                let answer = [password.unwrap_or_default().as_bytes(), &[0]].concat();
                send(&mut self.server, packet.number.wrapping_add(1), &answer).await?;
                self.shift = self.shift.wrapping_add(2);
                return Ok(false);
            }
            if !self.account.frankness.key_from_wire {
                return Err(Stop::Withheld(
                    None,
                    "without TLS the server asks for the password under a key that it sends itself, which anyone between could replace; the client's configuration does not allow that (allowPublicKeyRetrieval, get-server-public-key)"
                        .to_owned(),
                ));
            }
        }
        let number = packet.number.wrapping_sub(self.shift);
        send(&mut self.driver, number, &packet.payload).await?;
        Ok(matches!(packet.payload.first(), Some(0 | 0xff)))
    }

    fn go_on(self) -> Joined {
        let driver = rewound(self.from_driver.to_vec(), self.driver);
        let server = rewound(self.from_server.to_vec(), self.server);
        relay::join(driver, watched(server))
    }
}

/// A packet of either side.
struct Packet {
    number: u8,
    payload: Vec<u8>,
}

/// The first whole packet of what was read.
fn take(bytes: &mut BytesMut) -> Result<Option<Packet>, Failure> {
    let Some(&[a, b, c, number]) = bytes.first_chunk::<4>() else {
        return Ok(None);
    };
    let length = usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16;
    if length > LONGEST {
        return Err(Failure::new(
            StepError::Broken,
            format!("a packet of {length} bytes in answer to a login"),
        ));
    }
    if bytes.len() < 4 + length {
        return Ok(None);
    }
    bytes.advance(4);
    Ok(Some(Packet {
        number,
        payload: bytes.split_to(length).to_vec(),
    }))
}

async fn fill<R: AsyncRead + Unpin + ?Sized>(
    reader: &mut R,
    bytes: &mut BytesMut,
) -> Result<(), Failure> {
    match reader.read_buf(bytes).await {
        Ok(0) => Err(Failure::new(
            StepError::Broken,
            "the server closed the connection during the login",
        )),
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::broken(&error)),
    }
}

async fn send<W: tokio::io::AsyncWrite + Unpin + ?Sized>(
    writer: &mut W,
    number: u8,
    payload: &[u8],
) -> Result<(), Failure> {
    let length = u32::try_from(payload.len()).unwrap_or(0).to_le_bytes();
    let packet = [&length[..3], &[number], payload].concat();
    writer
        .write_all(&packet)
        .await
        .map_err(|error| Failure::broken(&error))?;
    writer
        .flush()
        .await
        .map_err(|error| Failure::broken(&error))
}
