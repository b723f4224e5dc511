//! State hashes of an earlier run, to find where this one differs.

use std::collections::BTreeMap;
use std::path::Path;

use super::CliError;
use lockstep::setup::files::{Disk, Files as _};

/// Hashes by instruction count.
#[derive(Debug, Default)]
pub struct Hashes {
    by_instructions: BTreeMap<u64, String>,
}

impl Hashes {
    /// Takes the hashes out of what a run with `--hash-every` printed, plain or JSON; other lines do not matter.
    pub fn read(path: &Path) -> Result<Self, CliError> {
        let bytes = Disk.read(path)?;
        let hashes = Self::parse(&String::from_utf8_lossy(&bytes));
        if hashes.by_instructions.is_empty() {
            let reason = "no hashes in it: give the output of a run with --hash-every".to_owned();
            return Err(CliError::file(path, reason));
        }
        Ok(hashes)
    }

    fn parse(text: &str) -> Self {
        let entries = text.lines().filter_map(|line| plain(line).or_else(|| json(line)));
        Self { by_instructions: entries.collect() }
    }

    /// The other run's hash at this instruction count, if it differs.
    pub fn differing(&self, instructions: u64, hash: &str) -> Option<&str> {
        self.by_instructions.get(&instructions).map(String::as_str).filter(|other| *other != hash)
    }

    /// Whether the other run has a hash at this instruction count.
    pub fn has(&self, instructions: u64) -> bool {
        self.by_instructions.contains_key(&instructions)
    }
}

fn plain(line: &str) -> Option<(u64, String)> {
    let mut words = line.strip_prefix("hash ")?.split_whitespace();
    Some((words.next()?.parse().ok()?, words.next()?.to_owned()))
}

fn json(line: &str) -> Option<(u64, String)> {
    let value: serde_json::Value = serde_json::from_str(line).ok()?;
    if value.get("type")?.as_str()? != "hash" {
        return None;
    }
    Some((value.get("instructions")?.as_u64()?, value.get("hash")?.as_str()?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        let text =
            "hash 100 aa 0.1 s\n{\"type\":\"hash\",\"instructions\":200,\"hash\":\"bb\"}\n{\"type\":\"at\"}\nhash x\n{";
        let hashes = Hashes::parse(text);
        assert_eq!(hashes.differing(100, "aa"), None);
        assert_eq!(hashes.differing(200, "aa"), Some("bb"));
        assert!(!hashes.has(300));
    }
}
