//! One pcapng file of all that passes by the modem: IP packets, the AT dialogue, and the characters on its serial line.
//!
//! Written as it goes, in the order of virtual time; a file that was cut short is readable up to its last whole block.
//! It only looks: a run with it and one without are the same.

mod records;
mod serial;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Error, Result};
use std::path::Path;
use std::time::{Duration, Instant};

use lockstep::cloud::EPOCH_UNIX_S;
use lockstep::electron::LineEvent;
use lockstep_modem::network::Captured;
use lockstep_modem::network::packet::to_ipv4_bytes;
use lockstep_modem::{AtLogEntry, Direction};
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption};
use pcap_file::pcapng::blocks::section_header::{SectionHeaderBlock, SectionHeaderOption};
use pcap_file::pcapng::{PcapNgBlock, PcapNgWriter};
use pcap_file::{DataLink, Endianness};

use serial::Serial;

/// Host time between two flushes.
const FLUSH_INTERVAL: Duration = Duration::from_millis(250);
/// Records that came this long ago, in picoseconds, have none before them that is still to come: longer than a
/// character takes at the lowest rate.
const SETTLED_PS: u64 = 20_000_000_000;

/// The interfaces of a file; the value is the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Interface {
    Ip = 0,
    At = 1,
    Serial = 2,
}

/// In the order of their numbers.
const INTERFACES: [(DataLink, &str, &str); 3] = [
    (DataLink::RAW, "ip", "packets between the modem and the network"),
    (DataLink::WIRESHARK_UPPER_PDU, "at", "command lines, responses, URCs and payloads"),
    (DataLink::RTAC_SERIAL, "serial", "characters between the host (TX) and the modem (RX), RTS/CTS"),
];

/// Seen from the host of the modem, as a flags word has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    In = 1,
    Out = 2,
}

/// A record and where it belongs.
struct Record {
    time_ps: u64,
    interface: Interface,
    way: Option<Way>,
    bytes: Vec<u8>,
    comment: Option<&'static str>,
}

/// A capture file.
pub struct Capture {
    to: PcapNgWriter<BufWriter<File>>,
    /// By time, and in the order they came.
    waiting: BTreeMap<(u64, u64), Record>,
    taken: u64,
    serial: Serial,
    flushed: Instant,
}

impl Capture {
    /// Makes the file.
    pub fn create(path: &Path) -> Result<Self> {
        let section = SectionHeaderBlock {
            endianness: Endianness::Little,
            options: vec![SectionHeaderOption::UserApplication(Cow::Borrowed(concat!(
                "lockstep ",
                env!("CARGO_PKG_VERSION")
            )))],
            ..SectionHeaderBlock::default()
        };
        let mut to = PcapNgWriter::with_section_header(BufWriter::new(File::create(path)?), section).map_err(failed)?;
        for (linktype, name, description) in INTERFACES {
            let interface = InterfaceDescriptionBlock {
                linktype,
                snaplen: 0,
                options: vec![
                    InterfaceDescriptionOption::IfName(Cow::Borrowed(name)),
                    InterfaceDescriptionOption::IfDescription(Cow::Borrowed(description)),
                    // Nanoseconds.
                    InterfaceDescriptionOption::IfTsResol(9),
                ],
            };
            to.write_block(&interface.into_block()).map_err(failed)?;
        }
        let serial = Serial::default();
        Ok(Self { to, waiting: BTreeMap::new(), taken: 0, serial, flushed: Instant::now() })
    }

    /// A line, a response or a payload.
    pub fn at(&mut self, entry: &AtLogEntry) {
        let (way, dissector) = match entry.direction {
            Direction::ToModem => (Way::Out, "at"),
            Direction::PayloadToModem => (Way::Out, "data"),
            Direction::FromModem => (Way::In, "at"),
        };
        let bytes = records::upper_pdu(dissector, way, &entry.bytes);
        self.take(Record { time_ps: entry.time_ps, interface: Interface::At, way: Some(way), bytes, comment: None });
    }

    /// A packet between modem and network.
    pub fn packet(&mut self, captured: &Captured) {
        self.take(Record {
            time_ps: captured.time_ps,
            interface: Interface::Ip,
            way: Some(if captured.is_outbound { Way::Out } else { Way::In }),
            bytes: to_ipv4_bytes(&captured.packet),
            comment: captured.is_lost.then_some("lost on the link"),
        });
    }

    /// Something on the serial line.
    pub fn line(&mut self, event: &LineEvent) {
        for record in self.serial.event(event) {
            self.take(record);
        }
    }

    fn take(&mut self, record: Record) {
        self.taken += 1;
        self.waiting.insert((record.time_ps, self.taken), record);
    }

    /// Time has come to `now_ps`: writes what nothing can precede any more.
    pub fn advance(&mut self, now_ps: u64) -> Result<()> {
        while let Some(record) = self.serial.pause(now_ps) {
            self.take(record);
        }
        let settled_ps = self.serial.open_since_ps().min(now_ps.saturating_sub(SETTLED_PS));
        let unsettled = self.waiting.split_off(&(settled_ps, 0));
        for record in std::mem::replace(&mut self.waiting, unsettled).into_values() {
            self.write(record)?;
        }
        if self.flushed.elapsed() >= FLUSH_INTERVAL {
            self.flush()?;
        }
        Ok(())
    }

    /// The run is over: writes what is left.
    pub fn end(&mut self) -> Result<()> {
        self.advance(u64::MAX)?;
        self.flush()
    }

    fn flush(&mut self) -> Result<()> {
        self.flushed = Instant::now();
        std::io::Write::flush(self.to.get_mut())
    }

    fn write(&mut self, record: Record) -> Result<()> {
        let flags = record.way.map(|way| EnhancedPacketOption::Flags(way as u32));
        let comment = record.comment.map(|text| EnhancedPacketOption::Comment(Cow::Borrowed(text)));
        let block = EnhancedPacketBlock {
            interface_id: record.interface as u32,
            timestamp: unix_time(record.time_ps),
            original_len: u32::try_from(record.bytes.len()).unwrap_or(u32::MAX),
            data: Cow::Owned(record.bytes),
            options: flags.into_iter().chain(comment).collect(),
        };
        self.to.write_block(&block.into_block()).map_err(failed)?;
        Ok(())
    }
}

/// Virtual time as the device service's clock has it.
fn unix_time(time_ps: u64) -> Duration {
    Duration::from_secs(EPOCH_UNIX_S.into()) + Duration::from_nanos(time_ps / 1000)
}

fn failed(error: pcap_file::PcapError) -> Error {
    match error {
        pcap_file::PcapError::IoError(error) => error,
        other => Error::other(other),
    }
}
