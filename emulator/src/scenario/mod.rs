//! Scenarios: what runs, what is done to it and when, and what is expected of it. One TOML file says it all.
//!
//! Every text of a step may have places that a hunt fills ([`template`]). [`Choices`] are the fillings: none of them is a
//! plain run, and what a hunt finds is told as the choices that differ from it.

mod action;
mod card;
mod choices;
mod condition;
mod file;
mod template;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use lockstep_images::app_config;
use lockstep_images::catalogue::VendorFile;

use crate::setup::files::Files;
use crate::setup::options::KeyValue;
use crate::setup::{DeviceSpec, SetupError};

pub use action::Action;
pub use card::CardAction;
pub use choices::Choices;
pub use condition::{About, Condition, ModuleIs, Pattern, UpdateStep};
pub use file::ScenarioError;
pub use template::{Hole, Template};

/// A scenario.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// As it was written.
    pub text: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub about: String,
    /// Virtual time to run, in picoseconds.
    pub for_ps: u64,
    /// Seed of a plain run.
    pub seed: u64,
    /// What is not modelled is a finding.
    pub strict: bool,
    /// The device.
    pub device: DeviceSpec,
    /// Settings of modem, link, chip and board.
    pub set: Vec<KeyValue>,
    /// Images of our own application made for the scenario.
    pub images: Vec<OwnImage>,
    /// What is done.
    pub steps: Vec<StepTemplate>,
    /// What is expected.
    pub expectations: Vec<Expectation>,
    /// How a hunt goes about it.
    pub hunt: HuntSpec,
    /// The scenario on other devices.
    pub variants: Vec<Variant>,
}

/// An image of our own application with other settings: steps name it as if it were a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnImage {
    /// Its name.
    pub name: String,
    /// The image to take.
    pub app: PathBuf,
    /// Settings.
    pub set: Vec<KeyValue>,
    /// Whether it begins with the settings of the device's application, what a variant says included.
    pub is_like_device: bool,
    /// Its length, if it is to be filled up.
    pub bytes: Option<usize>,
}

/// A step, its places not filled.
#[derive(Clone, Debug)]
pub struct StepTemplate {
    /// Not before this virtual time.
    pub at: Option<Template>,
    /// Not before this became true.
    pub when: Option<Template>,
    /// That long after the later of both.
    pub after: Option<Template>,
    /// What is done.
    pub action: Template,
    /// In how many of a million runs of a hunt; a plain run does without it. `None`: always.
    pub chance_ppm: Option<u64>,
    /// A hunt leaves out all steps of a kind in half of its runs.
    pub kind: Option<String>,
}

/// A step.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its number in the scenario, from 1.
    pub number: usize,
    /// Not before this virtual time, in picoseconds.
    pub at_ps: u64,
    /// Not before this became true.
    pub when: Option<Condition>,
    /// That long after the later of both, in picoseconds.
    pub after_ps: u64,
    /// What is done.
    pub action: Action,
    /// The same as text.
    pub text: String,
}

/// What is expected.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// What has to become true, or must not.
    pub condition: Condition,
    /// It must not.
    pub is_never: bool,
    /// What happened before does not count, in picoseconds.
    pub from_ps: u64,
    /// Until then, in picoseconds; `None` is the end of the run.
    pub by_ps: Option<u64>,
}

/// How a hunt goes about a scenario.
#[derive(Clone, Debug)]
pub struct HuntSpec {
    /// Runs branch off when this has become true
    pub from: Condition,
    /// and that much time has passed, in picoseconds.
    pub after_ps: u64,
    /// A run is over when this has become true
    pub until: Option<Condition>,
    /// and that much time has passed, in picoseconds. The same after a finding.
    pub settle_ps: u64,
    /// A run is over after this, in picoseconds since it branched off.
    pub for_ps: u64,
    /// Afterwards the device has so long to come back by itself and to answer the device service, in picoseconds. `None`:
    /// nobody asks.
    pub recovery_ps: Option<u64>,
}

/// A scenario on another device.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Variant {
    /// Its name.
    pub name: String,
    /// The vendor's firmware of this version.
    pub firmware: Option<String>,
    /// Further settings of the application.
    pub app_set: Vec<KeyValue>,
    /// Further settings of modem, link, chip and board.
    pub set: Vec<KeyValue>,
}

impl Scenario {
    /// The scenario on another device.
    pub fn on(&self, variant: &Variant) -> Self {
        let mut scenario = self.clone();
        if let Some(firmware) = &variant.firmware {
            scenario.device.firmware = Some(firmware.clone());
        }
        scenario.device.app_set.extend(variant.app_set.iter().cloned());
        scenario.set.extend(variant.set.iter().cloned());
        scenario
    }

    /// The steps with these choices; one that is left out is `None`.
    pub fn steps(&self, choices: &Choices) -> Result<Vec<Option<Step>>, ScenarioError> {
        self.steps.iter().enumerate().map(|(index, step)| choices::step(index, step, choices)).collect()
    }

    /// The files that steps can name, whichever of their alternatives is taken, or what may be files.
    pub fn files_of_steps(&self) -> Result<BTreeSet<PathBuf>, ScenarioError> {
        let mut files = BTreeSet::new();
        for (index, template) in self.steps.iter().enumerate() {
            for probe in choices::probes(index, template) {
                if let Some(Step { action: Action::Cloud(command), .. }) = choices::step(index, template, &probe)? {
                    files.extend(command.files());
                }
            }
        }
        Ok(files)
    }

    /// Makes an image.
    pub fn read_image(&self, image: &OwnImage, files: &mut dyn Files) -> Result<Vec<u8>, SetupError> {
        let of_device = self.device.app_set.iter().filter(|_| image.is_like_device);
        let settings: Vec<KeyValue> = of_device.chain(&image.set).cloned().collect();
        let bytes = crate::setup::app::configured(&image.app, &settings, files)?;
        match image.bytes {
            Some(length) => app_config::pad(&bytes, length).map_err(crate::setup::app::of(&image.app)),
            None => Ok(bytes),
        }
    }
}

/// The files of a scenario: images that it makes, then those of `files`.
pub struct ScenarioFiles<'a> {
    made: BTreeMap<PathBuf, Vec<u8>>,
    files: &'a mut dyn Files,
}

impl<'a> ScenarioFiles<'a> {
    /// Makes the images.
    pub fn new(scenario: &Scenario, files: &'a mut dyn Files) -> Result<Self, SetupError> {
        let made = scenario.images.iter().map(|image| {
            let bytes = scenario.read_image(image, files)?;
            Ok((PathBuf::from(&image.name), bytes))
        });
        let made = made.collect::<Result<_, SetupError>>()?;
        Ok(Self { made, files })
    }
}

impl Files for ScenarioFiles<'_> {
    fn read(&mut self, path: &Path) -> Result<Vec<u8>, SetupError> {
        match self.made.get(path) {
            Some(bytes) => Ok(bytes.clone()),
            None => self.files.read(path),
        }
    }

    fn exists(&self, path: &Path) -> bool {
        self.made.contains_key(path) || self.files.exists(path)
    }

    fn place(&self, path: &Path) -> PathBuf {
        self.files.place(path)
    }

    fn vendor(&mut self, version: &str, file: &'static VendorFile) -> Result<Vec<u8>, SetupError> {
        self.files.vendor(version, file)
    }
}

#[cfg(test)]
mod tests;
