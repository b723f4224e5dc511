//! The Unix socket to the gateway: one thread reads it, one writes it, and neither ever makes the run wait.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TryRecvError, TrySendError, bounded};
use lockstep_gateway_protocol::{Decoder, FromGateway, Inbound, Outbound, ToGateway, VERSION, encode};

use crate::cli::CliError;

/// How long the gateway may take to greet, and to take a frame.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// Frames that wait to be written. Flow control keeps streams far below; what floods is a device's datagrams.
const WAITING_OUT_MAX: usize = 4096;
/// Events that wait for the run; beyond, the gateway waits.
const WAITING_IN_MAX: usize = 1024;
const READ_BYTES: usize = 8192;

/// What the reading thread tells.
enum Received {
    Event(Inbound),
    /// It is over, and why.
    Lost(String),
}

/// The connection to a gateway.
pub struct GatewayLink {
    socket: UnixStream,
    to: Option<Sender<Vec<u8>>>,
    from: Option<Receiver<Received>>,
    threads: Vec<JoinHandle<()>>,
    lost: Option<String>,
}

impl GatewayLink {
    /// Connects and greets.
    pub fn open(path: &Path) -> Result<Self, CliError> {
        let failed = |reason: String| CliError::file(path, reason);
        let no_gateway = |error: std::io::Error| {
            failed(format!("no gateway here: {error}; start one with: lockstep-gateway bridge {}", path.display()))
        };
        let socket = UnixStream::connect(path).map_err(no_gateway)?;
        let mut decoder = Decoder::default();
        greet(&socket, &mut decoder).map_err(failed)?;
        let system = |error: std::io::Error| failed(error.to_string());
        socket.set_read_timeout(None).map_err(system)?;
        let (to, frames) = bounded(WAITING_OUT_MAX);
        let (events, from) = bounded(WAITING_IN_MAX);
        let (reading, writing) = (socket.try_clone().map_err(system)?, socket.try_clone().map_err(system)?);
        let threads = vec![
            std::thread::spawn(move || read(reading, decoder, &events)),
            std::thread::spawn(move || write(writing, &frames)),
        ];
        Ok(Self { socket, to: Some(to), from: Some(from), threads, lost: None })
    }

    /// Sends an event; does nothing once the gateway is lost.
    pub fn send(&mut self, event: Outbound) {
        let (Some(to), None) = (&self.to, &self.lost) else { return };
        let sent = match encode(&ToGateway::Event(event)) {
            Ok(frame) => to.try_send(frame).map_err(|error| match error {
                TrySendError::Full(_) => "it does not take what the device sends".to_owned(),
                // Why, the reading thread knows better.
                TrySendError::Disconnected(_) => String::new(),
            }),
            Err(error) => Err(error.to_string()),
        };
        if let Err(reason) = sent
            && !reason.is_empty()
        {
            self.lost = Some(reason);
        }
    }

    /// The next event, if one has come.
    pub fn receive(&mut self) -> Option<Inbound> {
        if self.lost.is_some() {
            return None;
        }
        match self.from.as_ref()?.try_recv() {
            Ok(Received::Event(event)) => return Some(event),
            Ok(Received::Lost(reason)) => self.lost = Some(reason),
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => self.lost = Some("its connection ended".to_owned()),
        }
        None
    }

    /// Why the gateway is lost, if it is.
    pub fn lost(&self) -> Option<&str> {
        self.lost.as_deref()
    }
}

impl Drop for GatewayLink {
    fn drop(&mut self) {
        // The writing thread ends when it has written what waits (or the gateway does not take it), the reading one
        // when the socket is shut or nobody takes what it has.
        drop(self.to.take());
        drop(self.from.take());
        if let Some(writer) = self.threads.pop() {
            let _ = writer.join();
        }
        let _ = self.socket.shutdown(Shutdown::Both);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn greet(mut socket: &UnixStream, decoder: &mut Decoder<FromGateway>) -> Result<(), String> {
    let system = |error: std::io::Error| format!("the gateway does not answer: {error}");
    socket.set_read_timeout(Some(ANSWER_LIMIT)).map_err(system)?;
    socket.set_write_timeout(Some(ANSWER_LIMIT)).map_err(system)?;
    let hello = encode(&ToGateway::Hello { version: VERSION }).map_err(|error| error.to_string())?;
    socket.write_all(&hello).map_err(system)?;
    let mut buffer = [0; READ_BYTES];
    loop {
        match decoder.next_message().map_err(|error| format!("no lockstep-gateway listens here: {error}"))? {
            Some(FromGateway::Hello { version: VERSION }) => return Ok(()),
            Some(FromGateway::Hello { version }) => {
                return Err(format!("the gateway speaks version {version} of the protocol, this lockstep {VERSION}"));
            }
            Some(FromGateway::Bye { reason }) => return Err(format!("the gateway refuses: {}", reason.escape_debug())),
            Some(FromGateway::Event(_)) => return Err("the gateway does not greet".to_owned()),
            None => {}
        }
        match socket.read(&mut buffer).map_err(system)? {
            0 => return Err("the gateway ended the connection".to_owned()),
            length => decoder.push(buffer.get(..length).unwrap_or_default()),
        }
    }
}

fn read(mut socket: UnixStream, mut decoder: Decoder<FromGateway>, events: &Sender<Received>) {
    let mut buffer = [0; READ_BYTES];
    let reason = loop {
        match decoder.next_message() {
            Ok(Some(FromGateway::Event(event))) => {
                if events.send(Received::Event(event)).is_err() {
                    return;
                }
                continue;
            }
            Ok(Some(FromGateway::Bye { reason })) => break format!("it says: {}", reason.escape_debug()),
            Ok(Some(FromGateway::Hello { .. })) => break "it greets twice".to_owned(),
            Ok(None) => {}
            Err(error) => break error.to_string(),
        }
        match socket.read(&mut buffer) {
            Ok(0) => break "it ended the connection".to_owned(),
            Ok(length) => decoder.push(buffer.get(..length).unwrap_or_default()),
            Err(error) => break error.to_string(),
        }
    };
    // Nobody is left to be told when the run is over.
    let _ = events.send(Received::Lost(reason));
}

fn write(mut socket: UnixStream, frames: &Receiver<Vec<u8>>) {
    while let Ok(frame) = frames.recv() {
        if socket.write_all(&frame).is_err() {
            // Half a frame may be on its way: nothing sensible can follow. The reading thread tells.
            let _ = socket.shutdown(Shutdown::Both);
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::time::Instant;

    use super::*;

    /// A link to a gateway that says these bytes and then ends (or the reason why there is no link).
    fn link(says: &[u8]) -> Result<GatewayLink, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gateway");
        let listener = UnixListener::bind(&path).unwrap();
        let says = says.to_vec();
        let gateway = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            socket.write_all(&says).unwrap();
            socket.shutdown(Shutdown::Write).unwrap();
            // To the end, so that the link never writes to nobody.
            let _ = socket.read_to_end(&mut Vec::new());
        });
        let link = GatewayLink::open(&path).map_err(|error| error.to_string());
        if link.is_err() {
            gateway.join().unwrap();
        }
        link
    }

    /// Events until the gateway is lost, and why it is.
    fn to_the_end(mut link: GatewayLink) -> (Vec<Inbound>, String) {
        let (mut events, started) = (Vec::new(), Instant::now());
        while link.lost().is_none() && started.elapsed() < Duration::from_secs(10) {
            events.extend(link.receive());
        }
        // What is sent now goes nowhere, and does no harm.
        link.send(Outbound::Finish { connection: 0 });
        (events, link.lost().unwrap_or_default().to_owned())
    }

    fn hello(version: u32) -> Vec<u8> {
        encode(&FromGateway::Hello { version }).unwrap()
    }

    #[test]
    fn events_come_in_order_and_then_the_end() {
        let events = [Inbound::Connected { connection: 0 }, Inbound::Finished { connection: 0 }];
        let mut says = hello(VERSION);
        events.iter().for_each(|event| says.extend(encode(&FromGateway::Event(event.clone())).unwrap()));
        let (received, reason) = to_the_end(link(&says).unwrap());
        assert_eq!((received.as_slice(), reason.as_str()), (&events[..], "it ended the connection"));
    }

    #[test]
    fn a_gateway_that_says_nonsense_is_lost() {
        let bye = encode(&FromGateway::Bye { reason: "no more".to_owned() }).unwrap();
        for (nonsense, says) in
            [(&b"\xff\xff\xff\xff"[..], "a frame of"), (b"\x01\0\0\0\x77", "no message"), (&bye, "it says: no more")]
        {
            let (events, reason) = to_the_end(link(&[&hello(VERSION), nonsense].concat()).unwrap());
            assert!(events.is_empty() && reason.contains(says), "{reason}");
        }
    }

    #[test]
    fn what_is_no_gateway_is_named() {
        let error = |says: &[u8]| link(says).err().unwrap();
        assert!(error(&hello(VERSION + 1)).contains("version"));
        assert!(error(b"SSH-2.0-OpenSSH\r\n").contains("no lockstep-gateway"));
        assert!(error(b"").contains("ended the connection"));
        let nowhere = GatewayLink::open(Path::new("/nonexistent/gateway")).err().unwrap().to_string();
        assert!(nowhere.contains("lockstep-gateway bridge"), "{nowhere}");
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config::with_cases(64))]

        #[test]
        fn hostile_bytes_lose_the_gateway_and_nothing_else(bytes: Vec<u8>) {
            if let Ok(link) = link(&[&hello(VERSION), bytes.as_slice()].concat()) {
                let (_, reason) = to_the_end(link);
                proptest::prop_assert!(!reason.is_empty());
            }
        }
    }
}
