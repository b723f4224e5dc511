//! A client on the modem's serial line, and a runner for transcript files.
#![allow(dead_code)]

use lockstep_modem::events::What;
use lockstep_modem::line::bit_ps;
use lockstep_modem::time::PS_PER_MS;
use lockstep_modem::{Modem, ModemConfig, Network, Output};
use lockstep_traces::Decisions;

pub struct Client {
    pub modem: Modem,
    pub decisions: Decisions,
    pub now_ps: u64,
    pub outputs: Vec<Output>,
    received: Vec<u8>,
    /// Longest stride of one `advance`.
    pub stride_ps: u64,
}

impl Client {
    pub fn new(config: ModemConfig, network: Network, seed: u64) -> Self {
        Self {
            modem: Modem::new(config, network),
            decisions: Decisions::new(seed),
            now_ps: 0,
            outputs: Vec::new(),
            received: Vec::new(),
            stride_ps: u64::MAX,
        }
    }

    /// Switched on, booted and registered, with default settings.
    pub fn ready() -> Self {
        let mut client = Self::new(ModemConfig::default(), Network::default(), 1);
        client.power_on();
        client.wait_ms(15_000);
        client
    }

    pub fn power_on(&mut self) {
        self.modem.set_power_key(self.now_ps, false);
        self.wait_ms(50);
        self.modem.set_power_key(self.now_ps, true);
    }

    pub fn advance_to(&mut self, time_ps: u64) {
        while self.now_ps < time_ps {
            self.now_ps = time_ps.min(self.now_ps.saturating_add(self.stride_ps));
            self.modem.advance(self.now_ps, &mut self.decisions);
        }
        self.modem.advance(self.now_ps, &mut self.decisions);
        for output in self.modem.drain_outputs() {
            if let Output::Byte { data, .. } = output {
                self.received.push(data);
            }
            self.outputs.push(output);
        }
    }

    pub fn wait_ms(&mut self, ms: u64) {
        self.advance_to(self.now_ps + ms * PS_PER_MS);
    }

    /// Sends characters back to back at 115200 baud.
    pub fn send(&mut self, bytes: &[u8]) {
        let bit = bit_ps(115_200);
        for &byte in bytes {
            let end_ps = self.now_ps + 10 * bit;
            self.modem.line_rx(end_ps, byte, bit);
            self.advance_to(end_ps);
        }
    }

    /// Everything received and not yet taken.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.received)
    }

    /// Brings time to where at least `length` bytes have been received (or `limit_ms` has passed), and takes those.
    pub fn receive(&mut self, length: usize, limit_ms: u64) -> Vec<u8> {
        let limit_ps = self.now_ps + limit_ms * PS_PER_MS;
        while self.received.len() < length {
            let next_ps = self.modem.next_wake_ps();
            if next_ps > limit_ps {
                self.advance_to(limit_ps);
                break;
            }
            self.advance_to(next_ps.max(self.now_ps));
        }
        let length = length.min(self.received.len());
        self.received.drain(..length).collect()
    }

    /// Sends a command and takes the response up to its final result.
    pub fn command(&mut self, command: &str) -> String {
        self.send(format!("{command}\r\n").as_bytes());
        self.response()
    }

    /// Takes a response up to its final result (or what came within 200 s).
    pub fn response(&mut self) -> String {
        let mut bytes = Vec::new();
        for _ in 0..100_000 {
            let next = self.receive(1, 200_000);
            if next.is_empty() {
                break;
            }
            bytes.extend(next);
            let text = String::from_utf8_lossy(&bytes);
            let ends = ["\r\nOK\r\n", "\r\nERROR\r\n", "\r\n@", "\r\n> ", "\r\nNO CARRIER\r\n"];
            let error =
                text.rfind("\r\n+CM").is_some_and(|at| text[at + 2..].contains(" ERROR") && text.ends_with("\r\n"));
            if error || ends.iter().any(|end| text.ends_with(end)) {
                break;
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// A command that must succeed.
    pub fn ok(&mut self, command: &str) -> String {
        let response = self.command(command);
        assert!(response.ends_with("\r\nOK\r\n"), "{command}: {response:?}");
        response
    }

    /// Echo off, errors as text, packet data up.
    pub fn online(&mut self) {
        for command in ["ATE0", "AT+CMEE=2", "AT+UPSD=0,1,\"apn\"", "AT+UPSDA=0,3"] {
            self.ok(command);
        }
    }

    /// Payload after a prompt; gives the response.
    pub fn payload(&mut self, command: &str, payload: &[u8]) -> String {
        assert_eq!(self.command(command), "\r\n@");
        self.wait_ms(50);
        self.send(payload);
        self.response()
    }
}

/// `\r \n \t \\ \xHH` to bytes.
pub fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut chars = text.bytes();
    while let Some(c) = chars.next() {
        if c != b'\\' {
            bytes.push(c);
            continue;
        }
        match chars.next() {
            Some(b'r') => bytes.push(b'\r'),
            Some(b'n') => bytes.push(b'\n'),
            Some(b't') => bytes.push(b'\t'),
            Some(b'x') => {
                let digits: String = chars.by_ref().take(2).map(char::from).collect();
                bytes.push(u8::from_str_radix(&digits, 16).expect("two hexadecimal digits after \\x"));
            }
            Some(other) => bytes.push(other),
            None => bytes.push(b'\\'),
        }
    }
    bytes
}

pub fn escape(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// Runs a transcript. Its lines:
/// `>> text` sends the text with CRLF; `>R bytes` and `>B bytes` send bytes as they are; `<< bytes` must be what comes
/// next, exactly; `<* bytes` likewise, and may come late; `-- wait N`, `-- silence N` (ms; silence wants no byte);
/// `-- took LOW HIGH` (ms between the end of the last thing sent and the last byte that came); `-- change WHAT` changes
/// the world (see `events`); `# …` is a comment.
pub fn run_transcript(client: &mut Client, text: &str) {
    let mut sent_ps = client.now_ps;
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        let Some((kind, rest)) = line.split_at_checked(2).map(|(k, r)| (k, r.strip_prefix(' ').unwrap_or(r))) else {
            continue;
        };
        let milliseconds = |word: Option<&str>| -> u64 { word.and_then(|w| w.parse().ok()).expect("milliseconds") };
        match kind {
            ">>" | ">R" | ">B" => {
                let mut bytes = unescape(rest);
                if kind == ">>" {
                    bytes.extend(b"\r\n");
                }
                client.send(&bytes);
                sent_ps = client.now_ps;
            }
            "<<" | "<*" => {
                let expected = unescape(rest);
                let got = client.receive(expected.len(), if kind == "<*" { 200_000 } else { 10_000 });
                assert_eq!(escape(&got), escape(&expected), "line {number}: {line}");
            }
            "--" => {
                let mut words = rest.split_whitespace();
                match words.next() {
                    Some("wait") => client.wait_ms(milliseconds(words.next())),
                    Some("silence") => {
                        client.wait_ms(milliseconds(words.next()));
                        assert_eq!(escape(&client.take()), "", "line {number}: {line}");
                    }
                    Some("took") => {
                        let took = (client.now_ps - sent_ps) / PS_PER_MS;
                        let (low, high) = (milliseconds(words.next()), milliseconds(words.next()));
                        assert!((low..=high).contains(&took), "line {number}: took {took} ms, wanted {line}");
                    }
                    Some("power-on") => client.power_on(),
                    Some("change") => {
                        let what = rest.strip_prefix("change ").and_then(|what| what.parse().ok());
                        let Some(What::Change(change)) = what else { panic!("line {number}: no change: {line}") };
                        client.modem.change(client.now_ps, change);
                    }
                    other => panic!("line {number}: {other:?} is no directive"),
                }
            }
            _ => assert!(line.trim().is_empty() || line.starts_with('#'), "line {number}: cannot read {line}"),
        }
    }
}
