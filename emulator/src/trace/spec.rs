//! What to run, as the command line says it: kept in a trace, and made into a machine.

use lockstep_images::SymbolTable;
use lockstep_traces::trace::{Blob, Head, ImageInfo, RunText, StartState};
use lockstep_traces::{Hash, Plan};
use serde::{Deserialize, Serialize};

use super::MODEL;
use crate::Machine;
use crate::setup::files::Files;
use crate::setup::operator::parse_cloud;
use crate::setup::options::KeyValue;
use crate::setup::press::Press;
use crate::setup::{DeviceSpec, Parts, SetupError, load, settings};

/// Everything about a run but its seed, its plan and the contents of its files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSpec {
    /// What the device is made of.
    pub device: DeviceSpec,
    /// Settings of modem, cell, SIM, link, chip and board.
    pub set: Vec<KeyValue>,
    /// Commands to the operator of the device service.
    pub cloud: Vec<String>,
    /// Presses of buttons.
    pub press: Vec<Press>,
    /// Serve semihosting calls.
    pub semihosting: bool,
    /// Virtual time to run in picoseconds.
    pub for_ps: u64,
    /// Stage at which the run ends.
    pub until: Option<String>,
    /// Whether the run ends at the first thing that is not modelled.
    pub strict: bool,
}

/// A machine at power-on, and what it was made of.
#[derive(Debug)]
pub struct Prepared {
    /// The machine.
    pub machine: Machine,
    /// Symbols of all ELF files.
    pub symbols: SymbolTable,
    /// Images in flash.
    pub images: Vec<ImageInfo>,
}

impl RunSpec {
    /// The form that [`RunText`] names.
    pub const FORM: &'static str = "arguments";
    const VERSION: u32 = 1;

    /// As a trace keeps it.
    pub fn text(&self) -> Result<RunText, SetupError> {
        let text =
            serde_json::to_string(self).map_err(|error| SetupError::Usage(format!("cannot be kept: {error}")))?;
        Ok(RunText { form: Self::FORM.to_owned(), version: Self::VERSION, name: String::new(), text })
    }

    /// From a trace.
    pub fn parse(run: &RunText) -> Result<Self, SetupError> {
        if (run.form.as_str(), run.version) != (Self::FORM, Self::VERSION) {
            let text = format!(
                "the trace runs {} of version {}; this lockstep knows {} of version {}",
                run.form,
                run.version,
                Self::FORM,
                Self::VERSION
            );
            return Err(SetupError::Usage(text));
        }
        serde_json::from_str(&run.text).map_err(|error| SetupError::Usage(format!("what the trace runs: {error}")))
    }

    /// The machine at power-on, with all commands given.
    pub fn prepare(&self, seed: u64, plan: &Plan, files: &mut dyn Files) -> Result<Prepared, SetupError> {
        let mut parts = Parts::default();
        settings::apply(&mut parts, &self.set)?;
        let guest = load::load(&self.device, files)?;
        let mut machine = parts.machine(guest.flash, seed, self.semihosting, guest.cloud, files)?;
        machine.world.state.decisions.set_plan(plan.clone());
        for text in &self.cloud {
            let wrong = |reason: String| SetupError::Usage(format!("--cloud {text:?}: {reason}"));
            let Some(command) = parse_cloud(text).map_err(wrong)?.0 else { continue };
            let command = command.prepare(files)?;
            let network = machine.world.state.electron.modem.network();
            let Some(service) = network.service_mut() else {
                return Err(wrong("there is no device service".to_owned()));
            };
            service.command(command).map_err(|error| wrong(error.to_string()))?;
        }
        Ok(Prepared { machine, symbols: guest.symbols, images: guest.images })
    }
}

/// The head of a trace of a machine that has not run yet.
pub fn head(
    machine: &mut Machine,
    images: Vec<ImageInfo>,
    run: RunText,
    blobs: &[Blob],
    hash_every: u64,
    has_outside: bool,
) -> Head {
    Head {
        program: concat!("lockstep ", env!("CARGO_PKG_VERSION")).to_owned(),
        model: MODEL.to_owned(),
        seed: machine.world.state.decisions.seed(),
        plan: machine.world.state.decisions.plan().clone(),
        start: StartState {
            time_ps: machine.now().time_ps,
            instructions: machine.instructions(),
            state: Hash(*machine.state_hash().as_bytes()),
            flash: Hash(*machine.flash_hash().as_bytes()),
        },
        images,
        run,
        blobs: blobs.iter().map(Blob::info).collect(),
        hash_every,
        has_outside,
    }
}

/// Whether a machine that has not run yet is the one of a trace; if not, why not.
pub fn check_start(head: &Head, machine: &mut Machine, images: &[ImageInfo]) -> Result<(), String> {
    for (recorded, here) in head.images.iter().zip(images) {
        if (recorded.address, recorded.length, recorded.hash) != (here.address, here.length, here.hash) {
            return Err(format!(
                "recorded with another image at {:#010x}: {} ({} bytes, BLAKE3 {}), here {} ({} bytes, {})",
                recorded.address, recorded.name, recorded.length, recorded.hash, here.name, here.length, here.hash
            ));
        }
    }
    if head.images.len() != images.len() {
        return Err(format!("recorded with {} images in flash, here are {}", head.images.len(), images.len()));
    }
    if head.start.flash != Hash(*machine.flash_hash().as_bytes()) {
        return Err("recorded with the same images and another device configuration table".to_owned());
    }
    let state = Hash(*machine.state_hash().as_bytes());
    if head.start.state != state {
        return Err(format!(
            "recorded by {} (model {}), whose device at power-on is not this one's ({}, model {MODEL}); replay it with \
             that one, or record it again",
            head.program,
            head.model,
            concat!("lockstep ", env!("CARGO_PKG_VERSION"))
        ));
    }
    Ok(())
}
