//! Small forms of option values.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::Stage;

/// A file, and for raw bytes the address they go to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileAt {
    /// The file.
    pub path: PathBuf,
    /// The address.
    pub address: Option<u32>,
}

/// `KEY=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyValue {
    /// Before the first `=`.
    pub key: String,
    /// Behind it.
    pub value: String,
}

/// `FILE` or `FILE@0xADDRESS`. An `@` without a hexadecimal number behind it belongs to the file's name: the vendor's
/// files have such names.
pub fn parse_file_at(text: &str) -> Result<FileAt, String> {
    if let Some((path, address)) = text.rsplit_once("@0x") {
        let address = u32::from_str_radix(address, 16)
            .map_err(|_| format!("0x{address} is not an address: give up to eight hexadecimal digits"))?;
        return Ok(FileAt { path: path.into(), address: Some(address) });
    }
    Ok(FileAt { path: text.into(), address: None })
}

/// `KEY=VALUE`.
pub fn parse_key_value(text: &str) -> Result<KeyValue, String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok(KeyValue { key: key.to_owned(), value: value.to_owned() }),
        _ => Err("give KEY=VALUE".to_owned()),
    }
}

/// All stages with their names, in the order a healthy device reaches them.
pub const STAGES: [(&str, Stage); 13] = [
    ("reset", Stage::Reset),
    ("system_firmware", Stage::SystemFirmware),
    ("vector_table", Stage::VectorTable),
    ("user_module", Stage::UserModule),
    ("scheduler", Stage::Scheduler),
    ("modem_power", Stage::ModemPower),
    ("at_command", Stage::AtCommand),
    ("registered", Stage::Registered),
    ("pdp_context", Stage::PdpContext),
    ("name_resolution", Stage::NameResolution),
    ("client_hello", Stage::ClientHello),
    ("handshake", Stage::Handshake),
    ("cloud_connected", Stage::CloudConnected),
];

/// A stage's name.
pub fn stage_name(stage: Stage) -> &'static str {
    STAGES.iter().find(|(_, other)| *other == stage).map_or("unknown", |(name, _)| name)
}

/// A stage by its name.
pub fn parse_stage(text: &str) -> Result<Stage, String> {
    STAGES.iter().find(|(name, _)| *name == text).map(|(_, stage)| *stage).ok_or_else(|| {
        let names = STAGES.map(|(name, _)| name);
        format!("no stage {text:?}{}; there are {}", did_you_mean(text, names.iter().copied()), names.join(", "))
    })
}

/// ` (did you mean X?)`, or nothing when no name is near.
pub fn did_you_mean<'a>(text: &str, names: impl Iterator<Item = &'a str>) -> String {
    match nearest(text, names) {
        Some(name) => format!(" (did you mean {name}?)"),
        None => String::new(),
    }
}

/// The name most like a text, if one is like it at all.
pub fn nearest<'a>(text: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // The cap bounds the quadratic comparison; no name of ours is nearly as long.
    let text: String = text.chars().take(80).collect();
    let scored = names.map(|name| (strsim::jaro_winkler(&text, name), name));
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(score, _)| *score > 0.6).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_at_sign_in_a_vendor_s_file_name_is_no_address() {
        assert_eq!(parse_file_at("electron-system-part1@2.2.0.bin").unwrap().address, None);
        let raw = parse_file_at("part1@2.2.0.bin@0x08020000").unwrap();
        assert_eq!((raw.path.to_str(), raw.address), (Some("part1@2.2.0.bin"), Some(0x0802_0000)));
        assert!(parse_file_at("x@0x").is_err());
        assert!(parse_file_at("x@0x100000000").is_err());
    }

    #[test]
    fn every_stage_has_its_serialised_name() {
        for (name, stage) in STAGES {
            assert_eq!(serde_json::to_value(stage).unwrap(), name);
            assert_eq!(parse_stage(name), Ok(stage));
        }
        assert!(parse_stage("client_helo").unwrap_err().contains("did you mean client_hello?"));
    }
}
