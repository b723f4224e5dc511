//! What happens during a run, and the ways to show it: plain lines, JSON lines, the live view.

use lockstep::machine::GuestFault;
use lockstep::observe::cause_text;
use lockstep::observe::{ResetSeen, StageReached};
use lockstep::oracle::{Finding, Kind};
use lockstep::{Machine, Seen};
use lockstep_images::SymbolTable;
use lockstep_modem::network::CloudEvent;
use lockstep_modem::{AtLogEntry, Datagram, Direction};
use lockstep_peripherals::board::LedState;
use serde_json::json;

use super::CliError;
use super::output::{Output, escape, grouped, hex};
use super::outside::Crossing;
use lockstep::setup::duration::seconds;
use lockstep::setup::options::stage_name;

/// Something to show.
#[derive(Clone, Debug)]
pub enum Event {
    /// A stage was reached.
    Stage(StageReached),
    /// AT traffic.
    At(AtLogEntry),
    /// A line that the guest wrote: on a USART, or by semihosting.
    Text { port: String, time_ps: u64, text: String },
    /// A datagram that nobody answered.
    Datagram(Datagram),
    /// Something happened at the device service.
    Cloud(CloudEvent),
    /// Something left for the real network or came from it.
    Crossing(Crossing),
    /// A guest fault.
    Fault(GuestFault),
    /// A reset.
    Reset(ResetSeen),
    /// The core locked up.
    LockUp { time_ps: u64, pc: u32 },
    /// The LED shows something else.
    Led { time_ps: u64, state: LedState },
    /// Something not modelled was used for the first time.
    Unmodelled { time_ps: u64, name: String, pc: Option<u32> },
    /// An oracle found something, just now.
    Finding { time_ps: u64, finding: Finding },
    /// A hash of the whole state.
    Hash { time_ps: u64, instructions: u64, hash: String },
}

/// A way to show a run.
pub trait Show {
    /// Something happened.
    fn event(&mut self, event: &Event, symbols: &SymbolTable) -> Result<(), CliError>;
    /// The machine went on by a slice.
    fn look(&mut self, machine: &Machine) -> Result<(), CliError>;
    /// The run is over: nothing more is shown, and the terminal is as it was.
    fn end(&mut self) -> Result<(), CliError>;
}

/// A PC with the symbol it lies in.
pub fn place(pc: u32, symbols: &SymbolTable) -> String {
    match symbols.at(pc) {
        Some((symbol, 0)) => format!("{pc:#010x} ({})", symbol.name),
        Some((symbol, offset)) => format!("{pc:#010x} ({}+{offset:#x})", symbol.name),
        None => format!("{pc:#010x}"),
    }
}

/// A fault in words: class, bit of CFSR, PC, address.
pub fn fault_text(fault: &GuestFault, symbols: &SymbolTable) -> String {
    let class = super::exception_names::exception_name(fault.fault.exception());
    let (_, bit) = fault.fault.cfsr_bit();
    let address = match fault.fault {
        lockstep::core::faults::Fault::DataBus(address) => format!(", address {address:#010x}"),
        _ => String::new(),
    };
    format!("{class} {bit} at {}{address}, LR {:#010x}", place(fault.pc, symbols), fault.lr)
}

/// One AT entry without its line ends; a payload in hexadecimal unless it is text.
pub fn at_text(entry: &AtLogEntry) -> String {
    let is_text = |bytes: &[u8]| bytes.iter().all(|b| (0x20..0x7f).contains(b) || matches!(b, b'\r' | b'\n'));
    if entry.direction == Direction::PayloadToModem && !is_text(&entry.bytes) {
        let shown = entry.bytes.get(..48).unwrap_or(&entry.bytes);
        let more = if shown.len() < entry.bytes.len() { "…" } else { "" };
        return format!("[{} bytes] {}{more}", entry.bytes.len(), hex(shown));
    }
    escape(entry.bytes.trim_ascii())
}

/// The arrow of an AT entry, from the microcontroller's point of view.
pub fn arrow(direction: Direction) -> &'static str {
    match direction {
        Direction::ToModem => "->",
        Direction::PayloadToModem => "=>",
        Direction::FromModem => "<-",
    }
}

/// An event as a line for people, without its time.
pub fn event_text(event: &Event, symbols: &SymbolTable) -> String {
    match event {
        Event::Stage(reached) => {
            let count = grouped(reached.instructions);
            format!("stage     {} ({count} instructions)", stage_name(reached.stage))
        }
        Event::At(entry) => format!("modem  {} {}", arrow(entry.direction), at_text(entry)),
        Event::Text { port, text, .. } => format!("{port:<9} {text}"),
        Event::Datagram(datagram) => {
            let what = if datagram.is_client_hello() { ", a DTLS ClientHello" } else { "" };
            format!("datagram  {} to {}, {} bytes{what}", datagram.from, datagram.to, datagram.bytes.len())
        }
        Event::Cloud(cloud) => format!("cloud     {}", cloud.kind),
        Event::Crossing(Crossing { is_outbound, text, .. }) => {
            format!("outside {} {text}", if *is_outbound { "->" } else { "<-" })
        }
        Event::Fault(fault) => format!("FAULT     {}", fault_text(fault, symbols)),
        Event::Reset(reset) => format!("reset     {}", cause_text(reset.cause)),
        Event::LockUp { pc, .. } => format!("LOCK-UP   at {}", place(*pc, symbols)),
        Event::Led { state, .. } => match state.meaning() {
            Some(meaning) => format!("led       {state}: {meaning}"),
            None => format!("led       {state}"),
        },
        Event::Unmodelled { name, pc: Some(pc), .. } => {
            format!("NOT MODELLED {name}, first at {}", place(*pc, symbols))
        }
        Event::Unmodelled { name, .. } => format!("NOT MODELLED {name}"),
        Event::Finding { finding, .. } => format!("FINDING   {}: {}", finding.kind, finding.text),
        Event::Hash { instructions, hash, .. } => format!("hash {instructions} {hash}"),
    }
}

/// When an event happened.
pub fn event_time_ps(event: &Event) -> u64 {
    match event {
        Event::Stage(reached) => reached.time_ps,
        Event::At(entry) => entry.time_ps,
        Event::Datagram(datagram) => datagram.time_ps,
        Event::Cloud(cloud) => cloud.time_ps,
        Event::Crossing(crossing) => crossing.time_ps,
        Event::Fault(fault) => fault.now.time_ps,
        Event::Reset(reset) => reset.now.time_ps,
        Event::Text { time_ps, .. }
        | Event::LockUp { time_ps, .. }
        | Event::Led { time_ps, .. }
        | Event::Unmodelled { time_ps, .. }
        | Event::Finding { time_ps, .. }
        | Event::Hash { time_ps, .. } => *time_ps,
    }
}

/// Plain lines.
pub struct Plain {
    output: Output,
}

impl Plain {
    /// On standard output.
    pub fn new() -> Self {
        Self { output: Output::new() }
    }
}

impl Show for Plain {
    fn event(&mut self, event: &Event, symbols: &SymbolTable) -> Result<(), CliError> {
        let text = event_text(event, symbols);
        let time = seconds(event_time_ps(event));
        match event {
            // In a form of its own, to be compared with by `--compare-hashes`.
            Event::Hash { .. } => self.output.line(&format!("{text} {time}")),
            _ => self.output.line(&format!("{time:>12}  {text}")),
        }
    }

    fn look(&mut self, _machine: &Machine) -> Result<(), CliError> {
        self.output.finish()
    }

    fn end(&mut self) -> Result<(), CliError> {
        self.output.finish()
    }
}

/// One JSON object a line.
pub struct Json {
    output: Output,
}

impl Json {
    /// On standard output.
    pub fn new() -> Self {
        Self { output: Output::new() }
    }
}

/// A fault as JSON, for events and the summary.
pub fn fault_json(fault: &GuestFault, symbols: &SymbolTable) -> serde_json::Value {
    let address = match fault.fault {
        lockstep::core::faults::Fault::DataBus(address) => Some(address),
        _ => None,
    };
    json!({
        "type": "fault",
        "time_ps": fault.now.time_ps,
        "class": super::exception_names::exception_name(fault.fault.exception()),
        "cfsr": fault.fault.cfsr_bit().1,
        "pc": fault.pc,
        "lr": fault.lr,
        "address": address,
        "symbol": symbols.at(fault.pc).map(|(symbol, _)| symbol.name.as_str()),
    })
}

impl Show for Json {
    fn event(&mut self, event: &Event, symbols: &SymbolTable) -> Result<(), CliError> {
        let time_ps = event_time_ps(event);
        let value = match event {
            Event::Stage(reached) => json!({
                "type": "stage", "stage": reached.stage, "time_ps": time_ps, "cycles": reached.cycles,
                "instructions": reached.instructions,
            }),
            Event::At(entry) => json!({
                "type": "at", "time_ps": time_ps,
                "direction": match entry.direction {
                    Direction::ToModem => "to_modem",
                    Direction::PayloadToModem => "payload_to_modem",
                    Direction::FromModem => "from_modem",
                },
                "text": escape(&entry.bytes),
                "hex": (entry.direction == Direction::PayloadToModem).then(|| hex(&entry.bytes)),
            }),
            Event::Text { port, text, .. } => {
                json!({ "type": "serial", "time_ps": time_ps, "port": port, "text": text })
            }
            Event::Datagram(datagram) => json!({
                "type": "datagram", "time_ps": time_ps, "from": datagram.from.to_string(),
                "to": datagram.to.to_string(), "length": datagram.bytes.len(),
                "client_hello": datagram.is_client_hello(), "hex": hex(&datagram.bytes),
            }),
            Event::Cloud(cloud) => json!({
                "type": "cloud", "time_ps": time_ps, "device": cloud.device_id.map(|id| id.to_string()),
                "event": cloud.kind, "text": cloud.kind.to_string(),
            }),
            Event::Crossing(crossing) => json!({
                "type": "outside", "time_ps": time_ps, "direction": if crossing.is_outbound { "out" } else { "in" },
                "text": crossing.text,
            }),
            Event::Fault(fault) => fault_json(fault, symbols),
            Event::Reset(reset) => json!({
                "type": "reset", "time_ps": time_ps, "instructions": reset.instructions,
                "cause": cause_text(reset.cause),
            }),
            Event::LockUp { pc, .. } => json!({ "type": "lock_up", "time_ps": time_ps, "pc": pc }),
            Event::Led { state, .. } => json!({
                "type": "led", "time_ps": time_ps, "state": state.to_string(), "meaning": state.meaning(),
                "colour": state.colour.name(),
            }),
            Event::Unmodelled { name, pc, .. } => {
                json!({ "type": "unmodelled", "time_ps": time_ps, "name": name, "pc": pc })
            }
            Event::Finding { finding, .. } => json!({
                "type": "finding", "time_ps": time_ps, "kind": finding.kind, "since_ps": finding.time_ps,
                "text": finding.text,
            }),
            Event::Hash { instructions, hash, .. } => {
                json!({ "type": "hash", "time_ps": time_ps, "instructions": instructions, "hash": hash })
            }
        };
        self.output.json(&value)
    }

    fn look(&mut self, _machine: &Machine) -> Result<(), CliError> {
        self.output.finish()
    }

    fn end(&mut self) -> Result<(), CliError> {
        self.output.finish()
    }
}

/// Puts bytes together to lines, for each port apart.
#[derive(Debug, Default)]
pub struct Lines {
    ports: std::collections::BTreeMap<String, (u64, Vec<u8>)>,
}

/// Longer lines are shown in pieces.
const LINE_MAX: usize = 240;
/// An unfinished line is shown after this time without a byte.
const LINE_PAUSE_PS: u64 = 200_000_000_000;

impl Lines {
    /// Takes a byte; gives a line when it ends one.
    pub fn byte(&mut self, port: &str, byte: u8, time_ps: u64) -> Option<Event> {
        let (last_ps, line) = self.ports.entry(port.to_owned()).or_default();
        *last_ps = time_ps;
        if byte != b'\n' {
            line.push(byte);
        }
        if byte != b'\n' && line.len() < LINE_MAX {
            return None;
        }
        let bytes = std::mem::take(line);
        Some(text(port, &bytes, time_ps))
    }

    /// Lines that nobody went on writing; all of them with `now_ps` at the end of time.
    pub fn stale(&mut self, now_ps: u64) -> Vec<Event> {
        let mut events = Vec::new();
        for (port, (last_ps, line)) in &mut self.ports {
            if !line.is_empty() && now_ps.saturating_sub(*last_ps) >= LINE_PAUSE_PS {
                events.push(text(port, &std::mem::take(line), *last_ps));
            }
        }
        events
    }
}

fn text(port: &str, bytes: &[u8], time_ps: u64) -> Event {
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    Event::Text { port: port.to_owned(), time_ps, text: escape(bytes) }
}

/// Turns what the observer saw into events.
pub fn translate(seen: Seen, lines: &mut Lines) -> Option<Event> {
    Some(match seen {
        Seen::Stage(reached) => Event::Stage(reached),
        Seen::At(entry) => Event::At(entry),
        Seen::Serial { usart, byte, now } => return lines.byte(&port_name(usart), byte, now.time_ps),
        // A store through a null pointer is told as a finding.
        Seen::Line(_) | Seen::Packet(_) | Seen::NullWrite(_) => return None,
        Seen::ExternalWatchdog { now } => {
            let text = "the watchdog on the reset pin pulls it low".to_owned();
            Event::Text { port: "board".to_owned(), time_ps: now.time_ps, text }
        }
        Seen::Datagram(datagram) => Event::Datagram(datagram),
        Seen::Cloud(event) => Event::Cloud(event),
        Seen::Fault(fault) => Event::Fault(fault),
        Seen::Reset(reset) => Event::Reset(reset),
        Seen::LockUp { now, pc } => Event::LockUp { time_ps: now.time_ps, pc },
    })
}

/// Turns what oracles found just now into events. Faults and lock-ups are events of their own.
pub fn found(findings: &[Finding], time_ps: u64) -> impl Iterator<Item = Event> {
    let new = findings.iter().filter(|finding| !matches!(finding.kind, Kind::GuestFault | Kind::LockUp));
    new.map(move |finding| Event::Finding { time_ps, finding: finding.clone() })
}

/// The name of a USART as the manual has it; 4 and 5 are UARTs.
fn port_name(usart: u8) -> String {
    let prefix = if matches!(usart, 4 | 5) { "UART" } else { "USART" };
    format!("{prefix}{usart}")
}

#[cfg(test)]
mod tests {

    use super::*;

    #[test]
    fn serial_bytes_become_lines() {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        for byte in b"one\r\ntwo" {
            seen.extend(lines.byte("USART1", *byte, 5));
        }
        assert_eq!(seen.len(), 1);
        assert!(matches!(&seen[0], Event::Text { text, .. } if text == "one"));
        assert!(lines.stale(6).is_empty(), "it may go on");
        assert!(matches!(&lines.stale(u64::MAX)[..], [Event::Text { text, .. }] if text == "two"));
    }
}
