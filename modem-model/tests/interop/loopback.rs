//! Serves a service of the simulated network on a real TCP port of the loopback interface, in real time.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use lockstep_modem::network::{ConnectionId, StreamAction, StreamEvent, StreamService};

use crate::support::{elapsed_ps, endpoint, loopback};

/// A service that is served until this goes out of scope.
pub struct Served<S> {
    pub address: SocketAddr,
    pub service: Arc<Mutex<S>>,
    start: Instant,
    is_stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

struct Connection {
    stream: TcpStream,
    unsent: Vec<u8>,
    /// The service has said its last word.
    is_closing: bool,
    /// The client has.
    is_half_closed: bool,
}

struct Server<S> {
    listener: TcpListener,
    service: Arc<Mutex<S>>,
    connections: BTreeMap<ConnectionId, Connection>,
    next_id: ConnectionId,
    start: Instant,
}

impl<S: StreamService + Send + 'static> Served<S> {
    pub fn new(service: S) -> Self {
        let listener = TcpListener::bind(loopback()).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let service = Arc::new(Mutex::new(service));
        let is_stopping = Arc::new(AtomicBool::new(false));
        let start = Instant::now();
        let mut server = Server { listener, service: service.clone(), connections: BTreeMap::new(), next_id: 1, start };
        let stop = is_stopping.clone();
        let thread = thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                server.turn();
                thread::sleep(Duration::from_millis(1));
            }
        });
        Self { address, service, start, is_stopping, thread: Some(thread) }
    }

    /// The time that the service sees.
    pub fn now_ps(&self) -> u64 {
        elapsed_ps(self.start)
    }
}

impl<S> Drop for Served<S> {
    fn drop(&mut self) {
        self.is_stopping.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(thread::panicking() || ended.is_none_or(|result| result.is_ok()), "the server panicked");
    }
}

impl<S: StreamService> Server<S> {
    fn turn(&mut self) {
        let service = self.service.clone();
        let mut service = service.lock().unwrap();
        let mut actions = Vec::new();
        while let Ok((stream, from)) = self.listener.accept() {
            stream.set_nonblocking(true).unwrap();
            let connection = Connection { stream, unsent: Vec::new(), is_closing: false, is_half_closed: false };
            self.connections.insert(self.next_id, connection);
            let event = StreamEvent::Connected { from: endpoint(from) };
            service.event(elapsed_ps(self.start), self.next_id, event, &mut actions);
            self.next_id += 1;
        }
        self.act(&mut actions);
        let ids: Vec<ConnectionId> = self.connections.keys().copied().collect();
        for id in ids {
            self.read(id, &mut *service, &mut actions);
            self.act(&mut actions);
        }
        if service.next_wake_ps() <= elapsed_ps(self.start) {
            service.advance(elapsed_ps(self.start), &mut actions);
            self.act(&mut actions);
        }
        for connection in self.connections.values_mut() {
            connection.write();
        }
        self.connections.retain(|_, connection| !(connection.is_closing && connection.is_half_closed));
    }

    fn read(&mut self, id: ConnectionId, service: &mut S, actions: &mut Vec<(ConnectionId, StreamAction)>) {
        let mut buffer = [0; 4096];
        let Some(connection) = self.connections.get_mut(&id).filter(|connection| !connection.is_half_closed) else {
            return;
        };
        let event = match connection.stream.read(&mut buffer) {
            Ok(0) => StreamEvent::PeerClosed,
            Ok(length) => StreamEvent::Data(&buffer[..length]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(_) => StreamEvent::Lost,
        };
        connection.is_half_closed |= !matches!(event, StreamEvent::Data(_));
        if event == StreamEvent::Lost {
            self.connections.remove(&id);
        } else if connection.is_closing {
            return;
        }
        service.event(elapsed_ps(self.start), id, event, actions);
    }

    fn act(&mut self, actions: &mut Vec<(ConnectionId, StreamAction)>) {
        for (id, action) in actions.drain(..) {
            let Some(connection) = self.connections.get_mut(&id) else { continue };
            match action {
                StreamAction::Send(bytes) => connection.unsent.extend(bytes),
                StreamAction::Close => connection.is_closing = true,
                StreamAction::Abort => {
                    self.connections.remove(&id);
                }
            }
        }
    }
}

impl Connection {
    fn write(&mut self) {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(length) => drop(self.unsent.drain(..length)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.unsent.clear(),
            }
        }
        if self.is_closing {
            let _ = self.stream.shutdown(Shutdown::Write);
        }
    }
}
