//! UDP: one real socket for each port of the device, as a NAT does it.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use lockstep_gateway_protocol::{FromGateway, Inbound, PAYLOAD_BYTES_MAX};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

/// A port that was silent for so long is forgotten (RFC 4787 REQ-5: not less than 120 s).
const IDLE_LIMIT: Duration = Duration::from_secs(300);
/// Datagrams that wait to be sent; more are lost, as they may be.
const WAITING_MAX: usize = 64;
/// Peers of one port that are remembered.
const PEERS_MAX: usize = 64;

/// A datagram of the device.
pub struct Outgoing {
    /// Where the device sends it.
    pub to: SocketAddrV4,
    /// Where it really goes.
    pub place: SocketAddrV4,
    /// The payload.
    pub bytes: Vec<u8>,
}

/// A port's queue, and its other end.
pub fn channel() -> (mpsc::Sender<Outgoing>, mpsc::Receiver<Outgoing>) {
    mpsc::channel(WAITING_MAX)
}

/// Carries datagrams of one of the device's ports. What comes from where the device never sent to is dropped.
pub async fn run(port: u16, mut outgoing: mpsc::Receiver<Outgoing>, replies: mpsc::Sender<FromGateway>) {
    let socket = match UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await {
        Ok(socket) => socket,
        Err(error) => return tracing::warn!("no UDP socket for the device's port {port}: {error}"),
    };
    let mut peers: BTreeMap<SocketAddrV4, SocketAddrV4> = BTreeMap::new();
    // One byte more than may come, so that a longer datagram shows.
    let mut buffer = vec![0; PAYLOAD_BYTES_MAX + 1];
    loop {
        let received = tokio::select! {
            datagram = outgoing.recv() => {
                let Some(Outgoing { to, place, bytes }) = datagram else { return };
                if peers.len() >= PEERS_MAX && !peers.contains_key(&place) {
                    peers.pop_first();
                }
                peers.insert(place, to);
                if let Err(error) = socket.send_to(&bytes, place).await {
                    tracing::info!("UDP to {place}: {error}");
                }
                continue;
            }
            received = socket.recv_from(&mut buffer) => received,
            () = tokio::time::sleep(IDLE_LIMIT) => return,
        };
        let (length, from) = match received {
            Ok((length, SocketAddr::V4(from))) => (length, from),
            Ok(_) => continue,
            // An ICMP error about one peer is no reason to lose the others.
            Err(error) => {
                tracing::info!("UDP port {port}: {error}");
                continue;
            }
        };
        let Some(&from) = peers.get(&from) else {
            tracing::debug!("datagram from {from} dropped: the device never sent there");
            continue;
        };
        let Some(bytes) = buffer.get(..length).filter(|bytes| bytes.len() <= PAYLOAD_BYTES_MAX) else {
            tracing::warn!("datagram from {from} dropped: longer than {PAYLOAD_BYTES_MAX} bytes");
            continue;
        };
        let event = Inbound::Datagram { from, to_port: port, bytes: bytes.to_vec() };
        if replies.send(FromGateway::Event(event)).await.is_err() {
            return;
        }
    }
}
