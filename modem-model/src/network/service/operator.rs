//! The operator of the service: commands that run at their time, and how each went.
//!
//! Commands are inputs of the simulated world like a press of a button: given before or during a run with the exact
//! virtual time at which they take effect, kept in snapshots, never dependent on when somebody looks.

use serde::{Deserialize, Serialize};

use super::coap::{code, code_text};
use super::event::{CloudEventKind, CommandProgress, DeviceId};
use super::install::{Install, Want};
use super::modules::{Upload, in_order, missing, unmet};
use super::request::{RequestError, ServerRequest};
use super::{DeviceRecord, DeviceService};

/// Commands kept; more are refused.
const COMMANDS_MAX: usize = 1000;

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Ask this of the device.
    Ask(ServerRequest),
    /// Send these images over the air, in the order given.
    Update(Vec<Upload>),
    /// Send what of these modules the device does not have, in the order in which it can take them.
    UpdateSystem(Vec<Upload>),
    /// Whenever the device comes up in safe mode, send it what it lacks of these modules.
    Heal(Vec<Upload>),
}

/// A command and when it takes effect: when a device is connected, but not before a time, and a while after that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorCommand {
    /// As the operator wrote it.
    pub text: String,
    /// Not before this time, in picoseconds.
    pub at_ps: u64,
    /// That much after the later of this time and the connection, in picoseconds.
    pub after_ps: u64,
    /// What to do.
    pub action: Action,
}

/// How a command stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandState {
    /// It is not time yet, or no device is connected.
    Waiting,
    /// It is under way.
    Running,
    /// It watches for what it is for, which has not happened.
    Watching,
    /// It is done.
    Done {
        /// What came of it.
        answer: String,
    },
    /// It came to nothing.
    Failed {
        /// Why.
        reason: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Work {
    Request(u64),
    Install(Install),
    Heal(Option<Install>),
}

/// A command with its state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandRecord {
    /// Its number, from 1.
    pub number: u64,
    /// The command.
    pub command: OperatorCommand,
    /// How it stands.
    pub state: CommandState,
    /// When it took effect, in picoseconds.
    pub began_ps: Option<u64>,
    /// When it was over, in picoseconds.
    pub ended_ps: Option<u64>,
    work: Option<Work>,
}

impl CommandRecord {
    fn due_ps(&self, device: &DeviceRecord) -> u64 {
        self.command.at_ps.max(device.ready_from_ps).saturating_add(self.command.after_ps)
    }

    /// Whether it watches for what the device is in now.
    fn is_needed(&self, device: &DeviceRecord) -> bool {
        self.work == Some(Work::Heal(None)) && device.is_safe_mode && !unmet(&device.description.modules).is_empty()
    }

    fn install(&mut self) -> Option<&mut Install> {
        match &mut self.work {
            Some(Work::Install(install) | Work::Heal(Some(install))) => Some(install),
            _ => None,
        }
    }

    fn tell(&self, progress: CommandProgress) -> CloudEventKind {
        CloudEventKind::Command { number: self.number, command: self.command.text.clone(), progress }
    }

    fn end(&mut self, now_ps: u64, state: CommandState) -> CloudEventKind {
        let progress = match &state {
            CommandState::Failed { reason } => CommandProgress::Failed { reason: reason.clone() },
            CommandState::Done { answer } => CommandProgress::Done { answer: answer.clone() },
            CommandState::Waiting | CommandState::Running | CommandState::Watching => CommandProgress::Begun,
        };
        (self.state, self.ended_ps, self.work) = (state, Some(now_ps), None);
        self.tell(progress)
    }

    /// What an install wants, unless it is something to ask.
    fn follow(&mut self, now_ps: u64, want: Want) -> Option<CloudEventKind> {
        match want {
            Want::GiveUp(reason) => Some(self.end(now_ps, CommandState::Failed { reason })),
            Want::Finished => Some(self.end(now_ps, CommandState::Done { answer: "the device has it".to_owned() })),
            Want::Wait | Want::Ask(_) => None,
        }
    }
}

/// All commands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Operator {
    commands: Vec<CommandRecord>,
}

impl Operator {
    pub fn next_wake_ps(&self, device: Option<&DeviceRecord>) -> u64 {
        let Some(device) = device else { return u64::MAX };
        let is_busy = self.is_busy();
        let wake = |record: &CommandRecord| match (&record.state, &record.work) {
            (CommandState::Waiting, _) => record.due_ps(device),
            _ if record.is_needed(device) => device.ready_from_ps,
            (_, Some(Work::Install(install) | Work::Heal(Some(install)))) if install.is_busy() || !is_busy => {
                install.next_wake_ps(device)
            }
            _ => u64::MAX,
        };
        self.commands.iter().map(wake).min().unwrap_or(u64::MAX)
    }

    fn is_busy(&self) -> bool {
        self.commands.iter().any(|record| match &record.work {
            Some(Work::Install(install) | Work::Heal(Some(install))) => install.is_busy(),
            _ => false,
        })
    }

    /// Something happened to the device; what comes of it for the commands.
    pub fn observe(&mut self, now_ps: u64, kind: &CloudEventKind, device: &DeviceRecord) -> Vec<CloudEventKind> {
        let mut told = Vec::new();
        for record in self.commands.iter_mut().filter(|record| record.work.is_some()) {
            if let Some(install) = record.install() {
                let (want, progress) = install.observe(now_ps, kind, device);
                told.extend(progress.map(|progress| record.tell(progress)));
                told.extend(record.follow(now_ps, want));
            } else if let Some(Work::Request(number)) = record.work {
                let Some(state) = answer(kind, number, &record.command.action, device) else { continue };
                told.push(record.end(now_ps, state));
            }
        }
        told
    }
}

/// How a request went, if this tells.
fn answer(kind: &CloudEventKind, number: u64, action: &Action, device: &DeviceRecord) -> Option<CommandState> {
    match kind {
        CloudEventKind::Answered { request, code, payload } if *request == number => {
            if *code >= code::BAD_REQUEST {
                return Some(CommandState::Failed { reason: format!("the device answers {}", code_text(*code)) });
            }
            let value = match action {
                Action::Ask(ServerRequest::Function { .. }) => {
                    payload.first_chunk::<4>().map(|bytes| i32::from_be_bytes(*bytes).to_string())
                }
                Action::Ask(ServerRequest::Variable { name }) => Some(device.description.variable_text(name, payload)),
                Action::Ask(ServerRequest::Describe) => Some(format!("{} bytes", payload.len())),
                _ => Some(String::from_utf8_lossy(payload).into_owned()).filter(|text| !text.is_empty()),
            };
            Some(CommandState::Done { answer: value.unwrap_or_else(|| "acknowledged".to_owned()) })
        }
        CloudEventKind::Unanswered { request } if *request == number => {
            Some(CommandState::Failed { reason: "the device does not answer".to_owned() })
        }
        _ => None,
    }
}

impl DeviceService {
    /// Gives the operator a command; it takes effect at its time, or now if that has passed.
    pub fn command(&mut self, command: OperatorCommand) -> Result<u64, RequestError> {
        match &command.action {
            Action::Ask(request) => request.check()?,
            Action::Update(uploads) | Action::UpdateSystem(uploads) | Action::Heal(uploads) => {
                for upload in uploads {
                    ServerRequest::Update { image: upload.image.clone() }.check()?;
                }
            }
        }
        let commands = &mut self.operator.commands;
        if commands.len() >= COMMANDS_MAX {
            return Err(RequestError::TooMany(COMMANDS_MAX));
        }
        let number = commands.len() as u64 + 1;
        let state = CommandState::Waiting;
        commands.push(CommandRecord { number, command, state, began_ps: None, ended_ps: None, work: None });
        Ok(number)
    }

    /// The commands given so far.
    pub fn commands(&self) -> &[CommandRecord] {
        &self.operator.commands
    }

    /// The device that commands are for: the one that connected last.
    pub(super) fn commanded(&self) -> Option<(DeviceId, &DeviceRecord)> {
        let connected = self.devices.iter().max_by_key(|(_, device)| device.connected_since_ps);
        connected.map(|(id, device)| (*id, device))
    }

    /// Starts what is due.
    pub(super) fn operate(&mut self, now_ps: u64) -> Vec<CloudEventKind> {
        let mut told = Vec::new();
        let Some((device_id, device)) = self.commanded().map(|(id, device)| (id, device.clone())) else { return told };
        for at in 0..self.operator.commands.len() {
            let is_busy = self.operator.is_busy();
            let Some(record) = self.operator.commands.get_mut(at) else { continue };
            if record.state == CommandState::Waiting && record.due_ps(&device) <= now_ps {
                (record.state, record.began_ps) = (CommandState::Running, Some(now_ps));
                told.push(record.tell(CommandProgress::Begun));
                match record.command.action.clone() {
                    Action::Update(uploads) => record.work = Some(Work::Install(Install::new(uploads, false))),
                    Action::UpdateSystem(uploads) => {
                        let ordered = in_order(uploads, &device.description.modules);
                        record.work = Some(Work::Install(Install::new(ordered, true)));
                    }
                    Action::Heal(_) => (record.state, record.work) = (CommandState::Watching, Some(Work::Heal(None))),
                    Action::Ask(request) => {
                        let asked = self.deliver(now_ps, device_id, request);
                        let Some(record) = self.operator.commands.get_mut(at) else { continue };
                        match asked {
                            Ok(number) => record.work = Some(Work::Request(number)),
                            Err(error) => {
                                told.push(record.end(now_ps, CommandState::Failed { reason: error.to_string() }));
                            }
                        }
                        continue;
                    }
                }
            }
            if record.is_needed(&device)
                && device.ready_from_ps <= now_ps
                && let Action::Heal(library) = &record.command.action
            {
                let plan = missing(library, &device.description.modules);
                if plan.is_empty() {
                    let reason = "the device is in safe mode, and none of these modules helps it".to_owned();
                    told.push(record.end(now_ps, CommandState::Failed { reason }));
                    continue;
                }
                (record.state, record.work) = (CommandState::Running, Some(Work::Heal(Some(Install::new(plan, true)))));
            }
            let Some(install) = record.install().filter(|install| install.is_busy() || !is_busy) else { continue };
            match install.go_on(now_ps, &device) {
                Want::Ask(request) => {
                    let asked = self.ask(now_ps, device_id, request);
                    let Some(record) = self.operator.commands.get_mut(at) else { continue };
                    match asked {
                        Ok(number) => {
                            let progress = record.install().and_then(|install| install.asked(number));
                            told.extend(progress.map(|progress| record.tell(progress)));
                        }
                        Err(error) => told.push(record.end(now_ps, CommandState::Failed { reason: error.to_string() })),
                    }
                }
                want => told.extend(record.follow(now_ps, want)),
            }
        }
        told
    }

    /// Asks, unless it is an event that the device has not subscribed to.
    fn deliver(&mut self, now_ps: u64, device_id: DeviceId, request: ServerRequest) -> Result<u64, RequestError> {
        if let ServerRequest::Event { name, .. } = &request
            && !self.devices.get(&device_id).is_some_and(|device| device.wants_event(name))
        {
            return Err(RequestError::NotSubscribed(name.clone()));
        }
        self.ask(now_ps, device_id, request)
    }
}
