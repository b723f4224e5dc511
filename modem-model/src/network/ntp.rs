//! NTP server (RFC 5905): one answer to each request of a client, and no memory.

use serde::{Deserialize, Serialize};

use super::packet::{Packet, Payload};
use super::peer::PeerOutput;
use crate::time::PS_PER_S;

/// UDP port (IANA).
pub const PORT: u16 = 123;
/// Bytes of a packet without extension fields and authentication.
const PACKET_BYTES: usize = 48;
/// Seconds from 1900 to 1970 (RFC 5905 section 6).
const UNIX_EPOCH_NTP_S: u64 = 2_208_988_800;
const MODE_CLIENT: u8 = 3;
const MODE_SERVER: u8 = 4;
/// Newest version of the protocol.
const VERSION_MAX: u8 = 4;
/// Resolution of the clock as a power of two, in seconds: about a microsecond.
const PRECISION: i8 = -20;
/// The clock says that it was set at the last multiple of this.
const REFERENCE_INTERVAL_S: u64 = 64;

/// The server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NtpServer {
    /// Its time at power-on of the world, in seconds since 1970.
    pub epoch_unix_s: u32,
    /// How far it is from a reference clock: 1 has one, 16 is not synchronised.
    pub stratum: u8,
    /// Which reference: four ASCII characters at stratum 1 (RFC 5905 figure 12), an address above.
    pub reference_id: [u8; 4],
}

impl NtpServer {
    /// A server with a reference clock.
    pub fn new(epoch_unix_s: u32) -> Self {
        Self { epoch_unix_s, stratum: 1, reference_id: *b"GPS\0" }
    }

    pub(super) fn receive(&mut self, now_ps: u64, packet: &Packet, output: &mut PeerOutput) {
        let Payload::Udp(request) = &packet.payload else { return };
        match self.answer(now_ps, request) {
            Some(answer) => output.reply(packet, Payload::Udp(answer)),
            None => output.unmodelled("NTP: packet that is not a client's request".to_owned()),
        }
    }

    /// The answer to a request; `None` to anything else. Extension fields and authentication are not looked at.
    pub fn answer(&self, now_ps: u64, request: &[u8]) -> Option<Vec<u8>> {
        let request = request.first_chunk::<PACKET_BYTES>()?;
        let [first, _stratum, poll, ..] = *request;
        let (version, mode) = (first >> 3 & 7, first & 7);
        if !(1..=VERSION_MAX).contains(&version) || mode != MODE_CLIENT {
            return None;
        }
        let originate = request.last_chunk::<8>()?;
        let now = self.timestamp(now_ps);
        let seconds = now_ps / PS_PER_S;
        let reference = self.timestamp((seconds - seconds % REFERENCE_INTERVAL_S) * PS_PER_S);
        // The leap indicator says "unknown" when the clock is not synchronised (RFC 5905 section 7.3).
        let leap = if self.stratum >= 16 { 3 } else { 0 };
        let mut answer = vec![leap << 6 | version << 3 | MODE_SERVER, self.stratum, poll, PRECISION.to_be_bytes()[0]];
        // Root delay 0; root dispersion 2^-16 s times 16, a quarter of a millisecond.
        answer.extend([0, 0, 0, 0, 0, 0, 0, 16]);
        answer.extend(self.reference_id);
        answer.extend(reference);
        answer.extend(originate);
        // It answers at once: the time between is the link's.
        answer.extend(now);
        answer.extend(now);
        Some(answer)
    }

    /// Seconds since 1900 and their fraction, 32 bits each; the seconds wrap in 2036, as the format does.
    fn timestamp(&self, now_ps: u64) -> [u8; 8] {
        let seconds = UNIX_EPOCH_NTP_S + u64::from(self.epoch_unix_s) + now_ps / PS_PER_S;
        let fraction = (u128::from(now_ps % PS_PER_S) << 32) / u128::from(PS_PER_S);
        (seconds << 32 | fraction as u64).to_be_bytes()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::time::PS_PER_MS;

    fn request(first: u8, transmit: [u8; 8]) -> Vec<u8> {
        let mut request = vec![0; 40];
        (request[0], request[2]) = (first, 6);
        request.extend(transmit);
        request
    }

    #[test]
    fn a_request_is_answered_with_the_time() {
        // 2020-01-01 00:00:00 UTC is e1b65f80 in NTP's seconds.
        let server = NtpServer::new(1_577_836_800);
        let answer = server.answer(100_250 * PS_PER_MS, &request(0x23, *b"originat")).unwrap();
        assert_eq!(answer.len(), 48);
        assert_eq!(answer[..4], [0x24, 1, 6, 0xec]);
        assert_eq!(answer[12..16], *b"GPS\0");
        assert_eq!(answer[16..24], [0xe1, 0xb6, 0x5f, 0xc0, 0, 0, 0, 0], "set at second 64");
        assert_eq!(answer[24..32], *b"originat");
        assert_eq!(answer[32..40], [0xe1, 0xb6, 0x5f, 0xe4, 0x40, 0, 0, 0], "100.25 s later");
        assert_eq!(answer[40..], answer[32..40]);
    }

    #[test]
    fn the_version_is_the_client_s() {
        let server = NtpServer::new(0);
        for (first, expected) in [(0x0b, 0x0c), (0x1b, 0x1c), (0xe3, 0x24)] {
            assert_eq!(server.answer(0, &request(first, [0; 8])).unwrap()[0], expected);
        }
        for (what, first) in [("version 0", 0x03), ("version 5", 0x2b), ("a server", 0x24), ("control", 0x26)] {
            assert_eq!(server.answer(0, &request(first, [0; 8])), None, "{what}");
        }
        let unsynchronised = NtpServer { stratum: 16, ..server };
        assert_eq!(unsynchronised.answer(0, &request(0x23, [0; 8])).unwrap()[..2], [0xe4, 16]);
    }

    #[test]
    fn the_seconds_wrap_in_2036() {
        let server = NtpServer::new(2_085_978_495);
        let seconds = |now_ps| server.answer(now_ps, &request(0x23, [0; 8])).unwrap()[40..44].to_vec();
        assert_eq!(seconds(0), [0xff; 4]);
        assert_eq!(seconds(PS_PER_S), [0; 4]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered_or_dropped(now_ps: u64, epoch: u32, bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let answer = NtpServer::new(epoch).answer(now_ps, &bytes);
            prop_assert!(answer.is_none_or(|answer| answer.len() == 48 && bytes.len() >= 48 && answer[24..32] == bytes[40..48]));
        }
    }
}
