//! Writes a trace while its run goes on.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use lockstep_traces::trace::{Blob, EndRecord, Head, Record, TraceWriter};

use crate::setup::SetupError;

/// The file of a trace that is being written. When writing fails, the run goes on, and the file stays as it was up to its
/// last whole frame.
pub struct Recorder {
    path: PathBuf,
    writer: Option<TraceWriter<File>>,
    lost: Option<String>,
}

impl Recorder {
    /// Begins a trace in a new file. It lies in its place from the beginning, so that it is there after a kill.
    pub fn create(path: &Path, head: &Head, blobs: &[Blob]) -> Result<Self, SetupError> {
        let file = File::create_new(path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => SetupError::File {
                path: path.to_owned(),
                reason: "it is there already, and a trace never replaces a file: remove it, or give another name"
                    .to_owned(),
            },
            _ => SetupError::io(path)(error),
        })?;
        let writer = TraceWriter::new(file, head, blobs).map_err(SetupError::io(path))?;
        Ok(Self { path: path.to_owned(), writer: Some(writer), lost: None })
    }

    /// Adds a record.
    pub fn record(&mut self, record: &Record) {
        self.write(|writer| writer.push(record));
    }

    /// The run has come so far.
    pub fn advance(&mut self, now_ps: u64, instructions: u64) {
        self.write(|writer| writer.advance(now_ps, instructions));
    }

    /// The run ended.
    pub fn finish(&mut self, end: EndRecord) {
        self.write(|writer| writer.finish(end));
        self.writer = None;
    }

    /// Why the trace ends before its run does.
    pub fn lost(&self) -> Option<&str> {
        self.lost.as_deref()
    }

    fn write(&mut self, work: impl FnOnce(&mut TraceWriter<File>) -> io::Result<()>) {
        let Some(writer) = &mut self.writer else { return };
        let Err(error) = work(writer) else { return };
        // Half a frame may be there. Readers leave it out; nothing sensible can follow it.
        let _ = writer.get_ref().set_len(writer.whole_bytes());
        self.writer = None;
        self.lose(&error);
    }

    fn lose(&mut self, error: &io::Error) {
        let text = format!("{}: {error}: the trace ends here, the run goes on", self.path.display());
        tracing::error!("{text}");
        self.lost = Some(text);
    }
}
