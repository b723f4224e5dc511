//! What a run looked like: stages reached, exceptions, faults, resets, serial output, AT traffic. Observers look and
//! never touch; nothing here is part of the simulated state.

use std::collections::BTreeSet;

use lockstep_engine::CoreRegisters;
use lockstep_modem::network::{Captured, CloudEvent, CloudEventKind, OutboundAt};
use lockstep_modem::{AtLogEntry, Datagram, Direction, RegistrationStatus};
use lockstep_peripherals::Now;
use lockstep_peripherals::board::Pattern;
use lockstep_peripherals::rcc::ResetCause;
use lockstep_traces::Decision;
use serde::Serialize;

use crate::core::exceptions::{EXCEPTION_COUNT, PEND_SV, SV_CALL};
use crate::electron::LineEvent;
use crate::explain::{History, Moment, Reason};
use crate::led::LedObserver;
use crate::machine::GuestFault;
use crate::rtos::TaskClock;
use crate::world::{GuestMemory, NullWrite, World};

/// Places with stores through a null pointer that are told.
const NULL_PCS_MAX: usize = 64;

/// A milestone of a device's start, in the order a healthy one reaches them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// First instruction of the image at the start of flash.
    Reset,
    /// First instruction in the system modules (0x0802_0000 to 0x0807_FFFF).
    SystemFirmware,
    /// The vector table was moved.
    VectorTable,
    /// First instruction in the user module (0x0808_0000 to 0x0809_FFFF).
    UserModule,
    /// First SVC or PendSV: the RTOS runs.
    Scheduler,
    /// V_INT of the modem went high.
    ModemPower,
    /// First AT command.
    AtCommand,
    /// Registered, at home or roaming.
    Registered,
    /// The modem has an IP address.
    PdpContext,
    /// A name was resolved.
    NameResolution,
    /// The first DTLS ClientHello was sent.
    ClientHello,
    /// The DTLS handshake with the device service is done.
    Handshake,
    /// The device service has the device's hello and has acknowledged it.
    CloudConnected,
}

/// When a stage was reached first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct StageReached {
    /// Which.
    pub stage: Stage,
    /// Virtual time in picoseconds.
    pub time_ps: u64,
    /// HCLK cycles.
    pub cycles: u64,
    /// Instructions executed.
    pub instructions: u64,
}

/// A reset of the microcontroller.
#[derive(Clone, Debug)]
pub struct ResetSeen {
    /// When.
    pub now: Now,
    /// Instructions executed until then.
    pub instructions: u64,
    /// Why.
    pub cause: ResetCause,
}

/// Something to show, in the order it happened. Drained by whoever shows it.
#[derive(Clone, Debug)]
pub enum Seen {
    /// A stage was reached.
    Stage(StageReached),
    /// AT traffic.
    At(AtLogEntry),
    /// A byte on a USART that no part is wired to.
    Serial {
        /// USART number.
        usart: u8,
        /// The byte.
        byte: u8,
        /// When its stop bit ended.
        now: Now,
    },
    /// Something on the modem's serial line, if traffic is watched.
    Line(LineEvent),
    /// A packet between modem and network, if traffic is watched.
    Packet(Captured),
    /// A datagram that no peer answered.
    Datagram(Datagram),
    /// Something happened at the device service.
    Cloud(CloudEvent),
    /// A guest fault.
    Fault(GuestFault),
    /// The watchdog on the reset pin has pulled it low; the reset follows.
    ExternalWatchdog {
        /// When.
        now: Now,
    },
    /// A store as through a null pointer; each place in the code is told once.
    NullWrite(NullWrite),
    /// A reset.
    Reset(ResetSeen),
    /// The core locked up at this PC.
    LockUp {
        /// When.
        now: Now,
        /// Where.
        pc: u32,
    },
}

/// Collects what is seen.
#[derive(Clone, Debug)]
pub struct Observer {
    stages: Vec<StageReached>,
    faults: Vec<GuestFault>,
    resets: Vec<ResetSeen>,
    lock_up: Option<(Now, u32)>,
    exception_counts: [u64; EXCEPTION_COUNT],
    seen: Vec<Seen>,
    outbound: Vec<OutboundAt>,
    registered: bool,
    led: LedObserver,
    decisions: Option<Vec<Decision>>,
    clock: Option<Box<TaskClock>>,
    history: Option<Box<History>>,
    /// Changes of the LED that were looked at for an SOS.
    led_changes: usize,
    /// Where stores through a null pointer were seen.
    null_pcs: BTreeSet<u32>,
}

impl Default for Observer {
    fn default() -> Self {
        Self {
            stages: Vec::new(),
            faults: Vec::new(),
            resets: Vec::new(),
            lock_up: None,
            exception_counts: [0; EXCEPTION_COUNT],
            seen: Vec::new(),
            outbound: Vec::new(),
            registered: false,
            led: LedObserver::default(),
            decisions: None,
            clock: None,
            history: None,
            led_changes: 0,
            null_pcs: BTreeSet::new(),
        }
    }
}

impl Observer {
    /// Stages in the order they were reached.
    pub fn stages(&self) -> &[StageReached] {
        &self.stages
    }

    /// When a stage was reached.
    pub fn stage(&self, stage: Stage) -> Option<&StageReached> {
        self.stages.iter().find(|s| s.stage == stage)
    }

    /// Guest faults, oldest first.
    pub fn faults(&self) -> &[GuestFault] {
        &self.faults
    }

    /// Resets, oldest first.
    pub fn resets(&self) -> &[ResetSeen] {
        &self.resets
    }

    /// Where the core locked up, if it did.
    pub fn lock_up(&self) -> Option<(Now, u32)> {
        self.lock_up
    }

    /// How often each exception was entered, by number.
    pub fn exception_counts(&self) -> &[u64] {
        &self.exception_counts
    }

    /// The RGB LED: `led().state()` is what it shows, `led().rgb()` its brightness, `led().changes()` its past.
    pub fn led(&self) -> &LedObserver {
        &self.led
    }

    /// Takes what was seen since the last call.
    pub fn take_seen(&mut self) -> Vec<Seen> {
        std::mem::take(&mut self.seen)
    }

    /// Takes what has left for the real network since the last call.
    pub fn take_outbound(&mut self) -> Vec<OutboundAt> {
        std::mem::take(&mut self.outbound)
    }

    /// From now on the choices of the outside world are kept for [`Self::take_decisions`].
    pub fn keep_decisions(&mut self) {
        self.decisions.get_or_insert_default();
    }

    /// Takes the choices that the outside world made since the last call, if they are kept.
    pub fn take_decisions(&mut self) -> Vec<Decision> {
        self.decisions.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Watches context switches from now on: [`task_clock`](Self::task_clock) tells since when a task waits.
    pub fn watch_tasks(&mut self) {
        self.clock.get_or_insert_default();
    }

    /// What context switches told, if they are watched.
    pub fn task_clock(&self) -> Option<&TaskClock> {
        self.clock.as_deref()
    }

    /// Keeps from now on what an explanation needs: the last AT lines and events, and the whole moment of each fault,
    /// lock-up and SOS. Watches context switches too.
    pub fn keep_history(&mut self) {
        self.watch_tasks();
        self.history.get_or_insert_default();
    }

    /// What was kept.
    pub fn history(&self) -> Option<&History> {
        self.history.as_deref()
    }

    /// PendSV is entered: the kernel is about to switch tasks.
    pub(crate) fn switching(&mut self, memory: &GuestMemory, psp: u32, now: Now) {
        if let Some(clock) = &mut self.clock {
            clock.switched(memory, psp, now.time_ps);
        }
    }

    /// Keeps the moment, if that was asked for.
    pub(crate) fn keep_moment(&mut self, reason: Reason, at: (Now, u64), registers: &CoreRegisters, world: &World) {
        let (Some(history), led) = (&mut self.history, self.led.state()) else { return };
        let reset_ps = self.resets.last().map_or(0, |reset| reset.now.time_ps);
        if history.wants_moment(reason, reset_ps) {
            let clock = self.clock.as_deref();
            let moment = Moment::keep(reason, at, *registers, world, Some(history), clock, led);
            history.keep(moment);
        }
    }

    /// The code of an SOS that has just been recognised.
    pub(crate) fn take_sos(&mut self) -> Option<u32> {
        let changes = self.led.changes();
        if self.led_changes == changes.len() {
            return None;
        }
        let new = changes.get(self.led_changes..).unwrap_or_default();
        let code = new.iter().find_map(|change| match change.state.pattern {
            Pattern::Sos { code } => Some(code),
            _ => None,
        });
        self.led_changes = changes.len();
        code
    }

    fn reach(&mut self, stage: Stage, now: Now, instructions: u64) {
        if self.stage(stage).is_none() {
            let reached = StageReached { stage, time_ps: now.time_ps, cycles: now.cycles, instructions };
            self.stages.push(reached);
            self.seen.push(Seen::Stage(reached));
        }
    }

    pub(crate) fn fetched(&mut self, address: u32, now: Now, instructions: u64) {
        let stage = match address {
            0x0800_0000..0x0802_0000 | 0..0x0002_0000 => Stage::Reset,
            0x0802_0000..0x0808_0000 => Stage::SystemFirmware,
            0x0808_0000..0x080a_0000 => Stage::UserModule,
            _ => return,
        };
        self.reach(stage, now, instructions);
    }

    pub(crate) fn exception(&mut self, exception: usize, now: Now, instructions: u64) {
        if let Some(count) = self.exception_counts.get_mut(exception) {
            *count += 1;
        }
        if matches!(exception, SV_CALL | PEND_SV) {
            self.reach(Stage::Scheduler, now, instructions);
        }
    }

    pub(crate) fn fault(&mut self, fault: GuestFault, _instructions: u64) {
        self.faults.push(fault);
        self.seen.push(Seen::Fault(fault));
    }

    pub(crate) fn reset(&mut self, now: Now, instructions: u64, cause: ResetCause) {
        if let Some(clock) = &mut self.clock {
            clock.reset();
        }
        let reset = ResetSeen { now, instructions, cause };
        self.resets.push(reset.clone());
        self.seen.push(Seen::Reset(reset));
    }

    pub(crate) fn null_write(&mut self, write: NullWrite) {
        if self.null_pcs.len() < NULL_PCS_MAX && self.null_pcs.insert(write.pc) {
            self.seen.push(Seen::NullWrite(write));
        }
    }

    pub(crate) fn external_watchdog(&mut self, now: Now) {
        self.seen.push(Seen::ExternalWatchdog { now });
    }

    pub(crate) fn locked_up(&mut self, now: Now, _instructions: u64, pc: u32) {
        self.lock_up = Some((now, pc));
        self.seen.push(Seen::LockUp { now, pc });
    }

    pub(crate) fn look(&mut self, world: &mut World, cycles: u64, instructions: u64) {
        let now = world.state.clock.at(cycles);
        let drawn = world.state.decisions.take_log();
        if let Some(decisions) = &mut self.decisions {
            decisions.extend(drawn);
        }
        self.led.look(&world.state.soc, now.time_ps);
        if world.state.scs.vtor != 0 {
            self.reach(Stage::VectorTable, now, instructions);
        }
        let modem = &world.state.electron.modem;
        if modem.v_int() {
            self.reach(Stage::ModemPower, now, instructions);
        }
        let Some(events) = world.state.electron.take_events() else { return };
        if !self.registered {
            let (circuit, packet) = world.state.electron.modem.registration();
            let is_in = |s| matches!(s, RegistrationStatus::Home | RegistrationStatus::Roaming);
            if is_in(circuit) && is_in(packet) {
                self.registered = true;
                self.reach(Stage::Registered, now, instructions);
            }
        }
        for entry in events.at {
            self.at_line(&entry, now, instructions);
            if let Some(history) = &mut self.history {
                let clock = self.clock.as_deref();
                let running = clock.and_then(|clock| clock.running(&world.memory));
                history.at_line(&entry, clock, running, world.state.electron.modem.baud_hz());
            }
            self.seen.push(Seen::At(entry));
        }
        for (usart, byte, now) in events.serial {
            self.seen.push(Seen::Serial { usart, byte, now });
        }
        self.seen.extend(events.line.into_iter().map(Seen::Line));
        self.seen.extend(events.packets.into_iter().map(Seen::Packet));
        for datagram in events.datagrams {
            if datagram.is_client_hello() {
                self.reach(Stage::ClientHello, now, instructions);
            }
            self.seen.push(Seen::Datagram(datagram));
        }
        self.outbound.extend(events.outbound);
        for event in events.cloud {
            match &event.kind {
                CloudEventKind::ClientHello { .. } => self.reach(Stage::ClientHello, now, instructions),
                CloudEventKind::Handshake => self.reach(Stage::Handshake, now, instructions),
                CloudEventKind::Hello(_) => self.reach(Stage::CloudConnected, now, instructions),
                _ => {}
            }
            if let Some(history) = &mut self.history {
                history.cloud_event(&event);
            }
            self.seen.push(Seen::Cloud(event));
        }
    }

    fn at_line(&mut self, entry: &AtLogEntry, now: Now, instructions: u64) {
        let has = |needle: &[u8]| entry.bytes.windows(needle.len()).any(|w| w == needle);
        if entry.direction == Direction::ToModem && has(b"AT") {
            self.reach(Stage::AtCommand, now, instructions);
        }
        if has(b"+UPSND: 0,0,\"") {
            self.reach(Stage::PdpContext, now, instructions);
        }
        // An answer of a name server: from port 53, or the modem's own resolver.
        if has(b"\",53,") && has(b"+USORF: ") || has(b"+UDNSRN: \"") {
            self.reach(Stage::NameResolution, now, instructions);
        }
    }
}

/// A reset's cause in words.
pub fn cause_text(cause: ResetCause) -> String {
    // Names of the variants, as words.
    let mut text = String::new();
    for c in format!("{cause:?}").chars() {
        if c.is_ascii_uppercase() && !text.is_empty() {
            text.push(' ');
        }
        text.push(c.to_ascii_lowercase());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_words() {
        assert_eq!(cause_text(ResetCause::IndependentWatchdog), "independent watchdog");
        assert_eq!(cause_text(ResetCause::Pin), "pin");
    }
}
