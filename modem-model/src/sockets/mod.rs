//! The modem's sockets: seven handles, lowest free first.

mod listening;
pub mod socket;
mod traffic;

use serde::{Deserialize, Serialize};

pub use crate::network::TcpState;
use crate::network::tcp::Connection;
use crate::network::{Endpoint, Protocol};
pub use socket::SocketView;
pub(crate) use socket::{Announcement, Socket};

/// Handles 0 to 6.
pub const SOCKETS_MAX: usize = 7;
/// Ports given to sockets without one of their own (RFC 6335's dynamic range).
const DYNAMIC_PORTS: std::ops::RangeInclusive<u16> = 49_152..=65_535;

/// Closed sockets whose TCP still has to say goodbye, at most; the oldest gives way.
const LEAVING_MAX: usize = 16;

/// A connection whose socket is closed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Leaving {
    pub local_port: u16,
    pub remote: Endpoint,
    pub tcp: Connection,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Sockets {
    slots: [Option<Socket>; SOCKETS_MAX],
    /// Handles that a fault keeps occupied.
    leaked: [bool; SOCKETS_MAX],
    next_port: u16,
    pub leaving: Vec<Leaving>,
}

impl Default for Sockets {
    fn default() -> Self {
        Self {
            slots: Default::default(),
            leaked: [false; SOCKETS_MAX],
            next_port: *DYNAMIC_PORTS.start(),
            leaving: Vec::new(),
        }
    }
}

impl Sockets {
    pub fn get(&self, handle: u32) -> Option<&Socket> {
        self.slots.get(handle as usize)?.as_ref()
    }

    pub fn get_mut(&mut self, handle: u32) -> Option<&mut Socket> {
        self.slots.get_mut(handle as usize)?.as_mut()
    }

    /// Frees a handle. What its TCP has still to say is said.
    pub fn remove(&mut self, now_ps: u64, handle: u32) {
        let Some(socket) = self.slots.get_mut(handle as usize).and_then(Option::take) else { return };
        if let (Some(remote), Some(mut tcp)) = (socket.remote, socket.tcp) {
            tcp.close_both(now_ps);
            if tcp.state() != TcpState::Closed {
                if self.leaving.len() >= LEAVING_MAX {
                    self.leaving.remove(0);
                }
                self.leaving.push(Leaving { local_port: socket.local_port, remote, tcp });
            }
        }
    }

    /// A closed socket's handle stays occupied.
    pub fn leak(&mut self, handle: u32) {
        if let Some(leaked) = self.leaked.get_mut(handle as usize) {
            *leaked = true;
        }
    }

    /// Every socket and connection is gone without a word.
    pub fn clear(&mut self) {
        self.slots = Default::default();
        self.leaving.clear();
    }

    /// When a connection's timer expires next.
    pub fn next_wake_ps(&self) -> u64 {
        let open = self.slots.iter().flatten().filter_map(|socket| socket.tcp.as_ref());
        open.chain(self.leaving.iter().map(|l| &l.tcp)).map(Connection::next_wake_ps).min().unwrap_or(u64::MAX)
    }

    /// Puts a socket in the lowest free slot; `None` if all are taken.
    pub fn insert(&mut self, socket: Socket) -> Option<u32> {
        let index = self.slots.iter().zip(&self.leaked).position(|(slot, leaked)| slot.is_none() && !leaked)?;
        *self.slots.get_mut(index)? = Some(socket);
        u32::try_from(index).ok()
    }

    /// Open sockets with their handles.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Socket)> {
        (0..).zip(&self.slots).filter_map(|(handle, slot)| Some((handle, slot.as_ref()?)))
    }

    pub fn port_in_use(&self, protocol: Protocol, port: u16) -> bool {
        self.iter().any(|(_, s)| s.protocol == protocol && s.local_port == port)
    }

    /// The next free dynamic port.
    pub fn dynamic_port(&mut self, protocol: Protocol) -> u16 {
        // Seven sockets cannot hold more than seven of the ports.
        for _ in 0..=SOCKETS_MAX {
            let port = self.next_port;
            self.next_port = if port == *DYNAMIC_PORTS.end() { *DYNAMIC_PORTS.start() } else { port + 1 };
            if !self.port_in_use(protocol, port) {
                return port;
            }
        }
        *DYNAMIC_PORTS.start()
    }
}
