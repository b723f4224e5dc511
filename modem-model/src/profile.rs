//! The settings a client makes, and how responses look under them (ITU-T V.250 5.7).

use serde::{Deserialize, Serialize};

use crate::errors::{CmeError, CmsError};

/// Settings as they are after power-on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Profile {
    pub echo: bool,
    pub verbose: bool,
    pub quiet: bool,
    /// S3: the character that ends a command line.
    pub line_end: u8,
    /// S4: the one that, after S3, frames responses.
    pub line_feed: u8,
    /// S5: deletes the last character.
    pub backspace: u8,
    /// `AT+CMEE`: 0 plain ERROR, 1 numbers, 2 texts.
    pub cmee: u32,
    pub creg: u32,
    pub cgreg: u32,
    pub operator_format: u32,
    /// `AT+CMER`: mode, keypad, display, indicators, buffer.
    pub event_reporting: [u32; 5],
    /// The mode of `AT+UPSV`, and the silence in GSM frames after which mode 1 lets the serial line sleep.
    pub power_saving: u32,
    pub power_saving_frames: u32,
    /// RTS and CTS are heeded (`AT&K3`).
    pub flow_control: bool,
    pub hex_mode: bool,
    pub sms_text_mode: bool,
    pub sms_indications: Vec<u32>,
    /// Commands that store numbers and read them back, without an effect that is modelled.
    pub stored: std::collections::BTreeMap<String, String>,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            echo: true,
            verbose: true,
            quiet: false,
            line_end: b'\r',
            line_feed: b'\n',
            backspace: 8,
            cmee: 0,
            creg: 0,
            cgreg: 0,
            operator_format: 0,
            event_reporting: [0; 5],
            power_saving: 0,
            power_saving_frames: 0,
            flow_control: true,
            hex_mode: false,
            sms_text_mode: false,
            sms_indications: vec![0, 0],
            stored: std::collections::BTreeMap::new(),
        }
    }
}

/// Why a command failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Failure {
    Cme(CmeError),
    Cms(CmsError),
    /// A `+CME ERROR` whose text is not known here.
    Numbered(u32),
    /// `ERROR` whatever `AT+CMEE` says: the line could not be read.
    Plain,
    /// `NO CARRIER`: the call failed.
    NoCarrier,
}

impl Failure {
    /// The error of a number of TS 27.007 9.2.
    pub fn numbered(number: u32) -> Self {
        CmeError::from_number(number).map_or(Self::Numbered(number), Self::Cme)
    }
}

impl From<CmeError> for Failure {
    fn from(error: CmeError) -> Self {
        Self::Cme(error)
    }
}

impl From<CmsError> for Failure {
    fn from(error: CmsError) -> Self {
        Self::Cms(error)
    }
}

impl Profile {
    /// An information line or URC with its frame.
    pub fn information(&self, line: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(line.len() + 4);
        if self.verbose {
            bytes.extend([self.line_end, self.line_feed]);
        }
        bytes.extend_from_slice(line);
        bytes.extend([self.line_end, self.line_feed]);
        bytes
    }

    /// A final result code with its frame; empty when the client wants none.
    pub fn final_result(&self, result: Result<(), Failure>) -> Vec<u8> {
        if self.quiet {
            return Vec::new();
        }
        let (word, number) = match result {
            Ok(()) => ("OK".to_owned(), 0),
            Err(Failure::NoCarrier) => ("NO CARRIER".to_owned(), 3),
            Err(Failure::Cme(error)) if self.cmee == 1 => {
                return self.information(format!("+CME ERROR: {}", error.number()).as_bytes());
            }
            Err(Failure::Cme(error)) if self.cmee == 2 => {
                return self.information(format!("+CME ERROR: {error}").as_bytes());
            }
            Err(Failure::Numbered(number)) if self.cmee > 0 => {
                return self.information(format!("+CME ERROR: {number}").as_bytes());
            }
            Err(Failure::Cms(error)) if self.cmee == 2 => {
                return self.information(format!("+CMS ERROR: {error}").as_bytes());
            }
            Err(Failure::Cms(error)) if self.cmee == 1 => {
                return self.information(format!("+CMS ERROR: {}", error.number()).as_bytes());
            }
            Err(Failure::Cme(_) | Failure::Cms(_) | Failure::Numbered(_) | Failure::Plain) => ("ERROR".to_owned(), 4),
        };
        if self.verbose {
            return self.information(word.as_bytes());
        }
        let mut bytes = format!("{number}").into_bytes();
        bytes.push(self.line_end);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_follow_v_q_and_cmee() {
        let mut profile = Profile::default();
        assert_eq!(profile.final_result(Ok(())), b"\r\nOK\r\n");
        let failure = Err(Failure::Cme(CmeError::SimPinRequired));
        assert_eq!(profile.final_result(failure), b"\r\nERROR\r\n");
        profile.cmee = 1;
        assert_eq!(profile.final_result(failure), b"\r\n+CME ERROR: 11\r\n");
        profile.cmee = 2;
        assert_eq!(profile.final_result(failure), b"\r\n+CME ERROR: SIM PIN required\r\n");
        profile.verbose = false;
        assert_eq!(profile.final_result(Ok(())), b"0\r");
        assert_eq!(profile.information(b"x"), b"x\r\n");
        profile.quiet = true;
        assert_eq!(profile.final_result(Ok(())), b"");
    }
}
