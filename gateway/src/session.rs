//! The session of one run: its events out, what they lead to, and what comes back.

use std::collections::BTreeMap;
use std::net::SocketAddrV4;
use std::sync::Arc;

use lockstep_gateway_protocol::{
    CONNECTIONS_MAX, ConnectFailure, Decoder, FromGateway, Inbound, NAME_OCTETS_MAX, Outbound, PAYLOAD_BYTES_MAX,
    QUERIES_MAX, ToGateway, VERSION, encode,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::allow::AllowList;
use crate::datagrams::{self, Outgoing};
use crate::error::SessionError;
use crate::stream;

/// Messages to the run that wait; who has more waits himself.
const WAITING_MAX: usize = 256;
/// Ports of the device that have a UDP socket at once.
const PORTS_MAX: usize = 64;
/// Bytes read from the run at once.
const READ_BYTES: usize = 8192;

/// A task that has ended.
enum Ended {
    Connection(u64),
    Query,
    Port(u16),
    Reply,
}

struct Session {
    allow: Arc<AllowList>,
    replies: mpsc::Sender<FromGateway>,
    tasks: JoinSet<Ended>,
    greeted: bool,
    last_connection: Option<u64>,
    connections: BTreeMap<u64, stream::Handle>,
    ports: BTreeMap<u16, mpsc::Sender<Outgoing>>,
    queries: usize,
}

/// Serves a run until it goes away, and tells it why if it is to blame.
pub async fn serve(run: UnixStream, allow: AllowList) -> Result<(), SessionError> {
    let (mut reading, writing) = run.into_split();
    let (replies, messages) = mpsc::channel(WAITING_MAX);
    let writer = tokio::spawn(write(writing, messages));
    let mut session = Session {
        allow: Arc::new(allow),
        replies: replies.clone(),
        tasks: JoinSet::new(),
        greeted: false,
        last_connection: None,
        connections: BTreeMap::new(),
        ports: BTreeMap::new(),
        queries: 0,
    };
    let mut decoder = Decoder::<ToGateway>::default();
    let mut buffer = vec![0; READ_BYTES];
    let ended = loop {
        tokio::select! {
            read = reading.read(&mut buffer) => match read {
                Ok(0) if decoder.is_within_frame() => {
                    break Err(SessionError::Protocol("it ended within a frame".to_owned()));
                }
                Ok(0) => break Ok(()),
                Ok(length) => {
                    decoder.push(buffer.get(..length).unwrap_or_default());
                    if let Err(error) = session.take_messages(&mut decoder) {
                        break Err(error);
                    }
                }
                Err(error) => break Err(error.into()),
            },
            Some(ended) = session.tasks.join_next(), if !session.tasks.is_empty() => session.ended(ended),
        }
    };
    if let Err(error) = &ended {
        // At once or not at all: a run that does not read is not waited for.
        let _ = replies.try_send(FromGateway::Bye { reason: error.to_string() });
    }
    drop(session);
    drop(replies);
    // What was already said still goes out, unless the run does not read.
    let _ = tokio::time::timeout(std::time::Duration::from_secs(1), writer).await;
    ended
}

async fn write(mut run: OwnedWriteHalf, mut messages: mpsc::Receiver<FromGateway>) {
    while let Some(message) = messages.recv().await {
        let written = match encode(&message) {
            Ok(bytes) => run.write_all(&bytes).await,
            Err(error) => return tracing::error!("a message of ours: {error}"),
        };
        // The reading side notices too.
        if written.is_err() {
            return;
        }
    }
}

fn protocol(reason: &str) -> SessionError {
    SessionError::Protocol(reason.to_owned())
}

impl Session {
    fn take_messages(&mut self, decoder: &mut Decoder<ToGateway>) -> Result<(), SessionError> {
        while let Some(message) = decoder.next_message()? {
            match message {
                ToGateway::Hello { version } if !self.greeted => {
                    if version != VERSION {
                        return Err(SessionError::Version(version));
                    }
                    self.greeted = true;
                    self.reply(FromGateway::Hello { version: VERSION });
                }
                ToGateway::Event(event) if self.greeted => self.event(event)?,
                _ => return Err(protocol("one greeting comes first")),
            }
        }
        Ok(())
    }

    /// Says something without waiting: the reader of the run's events must never wait for the run.
    fn reply(&mut self, message: FromGateway) {
        if let Err(mpsc::error::TrySendError::Full(message)) = self.replies.try_send(message) {
            let replies = self.replies.clone();
            self.tasks.spawn(async move {
                let _ = replies.send(message).await;
                Ended::Reply
            });
        }
    }

    fn ended(&mut self, ended: Result<Ended, tokio::task::JoinError>) {
        match ended {
            Ok(Ended::Connection(number)) => {
                self.connections.remove(&number);
            }
            Ok(Ended::Query) => self.queries -= 1,
            Ok(Ended::Port(port)) => {
                self.ports.remove(&port);
            }
            Ok(Ended::Reply) => {}
            Err(error) => tracing::error!("a task of the gateway failed: {error}"),
        }
    }

    fn event(&mut self, event: Outbound) -> Result<(), SessionError> {
        match event {
            Outbound::Connect { connection, to, credit_bytes } => self.connect(connection, to, credit_bytes),
            Outbound::Data { connection, bytes } => {
                if bytes.len() > PAYLOAD_BYTES_MAX {
                    return Err(protocol("more data than a portion holds"));
                }
                self.with_connection(connection, |handle| handle.write(bytes))
            }
            Outbound::Finish { connection } => self.with_connection(connection, stream::Handle::finish),
            Outbound::Credit { connection, bytes } => {
                self.with_connection(connection, |handle| handle.add_credit(bytes))
            }
            Outbound::Reset { connection } => {
                self.connections.remove(&connection);
                Ok(())
            }
            Outbound::Datagram { from_port, to, bytes } => self.datagram(from_port, to, bytes),
            Outbound::Resolve { query, name } => self.resolve(query, name),
        }
    }

    /// A connection that has just ended may still be spoken of: the run does not know yet.
    fn with_connection(
        &mut self,
        number: u64,
        tell: impl FnOnce(&mut stream::Handle) -> Result<(), &'static str>,
    ) -> Result<(), SessionError> {
        match self.connections.get_mut(&number) {
            Some(handle) => tell(handle).map_err(protocol),
            None if self.last_connection.is_some_and(|last| number <= last) => Ok(()),
            None => Err(protocol("a connection that was never opened")),
        }
    }

    fn connect(&mut self, number: u64, to: SocketAddrV4, credit_bytes: u32) -> Result<(), SessionError> {
        if self.last_connection.is_some_and(|last| number <= last) {
            return Err(protocol("a connection's number was used before"));
        }
        self.last_connection = Some(number);
        let Some(place) = self.allow.place(to) else {
            tracing::warn!("connection {number} to {to} refused: no --allow names it");
            let failure = ConnectFailure::NotAllowed;
            self.reply(FromGateway::Event(Inbound::Failed { connection: number, failure }));
            return Ok(());
        };
        // Tasks of connections that were reset end at once, but not before they run.
        if self.connections.len() >= CONNECTIONS_MAX || self.tasks.len() > 4 * (CONNECTIONS_MAX + WAITING_MAX) {
            return Err(protocol("too many connections"));
        }
        let (handle, connection) = stream::connection(number, place, credit_bytes, self.replies.clone());
        self.connections.insert(number, handle);
        self.tasks.spawn(async move {
            connection.run().await;
            Ended::Connection(number)
        });
        Ok(())
    }

    fn datagram(&mut self, from_port: u16, to: SocketAddrV4, bytes: Vec<u8>) -> Result<(), SessionError> {
        if bytes.len() > PAYLOAD_BYTES_MAX {
            return Err(protocol("a datagram too long"));
        }
        let Some(place) = self.allow.place(to) else {
            tracing::warn!("datagram to {to} dropped: no --allow names it");
            return Ok(());
        };
        if !self.ports.contains_key(&from_port) {
            if self.ports.len() >= PORTS_MAX {
                tracing::warn!("datagram from port {from_port} dropped: {PORTS_MAX} ports are in use");
                return Ok(());
            }
            let (sender, outgoing) = datagrams::channel();
            let replies = self.replies.clone();
            self.ports.insert(from_port, sender);
            self.tasks.spawn(async move {
                datagrams::run(from_port, outgoing, replies).await;
                Ended::Port(from_port)
            });
        }
        if let Some(port) = self.ports.get(&from_port)
            && port.try_send(Outgoing { to, place, bytes }).is_err()
        {
            tracing::debug!("datagram to {to} lost: too many wait");
        }
        Ok(())
    }

    fn resolve(&mut self, query: u64, name: String) -> Result<(), SessionError> {
        if self.queries >= QUERIES_MAX || name.len() > NAME_OCTETS_MAX {
            return Err(protocol("too many names in question, or too long a name"));
        }
        self.queries += 1;
        let (allow, replies) = (Arc::clone(&self.allow), self.replies.clone());
        self.tasks.spawn(async move {
            let answer = allow.resolve(&name).await;
            tracing::info!("name {name:?}: {answer:?}");
            let _ = replies.send(FromGateway::Event(Inbound::Resolved { query, answer })).await;
            Ended::Query
        });
        Ok(())
    }
}
