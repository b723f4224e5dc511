//! A hunt's results on disk: a line of JSON for each run, written as it ends, so that a hunt can be stopped and resumed.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::base::Outcome;
use crate::setup::SetupError;

/// The first line: what was hunted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    lockstep_hunt: u32,
    scenario_blake3: String,
}

/// Counted up when lines change.
const VERSION: u32 = 1;

/// A run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The device's name.
    pub variant: String,
    /// The run's seed.
    pub seed: u64,
    /// How it went.
    pub outcome: Outcome,
}

/// The file.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    file: File,
}

impl Store {
    /// Opens a file, or makes one: gives the runs that are in it. One of another scenario is refused.
    pub fn open(path: &Path, scenario: &str) -> Result<(Self, Vec<Line>), SetupError> {
        let io = SetupError::io(path);
        let head =
            Head { lockstep_hunt: VERSION, scenario_blake3: blake3::hash(scenario.as_bytes()).to_hex().to_string() };
        let mut lines = Vec::new();
        let mut is_new = true;
        let mut whole_bytes = 0;
        if path.exists() {
            let mut reader = BufReader::new(File::open(path).map_err(SetupError::io(path))?);
            let mut text = String::new();
            while reader.read_line(&mut text).map_err(SetupError::io(path))? > 0 {
                // The last line of a hunt that was killed may be half a line.
                if !text.ends_with('\n') {
                    break;
                }
                whole_bytes += text.len() as u64;
                if std::mem::take(&mut is_new) {
                    check(path, &text, &head)?;
                } else {
                    let line = serde_json::from_str(&text).map_err(|error| SetupError::File {
                        path: path.to_owned(),
                        reason: format!("line {}: {error}; not a file of a hunt, or a damaged one", lines.len() + 2),
                    })?;
                    lines.push(line);
                }
                text.clear();
            }
        }
        let file = OpenOptions::new().create(true).append(true).open(path).map_err(io)?;
        file.set_len(whole_bytes).map_err(SetupError::io(path))?;
        let mut store = Self { path: path.to_owned(), file };
        if is_new {
            store.write(&head)?;
        }
        Ok((store, lines))
    }

    /// Adds a run.
    pub fn add(&mut self, line: &Line) -> Result<(), SetupError> {
        self.write(line)
    }

    fn write(&mut self, value: &impl Serialize) -> Result<(), SetupError> {
        let mut text = serde_json::to_string(value)
            .map_err(|error| SetupError::Io { path: self.path.clone(), source: error.into() })?;
        text.push('\n');
        self.file.write_all(text.as_bytes()).map_err(SetupError::io(&self.path))
    }
}

fn check(path: &Path, text: &str, head: &Head) -> Result<(), SetupError> {
    let wrong = |reason: String| SetupError::File { path: path.to_owned(), reason };
    let found: Head = serde_json::from_str(text).map_err(|_| wrong("not the results of a hunt".to_owned()))?;
    if found.lockstep_hunt != head.lockstep_hunt {
        return Err(wrong(format!(
            "written by another version of lockstep ({} instead of {VERSION})",
            found.lockstep_hunt
        )));
    }
    if found != *head {
        return Err(wrong(
            "results of another scenario, or of this one before it was changed; give another file".to_owned(),
        ));
    }
    Ok(())
}

/// The runs that are done.
pub fn done(lines: &[Line]) -> BTreeSet<(String, u64)> {
    lines.iter().map(|line| (line.variant.clone(), line.seed)).collect()
}
