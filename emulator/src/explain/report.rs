//! All that an explanation says, before it becomes text.

use lockstep_modem::SocketView;
use serde::Serialize;

use super::cause::{Cause, causes};
use super::fault::FaultReport;
use super::history::{AtSeen, OverTheAir};
use super::moment::{Moment, Reason};
use super::threads::{ChainReport, ObjectReport, ThreadReport, chain_report, objects, threads};
use crate::led::LedChange;
use crate::places::Places;
use crate::rtos::Rtos;
use crate::rtos::chain::live_chain;
use crate::world::{SRAM_BASE, SRAM_SIZE};

/// What an oracle says is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Its kind, in a word.
    pub kind: String,
    /// When, in picoseconds.
    pub time_ps: u64,
    /// What, for people.
    pub text: String,
}

/// Who wrote to an address last before the moment: found by executing the run again. Whoever can do so fills it in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LastWrite {
    /// The address written to.
    pub address: u32,
    /// Bytes written.
    pub bytes: u32,
    /// The word at the address, to a multiple of four, before.
    pub before: u32,
    /// The same after.
    pub after: u32,
    /// When, in picoseconds.
    pub time_ps: u64,
    /// The instruction.
    pub pc: u32,
    /// The stack pointer it was executed with.
    pub sp: u32,
    /// TCB of the task that executed it.
    pub task: Option<u32>,
}

/// What an explanation is made from.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// The moment.
    pub moment: &'a Moment,
    /// What oracles say.
    pub findings: &'a [Finding],
    /// What the LED showed over the whole run.
    pub led: &'a [LedChange],
    /// Resets of the whole run: when, in picoseconds, and why.
    pub resets: &'a [(u64, String)],
    /// Names.
    pub places: &'a Places,
    /// Who wrote the return address that the core followed, if that was found out.
    pub last_write: Option<&'a LastWrite>,
}

/// A command of the microcontroller to which the modem has not said its last word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unanswered {
    /// The command.
    pub command: AtSeen,
    /// How long ago it was received, in picoseconds.
    pub age_ps: u64,
}

/// What can be said of a moment.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// When, in picoseconds.
    pub time_ps: u64,
    /// Instructions executed until then.
    pub instructions: u64,
    /// Why this moment.
    pub reason: Reason,
    /// What oracles say.
    pub findings: Vec<Finding>,
    /// The chain of causes that the evidence supports.
    pub causes: Vec<Cause>,
    /// The fault.
    pub fault: Option<FaultReport>,
    /// Whether an RTOS was recognised.
    pub rtos_recognised: bool,
    /// What the core executes, when no RTOS is recognised.
    pub chain: Option<ChainReport>,
    /// The threads.
    pub threads: Vec<ThreadReport>,
    /// Mutexes, semaphores and queues that somebody holds or waits for.
    pub objects: Vec<ObjectReport>,
    /// The last lines between microcontroller and modem.
    pub at: Vec<AtSeen>,
    /// The command that the modem has not answered.
    pub unanswered: Option<Unanswered>,
    /// The modem's sockets.
    pub sockets: Vec<SocketView>,
    /// The update over the air.
    pub update: Option<OverTheAir>,
    /// What was last seen of the device service: when, in picoseconds, and what.
    pub cloud: Vec<(u64, String)>,
    /// What the LED showed at the moment.
    pub led: String,
    /// What it showed over the run: when, in picoseconds, and what.
    pub led_changes: Vec<(u64, String)>,
    /// Resets of the run.
    pub resets: Vec<(u64, String)>,
    /// Names of the modules in flash, with their versions and addresses.
    pub modules: Vec<crate::places::PlacedName>,
}

impl Explanation {
    /// What the evidence allows to say.
    pub fn of(evidence: &Evidence<'_>) -> Self {
        let Evidence { moment, places, .. } = *evidence;
        let rtos = moment.rtos();
        let fault = FaultReport::of(moment, rtos.as_ref(), places);
        let threads = rtos.as_ref().map_or_else(Vec::new, |rtos| threads(moment, rtos, places));
        // Without tasks, or while a handler runs before any.
        let chain = rtos
            .as_ref()
            .and_then(Rtos::running)
            .is_none()
            .then(|| chain_report(&live_chain(&moment.memory(), &moment.registers, SRAM_BASE + SRAM_SIZE), places));
        let unanswered = unanswered(&moment.at, moment.now.time_ps);
        let led_text = |change: &LedChange| (change.time_ps, change.state.to_string());
        let mut explanation = Self {
            time_ps: moment.now.time_ps,
            instructions: moment.instructions,
            reason: moment.reason,
            findings: evidence.findings.to_vec(),
            causes: Vec::new(),
            fault,
            rtos_recognised: rtos.is_some(),
            chain,
            threads,
            objects: rtos.as_ref().map_or_else(Vec::new, objects),
            at: moment.at.clone(),
            unanswered,
            sockets: moment.sockets.clone(),
            update: moment.update.clone(),
            cloud: moment.cloud.clone(),
            led: moment.led.to_string(),
            led_changes: evidence.led.iter().map(led_text).collect(),
            resets: evidence.resets.to_vec(),
            modules: places.modules().to_vec(),
        };
        explanation.causes = causes(&explanation, evidence, rtos.as_ref());
        explanation
    }

    /// What to call a task.
    pub fn title(&self, tcb: u32) -> String {
        let thread = self.threads.iter().find(|thread| thread.task.tcb == tcb);
        thread.map_or_else(|| format!("the task at {tcb:#010x}"), |thread| thread.title.clone())
    }
}

/// The last command without a final result code (V.250 5.7.1, 3GPP TS 27.007 9.1) or prompt.
fn unanswered(at: &[AtSeen], now_ps: u64) -> Option<Unanswered> {
    let mut open = None;
    for line in at {
        let text = line.text.as_str();
        let is_final = matches!(text, "OK" | "ERROR" | "ABORTED" | "@" | ">" | "CONNECT" | "NO CARRIER")
            || text.starts_with("+CME ERROR")
            || text.starts_with("+CMS ERROR")
            || text.ends_with("\\r\\nOK")
            || text.ends_with("\\r\\nERROR");
        if line.to_modem {
            open = Some(line);
        } else if is_final {
            open = None;
        }
    }
    let command = open?.clone();
    Some(Unanswered { age_ps: now_ps.saturating_sub(command.time_ps), command })
}
