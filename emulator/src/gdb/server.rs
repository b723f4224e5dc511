//! The server: one debugger at a time, on a TCP port of this host unless another address is given.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gdbstub::common::Signal;
use gdbstub::conn::{Connection, ConnectionExt};
use gdbstub::stub::run_blocking::{BlockingEventLoop, Event, WaitForStopReasonError};
use gdbstub::stub::{DisconnectReason, GdbStub, MultiThreadStopReason};

use super::Debugger;
use super::debuggee::Debuggee;

/// How often it is looked whether the user wants to end.
const LOOK: Duration = Duration::from_millis(50);

/// What is wrong with the server.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address.
    #[error("--gdb {text}: {reason}; give :PORT or HOST:PORT, for example :3333")]
    Address {
        /// As it was given.
        text: String,
        /// What is wrong.
        reason: String,
    },
    /// The connection cannot be made.
    #[error("GDB's connection: {0}")]
    Connection(#[from] io::Error),
    /// The run cannot go on.
    #[error("{0}")]
    Run(String),
}

/// How a debugger went away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It detached: the run goes on without it.
    Detached,
    /// It killed the run.
    Killed,
    /// The connection was lost, or it spoke something else than GDB's protocol.
    Lost,
    /// The user ended `lockstep`.
    Stopped,
}

/// Waits for a debugger.
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
}

impl Listener {
    /// On `:PORT`, which is on this host only, or `HOST:PORT`.
    pub fn bind(text: &str) -> Result<Self, ServerError> {
        let wrong = |reason: String| ServerError::Address { text: text.to_owned(), reason };
        let full = if text.starts_with(':') { format!("127.0.0.1{text}") } else { text.to_owned() };
        let addresses: Vec<SocketAddr> = full.to_socket_addrs().map_err(|error| wrong(error.to_string()))?.collect();
        let listener = TcpListener::bind(&addresses[..]).map_err(|error| wrong(error.to_string()))?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener })
    }

    /// Where it listens.
    pub fn address(&self) -> Result<SocketAddr, ServerError> {
        Ok(self.listener.local_addr()?)
    }

    /// Waits until a debugger connects; `None` when `stop` is set before.
    fn accept(&self, stop: &Arc<AtomicBool>) -> Result<Option<Link>, ServerError> {
        while !stop.load(Ordering::Relaxed) {
            match self.listener.accept() {
                Ok((stream, _)) => return Ok(Some(Link::new(stream, Arc::clone(stop))?)),
                Err(error) if is_not_yet(&error) => std::thread::sleep(LOOK),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }
}

fn is_not_yet(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

/// Waits for a debugger and does what it wants until it goes away.
pub fn serve<D: Debuggee>(
    listener: &Listener,
    debugger: &mut Debugger<D>,
    stop: &Arc<AtomicBool>,
) -> Result<Ended, ServerError> {
    let Some(link) = listener.accept(stop)? else { return Ok(Ended::Stopped) };
    let mut stream = link.stream.try_clone()?;
    let ended = serve_connection(link, debugger)?;
    if ended == Ended::Killed {
        // GDB waits for it after `vKill`, to which gdbstub gives no answer; after `k` nobody reads it.
        let _ = Write::write_all(&mut stream, b"$OK#9a");
    }
    Ok(if stop.load(Ordering::Relaxed) { Ended::Stopped } else { ended })
}

/// Does what a debugger wants that is connected already.
pub fn serve_connection<D: Debuggee, C: ConnectionExt<Error = io::Error>>(
    connection: C,
    debugger: &mut Debugger<D>,
) -> Result<Ended, ServerError> {
    match GdbStub::new(connection).run_blocking::<EventLoop<D, C>>(debugger) {
        Ok(DisconnectReason::Disconnect) => Ok(Ended::Detached),
        Ok(_) => Ok(Ended::Killed),
        Err(error) if error.is_target_error() => {
            Err(ServerError::Run(error.into_target_error().map_or_else(String::new, |error| error.to_string())))
        }
        Err(error) => {
            tracing::warn!("the debugger is gone: {error}");
            Ok(Ended::Lost)
        }
    }
}

struct EventLoop<D, C>(std::marker::PhantomData<(D, C)>);

impl<D: Debuggee, C: ConnectionExt<Error = io::Error>> BlockingEventLoop for EventLoop<D, C> {
    type Target = Debugger<D>;
    type Connection = C;
    type StopReason = MultiThreadStopReason<u32>;

    fn wait_for_stop_reason(
        debugger: &mut Debugger<D>,
        connection: &mut C,
    ) -> Result<Event<Self::StopReason>, WaitForStopReasonError<D::Error, io::Error>> {
        let mut poll = || connection.peek().map_or(true, |byte| byte.is_some());
        match debugger.go(&mut poll).map_err(WaitForStopReasonError::Target)? {
            Some(reason) => Ok(Event::TargetStopped(reason)),
            None => connection.read().map(Event::IncomingData).map_err(WaitForStopReasonError::Connection),
        }
    }

    fn on_interrupt(debugger: &mut Debugger<D>) -> Result<Option<Self::StopReason>, D::Error> {
        Ok(Some(debugger.signal(Signal::SIGINT)))
    }
}

/// Takes out what asks for a packet again. GDB does so when an answer is long in coming (`monitor goto`); on TCP nothing
/// is lost, and gdbstub takes it for the end.
#[derive(Debug, Default)]
struct NoNacks {
    /// Bytes until the packet ends: `None` outside of packets, `Some(None)` while that is not known.
    inside: Option<Option<u8>>,
}

impl NoNacks {
    /// Whether a byte goes on to gdbstub.
    fn passes(&mut self, byte: u8) -> bool {
        self.inside = match (self.inside, byte) {
            (None, b'-') => return false,
            (None, b'$') => Some(None),
            (Some(None), b'#') => Some(Some(2)),
            (Some(Some(1)), _) => None,
            (Some(Some(left)), _) => Some(Some(left - 1)),
            (state, _) => state,
        };
        true
    }
}

/// A TCP connection, buffered both ways.
struct Link {
    stream: TcpStream,
    stop: Arc<AtomicBool>,
    received: std::collections::VecDeque<u8>,
    to_send: Vec<u8>,
    no_nacks: NoNacks,
}

impl Link {
    fn new(stream: TcpStream, stop: Arc<AtomicBool>) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            stop,
            received: std::collections::VecDeque::new(),
            to_send: Vec::new(),
            no_nacks: NoNacks::default(),
        })
    }

    /// Takes in what has come; waits for something at most so long.
    fn receive(&mut self, wait: Option<Duration>) -> io::Result<()> {
        self.stream.set_nonblocking(wait.is_none())?;
        self.stream.set_read_timeout(wait)?;
        let mut bytes = [0; 4096];
        match Read::read(&mut self.stream, &mut bytes) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                let no_nacks = &mut self.no_nacks;
                self.received.extend(bytes[..count].iter().filter(|byte| no_nacks.passes(**byte)));
                Ok(())
            }
            Err(error) if is_not_yet(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Connection for Link {
    type Error = io::Error;

    fn write(&mut self, byte: u8) -> io::Result<()> {
        self.to_send.push(byte);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.set_nonblocking(false)?;
        Write::write_all(&mut self.stream, &self.to_send)?;
        self.to_send.clear();
        Ok(())
    }
}

impl ConnectionExt for Link {
    fn read(&mut self) -> io::Result<u8> {
        self.flush()?;
        loop {
            if let Some(byte) = self.received.pop_front() {
                return Ok(byte);
            }
            if self.stop.load(Ordering::Relaxed) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            self.receive(Some(LOOK))?;
        }
    }

    fn peek(&mut self) -> io::Result<Option<u8>> {
        if self.received.is_empty() {
            if self.stop.load(Ordering::Relaxed) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            self.receive(None)?;
        }
        Ok(self.received.front().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_asks_for_a_packet_again_is_left_out() {
        let mut no_nacks = NoNacks::default();
        let bytes = b"+-$m-1,4#--+-\x03$g#67-";
        let passed: Vec<u8> = bytes.iter().copied().filter(|byte| no_nacks.passes(*byte)).collect();
        assert_eq!(passed, b"+$m-1,4#--+\x03$g#67");
    }
}
