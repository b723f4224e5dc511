//! The modem: its inputs with their times, and the loop that brings its parts forward in the order of time.

use std::collections::VecDeque;

use lockstep_traces::Decisions;
use serde::{Deserialize, Serialize};

use crate::at_log::{AtLog, Direction};
use crate::clock::Clock;
use crate::config::{Behaviour, ModemConfig, Timing};
use crate::direct_link::{DirectLink, DirectLinkStep};
use crate::errors::SocketError;
use crate::events::Change;
use crate::execution::Execution;
use crate::faults::{FaultStep, Faults};
use crate::ledger::CommandLedger;
use crate::line::Line;
use crate::messages::{MessageStep, Messages};
use crate::network::Network;
use crate::nvm::NonVolatile;
use crate::output::Output;
use crate::pdp::{Pdp, PdpProfile};
use crate::ping::{PingStep, Pinging};
use crate::power::{Power, PowerState, PowerStep};
use crate::profile::Profile;
use crate::registration::{Registration, RegistrationStatus, RegistrationStep};
use crate::resolver::Resolver;
use crate::serial_sleep::{SerialSleep, SleepStep};
use crate::sim::Sim;
use crate::sockets::{SocketView, Sockets};
use crate::time::TimerQueue;
use crate::urc::{Urc, UrcQueue};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Input {
    Character { data: u8, bit_ps: u64 },
    Rts(bool),
    PowerKey(bool),
    Reset(bool),
    Lvloe(bool),
    Change(Change),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Timer {
    Power(PowerStep),
    Registration(RegistrationStep),
    Execution(u64),
    Sleep(SleepStep),
    /// An event of the plan, by its place there.
    Event(usize),
    Fault(FaultStep),
    Message(MessageStep),
    DirectLink(DirectLinkStep),
    Ping(PingStep),
}

/// The modem with the network behind it. Its whole state is here.
///
/// Inputs are queued with their times and take effect in [`advance`](Self::advance), in the order of time; an input
/// that comes with a time already passed takes effect at the present.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Modem {
    pub(crate) config: ModemConfig,
    pub(crate) now_ps: u64,
    inputs: VecDeque<(u64, Input)>,
    pub(crate) outputs: VecDeque<Output>,
    pub(crate) timers: TimerQueue<Timer>,
    pub(crate) line: Line,
    pub(crate) sleep: SerialSleep,
    pub(crate) power: Power,
    pub(crate) profile: Profile,
    pub(crate) execution: Execution,
    pub(crate) urcs: UrcQueue,
    pub(crate) registration: Registration,
    pub(crate) sim: Sim,
    pub(crate) pdp: Pdp,
    pub(crate) sockets: Sockets,
    pub(crate) socket_generation: u64,
    pub(crate) last_socket_error: SocketError,
    pub(crate) resolver: Resolver,
    pub(crate) network: Network,
    pub(crate) faults: Faults,
    pub(crate) nvm: NonVolatile,
    pub(crate) clock: Clock,
    pub(crate) messages: Messages,
    pub(crate) direct_link: DirectLink,
    pub(crate) pinging: Pinging,
    pub(crate) log: AtLog,
    pub(crate) ledger: CommandLedger,
}

impl Modem {
    /// A modem that is off: PWR_ON and RESET_N high, level shifters on, the client ready to receive.
    pub fn new(config: ModemConfig, network: Network) -> Self {
        let mut modem = Self {
            line: Line::new(config.baud_hz),
            registration: Registration::new(config.cell.coverage, 0),
            sim: Sim { state: config.sim.state.clone() },
            config,
            now_ps: 0,
            sleep: SerialSleep::default(),
            inputs: VecDeque::new(),
            outputs: VecDeque::new(),
            timers: TimerQueue::default(),
            power: Power::default(),
            profile: Profile::default(),
            execution: Execution::new(0),
            urcs: UrcQueue::default(),
            pdp: Pdp::default(),
            sockets: Sockets::default(),
            socket_generation: 0,
            last_socket_error: SocketError::None,
            resolver: Resolver::default(),
            network,
            faults: Faults::default(),
            nvm: NonVolatile::default(),
            clock: Clock::default(),
            messages: Messages::default(),
            direct_link: DirectLink::default(),
            pinging: Pinging::default(),
            log: AtLog::default(),
            ledger: CommandLedger::default(),
        };
        modem.schedule_events();
        modem
    }

    /// A character from the client ended at `end_ps`; its bits were `bit_ps` long.
    pub fn line_rx(&mut self, end_ps: u64, data: u8, bit_ps: u64) {
        self.input(end_ps, Input::Character { data, bit_ps });
    }

    /// The client's RTS: while it is not asserted the modem stops after the current character.
    pub fn set_dte_rts(&mut self, time_ps: u64, asserted: bool) {
        self.input(time_ps, Input::Rts(asserted));
    }

    /// The level of PWR_ON.
    pub fn set_power_key(&mut self, time_ps: u64, high: bool) {
        self.input(time_ps, Input::PowerKey(high));
    }

    /// The level of RESET_N.
    pub fn set_reset(&mut self, time_ps: u64, high: bool) {
        self.input(time_ps, Input::Reset(high));
    }

    /// The level of LVLOE: the level shifters of the serial line work while it is low.
    pub fn set_lvloe(&mut self, time_ps: u64, high: bool) {
        self.input(time_ps, Input::Lvloe(high));
    }

    /// The world around the modem changes.
    pub fn change(&mut self, time_ps: u64, change: Change) {
        self.input(time_ps, Input::Change(change));
    }

    fn input(&mut self, time_ps: u64, input: Input) {
        let after_last = self.inputs.back().map_or(self.now_ps, |i| i.0);
        self.inputs.push_back((time_ps.max(after_last), input));
    }

    /// When [`advance`](Self::advance) has something to do next, unless an input comes first. `u64::MAX` is never.
    pub fn next_wake_ps(&self) -> u64 {
        self.inputs.front().map_or(u64::MAX, |i| i.0).min(self.own_wake_ps())
    }

    fn own_wake_ps(&self) -> u64 {
        [
            self.line.next_ps(),
            self.timers.next_ps(),
            self.network.next_wake_ps(),
            self.sockets.next_wake_ps(),
            self.urc_next_ps(),
        ]
        .into_iter()
        .fold(u64::MAX, u64::min)
    }

    /// Brings the modem to `now_ps`. Cutting an interval into steps changes nothing.
    pub fn advance(&mut self, now_ps: u64, decisions: &mut Decisions) {
        loop {
            let own_ps = self.own_wake_ps();
            let input_ps = self.inputs.front().map_or(u64::MAX, |i| i.0);
            let next_ps = own_ps.min(input_ps);
            if next_ps > now_ps || next_ps == u64::MAX {
                break;
            }
            self.now_ps = self.now_ps.max(next_ps);
            // What the modem does at an instant comes before what is done to it: so an input given late, after the
            // modem was brought to its time, is no different from one given early.
            if own_ps <= input_ps {
                self.step(decisions);
            } else if let Some((_, input)) = self.inputs.pop_front() {
                self.apply(input, decisions);
            }
            self.settle_line(decisions);
        }
        self.now_ps = self.now_ps.max(now_ps);
    }

    /// Handles the one thing that is due first.
    fn step(&mut self, decisions: &mut Decisions) {
        let now_ps = self.now_ps;
        if let Some(sent) = self.line.take_sent(now_ps) {
            if !self.power.shifters_off {
                let (data, bit_ps, end_ps) = (sent.data, sent.bit_ps, sent.end_ps);
                self.outputs.push_back(Output::Byte { data, bit_ps, end_ps });
            }
        } else if let Some((_, timer)) = self.timers.pop_due(now_ps) {
            match timer {
                Timer::Power(step) => self.power_step(step, decisions),
                Timer::Registration(step) => self.registration_step(step, decisions),
                Timer::Sleep(step) => self.sleep_step(step, decisions),
                Timer::Execution(step) => self.execution_step(step, decisions),
                Timer::Event(index) => self.event_due(index, decisions),
                Timer::Fault(step) => self.fault_step(step, decisions),
                Timer::Message(step) => self.message_step(step, decisions),
                Timer::DirectLink(step) => self.direct_link_step(step, decisions),
                Timer::Ping(step) => self.ping_step(step, decisions),
            }
        } else if self.network.next_wake_ps() <= now_ps {
            self.network.step(now_ps, decisions);
            for what in self.network.take_unmodelled() {
                self.ledger.unmodelled(&what, now_ps);
            }
            while let Some(packet) = self.network.take_arrival() {
                self.packet_arrived(packet, decisions);
            }
        } else if self.sockets.next_wake_ps() <= now_ps {
            self.tcp_timers(decisions);
        } else if self.urc_next_ps() <= now_ps {
            self.write_urc(decisions);
        }
    }

    fn apply(&mut self, input: Input, decisions: &mut Decisions) {
        match input {
            Input::Character { data, bit_ps } => {
                // Before the AT interface runs, and with the level shifters off, characters are lost.
                let arrives = self.power.state == PowerState::On && !self.power.shifters_off;
                if arrives && self.hear_character() && !self.line.receive(data, bit_ps) {
                    self.ledger.unmodelled("character lost: receive buffer full", self.now_ps);
                }
            }
            Input::Rts(asserted) => {
                self.line.set_dte_ready(asserted);
                self.rts_changed(asserted);
            }
            Input::PowerKey(high) => self.power_key_changed(high),
            Input::Reset(high) => self.reset_changed(high, decisions),
            Input::Lvloe(high) => self.power.shifters_off = high,
            Input::Change(change) => self.change_applies(change, decisions),
        }
    }

    pub(crate) fn change_applies(&mut self, change: Change, decisions: &mut Decisions) {
        match change {
            Change::Coverage(coverage) => self.coverage_changed(coverage, decisions),
            Change::LinkDown(is_down) => self.network.set_down(is_down),
            Change::Signal { strength, quality } => self.signal_changed(strength, quality, decisions),
            Change::Admission(admission) => self.admission_changed(admission, decisions),
            Change::Detach => {
                self.urc(Urc::PacketEvent("NW DETACH".to_owned()), decisions);
                self.detach(decisions);
            }
            Change::PdpDrop => self.drop_pdp(decisions),
            Change::PdpRefused(refused) => self.config.pdp.refused = refused,
            Change::Sim(state) => self.sim_changed(state, decisions),
            Change::Sms { from, text } => self.message_sent_to_us(from, text, decisions),
            Change::Supply(on) => self.supply_changed(on, decisions),
        }
    }

    /// Moves characters and marks until the line has nothing more to do at this instant.
    fn settle_line(&mut self, decisions: &mut Decisions) {
        let was_sending = self.line.is_sending();
        self.take_characters(decisions);
        self.pump_direct_link(decisions);
        if !self.sleep.hears() && !self.line.is_idle() {
            self.keep_awake();
        }
        while let Some(mark) = self.line.pump(self.now_ps) {
            self.mark_reached(mark, decisions);
            self.take_characters(decisions);
            self.pump_direct_link(decisions);
        }
        if self.line.is_sending() && !was_sending && !self.power.shifters_off {
            self.outputs.push_back(Output::StartBit { time_ps: self.now_ps });
        }
        self.update_cts();
    }

    /// Everything but the world around the module is as before power-on.
    pub(crate) fn lose_state(&mut self) {
        self.timers.retain(|timer| {
            matches!(
                timer,
                Timer::Power(PowerStep::KeyOn(_) | PowerStep::KeyOff(_) | PowerStep::ResetHeld(_))
                    | Timer::Event(_)
                    | Timer::Fault(FaultStep::SupplyReturns(_))
                    | Timer::Message(_)
            )
        });
        self.power.generation += 1;
        self.line.power_cycle(self.nvm.baud_hz.unwrap_or(self.config.baud_hz), self.now_ps);
        self.load_profile();
        self.sleep = SerialSleep::default();
        self.execution.power_cycle();
        self.urcs.clear();
        self.registration.power_cycle();
        self.pdp = Pdp::after_power_on(self.nvm.contexts.clone());
        self.sockets = Sockets::default();
        self.last_socket_error = SocketError::None;
        self.resolver = Resolver::default();
        self.direct_link = DirectLink::default();
        self.pinging = Pinging::default();
        // The card keeps its own counters; a PIN is asked for again.
        if self.sim.require().is_ok() {
            self.sim.state = self.config.sim.state.clone();
        }
    }

    /// Takes over the stored settings, or the factory's.
    pub(crate) fn load_profile(&mut self) {
        self.profile = self.nvm.profile.clone().unwrap_or_default();
        self.profile_changed();
    }

    /// The settings have changed: those that the line keeps for itself follow.
    pub(crate) fn profile_changed(&mut self) {
        self.line.set_flow_control(self.profile.flow_control);
        self.set_power_saving(self.profile.power_saving, self.profile.power_saving_frames);
    }

    /// The text of `AT+CSGT`.
    pub(crate) fn greet(&mut self) {
        if self.nvm.greeting.0 {
            let bytes = self.profile.information(self.nvm.greeting.1.as_bytes());
            self.log.push(self.now_ps, Direction::FromModem, &bytes);
            self.line.send(&bytes);
        }
    }

    /// Takes the next output.
    pub fn pop_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Takes all outputs, oldest first.
    pub fn drain_outputs(&mut self) -> Vec<Output> {
        self.outputs.drain(..).collect()
    }

    /// The settings, as changed by inputs since.
    pub fn config(&self) -> &ModemConfig {
        &self.config
    }

    /// From now on the modem takes other times and makes other choices: a branch of a run may have another modem.
    pub fn retune(&mut self, timing: Timing, behaviour: Behaviour) {
        self.config.timing = timing;
        self.config.behaviour = behaviour;
    }

    /// How far the modem has been brought.
    pub fn now_ps(&self) -> u64 {
        self.now_ps
    }

    /// What the module does.
    pub fn power_state(&self) -> PowerState {
        self.power.state
    }

    /// Level of V_INT.
    pub fn v_int(&self) -> bool {
        self.power.v_int()
    }

    /// State of CTS.
    pub fn cts(&self) -> bool {
        self.power.cts()
    }

    /// The modem's bit rate.
    pub fn baud_hz(&self) -> u32 {
        self.line.baud_hz()
    }

    /// Registration for circuit and packet service.
    pub fn registration(&self) -> (RegistrationStatus, RegistrationStatus) {
        (self.registration.circuit, self.registration.packet)
    }

    /// PDP profiles 0 to 6.
    pub fn pdp_profiles(&self) -> &[PdpProfile] {
        &self.pdp.profiles
    }

    /// Open sockets.
    pub fn sockets(&self) -> Vec<SocketView> {
        self.sockets.iter().map(|(handle, socket)| socket.view(handle)).collect()
    }

    /// The observer's log of AT traffic.
    pub fn at_log(&mut self) -> &mut AtLog {
        &mut self.log
    }

    /// Commands asked for that are not modelled.
    pub fn ledger(&mut self) -> &mut CommandLedger {
        &mut self.ledger
    }

    /// The network behind the modem.
    pub fn network(&mut self) -> &mut Network {
        &mut self.network
    }
}
