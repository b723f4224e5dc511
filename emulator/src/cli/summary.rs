//! The end of a run: what was reached, what went wrong, what was not modelled, how fast it was.

use std::collections::BTreeMap;
use std::time::Duration;

use lockstep::oracle::{self, Kind};
use lockstep::rtos::Task;
use lockstep::{CoreState, Machine};
use lockstep_images::SymbolTable;
use lockstep_modem::network::service::{CommandRecord, CommandState};
use lockstep_peripherals::ledger::Unmodelled;
use serde::Serialize;
use serde_json::{Value, json};

use super::Outcome;
use super::exception_names::exception_name;
use super::output::grouped;
use super::show::{fault_json, fault_text, place};
use lockstep::observe::cause_text;
use lockstep::setup::duration::seconds;
use lockstep::setup::options::{STAGES, stage_name};

/// Something that is wrong, with its evidence.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// What oracles find ([`Kind`]), or `unmodelled`, `stage_not_reached`, `command_failed`, `exit_status`, `breakpoint`,
    /// `gateway_lost`, `trace_incomplete` or `divergence`.
    pub kind: &'static str,
    /// When, in picoseconds.
    pub time_ps: u64,
    /// What, for people.
    pub text: String,
}

impl Finding {
    fn outcome(&self) -> Outcome {
        match self.kind {
            "breakpoint" => Outcome::GuestFault,
            "divergence" => Outcome::Divergence,
            kind => kind.parse().map_or(Outcome::ExpectationFailed, outcome_of),
        }
    }

    /// Of what an oracle found; `None` for faults and lock-ups, which [`Summary::judge`] tells with their symbols.
    pub fn of(found: &oracle::Finding) -> Option<Self> {
        let is_told = matches!(found.kind, Kind::GuestFault | Kind::LockUp);
        (!is_told).then(|| Self { kind: found.kind.name(), time_ps: found.time_ps, text: found.text.clone() })
    }
}

/// How a run ends in which this is found.
fn outcome_of(kind: Kind) -> Outcome {
    match kind {
        Kind::GuestFault | Kind::Panic => Outcome::GuestFault,
        Kind::LockUp
        | Kind::ResetLoop
        | Kind::UnreadData
        | Kind::CloudDeaf
        | Kind::UpdateStalled
        | Kind::Starvation
        | Kind::Deadlock
        | Kind::StackOverflow
        | Kind::Unbootable => Outcome::Hang,
        Kind::WatchdogReset | Kind::UpdateFailed | Kind::Unmodelled => Outcome::ExpectationFailed,
        Kind::NullWrite | Kind::DataLost => Outcome::Done,
    }
}

/// How a run went.
pub struct Summary<'a> {
    /// The machine at its end.
    pub machine: &'a mut Machine,
    /// Symbols of the images.
    pub symbols: &'a SymbolTable,
    /// What the run itself found.
    pub findings: Vec<Finding>,
    /// Host time taken.
    pub host: Duration,
    /// Virtual time at the beginning of the run in picoseconds.
    pub from_ps: u64,
    /// Instructions at the beginning of the run.
    pub from_instructions: u64,
    /// Tasks at the end; `None` when no RTOS is recognised.
    pub tasks: Option<Vec<Task>>,
}

struct Speed {
    virtual_s_per_host_s: f64,
    mips: f64,
    host_s: f64,
}

impl Summary<'_> {
    /// Adds what the machine's observer found, and tells how the run ended.
    pub fn judge(&mut self) -> Outcome {
        let observer = &self.machine.observer;
        let mut found = Vec::new();
        for fault in observer.faults() {
            let text = fault_text(fault, self.symbols);
            found.push(Finding { kind: "guest_fault", time_ps: fault.now.time_ps, text });
        }
        let hard_faults = observer.exception_counts().get(lockstep::core::exceptions::HARD_FAULT).copied();
        if hard_faults.unwrap_or(0) > 0 && observer.faults().is_empty() {
            let text = "HardFault was entered without a configurable fault before it".to_owned();
            found.push(Finding { kind: "guest_fault", time_ps: self.machine.now().time_ps, text });
        }
        if let Some((now, pc)) = observer.lock_up() {
            let pc = place(pc, self.symbols);
            // A lock-up that a reset ended is a fault; one that lasts is a hang.
            let lasts = self.machine.core_state() == CoreState::LockedUp;
            let (kind, end) = if lasts { ("lock_up", "nothing reset it") } else { ("guest_fault", "a reset ended it") };
            found.push(Finding { kind, time_ps: now.time_ps, text: format!("the core locked up at {pc}; {end}") });
        }
        found.extend(commands(self.machine).iter().filter_map(not_done));
        found.append(&mut self.findings);
        found.sort_by_key(|finding| finding.time_ps);
        self.findings = found;
        self.outcome()
    }

    /// What the findings amount to.
    pub fn outcome(&self) -> Outcome {
        self.findings.iter().map(Finding::outcome).max().unwrap_or(Outcome::Done)
    }

    fn speed(&self) -> Speed {
        let host_s = self.host.as_secs_f64().max(1e-9);
        let virtual_s = (self.machine.now().time_ps - self.from_ps) as f64 / 1e12;
        let instructions = self.machine.instructions() - self.from_instructions;
        let instructions = instructions.saturating_sub(self.machine.skipped_instructions()) as f64;
        Speed { virtual_s_per_host_s: virtual_s / host_s, mips: instructions / 1e6 / host_s, host_s }
    }

    fn exceptions(&self) -> Vec<(String, u64)> {
        let counts = self.machine.observer.exception_counts().iter().enumerate();
        counts.filter(|(_, count)| **count > 0).map(|(number, count)| (exception_name(number), *count)).collect()
    }

    /// The last line of `--json`.
    pub fn json(&mut self, outcome: Outcome) -> Value {
        let state_hash = self.machine.state_hash().to_hex().to_string();
        let speed = self.speed();
        let commands = self.machine.world.state.electron.modem.ledger().entries().clone();
        let cloud: Vec<Value> = self::commands(self.machine).iter().map(command_json).collect();
        let observer = &self.machine.observer;
        let ledger = &self.machine.world.state.ledger;
        let (unmodelled, notes) = (self.ledger_json(ledger.entries()), self.ledger_json(ledger.notes()));
        let commands: Vec<Value> = commands
            .iter()
            .map(|(name, entry)| json!({ "name": name, "count": entry.count, "first_time_ps": entry.first_time_ps }))
            .collect();
        let resets: Vec<Value> = observer
            .resets()
            .iter()
            .map(|reset| {
                let (time_ps, instructions) = (reset.now.time_ps, reset.instructions);
                json!({ "time_ps": time_ps, "instructions": instructions, "cause": cause_text(reset.cause) })
            })
            .collect();
        json!({
            "type": "summary",
            "exit_code": outcome as u8,
            "seed": self.machine.world.state.decisions.seed(),
            "time_ps": self.machine.now().time_ps,
            "cycles": self.machine.cycles(),
            "instructions": self.machine.instructions(),
            "stages": observer.stages(),
            "state_hash": state_hash,
            "findings": self.findings,
            "exceptions": self.exceptions().into_iter().map(|(name, count)| (name, json!(count)))
                .collect::<serde_json::Map<_, _>>(),
            "resets": resets,
            "faults": observer.faults().iter().map(|f| fault_json(f, self.symbols)).collect::<Vec<_>>(),
            "tasks": self.tasks,
            "cloud": cloud,
            "unmodelled": unmodelled,
            "unmodelled_commands": commands,
            "notes": notes,
            "speed": {
                "virtual_s_per_host_s": speed.virtual_s_per_host_s, "mips": speed.mips, "host_s": speed.host_s,
                "skipped_cycles": self.machine.skipped_cycles(),
                "skipped_instructions": self.machine.skipped_instructions(),
            },
        })
    }

    /// The same for people.
    pub fn text(&mut self, outcome: Outcome) -> String {
        let mut lines = Vec::new();
        let hash = self.machine.state_hash().to_hex();
        let machine = &*self.machine;
        let observer = &machine.observer;
        lines.push(String::new());
        lines.push(format!(
            "{} s virtual, {} instructions, {} cycles, seed {}",
            seconds(machine.now().time_ps),
            grouped(machine.instructions()),
            grouped(machine.cycles()),
            machine.world.state.decisions.seed()
        ));
        lines.push(format!("state hash {hash}"));
        lines.push("stages".to_owned());
        for (name, stage) in STAGES {
            lines.push(match observer.stage(stage) {
                Some(at) => {
                    format!("  {name:<16} {:>12} s  {:>16} instructions", seconds(at.time_ps), grouped(at.instructions))
                }
                None => format!("  {name:<16}            -"),
            });
        }
        let exceptions: Vec<String> =
            self.exceptions().iter().map(|(name, count)| format!("{name} {}", grouped(*count))).collect();
        lines
            .push(format!("exceptions  {}", if exceptions.is_empty() { "none".into() } else { exceptions.join(", ") }));
        for reset in observer.resets() {
            lines.push(format!("reset       {:>12} s  {}", seconds(reset.now.time_ps), cause_text(reset.cause)));
        }
        let commands = commands(self.machine);
        if !commands.is_empty() {
            lines.push("cloud".to_owned());
            lines.extend(commands.iter().map(command_text));
        }
        match &self.tasks {
            Some(tasks) => {
                lines.push("tasks".to_owned());
                lines.extend(tasks.iter().map(task_text));
            }
            None => lines.push("tasks       unknown: no RTOS recognised".to_owned()),
        }
        self.ledgers(&mut lines);
        lines.push(match self.findings.len() {
            0 => "findings    none".to_owned(),
            count => format!("findings    {count}"),
        });
        for Finding { kind, time_ps, text } in &self.findings {
            lines.push(format!("  {:>12} s  {kind}: {text}", seconds(*time_ps)));
        }
        let speed = self.speed();
        lines.push(format!(
            "speed       {:.2} virtual seconds per host second, {:.1} MIPS executed ({:.2} s; {} idle cycles skipped)",
            speed.virtual_s_per_host_s,
            speed.mips,
            speed.host_s,
            grouped(self.machine.skipped_cycles())
        ));
        lines.push(format!("exit        {} ({outcome:?})", outcome as u8));
        lines.push(String::new());
        lines.join("\n")
    }

    fn ledger_line(&self, name: &str, entry: &Unmodelled) -> String {
        let place = place(entry.first_pc, self.symbols);
        format!("  {:>10}  {name}, first at {} s, PC {place}", grouped(entry.count), seconds(entry.first_time_ps))
    }

    /// Ledger entries as JSON.
    fn ledger_json(&self, entries: &BTreeMap<String, Unmodelled>) -> Vec<Value> {
        let entry_json = |(name, entry): (&String, &Unmodelled)| {
            json!({
                "name": name, "count": entry.count, "first_pc": entry.first_pc, "first_time_ps": entry.first_time_ps,
                "symbol": self.symbols.at(entry.first_pc).map(|(symbol, _)| symbol.name.as_str()),
            })
        };
        entries.iter().map(entry_json).collect()
    }

    fn ledgers(&mut self, lines: &mut Vec<String>) {
        let commands = self.machine.world.state.electron.modem.ledger().entries().clone();
        let notes = self.machine.world.state.ledger.notes();
        if !notes.is_empty() {
            lines.push("notes       as on hardware, and hardly meant".to_owned());
        }
        for (name, entry) in notes {
            lines.push(self.ledger_line(name, entry));
        }
        let entries = self.machine.world.state.ledger.entries();
        if entries.is_empty() && commands.is_empty() {
            lines.push("unmodelled  nothing was used that is not modelled".to_owned());
            return;
        }
        lines.push("unmodelled".to_owned());
        for (name, entry) in entries {
            lines.push(self.ledger_line(name, entry));
        }
        for (name, entry) in &commands {
            lines.push(format!(
                "  {:>10}  modem: {name}, first at {} s",
                grouped(entry.count),
                seconds(entry.first_time_ps)
            ));
        }
    }
}

/// One task in a line.
pub fn task_text(task: &Task) -> String {
    let never_used = task.never_used_bytes.map_or("unknown".to_owned(), |bytes| bytes.to_string());
    let state = format!("{:?}", task.state).to_lowercase();
    let name = if task.name.is_empty() { "(no name)" } else { &task.name };
    format!(
        "  {name:<16} priority {:<2} {state:<9} SP {:#010x}, {} bytes of stack free now, {never_used} never used",
        task.priority, task.stack_pointer, task.free_bytes
    )
}

/// The commands given to the operator of the device service.
fn commands(machine: &mut Machine) -> Vec<CommandRecord> {
    let service = machine.world.state.electron.modem.network().service();
    service.map(|service| service.commands().to_vec()).unwrap_or_default()
}

/// A command's state in words.
fn state_text(state: &CommandState) -> String {
    match state {
        CommandState::Waiting => "did not take effect".to_owned(),
        CommandState::Running => "not done by the end of the run".to_owned(),
        CommandState::Watching => "was not needed".to_owned(),
        CommandState::Done { answer } => format!("done, {answer}"),
        CommandState::Failed { reason } => format!("failed, {reason}"),
    }
}

fn command_text(record: &CommandRecord) -> String {
    let at = record.ended_ps.map_or_else(|| "-".to_owned(), |ps| format!("{} s", seconds(ps)));
    format!("  {at:>14}  {}: {}", record.command.text, state_text(&record.state))
}

fn command_json(record: &CommandRecord) -> Value {
    json!({
        "command": record.command.text, "number": record.number, "began_ps": record.began_ps,
        "ended_ps": record.ended_ps, "outcome": record.state,
    })
}

/// The finding of a command that is not done.
fn not_done(record: &CommandRecord) -> Option<Finding> {
    if matches!(record.state, CommandState::Done { .. } | CommandState::Watching) {
        return None;
    }
    let text = format!("{}: {}", record.command.text, state_text(&record.state));
    let time_ps = record.ended_ps.or(record.began_ps).unwrap_or(record.command.at_ps);
    Some(Finding { kind: "command_failed", time_ps, text })
}

/// The finding of a stage that was to be reached.
pub fn not_reached(stage: lockstep::Stage, time_ps: u64) -> Finding {
    let text = format!("stage {} was not reached by {} s", stage_name(stage), seconds(time_ps));
    Finding { kind: "stage_not_reached", time_ps, text }
}
