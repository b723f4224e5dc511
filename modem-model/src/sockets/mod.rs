//! The modem's sockets: seven handles, lowest free first.

pub mod socket;
mod traffic;

use serde::{Deserialize, Serialize};

use crate::network::Protocol;
pub(crate) use socket::{Announcement, Socket};
pub use socket::{SocketView, TcpState};

/// Handles 0 to 6.
pub const SOCKETS_MAX: usize = 7;
/// Ports given to sockets without one of their own (RFC 6335's dynamic range).
const DYNAMIC_PORTS: std::ops::RangeInclusive<u16> = 49_152..=65_535;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Sockets {
    slots: [Option<Socket>; SOCKETS_MAX],
    next_port: u16,
}

impl Default for Sockets {
    fn default() -> Self {
        Self { slots: Default::default(), next_port: *DYNAMIC_PORTS.start() }
    }
}

impl Sockets {
    pub fn get(&self, handle: u32) -> Option<&Socket> {
        self.slots.get(handle as usize)?.as_ref()
    }

    pub fn get_mut(&mut self, handle: u32) -> Option<&mut Socket> {
        self.slots.get_mut(handle as usize)?.as_mut()
    }

    pub fn remove(&mut self, handle: u32) -> Option<Socket> {
        self.slots.get_mut(handle as usize)?.take()
    }

    /// Puts a socket in the lowest free slot; `None` if all are taken.
    pub fn insert(&mut self, socket: Socket) -> Option<u32> {
        let index = self.slots.iter().position(Option::is_none)?;
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
