//! Sockets that wait for others to connect (`AT+USOLI`).

use lockstep_traces::Decisions;

use super::Socket;
use crate::modem::Modem;
use crate::network::tcp::{Connection, Segment, TcpConfig};
use crate::network::{Endpoint, Payload, Protocol};
use crate::urc::Urc;

impl Modem {
    /// A segment of no connection came. A SYN opens one, if a socket listens there and a handle is free; everything else
    /// is refused.
    pub(crate) fn stray_segment(&mut self, from: Endpoint, port: u16, syn: &Segment, decisions: &mut Decisions) {
        let listener =
            self.sockets.iter().find(|(_, s)| s.is_listening && s.local_port == port).map(|(handle, _)| handle);
        let accepted = listener.and_then(|listener| self.accept(listener, from, port, syn, decisions));
        match (accepted, syn.refusal()) {
            (Some(handle), _) => self.flush_socket(handle, decisions),
            (None, Some(refusal)) => self.transmit(port, from, Payload::Tcp(refusal), decisions),
            (None, None) => {}
        }
    }

    fn accept(
        &mut self,
        listener: u32,
        from: Endpoint,
        port: u16,
        syn: &Segment,
        decisions: &mut Decisions,
    ) -> Option<u32> {
        let limits = &self.config.sockets;
        let config = TcpConfig { receive_bytes: limits.receive_bytes, mss: limits.mss_bytes, ..TcpConfig::default() };
        // Within the limits that are given.
        let iss = decisions.draw(self.now_ps, "modem.tcp", "initial_sequence", 0, u64::from(u32::MAX)) as u32;
        let tcp = Connection::accept(config, iss, syn)?;
        self.socket_generation += 1;
        let mut socket =
            Socket::new(Protocol::Tcp, port, self.socket_generation, self.now_ps, self.config.sockets.receive_bytes);
        (socket.remote, socket.tcp, socket.accepted_by) = (Some(from), Some(tcp), Some(listener));
        self.sockets.insert(socket)
    }

    /// The handshake of an accepted connection is done: the client is told its handle.
    pub(crate) fn connection_accepted(&mut self, handle: u32, listener: u32, decisions: &mut Decisions) {
        let Some(socket) = self.sockets.get_mut(handle) else { return };
        socket.accepted_by = None;
        let (Some(remote), port) = (socket.remote, socket.local_port) else { return };
        let local = self.config.pdp.address;
        let text = format!("+UUSOLI: {handle},\"{}\",{},{listener},\"{local}\",{port}", remote.address, remote.port);
        self.urc(Urc::Text(text), decisions);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ModemConfig;
    use crate::line::bit_ps;
    use crate::network::tcp_host::{HostConfig, HostEvent, TcpHost};
    use crate::network::{Network, Packet, PeerOutput};
    use crate::output::Output;
    use crate::time::PS_PER_MS;
    use lockstep_traces::Decisions;

    /// A modem with packet data, and a host that reaches it without a link between.
    struct World {
        modem: Modem,
        decisions: Decisions,
        now_ps: u64,
        host: TcpHost,
        output: PeerOutput,
    }

    const DEVICE: [u8; 4] = [10, 171, 4, 7];
    const HOST: Endpoint = Endpoint { address: std::net::Ipv4Addr::new(198, 51, 100, 9), port: 4000 };

    impl World {
        fn new() -> Self {
            let mut modem = Modem::new(ModemConfig::default(), Network::default());
            modem.set_power_key(0, false);
            modem.set_power_key(50 * PS_PER_MS, true);
            let host = TcpHost::new(HostConfig::default());
            let mut world =
                Self { modem, decisions: Decisions::new(1), now_ps: 0, host, output: PeerOutput::default() };
            world.run_ms(15_000);
            world.at("ATE0;+UPSDA=0,3");
            world
        }

        fn run_ms(&mut self, ms: u64) -> String {
            let end_ps = self.now_ps + ms * PS_PER_MS;
            while self.now_ps < end_ps {
                self.now_ps += PS_PER_MS;
                self.modem.advance(self.now_ps, &mut self.decisions);
                // What the modem sends goes to the host, and not on the link.
                let mut network = std::mem::take(&mut self.modem.network);
                for captured in network.take_captured() {
                    if let (true, Payload::Tcp(segment)) = (captured.is_outbound, &captured.packet.payload) {
                        let ends = (captured.packet.from, captured.packet.to);
                        self.host.receive(self.now_ps, ends, segment, &mut self.output, &mut self.decisions);
                    }
                }
                for Packet { from, to, payload, .. } in std::mem::take(&mut self.output).packets {
                    let packet = Packet { from, to, payload, sent_ps: self.now_ps };
                    self.modem.packet_arrived(packet, &mut self.decisions);
                }
                self.modem.advance(self.now_ps, &mut self.decisions);
            }
            let outputs = self.modem.drain_outputs();
            let bytes =
                outputs.iter().filter_map(|o| if let Output::Byte { data, .. } = o { Some(*data) } else { None });
            String::from_utf8_lossy(&bytes.collect::<Vec<_>>()).into_owned()
        }

        fn at(&mut self, command: &str) -> String {
            let mut end_ps = self.now_ps;
            for byte in format!("{command}\r").bytes() {
                end_ps += 10 * bit_ps(115_200);
                self.modem.line_rx(end_ps, byte, bit_ps(115_200));
            }
            self.run_ms(2_000)
        }

        fn connect(&mut self, host_port: u16, port: u16) -> u64 {
            let to = Endpoint { address: DEVICE.into(), port };
            let from = Endpoint { port: host_port, ..HOST };
            self.host.connect(self.now_ps, from, to, &mut self.output, &mut self.decisions)
        }
    }

    #[test]
    fn others_connect_and_the_client_is_told_first_of_them_and_then_of_data() {
        let mut world = World::new();
        assert_eq!(
            world.at("AT+USOCR=6;+USOLI=0,1200;+USOCTL=0,10"),
            "\r\n+USOCR: 0\r\n\r\n+USOCTL: 0,10,1\r\n\r\nOK\r\n"
        );
        let one = world.connect(4000, 1200);
        world.run_ms(1);
        world.host.send(world.now_ps, one, b"hello", &mut world.output);
        let told = world.run_ms(200);
        assert_eq!(told, "\r\n+UUSOLI: 1,\"198.51.100.9\",4000,0,\"10.171.4.7\",1200\r\n\r\n+UUSORD: 1,5\r\n");
        assert_eq!(world.at("AT+USORD=1,10"), "\r\n+USORD: 1,5,\"hello\"\r\nOK\r\n");
        assert!(world.at("AT+USOWR=1,3,\"you\"").ends_with("+USOWR: 1,3\r\n\r\nOK\r\n"));
        assert_eq!(world.host.read(world.now_ps, one, 10, &mut world.output), b"you");
        // The listening socket goes without the others.
        assert_eq!(world.at("AT+USOCL=0;+USOCTL=1,10"), "\r\n+USOCTL: 1,10,4\r\n\r\nOK\r\n");
        // A peer that closes, as ever.
        world.host.close(world.now_ps, one, &mut world.output);
        assert_eq!(world.run_ms(200), "\r\n+UUSOCL: 1\r\n");
    }

    #[test]
    fn nobody_listens_or_no_handle_is_free() {
        let mut world = World::new();
        let refused = world.connect(4000, 1200);
        world.run_ms(10);
        let lost = |world: &mut World, id| {
            std::iter::from_fn(|| world.host.poll_event())
                .any(|(n, event)| n == id && matches!(event, HostEvent::Lost(_)))
        };
        assert!(lost(&mut world, refused));
        world.at("AT+USOCR=6;+USOLI=0,1200;+USOCR=6;+USOCR=6;+USOCR=6;+USOCR=6;+USOCR=6");
        world.connect(4001, 1200);
        assert!(world.run_ms(200).starts_with("\r\n+UUSOLI: 6,"));
        let refused = world.connect(4002, 1200);
        assert_eq!(world.run_ms(200), "");
        assert!(lost(&mut world, refused), "the eighth");
    }

    #[test]
    fn wrong_uses_are_refused() {
        let mut world = World::new();
        world.at("AT+CMEE=1");
        assert_eq!(world.at("AT+USOLI=0,1200"), "\r\n+CME ERROR: 3\r\n", "no socket");
        world.at("AT+USOCR=6;+USOCR=6");
        assert_eq!(world.at("AT+USOLI=0,0"), "\r\n+CME ERROR: 50\r\n");
        assert_eq!(world.at("AT+USOLI=0,1200;+USOLI=0,1201"), "\r\n+CME ERROR: 3\r\n", "twice");
        assert_eq!(world.at("AT+USOLI=1,1200"), "\r\n+CME ERROR: 3\r\n", "the port is taken");
        assert_eq!(world.at("AT+USOER"), "\r\n+USOER: 98\r\n\r\nOK\r\n");
        assert_eq!(world.at("AT+USOCO=0,\"198.51.100.9\",80"), "\r\n+CME ERROR: 3\r\n", "it listens");
        assert_eq!(world.at("AT+USOWR=0,1,\"x\""), "\r\n+CME ERROR: 3\r\n");
        assert_eq!(world.at("AT+USODL=0"), "\r\n+CME ERROR: 3\r\n");
        // UDP: its arrivals are announced by +UUSORF.
        world.at("AT+USOCL=0;+USOCR=17;+USOLI=0,1300");
        let packet = Packet {
            from: HOST,
            to: Endpoint { address: DEVICE.into(), port: 1300 },
            payload: Payload::Udp(b"abc".to_vec()),
            sent_ps: world.now_ps,
        };
        world.modem.packet_arrived(packet, &mut world.decisions);
        assert_eq!(world.run_ms(100), "\r\n+UUSORF: 0,3\r\n");
    }
}
