//! The Electron's board: what hangs on the microcontroller's pins.
//!
//! Wiring (device.md, and the board's published schematic): modem on USART3, PWR_ON from PB2, RESET_N from PC4,
//! level shifters PB15, V_INT on PB12; charger and fuel gauge on I2C3; RGB LED on TIM2 channels 2 to 4 (PA1 to PA3);
//! MODE button on PC7; user LED D7 on PA13; LOW_BAT on PC13.

use std::net::Ipv4Addr;
use std::sync::Arc;

use lockstep_modem::network::http::HttpRequest;
use lockstep_modem::network::mqtt::BrokerEvent;
use lockstep_modem::network::service::UpdateSettings;
use lockstep_modem::network::{Captured, CloudEvent, DnsServer, LinkConfig, OutboundAt, Peer, PeerAt, directory};
use lockstep_modem::{AtLogEntry, Change, Datagram, Modem, ModemConfig, Network, Output};
use lockstep_peripherals::board::sd_card::SdImage;
use lockstep_peripherals::board::{Bq24195, Button, I2cTarget, Max17043, Part, SdSlot, Watchdog};
use lockstep_peripherals::soc::{Soc, SocSettings};
use lockstep_peripherals::{Board, Now, Pin, Port, SpiFrame, UartFrame};
use lockstep_traces::Decisions;
use serde::{Deserialize, Serialize};

use crate::cloud;
use crate::machine::{Machine, MachineError, MachineParts};

/// USART that the modem is on.
pub const MODEM_USART: u8 = 3;
/// Modem PWR_ON.
pub const PWR_UC: Pin = Pin::new(Port::B, 2);
/// Modem RESET_N.
pub const RESET_UC: Pin = Pin::new(Port::C, 4);
/// Enable of the level shifters, low active.
pub const LVLOE_UC: Pin = Pin::new(Port::B, 15);
/// V_INT of the modem.
pub const RI_UC: Pin = Pin::new(Port::B, 12);
/// MODE button.
pub const MODE_BUTTON: Pin = Pin::new(Port::C, 7);
/// Fuel gauge alert, low active.
pub const LOW_BAT: Pin = Pin::new(Port::C, 13);
/// User LED.
pub const D7: Pin = Pin::new(Port::A, 13);
const PMIC_BUS: u8 = 3;

/// Something on the wires between the modem and its host, be that the microcontroller or a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineEvent {
    /// A character to the modem.
    ToModem {
        /// When its stop bit ended, in picoseconds.
        end_ps: u64,
        /// Duration of one bit in picoseconds.
        bit_ps: u64,
        /// The character.
        data: u8,
    },
    /// A character from the modem.
    FromModem {
        /// When its stop bit ended, in picoseconds.
        end_ps: u64,
        /// Duration of one bit in picoseconds.
        bit_ps: u64,
        /// The character.
        data: u8,
    },
    /// The host is (`true`) or is not ready to receive.
    Rts {
        /// When, in picoseconds.
        time_ps: u64,
        /// The new state.
        asserted: bool,
    },
    /// The modem is or is not ready to receive.
    Cts {
        /// When, in picoseconds.
        time_ps: u64,
        /// The new state.
        asserted: bool,
    },
}

impl LineEvent {
    /// What a modem did to its line, if it did something to that.
    pub fn of(output: &Output) -> Option<Self> {
        match *output {
            Output::Byte { data, bit_ps, end_ps } => Some(Self::FromModem { end_ps, bit_ps, data }),
            Output::Cts { asserted, time_ps } => Some(Self::Cts { time_ps, asserted }),
            Output::StartBit { .. } | Output::VInt { .. } | Output::Ri { .. } => None,
        }
    }
}

/// Packets between modem and network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PacketCounts {
    /// Sent by the modem, the lost ones too.
    pub sent: u64,
    /// Received by it.
    pub received: u64,
    /// Lost on the link, either way.
    pub lost: u64,
}

impl PacketCounts {
    fn count(&mut self, packet: &Captured) {
        self.sent += u64::from(packet.is_outbound);
        self.received += u64::from(!packet.is_outbound && !packet.is_lost);
        self.lost += u64::from(packet.is_lost);
    }
}

/// What the board's parts did that somebody may want to see. Not part of the simulated state: taken away as it comes.
#[derive(Clone, Debug, Default)]
pub struct BoardEvents {
    /// Frames sent by a USART that no part is wired to: number, byte, instant.
    pub serial: Vec<(u8, u8, Now)>,
    /// Pins driven: pin, level, instant.
    pub pins: Vec<(Pin, Option<bool>, Now)>,
    /// AT traffic.
    pub at: Vec<AtLogEntry>,
    /// Datagrams that no peer answered.
    pub datagrams: Vec<Datagram>,
    /// What the device service saw.
    pub cloud: Vec<CloudEvent>,
    /// What left for the real network.
    pub outbound: Vec<OutboundAt>,
    /// What the MQTT broker saw.
    pub broker: Vec<BrokerEvent>,
    /// What the HTTP server was asked.
    pub http: Vec<HttpRequest>,
    /// Characters and handshake on the modem's serial line, if somebody asked for them ([`Electron::watch_traffic`]).
    pub line: Vec<LineEvent>,
    /// Packets at the modem's side of the link; likewise.
    pub packets: Vec<Captured>,
}

/// The parts of the board.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Electron {
    /// The modem and the network behind it.
    pub modem: Modem,
    /// Charger.
    pub pmic: Bq24195,
    /// Fuel gauge.
    pub gauge: Max17043,
    /// MODE button. [`Machine::press_mode`] and [`Machine::release_mode`] are the finger.
    pub mode_button: Button,
    /// A watchdog on the reset pin, if one is built in.
    pub watchdog: Option<Watchdog>,
    /// What was added to the board.
    pub parts: Vec<Part>,
    i2c_target: Option<u8>,
    /// Observations since the last call of [`Electron::take_events`].
    #[serde(skip)]
    events: BoardEvents,
    /// The chip did something to a part since the last call of [`Electron::take_touched`].
    #[serde(skip)]
    is_touched: bool,
    #[serde(skip)]
    watches_traffic: bool,
    #[serde(skip)]
    packet_counts: PacketCounts,
}

impl Electron {
    /// A board with this modem, a charged battery and USB power.
    pub fn new(modem: Modem) -> Self {
        Self {
            modem,
            pmic: Bq24195::new(),
            gauge: Max17043::new(4_000, 85),
            mode_button: Button::new(MODE_BUTTON),
            watchdog: None,
            parts: Vec::new(),
            i2c_target: None,
            events: BoardEvents::default(),
            is_touched: false,
            watches_traffic: false,
            packet_counts: PacketCounts::default(),
        }
    }

    /// Observes every character on the modem's line and every packet from now on. Who does not ask does not pay.
    pub fn watch_traffic(&mut self) {
        self.watches_traffic = true;
    }

    /// Packets between modem and network since this object was made or restored.
    pub fn packet_counts(&self) -> PacketCounts {
        self.packet_counts
    }

    /// Takes the observations made since the last call, if there are any.
    pub fn take_events(&mut self) -> Option<BoardEvents> {
        let e = &self.events;
        let any = !(e.serial.is_empty()
            && e.pins.is_empty()
            && e.at.is_empty()
            && e.datagrams.is_empty()
            && e.cloud.is_empty()
            && e.broker.is_empty()
            && e.http.is_empty()
            && e.line.is_empty()
            && e.outbound.is_empty()
            && e.packets.is_empty());
        any.then(|| std::mem::take(&mut self.events))
    }

    /// Whether the chip did something since the last call that may change when [`Electron::advance`] is due.
    pub(crate) fn take_touched(&mut self) -> bool {
        std::mem::take(&mut self.is_touched)
    }

    /// When [`Electron::advance`] is due, in picoseconds.
    pub fn next_wake_ps(&self) -> u64 {
        let watchdog_ps = self.watchdog.as_ref().map_or(u64::MAX, Watchdog::due_ps);
        let parts_ps = self.parts.iter().map(Part::next_wake_ps).min().unwrap_or(u64::MAX);
        let button_ps = self.mode_button.next_edge_ps().unwrap_or(u64::MAX);
        self.modem.next_wake_ps().min(button_ps).min(watchdog_ps).min(parts_ps)
    }

    /// Brings the parts to `now`; returns what the modem did to its pins.
    pub fn advance(&mut self, now: Now, decisions: &mut Decisions) -> Vec<Output> {
        self.modem.advance(now.time_ps, decisions);
        self.events.at.extend(self.modem.at_log().drain());
        self.events.datagrams.extend(self.modem.network().take_unanswered());
        self.events.cloud.extend(self.modem.network().take_cloud());
        let network = self.modem.network();
        self.events.outbound.extend(network.take_outbound());
        self.events.broker.extend(network.take_broker());
        self.events.http.extend(network.take_http());
        let packets = network.take_captured();
        packets.iter().for_each(|packet| self.packet_counts.count(packet));
        let outputs = self.modem.drain_outputs();
        if self.watches_traffic {
            self.events.packets.extend(packets);
            self.events.line.extend(outputs.iter().filter_map(LineEvent::of));
        }
        outputs
    }

    /// USB and battery are gone.
    pub(crate) fn power_lost(&mut self, now: Now, decisions: &mut Decisions) {
        self.parts.iter_mut().for_each(|part| part.set_supply(false, now.time_ps, decisions));
        if let Some(watchdog) = &mut self.watchdog {
            watchdog.power_off();
        }
        self.modem.change(now.time_ps, Change::Supply(false));
        self.i2c_target = None;
    }

    /// They are back: charger and fuel gauge start anew, as they do at a machine's beginning.
    pub(crate) fn power_returned(&mut self, now: Now, decisions: &mut Decisions) {
        self.parts.iter_mut().for_each(|part| part.set_supply(true, now.time_ps, decisions));
        if let Some(watchdog) = &mut self.watchdog {
            watchdog.power_on(now.time_ps);
        }
        (self.pmic, self.gauge) = (self.pmic.restarted(), self.gauge.restarted());
        self.modem.change(now.time_ps, Change::Supply(true));
    }

    /// The socket for an SD card, if there is one.
    pub fn sd_slot(&mut self) -> Option<&mut SdSlot> {
        self.parts
            .iter_mut()
            .map(|part| match part {
                Part::SdSlot(slot) => slot.as_mut(),
            })
            .next()
    }

    /// What the SD card held at the beginning, if there is one.
    pub fn card_image(&self) -> Option<Arc<SdImage>> {
        self.parts
            .iter()
            .map(|part| match part {
                Part::SdSlot(slot) => Arc::clone(slot.card().storage().image()),
            })
            .next()
    }

    /// Gives it back to a board that was read.
    pub fn attach_card(&mut self, image: Option<&Arc<SdImage>>) -> Result<(), MachineError> {
        let Some(slot) = self.sd_slot() else { return Ok(()) };
        let is_attached = image.is_some_and(|image| slot.card_mut().storage_mut().attach(image));
        let reason = "the SD card's content is not in it".to_owned();
        if is_attached { Ok(()) } else { Err(MachineError::SnapshotBytes { reason }) }
    }

    fn target(&mut self) -> Option<&mut dyn I2cTarget> {
        match self.i2c_target? {
            a if a == self.pmic.address() => Some(&mut self.pmic),
            a if a == self.gauge.address() => Some(&mut self.gauge),
            _ => None,
        }
    }
}

impl Board for Electron {
    fn uart_sent(&mut self, usart: u8, frame: UartFrame, now: Now) {
        self.is_touched = true;
        if usart == MODEM_USART {
            if !frame.is_break {
                let (end_ps, bit_ps, data) = (now.time_ps, frame.bit_ps, frame.data as u8);
                self.modem.line_rx(end_ps, data, bit_ps);
                if self.watches_traffic {
                    self.events.line.push(LineEvent::ToModem { end_ps, bit_ps, data });
                }
            }
        } else {
            self.events.serial.push((usart, frame.data as u8, now));
        }
    }

    fn uart_rts(&mut self, usart: u8, asserted: bool, now: Now) {
        self.is_touched = true;
        if usart == MODEM_USART {
            self.modem.set_dte_rts(now.time_ps, asserted);
            if self.watches_traffic {
                self.events.line.push(LineEvent::Rts { time_ps: now.time_ps, asserted });
            }
        }
    }

    fn i2c_start(&mut self, bus: u8, address: u8, read: bool, now: Now) -> bool {
        self.i2c_target = (bus == PMIC_BUS).then_some(address);
        match self.target() {
            Some(target) => {
                target.start(read, now);
                true
            }
            None => {
                self.i2c_target = None;
                false
            }
        }
    }

    fn i2c_write(&mut self, _bus: u8, byte: u8, _now: Now) -> bool {
        self.target().is_some_and(|target| target.write(byte))
    }

    fn i2c_read(&mut self, _bus: u8, _ack: bool, _now: Now) -> u8 {
        // An open bus is pulled high.
        self.target().map_or(0xff, |target| target.read())
    }

    fn i2c_stop(&mut self, _bus: u8, _now: Now) {
        if let Some(target) = self.target() {
            target.stop();
        }
        self.i2c_target = None;
    }

    fn spi_frame(&mut self, _bus: u8, frame: &SpiFrame, _now: Now, decisions: &mut Decisions) -> Option<u16> {
        // Each part sees each frame; who drives low wins, as on wires with a pull-up.
        let answers = self.parts.iter_mut().filter_map(|part| part.spi_frame(frame, decisions));
        answers.reduce(|all, answer| all & answer)
    }

    fn pin_driven(&mut self, pin: Pin, level: Option<bool>, now: Now, decisions: &mut Decisions) {
        self.is_touched = true;
        match pin {
            // The board pulls both up: an input pin leaves the modem alone.
            PWR_UC => self.modem.set_power_key(now.time_ps, level.unwrap_or(true)),
            RESET_UC => self.modem.set_reset(now.time_ps, level.unwrap_or(true)),
            LVLOE_UC => self.modem.set_lvloe(now.time_ps, level.unwrap_or(true)),
            _ => {}
        }
        if let Some(watchdog) = &mut self.watchdog {
            watchdog.pin_driven(pin, level, now.time_ps);
        }
        self.parts.iter_mut().for_each(|part| part.pin_driven(pin, level, now.time_ps, decisions));
        self.events.pins.push((pin, level, now));
    }
}

/// What can be chosen about a whole device.
#[derive(Clone, Debug, Default)]
pub struct DeviceSettings {
    /// The chip: oscillators, unique id.
    pub soc: SocSettings,
    /// The modem.
    pub modem: ModemConfig,
    /// The link between modem and peers.
    pub link: LinkConfig,
    /// Seed of every choice of the outside world.
    pub seed: u64,
    /// Serve semihosting calls (bare-metal test programs).
    pub semihosting: bool,
    /// Whether the device service is there. A device connects to it if its flash is provisioned for it
    /// ([`cloud::provision`]).
    pub cloud: bool,
    /// How the device service sends updates.
    pub update: UpdateSettings,
}

/// The network behind a modem: a name server at the addresses that the network tells the modem, and at 8.8.8.8, which
/// firmware falls back to; the services of the [`directory`]; and the device service, if wanted.
pub fn network(modem: &ModemConfig, link: &LinkConfig, cloud: Option<&UpdateSettings>) -> Network {
    let mut network = Network::new(link.clone(), Vec::new());
    let told = [modem.pdp.dns_primary, modem.pdp.dns_secondary];
    let mut servers: Vec<Ipv4Addr> = told.into_iter().flatten().collect();
    servers.push(Ipv4Addr::new(8, 8, 8, 8));
    servers.sort();
    servers.dedup();
    for address in servers {
        network.add_peer(PeerAt { address, port: Some(53), peer: Peer::Dns(DnsServer::default()) });
    }
    for peer in directory::services(cloud::EPOCH_UNIX_S) {
        network.add_peer(peer);
    }
    if let Some(update) = cloud {
        network.add_peer(cloud::service(update.clone()));
    }
    network
}

/// An Electron with this flash content, at power-on, with [`network`] behind its modem.
pub fn electron(flash: Vec<u8>, settings: &DeviceSettings) -> Result<Machine, MachineError> {
    let network = network(&settings.modem, &settings.link, settings.cloud.then_some(&settings.update));
    Machine::new(MachineParts {
        flash,
        soc: Soc::new(settings.soc.clone()),
        electron: Electron::new(Modem::new(settings.modem.clone(), network)),
        seed: settings.seed,
        semihosting: settings.semihosting,
    })
}
