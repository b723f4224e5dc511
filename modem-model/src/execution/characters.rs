//! From characters to commands: collecting a line, and taking payload after a prompt.

use lockstep_traces::Decisions;

use super::{Prompt, State};
use crate::at_log::Direction;
use crate::commands;
use crate::grammar;
use crate::modem::Modem;
use crate::power::PowerState;

/// Characters of a command line at most; a longer one is answered by ERROR.
const LINE_BYTES_MAX: usize = 4096;
/// Characters waiting on TXD beyond which no more commands are taken.
const TRANSMIT_BYTES_MAX: usize = 8192;
const CTRL_Z: u8 = 0x1a;
const ESCAPE: u8 = 0x1b;

impl Modem {
    /// Takes received characters as far as the state allows.
    pub(crate) fn take_characters(&mut self, decisions: &mut Decisions) {
        while matches!(self.power.state, PowerState::On)
            && matches!(self.execution.state, State::Idle | State::Payload(_) | State::DirectLink(_))
            && self.line.transmit_len() < TRANSMIT_BYTES_MAX
        {
            if matches!(self.execution.state, State::DirectLink(_)) && !self.direct_link.has_room() {
                return;
            }
            let Some(byte) = self.line.take_received() else { return };
            match self.execution.state {
                State::Payload(_) => self.payload_character(byte, decisions),
                State::DirectLink(link) => self.direct_link_character(link, byte, decisions),
                _ => self.line_character(byte, decisions),
            }
        }
    }

    fn line_character(&mut self, byte: u8, decisions: &mut Decisions) {
        let profile = &self.profile;
        // The line feed of a CRLF, and NULs of a waking client, before a line begins.
        if self.execution.line.is_empty() && (byte == profile.line_feed || byte == 0) && byte != profile.line_end {
            return;
        }
        if profile.echo {
            self.line.send(&[byte]);
        }
        if byte == profile.line_end {
            return self.line_ended(decisions);
        }
        if byte == profile.backspace {
            self.execution.line.pop();
        } else if self.execution.line.len() < LINE_BYTES_MAX {
            self.execution.line.push(byte);
            if self.execution.line.trim_ascii_start().eq_ignore_ascii_case(b"A/") {
                self.log.push(self.now_ps, Direction::ToModem, &self.execution.line);
                self.execution.line.clear();
                let body = self.execution.last_body.clone();
                self.begin_commands(&body, decisions);
            }
        } else {
            self.execution.line_too_long = true;
        }
    }

    fn line_ended(&mut self, decisions: &mut Decisions) {
        let mut line = std::mem::take(&mut self.execution.line);
        let too_long = std::mem::take(&mut self.execution.line_too_long);
        let body = grammar::after_prefix(&line).map(<[u8]>::to_vec);
        line.push(self.profile.line_end);
        self.log.push(self.now_ps, Direction::ToModem, &line);
        // A line without AT is not for us.
        let Some(body) = body else { return };
        if too_long {
            self.execution.unreadable = true;
            return self.next_command(decisions);
        }
        self.begin_commands(&body, decisions);
        self.execution.last_body = body;
    }

    fn begin_commands(&mut self, body: &[u8], decisions: &mut Decisions) {
        match grammar::parse(body) {
            Ok(commands) => self.execution.commands = commands.into(),
            Err(_) => self.execution.unreadable = true,
        }
        self.next_command(decisions);
    }

    fn payload_character(&mut self, byte: u8, decisions: &mut Decisions) {
        let State::Payload(prompt) = &self.execution.state else { return };
        if self.profile.echo && matches!(prompt, Prompt::Sms { .. }) && byte != CTRL_Z && byte != ESCAPE {
            self.line.send(&[byte]);
        }
        let done = match prompt {
            Prompt::Socket { length, .. } => {
                self.execution.payload.push(byte);
                self.execution.payload.len() >= *length
            }
            Prompt::Sms { .. } if byte == CTRL_Z || byte == ESCAPE => true,
            Prompt::Sms { .. } => {
                // More than any message: it will be refused.
                if self.execution.payload.len() < LINE_BYTES_MAX {
                    self.execution.payload.push(byte);
                }
                false
            }
        };
        if !done {
            return;
        }
        let prompt = prompt.clone();
        let payload = std::mem::take(&mut self.execution.payload);
        self.log.push(self.now_ps, Direction::PayloadToModem, &payload);
        let result = match prompt {
            Prompt::Socket { write, .. } => commands::sockets::write(self, &write, &payload, decisions),
            Prompt::Sms { to } => commands::sms::send(self, &to, (byte == CTRL_Z).then_some(&payload), decisions),
        };
        self.settle(result, decisions);
    }
}
