//! Brings the modem's time along with the host's, and carries characters between it and the pseudo-terminal.

use std::collections::{BTreeSet, VecDeque};
use std::io::Result;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lockstep::electron::LineEvent;
use lockstep_modem::line::{bit_ps, sample};
use lockstep_modem::time::{PS_PER_MS, PS_PER_US};
use lockstep_modem::{Modem, Output, PowerState};
use lockstep_traces::Decisions;

use super::terminal::{ClientSettings, Ready, Terminal};
use super::transcript::Transcript;
use crate::cli::outside::GatewayLink;
use crate::pcap::Capture;

/// Start bit, eight data bits, stop bit.
const BITS_PER_CHARACTER: u64 = 10;
/// Shortest wait: characters come to the program in bunches of about this length, as from a USB adapter.
const WAIT_MIN: Duration = Duration::from_millis(1);
/// Longest wait, after which the request to end is looked at.
const WAIT_MAX: Duration = Duration::from_millis(50);
/// The same while a gateway may have something.
const WAIT_MAX_GATEWAY: Duration = Duration::from_millis(5);
/// How long to wait while no program has the slave open: the system does not tell when one opens it.
const WAIT_CLOSED: Duration = Duration::from_millis(5);
/// Characters are read as far ahead of their time on the wire: more than the shortest wait, and little enough that the
/// modem's buffer has room for them after its CTS went off.
const READ_AHEAD_PS: u64 = 5 * PS_PER_MS;
/// Characters that the program has not taken, beyond which the modem's RTS/CTS input stops it.
const HELD_BYTES_MAX: usize = 64;
/// How long PWR_ON is held low, beyond what the module needs.
const KEY_PS: u64 = 50 * PS_PER_MS;

/// What passed in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Characters from programs to the modem.
    pub to_modem: u64,
    /// Characters from the modem to programs.
    pub from_modem: u64,
    /// Times that a program opened the pseudo-terminal.
    pub opened: u64,
}

/// The modem and its pseudo-terminal.
pub struct Server {
    modem: Modem,
    decisions: Decisions,
    terminal: Terminal,
    transcript: Option<Transcript>,
    capture: Option<Capture>,
    gateway: Option<GatewayLink>,
    /// The instant of the modem's time `start_ps`.
    started: Instant,
    start_ps: u64,
    client: ClientSettings,
    is_open: bool,
    cts: bool,
    /// When the last character read will have been on the wire.
    wire_busy_until_ps: u64,
    /// Characters that the modem has sent and the program has not taken.
    held: VecDeque<u8>,
    is_held: bool,
    unmodelled: BTreeSet<String>,
    traffic: Traffic,
}

impl Server {
    /// A modem that is off.
    pub fn new(
        modem: Modem,
        seed: u64,
        terminal: Terminal,
        transcript: Option<Transcript>,
        capture: Option<Capture>,
    ) -> Self {
        Self {
            cts: modem.cts(),
            start_ps: modem.now_ps(),
            modem,
            decisions: Decisions::new(seed),
            client: terminal.client_settings(),
            terminal,
            transcript,
            capture,
            gateway: None,
            started: Instant::now(),
            is_open: false,
            wire_busy_until_ps: 0,
            held: VecDeque::new(),
            is_held: false,
            unmodelled: BTreeSet::new(),
            traffic: Traffic::default(),
        }
    }

    /// What no peer in process answers goes to the real network.
    pub fn attach(&mut self, gateway: GatewayLink) {
        self.modem.network().attach_outside();
        self.gateway = Some(gateway);
    }

    /// Switches the modem on and lets its time run ahead until it answers.
    pub fn boot(&mut self) -> Result<()> {
        self.press_power_key(self.modem.now_ps());
        while self.modem.power_state() != PowerState::On && self.modem.next_wake_ps() < u64::MAX {
            self.advance(self.modem.next_wake_ps())?;
        }
        self.start_ps = self.modem.now_ps();
        self.started = Instant::now();
        Ok(())
    }

    /// Commands asked for that are not modelled, and what passed.
    pub fn summary(&self) -> (&BTreeSet<String>, Traffic) {
        (&self.unmodelled, self.traffic)
    }

    /// Serves until asked to stop.
    pub fn serve(&mut self, stop: &AtomicBool) -> Result<()> {
        while !stop.load(Ordering::Relaxed) {
            let now_ps = self.now_ps();
            self.client = self.terminal.client_settings();
            self.advance(now_ps)?;
            self.write(now_ps)?;
            let ready = self.wait(now_ps)?;
            let now_ps = self.now_ps();
            self.note_open(!ready.closed, now_ps)?;
            if ready.readable {
                self.read(now_ps)?;
            }
        }
        self.capture.as_mut().map_or(Ok(()), Capture::end)?;
        self.flush()
    }

    fn now_ps(&self) -> u64 {
        let ps = self.started.elapsed().as_nanos().saturating_mul(1000);
        self.start_ps.saturating_add(u64::try_from(ps).unwrap_or(u64::MAX))
    }

    /// PWR_ON low, and high again.
    fn press_power_key(&mut self, now_ps: u64) {
        let needed_ps = self.modem.config().power_on_low_us().saturating_mul(PS_PER_US);
        self.modem.set_power_key(now_ps, false);
        self.modem.set_power_key(now_ps.saturating_add(needed_ps).saturating_add(KEY_PS), true);
    }

    /// Brings the modem to a time, and takes what it did.
    fn advance(&mut self, to_ps: u64) -> Result<()> {
        self.modem.advance(to_ps, &mut self.decisions);
        while let Some(output) = self.modem.pop_output() {
            if let (Some(capture), Some(event)) = (&mut self.capture, LineEvent::of(&output)) {
                capture.line(&event);
            }
            match output {
                Output::Byte { data, bit_ps: sent_bit_ps, .. } if self.is_open => {
                    let client_bit_ps = self.client.baud_hz.map_or(sent_bit_ps, bit_ps);
                    self.held.push_back(sample(data, sent_bit_ps, client_bit_ps));
                }
                Output::Cts { asserted, .. } => self.cts = asserted,
                // Nobody listens to a line that no program has open; a pseudo-terminal has no more lines than two.
                Output::Byte { .. } | Output::StartBit { .. } | Output::VInt { .. } | Output::Ri { .. } => {}
            }
        }
        let network = self.modem.network();
        network.take_unanswered();
        network.take_cloud();
        network.take_broker();
        network.take_http();
        let packets = network.take_captured();
        let entries = self.modem.at_log().drain();
        if let Some(transcript) = &mut self.transcript {
            for entry in &entries {
                transcript.entry(entry)?;
            }
        }
        if let Some(capture) = &mut self.capture {
            packets.iter().for_each(|packet| capture.packet(packet));
            entries.iter().for_each(|entry| capture.at(entry));
            capture.advance(to_ps)?;
        }
        self.exchange(to_ps);
        self.note_unmodelled(to_ps)?;
        if !entries.is_empty() {
            self.flush()?;
        }
        Ok(())
    }

    /// Carries events between modem and gateway.
    fn exchange(&mut self, now_ps: u64) {
        let Some(gateway) = &mut self.gateway else { return };
        let network = self.modem.network();
        for outbound in network.take_outbound() {
            gateway.send(outbound.event);
        }
        let Some(outside) = network.outside_mut() else { return };
        while outside.room() > 0
            && let Some(event) = gateway.receive()
        {
            outside.arrive(now_ps, event);
        }
        if let Some(reason) = gateway.lost() {
            tracing::error!("the gateway is lost: {reason}; from here on there are no answers from outside");
            self.gateway = None;
        }
    }

    fn note_unmodelled(&mut self, now_ps: u64) -> Result<()> {
        let entries = self.modem.ledger().entries();
        if entries.len() == self.unmodelled.len() {
            return Ok(());
        }
        let new: Vec<String> = entries.keys().filter(|name| !self.unmodelled.contains(*name)).cloned().collect();
        for name in new {
            tracing::warn!("not modelled: {name}");
            self.note(now_ps, &format!("not modelled: {name}"))?;
            self.unmodelled.insert(name);
        }
        Ok(())
    }

    /// Hands the program what it takes; stops the modem while it takes nothing.
    fn write(&mut self, now_ps: u64) -> Result<()> {
        if !self.held.is_empty() {
            let written = self.terminal.write(self.held.make_contiguous())?;
            self.held.drain(..written);
            self.traffic.from_modem += written as u64;
        }
        let is_held = self.held.len() > HELD_BYTES_MAX || self.is_held && !self.held.is_empty();
        if is_held != self.is_held {
            self.is_held = is_held;
            self.modem.set_dte_rts(now_ps, !is_held);
            self.capture_line(LineEvent::Rts { time_ps: now_ps, asserted: !is_held });
        }
        Ok(())
    }

    /// Characters that may be read now, so that those on the wire do not run too far ahead.
    fn room(&self, now_ps: u64) -> usize {
        if self.client.heeds_cts && !self.cts {
            return 0;
        }
        let ahead_ps = self.wire_busy_until_ps.saturating_sub(now_ps);
        let room = READ_AHEAD_PS.saturating_sub(ahead_ps) / self.character_ps();
        // At a low rate one character takes longer than what is read ahead.
        if ahead_ps == 0 { room.max(1) as usize } else { room as usize }
    }

    fn character_ps(&self) -> u64 {
        BITS_PER_CHARACTER * self.client_bit_ps()
    }

    fn client_bit_ps(&self) -> u64 {
        bit_ps(self.client.baud_hz.unwrap_or_else(|| self.modem.baud_hz()).max(1))
    }

    fn wait(&self, now_ps: u64) -> Result<Ready> {
        let due_ps = self.modem.next_wake_ps().saturating_sub(now_ps);
        let wait_max = if self.gateway.is_some() { WAIT_MAX_GATEWAY } else { WAIT_MAX };
        let timeout = Duration::from_nanos(due_ps / 1000).clamp(WAIT_MIN, wait_max);
        let wants_read = self.room(now_ps) > 0;
        let ready = self.terminal.wait(wants_read, !self.held.is_empty(), timeout)?;
        if ready.closed && !ready.readable {
            // A closed slave is reported at once, each time.
            std::thread::sleep(timeout.min(WAIT_CLOSED));
        }
        Ok(ready)
    }

    fn read(&mut self, now_ps: u64) -> Result<()> {
        let mut buffer = [0; 4096];
        let room = self.room(now_ps).min(buffer.len());
        let Some(to) = buffer.get_mut(..room).filter(|to| !to.is_empty()) else { return Ok(()) };
        let count = self.terminal.read(to)?;
        let (bit_ps, character_ps) = (self.client_bit_ps(), self.character_ps());
        for byte in to.iter().take(count) {
            self.wire_busy_until_ps = self.wire_busy_until_ps.max(now_ps).saturating_add(character_ps);
            let (end_ps, data) = (self.wire_busy_until_ps, *byte);
            self.modem.line_rx(end_ps, data, bit_ps);
            self.capture_line(LineEvent::ToModem { end_ps, bit_ps, data });
        }
        self.traffic.to_modem += count as u64;
        Ok(())
    }

    fn capture_line(&mut self, event: LineEvent) {
        if let Some(capture) = &mut self.capture {
            capture.line(&event);
        }
    }

    fn note_open(&mut self, is_open: bool, now_ps: u64) -> Result<()> {
        if is_open == self.is_open {
            return Ok(());
        }
        self.is_open = is_open;
        if is_open {
            self.traffic.opened += 1;
            let baud_hz = self.terminal.client_settings().baud_hz.unwrap_or(0);
            self.note(now_ps, &format!("opened at {baud_hz} bit/s"))?;
            if self.modem.power_state() == PowerState::Off {
                self.note(now_ps, "PWR_ON low pulse")?;
                self.press_power_key(now_ps);
            }
        } else {
            self.held.clear();
            self.terminal.forget_unread()?;
            self.note(now_ps, "closed")?;
        }
        self.flush()
    }

    fn note(&mut self, time_ps: u64, text: &str) -> Result<()> {
        self.transcript.as_mut().map_or(Ok(()), |transcript| transcript.note(time_ps, text))
    }

    fn flush(&mut self) -> Result<()> {
        self.transcript.as_mut().map_or(Ok(()), Transcript::flush)
    }
}
