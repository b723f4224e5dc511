//! From commands to responses: running the commands of a line one after the other, waiting for what takes time, and the
//! final result. [`characters`] collects the line and the payload after a prompt.

mod characters;

use std::collections::VecDeque;

use lockstep_traces::Decisions;
use serde::{Deserialize, Serialize};

use crate::at_log::Direction;
use crate::commands;
use crate::errors::CmeError;
use crate::faults::{ResultFault, Verdict};
use crate::grammar::Command;
use crate::line::Mark;
use crate::modem::{Modem, Timer};
use crate::power::PowerState;
use crate::profile::Failure;

/// What a command leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Outcome {
    /// Information lines (perhaps none) and success.
    Lines(Vec<Vec<u8>>),
    /// A line with data that was read from a socket, and success.
    Data(Vec<u8>),
    /// It takes time: someone calls [`Modem::complete`], or the limit passes.
    Wait { wait: Wait, limit_ps: u64 },
    /// It wants payload.
    Prompt(Prompt),
    /// The line becomes a socket's stream.
    DirectLink(Link),
}

/// The socket of a direct link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Link {
    pub handle: u32,
    pub generation: u64,
}

/// What a command waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Wait {
    Attach,
    /// `AT+COPS=1`.
    Register,
    /// `AT+COPS=?`.
    Scan,
    /// `AT+CMGS`: the message is under way.
    SendMessage {
        reference: u8,
        to: String,
        text: Vec<u8>,
    },
    ActivateProfile {
        profile: u32,
    },
    ActivateContext {
        context: u32,
    },
    Connect {
        handle: u32,
    },
    Close {
        handle: u32,
    },
    Resolve,
    /// Payload was taken; the line that says so follows.
    Accept {
        line: String,
        handle: u32,
        generation: u64,
    },
}

/// The payload a command wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Prompt {
    /// Exactly `length` bytes after `@`.
    Socket { write: commands::sockets::Write, length: usize },
    /// Text after `> `, ended by Ctrl-Z.
    Sms { to: String },
}

/// What becomes of the module after the final result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Afterwards {
    ShutDown,
    Reboot { with_sim: bool },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    /// Collects a line.
    Idle,
    /// A command has been read and runs soon.
    Latency,
    Waiting(Wait),
    /// The prompt is on its way out.
    Prompting(Prompt),
    /// Takes payload.
    Payload(Prompt),
    /// `CONNECT` is on its way out.
    Connecting(Link),
    /// The line is a socket's stream.
    DirectLink(Link),
    /// Information lines are on their way out, or the pause after them.
    Information,
    /// The final result comes late (a fault).
    Late(Result<(), Failure>),
    /// The final result is on its way out.
    Final,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Execution {
    /// Tells apart the timers of successive states.
    step: u64,
    state: State,
    line: Vec<u8>,
    line_too_long: bool,
    last_body: Vec<u8>,
    commands: VecDeque<Command>,
    unreadable: bool,
    payload: Vec<u8>,
    pub afterwards: Option<Afterwards>,
    /// `AT+IPR`: the rate after the final result.
    pub new_baud_hz: Option<u32>,
    /// A fault strikes the final result of the commands under way.
    pub result_fault: Option<ResultFault>,
}

impl Execution {
    pub fn new(step: u64) -> Self {
        Self {
            step,
            state: State::Idle,
            line: Vec::new(),
            line_too_long: false,
            last_body: Vec::new(),
            commands: VecDeque::new(),
            unreadable: false,
            payload: Vec::new(),
            afterwards: None,
            new_baud_hz: None,
            result_fault: None,
        }
    }

    pub fn power_cycle(&mut self) {
        *self = Self::new(self.step + 1);
    }

    fn enter(&mut self, state: State) -> u64 {
        self.state = state;
        self.step += 1;
        self.step
    }
}

impl Modem {
    pub(crate) fn execution_allows_urc(&self) -> bool {
        let behaviour = &self.config.behaviour;
        self.power.state == PowerState::On
            && match self.execution.state {
                State::Idle => true,
                State::Latency | State::Waiting(_) | State::Late(_) => behaviour.urc_during_command,
                State::Information => self.next_urc_may_interrupt(),
                State::Prompting(_)
                | State::Payload(_)
                | State::Connecting(_)
                | State::DirectLink(_)
                | State::Final => false,
            }
    }

    /// No command is being read or executed.
    pub(crate) fn execution_is_idle(&self) -> bool {
        self.execution.state == State::Idle && self.execution.line.is_empty()
    }

    /// Runs the next command (or ends the line) after its latency.
    fn next_command(&mut self, decisions: &mut Decisions) {
        let timing = &self.config.timing;
        let (range, what) = match self.execution.commands.front() {
            Some(command) if commands::sockets::is_prompting(command) => (timing.prompt, "prompt_us"),
            Some(command) if commands::sockets::is_read_from(command) => (timing.read_from, "read_from_us"),
            _ => (timing.command, "command_us"),
        };
        let latency_ps = range.draw_ps(self.now_ps, "modem.command", what, decisions);
        self.enter_for(State::Latency, latency_ps);
    }

    fn enter_for(&mut self, state: State, time_ps: u64) {
        let step = self.execution.enter(state);
        self.timers.insert(self.now_ps.saturating_add(time_ps), Timer::Execution(step));
    }

    /// The time of a state is over.
    pub(crate) fn execution_step(&mut self, step: u64, decisions: &mut Decisions) {
        if step != self.execution.step {
            return;
        }
        match &self.execution.state {
            State::Latency if std::mem::take(&mut self.execution.unreadable) => {
                self.finish(Err(Failure::Plain), decisions)
            }
            State::Latency => {
                let command = self.execution.commands.pop_front();
                match self.command_faults(command.as_ref().map_or("AT", Command::name), decisions) {
                    Verdict::Run => {
                        let result = command.map_or(Ok(Outcome::Lines(vec![])), |c| commands::run(self, &c, decisions));
                        self.settle(result, decisions);
                    }
                    Verdict::Fail(failure) => self.finish(Err(failure), decisions),
                    Verdict::Gone => {}
                }
            }
            State::Waiting(wait) => {
                let wait = wait.clone();
                let result = self.waited(wait, decisions);
                self.settle(result, decisions);
            }
            State::Information => self.finish(Ok(()), decisions),
            State::Late(result) => self.finish_now(*result),
            State::Idle
            | State::Prompting(_)
            | State::Payload(_)
            | State::Connecting(_)
            | State::DirectLink(_)
            | State::Final => {}
        }
    }

    /// Whether a command waits for this.
    pub(crate) fn is_waiting(&self, is_ours: impl Fn(&Wait) -> bool) -> bool {
        matches!(&self.execution.state, State::Waiting(wait) if is_ours(wait))
    }

    /// Ends the wait of a command if `is_ours` says that this is the one.
    pub(crate) fn complete(
        &mut self,
        is_ours: impl Fn(&Wait) -> bool,
        result: Result<Outcome, Failure>,
        decisions: &mut Decisions,
    ) {
        if self.is_waiting(is_ours) {
            self.settle(result, decisions);
        }
    }

    /// The limit of a wait has passed.
    fn waited(&mut self, wait: Wait, decisions: &mut Decisions) -> Result<Outcome, Failure> {
        match wait {
            Wait::Attach | Wait::Register => Err(CmeError::NoNetworkService.into()),
            Wait::Scan => commands::registration::scanned(self),
            Wait::SendMessage { reference, to, text } => commands::sms::sent(self, reference, to, text),
            Wait::ActivateProfile { profile } => {
                self.activate_profile(profile, decisions)?;
                Ok(Outcome::Lines(vec![]))
            }
            Wait::ActivateContext { context } => commands::pdp::activate_context(self, context, decisions),
            Wait::Connect { handle } => commands::sockets::connect_timed_out(self, handle),
            Wait::Close { handle } => {
                self.remove_socket(handle, decisions);
                Ok(Outcome::Lines(vec![]))
            }
            Wait::Resolve => self.resolve_timed_out(decisions),
            Wait::Accept { line, handle, generation } => commands::sockets::accepted(self, line, handle, generation),
        }
    }

    fn settle(&mut self, result: Result<Outcome, Failure>, decisions: &mut Decisions) {
        match result {
            Err(failure) => self.finish(Err(failure), decisions),
            Ok(Outcome::Lines(lines)) if lines.is_empty() => self.command_done(decisions),
            Ok(Outcome::Lines(lines)) => {
                for line in lines {
                    let bytes = self.profile.information(&line);
                    self.write_response(&bytes);
                }
                self.line.mark(Mark::InformationSent);
                self.execution.enter(State::Information);
            }
            Ok(Outcome::Data(line)) => {
                let mut bytes = self.profile.information(&line);
                if !self.config.model.ends_data_lines() {
                    bytes.truncate(bytes.len().saturating_sub(2));
                }
                self.write_response(&bytes);
                self.line.mark(Mark::InformationSent);
                self.execution.enter(State::Information);
            }
            Ok(Outcome::Wait { wait, limit_ps }) => self.enter_for(State::Waiting(wait), limit_ps),
            Ok(Outcome::DirectLink(link)) => {
                // What follows on the line is not executed.
                self.execution.commands.clear();
                let bytes = self.profile.information(b"CONNECT");
                self.write_response(&bytes);
                self.line.mark(Mark::PromptSent);
                self.execution.enter(State::Connecting(link));
            }
            Ok(Outcome::Prompt(prompt)) => {
                let text: &[u8] = match prompt {
                    Prompt::Socket { .. } => b"@",
                    Prompt::Sms { .. } => b"> ",
                };
                let bytes = [&[self.profile.line_end, self.profile.line_feed], text].concat();
                self.write_response(&bytes);
                self.line.mark(Mark::PromptSent);
                self.execution.enter(State::Prompting(prompt));
            }
        }
    }

    fn write_response(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.log.push(self.now_ps, Direction::FromModem, bytes);
            self.line.send(bytes);
        }
    }

    fn command_done(&mut self, decisions: &mut Decisions) {
        if self.execution.commands.is_empty() {
            self.finish(Ok(()), decisions);
        } else {
            self.next_command(decisions);
        }
    }

    fn finish(&mut self, result: Result<(), Failure>, decisions: &mut Decisions) {
        self.execution.commands.clear();
        match self.execution.result_fault.take() {
            Some(ResultFault::Lost) => self.end_response(),
            Some(ResultFault::Late(range)) => {
                let late_ps = range.draw_ps(self.now_ps, "modem.fault", "late_us", decisions);
                self.enter_for(State::Late(result), late_ps);
            }
            None => self.finish_now(result),
        }
    }

    fn finish_now(&mut self, result: Result<(), Failure>) {
        let bytes = self.profile.final_result(result);
        self.write_response(&bytes);
        self.end_response();
    }

    /// The direct link, if there is one.
    pub(crate) fn direct_link(&self) -> Option<Link> {
        match self.execution.state {
            State::DirectLink(link) => Some(link),
            _ => None,
        }
    }

    /// Back to commands.
    pub(crate) fn leave_direct_link(&mut self) {
        self.execution.result_fault = None;
        let bytes = self.profile.information(b"DISCONNECT");
        self.write_response(&bytes);
        self.end_response();
    }

    fn end_response(&mut self) {
        if let Some(baud_hz) = self.execution.new_baud_hz.take() {
            self.line.mark(Mark::SetBaud(baud_hz));
        }
        self.line.mark(Mark::FinalSent);
        self.execution.enter(State::Final);
    }

    /// Everything before a mark has left the line.
    pub(crate) fn mark_reached(&mut self, mark: Mark, decisions: &mut Decisions) {
        match mark {
            Mark::SetBaud(baud_hz) => self.line.set_baud_hz(baud_hz),
            Mark::InformationSent if self.execution.state == State::Information => {
                if self.execution.commands.is_empty() {
                    let range = self.config.timing.line_to_ok;
                    let pause_ps = range.draw_ps(self.now_ps, "modem.command", "line_to_ok_us", decisions);
                    self.enter_for(State::Information, pause_ps);
                } else {
                    self.next_command(decisions);
                }
            }
            Mark::PromptSent => {
                // What came before the prompt is not payload: the line feed after the command's carriage return.
                self.line.discard_received();
                match self.execution.state.clone() {
                    State::Prompting(prompt) => {
                        self.execution.payload.clear();
                        self.execution.enter(State::Payload(prompt));
                    }
                    State::Connecting(link) => {
                        self.direct_link_begins();
                        self.execution.enter(State::DirectLink(link));
                    }
                    _ => {}
                }
            }
            Mark::FinalSent if self.execution.state == State::Final => {
                self.execution.enter(State::Idle);
                match self.execution.afterwards.take() {
                    Some(Afterwards::ShutDown) => self.shut_down(decisions),
                    Some(Afterwards::Reboot { with_sim }) => self.reboot(with_sim, decisions),
                    None => {}
                }
            }
            Mark::InformationSent | Mark::FinalSent => {}
        }
    }
}
