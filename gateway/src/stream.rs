//! One TCP connection to the real network.

use std::net::SocketAddrV4;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use lockstep_gateway_protocol::{ConnectFailure, FromGateway, Inbound, UNTAKEN_BYTES_MAX};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{Semaphore, mpsc, oneshot};

/// Longer than a device waits for a connection; Linux itself gives up after about 130 s.
const CONNECT_LIMIT: Duration = Duration::from_secs(120);
/// Bytes read at once at most.
const PORTION_BYTES: usize = 1024;
/// Credit that a run may have given at once; a device's window is 64 KB at most without scaling (RFC 9293 3.1).
const CREDIT_BYTES_MAX: usize = 1 << 20;

enum Command {
    Write(Vec<u8>),
    Finish,
}

/// The run's end of a connection. Dropped, it resets the connection.
pub struct Handle {
    commands: mpsc::UnboundedSender<Command>,
    untaken_bytes: Arc<AtomicU32>,
    credit: Arc<Semaphore>,
    finished: bool,
    _reset: oneshot::Sender<()>,
}

/// The task's end.
pub struct Connection {
    number: u64,
    to: SocketAddrV4,
    commands: mpsc::UnboundedReceiver<Command>,
    untaken_bytes: Arc<AtomicU32>,
    credit: Arc<Semaphore>,
    reset: oneshot::Receiver<()>,
    replies: mpsc::Sender<FromGateway>,
}

/// Both ends of a connection that is not open yet.
pub fn connection(
    number: u64,
    to: SocketAddrV4,
    credit_bytes: u32,
    replies: mpsc::Sender<FromGateway>,
) -> (Handle, Connection) {
    // Bounded by the bytes that may be untaken, not by the channel.
    let (commands, received) = mpsc::unbounded_channel();
    let (reset, reset_received) = oneshot::channel();
    let untaken_bytes = Arc::new(AtomicU32::new(0));
    let credit = Arc::new(Semaphore::new((credit_bytes as usize).min(CREDIT_BYTES_MAX)));
    let handle = Handle {
        commands,
        untaken_bytes: Arc::clone(&untaken_bytes),
        credit: Arc::clone(&credit),
        finished: false,
        _reset: reset,
    };
    (handle, Connection { number, to, commands: received, untaken_bytes, credit, reset: reset_received, replies })
}

impl Handle {
    /// Bytes to write. An error is a breach of the protocol.
    pub fn write(&mut self, bytes: Vec<u8>) -> Result<(), &'static str> {
        if self.finished || bytes.is_empty() {
            return Err("data behind the end of a stream, or none");
        }
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let untaken = self.untaken_bytes.fetch_add(length, Ordering::Relaxed);
        if untaken.saturating_add(length) > UNTAKEN_BYTES_MAX {
            return Err("more data than may be on its way");
        }
        // A task that is gone has told the run so.
        let _ = self.commands.send(Command::Write(bytes));
        Ok(())
    }

    /// No more follows.
    pub fn finish(&mut self) -> Result<(), &'static str> {
        if std::mem::replace(&mut self.finished, true) {
            return Err("a stream ended twice");
        }
        let _ = self.commands.send(Command::Finish);
        Ok(())
    }

    /// The device takes more.
    pub fn add_credit(&self, bytes: u32) -> Result<(), &'static str> {
        if self.credit.available_permits() + bytes as usize > CREDIT_BYTES_MAX {
            return Err("more credit than any window");
        }
        self.credit.add_permits(bytes as usize);
        Ok(())
    }
}

impl Connection {
    /// Opens the connection and carries bytes until both sides have finished or one is gone.
    pub async fn run(mut self) {
        let connecting = tokio::time::timeout(CONNECT_LIMIT, TcpStream::connect(self.to));
        let connected = tokio::select! {
            connected = connecting => connected,
            _ = &mut self.reset => return,
        };
        let mut stream = match connected {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                tracing::info!("connection {} to {}: {error}", self.number, self.to);
                let failure = match error.kind() {
                    std::io::ErrorKind::ConnectionRefused => ConnectFailure::Refused,
                    _ => ConnectFailure::Unreachable,
                };
                return self.tell(Inbound::Failed { connection: self.number, failure }).await;
            }
            Err(_) => {
                tracing::info!("connection {} to {}: no answer", self.number, self.to);
                let failure = ConnectFailure::Unreachable;
                return self.tell(Inbound::Failed { connection: self.number, failure }).await;
            }
        };
        // The device's own segments are the portions; nothing is gained by collecting them again.
        let _ = stream.set_nodelay(true);
        tracing::info!("connection {} to {} is open", self.number, self.to);
        self.tell(Inbound::Connected { connection: self.number }).await;
        let carried = self.carry(&mut stream).await;
        match carried {
            Ok(true) => tracing::info!("connection {} is closed", self.number),
            Ok(false) => {
                let _ = stream.set_zero_linger();
                tracing::info!("connection {} was reset by the device", self.number);
            }
            Err(error) => {
                tracing::info!("connection {}: {error}", self.number);
                self.tell(Inbound::Reset { connection: self.number }).await;
            }
        }
    }

    /// `true` when both sides have finished, `false` when the run dropped its end.
    async fn carry(&mut self, stream: &mut TcpStream) -> std::io::Result<bool> {
        let (reading, writing) = stream.split();
        let both = async {
            tokio::try_join!(
                read(self.number, &self.credit, reading, &self.replies),
                write(self.number, &mut self.commands, &self.untaken_bytes, writing, &self.replies),
            )
        };
        tokio::select! {
            // First: a run that drops its end also ends what is to be written.
            biased;
            _ = &mut self.reset => Ok(false),
            ended = both => ended.map(|_| true),
        }
    }

    async fn tell(&self, event: Inbound) {
        // Without a run nobody needs to know.
        let _ = self.replies.send(FromGateway::Event(event)).await;
    }
}

/// Reads as much as the device's window takes, to the end of the stream.
async fn read(
    connection: u64,
    credit: &Semaphore,
    mut stream: ReadHalf<'_>,
    replies: &mpsc::Sender<FromGateway>,
) -> std::io::Result<()> {
    loop {
        // Never closed.
        let Ok(first) = credit.acquire().await else { return Ok(()) };
        let mut portion = vec![0; PORTION_BYTES.min(1 + credit.available_permits())];
        let length = stream.read(&mut portion).await?;
        let event = if length == 0 {
            Inbound::Finished { connection }
        } else {
            first.forget();
            credit.forget_permits(length - 1);
            portion.truncate(length);
            Inbound::Data { connection, bytes: portion }
        };
        if replies.send(FromGateway::Event(event)).await.is_err() || length == 0 {
            return Ok(());
        }
    }
}

/// Writes what the device sends, to the end of the stream.
async fn write(
    connection: u64,
    commands: &mut mpsc::UnboundedReceiver<Command>,
    untaken_bytes: &AtomicU32,
    mut stream: WriteHalf<'_>,
    replies: &mpsc::Sender<FromGateway>,
) -> std::io::Result<()> {
    while let Some(command) = commands.recv().await {
        match command {
            Command::Write(bytes) => {
                stream.write_all(&bytes).await?;
                let bytes = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
                untaken_bytes.fetch_sub(bytes, Ordering::Relaxed);
                let taken = FromGateway::Event(Inbound::Taken { connection, bytes });
                if replies.send(taken).await.is_err() {
                    return Ok(());
                }
            }
            Command::Finish => return stream.shutdown().await,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_does_not_wait_for_its_bytes_to_be_taken_is_refused() {
        let (replies, _messages) = mpsc::channel(1);
        // Its task never runs: nothing is written.
        let (mut handle, _connection) = connection(0, "127.0.0.1:9".parse().unwrap(), 0, replies);
        let half = vec![0; UNTAKEN_BYTES_MAX as usize / 2];
        assert_eq!(handle.write(half.clone()), Ok(()));
        assert_eq!(handle.write(half), Ok(()));
        assert!(handle.write(vec![0]).is_err());
    }

    #[test]
    fn nothing_follows_the_end_of_a_stream() {
        let (replies, _messages) = mpsc::channel(1);
        let (mut handle, _connection) = connection(0, "127.0.0.1:9".parse().unwrap(), 0, replies);
        assert_eq!(handle.finish(), Ok(()));
        assert!(handle.write(vec![0]).is_err());
        assert!(handle.finish().is_err());
    }
}
