//! The transcript: what passed on the line, as text, one entry a line.

use std::fs::File;
use std::io::{BufWriter, Result, Write};
use std::path::Path;

use lockstep_modem::{AtLogEntry, Direction};

use crate::cli::output::escape;
use lockstep::setup::duration::seconds;

/// A transcript file. Lines are whole in it whenever [`Transcript::flush`] was called.
pub struct Transcript {
    to: BufWriter<File>,
}

impl Transcript {
    /// Makes the file.
    pub fn create(path: &Path) -> Result<Self> {
        Ok(Self { to: BufWriter::new(File::create(path)?) })
    }

    /// A command line (`>>`), a payload (`>B`), or a response or URC (`<<`).
    pub fn entry(&mut self, entry: &AtLogEntry) -> Result<()> {
        let mark = match entry.direction {
            Direction::ToModem => ">>",
            Direction::PayloadToModem => ">B",
            Direction::FromModem => "<<",
        };
        self.line(entry.time_ps, mark, &escape(&entry.bytes))
    }

    /// Something else that happened (`--`).
    pub fn note(&mut self, time_ps: u64, text: &str) -> Result<()> {
        self.line(time_ps, "--", text)
    }

    fn line(&mut self, time_ps: u64, mark: &str, text: &str) -> Result<()> {
        writeln!(self.to, "{:>14} {mark} {text}", seconds(time_ps))
    }

    /// Writes what is buffered.
    pub fn flush(&mut self) -> Result<()> {
        self.to.flush()
    }
}
