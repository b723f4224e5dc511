//! Times between events, by kind.

use std::collections::BTreeMap;

use crate::events::{Event, What};

/// All times of each kind, in milliseconds.
pub type Measures = BTreeMap<&'static str, Vec<u64>>;

/// Takes the times out of a log.
pub fn of(events: &[Event]) -> Measures {
    let mut taken = Taker::default();
    for event in events {
        taken.take(event);
    }
    taken.measures
}

/// The middle one, or the mean of the two in the middle.
pub fn median(times: &[u64]) -> Option<f64> {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        length if length % 2 == 1 => Some(sorted[middle] as f64),
        _ => Some((sorted[middle - 1] + sorted[middle]) as f64 / 2.0),
    }
}

#[derive(Default)]
struct Taker {
    measures: Measures,
    /// The command under way: its name, and when it was sent.
    command: Option<(String, u64)>,
    /// The last step of its exchange.
    step: Option<(Step, u64)>,
    /// A payload of the cloud's socket that nothing followed yet but its exchange; of the application's socket.
    cloud_sent: Option<u64>,
    echo_sent: Option<u64>,
    /// The last OK.
    ok: Option<(&'static str, u64)>,
    /// Data announced on a socket.
    announced: [Option<u64>; 7],
    connected: Option<u64>,
    last: BTreeMap<String, u64>,
}

/// Where an exchange is.
#[derive(Clone, Copy)]
enum Step {
    Prompt,
    Payload(u64),
    Line(&'static str),
}

impl Taker {
    fn add(&mut self, kind: &'static str, from: u64, to: u64) {
        self.measures.entry(kind).or_default().push(to.saturating_sub(from));
    }

    fn take(&mut self, event: &Event) {
        let now = event.ms;
        match &event.what {
            What::Command(name, numbers) => self.command_sent(name, numbers, now),
            What::Prompt => {
                if let Some((name, sent)) = self.command.clone() {
                    let kind = if name == "USOST" { "USOST to @" } else { "USOWR to @" };
                    self.add(kind, sent, now);
                }
                self.step = Some((Step::Prompt, now));
            }
            What::Payload(length) => {
                if let Some((Step::Prompt, prompt)) = self.step {
                    self.add("@ to payload", prompt, now);
                }
                let is_cloud = self.command.as_ref().is_some_and(|(name, _)| name == "USOST");
                self.cloud_sent = is_cloud.then_some(now).filter(|_| *length <= 64);
                self.echo_sent = (!is_cloud).then_some(now);
                self.step = Some((Step::Payload(*length), now));
            }
            What::Line(name, numbers) if name.starts_with("UUSOR") => self.announced(name, numbers, now),
            What::Line(name, numbers) => self.line(name, numbers, now),
            What::Ok => self.ok(now),
            What::App(word) => self.app(word, now),
            What::Other(_) => {}
        }
    }

    fn command_sent(&mut self, name: &str, numbers: &[u64], now: u64) {
        let announced = numbers.first().and_then(|socket| self.announced.get_mut(*socket as usize)?.take());
        match (name, announced) {
            ("USORF", Some(announced)) => self.add("+UUSORx to USORF", announced, now),
            ("USORD", Some(announced)) => self.add("+UUSORD to USORD", announced, now),
            _ => {}
        }
        self.cloud_sent = None;
        self.ok = None;
        self.step = None;
        self.command = Some((name.to_owned(), now));
    }

    fn announced(&mut self, name: &str, numbers: &[u64], now: u64) {
        let Some(&socket) = numbers.first() else { return };
        if let (Some((what, ok)), true) = (self.ok, name == "UUSORF") {
            let kind = if what == "USORF 557" { "OK of a chunk to +UUSORF" } else { "OK of USORF to +UUSORF" };
            self.add(kind, ok, now);
        }
        let is_echo = self.command.as_ref().is_some_and(|(name, _)| name == "USOWR");
        match (self.cloud_sent.take(), self.echo_sent) {
            (Some(sent), _) if self.ok.is_some() => self.add("USOST payload to the answer's +UUSORD", sent, now),
            (_, Some(sent)) if is_echo && socket != 0 => {
                self.add("USOWR payload to the echo's +UUSORD", sent, now);
                self.echo_sent = None;
            }
            _ => {}
        }
        if let Some(announced) = self.announced.get_mut(socket as usize) {
            announced.get_or_insert(now);
        }
    }

    fn line(&mut self, name: &str, numbers: &[u64], now: u64) {
        let Some((command, sent)) = self.command.clone().filter(|(command, _)| command == name) else { return };
        let length = numbers.last().copied().unwrap_or(0);
        let step = match (&*command, self.step) {
            ("USOST", Some((Step::Payload(length), from))) => {
                let kind = match length {
                    0..=64 => "payload up to 64 to +USOST",
                    120..=260 => "payload of 120 to 260 to +USOST",
                    500..=800 => "payload of 500 to 800 to +USOST",
                    _ => "payload of another length to +USOST",
                };
                self.add(kind, from, now);
                "+USOST to OK"
            }
            ("USOWR", Some((Step::Payload(_), from))) => {
                self.add("payload of 1 to +USOWR", from, now);
                "+USOWR to OK"
            }
            ("USORF", _) if (1..=64).contains(&length) => {
                self.add("USORF to +USORF up to 64", sent, now);
                "+USORF up to 64 to OK"
            }
            ("USORF", _) if (500..=600).contains(&length) => {
                self.add("USORF to +USORF of a chunk", sent, now);
                "+USORF of a chunk to OK"
            }
            ("USORD", _) => {
                self.add("USORD to +USORD", sent, now);
                "+USORD to OK"
            }
            ("USOCR", _) => {
                self.add("USOCR to +USOCR", sent, now);
                "+USOCR to OK"
            }
            ("CSQ", _) => {
                self.add("CSQ to +CSQ", sent, now);
                "+CSQ to OK"
            }
            _ => return,
        };
        self.step = Some((Step::Line(step), now));
    }

    fn ok(&mut self, now: u64) {
        match (self.step.take(), &self.command) {
            (Some((Step::Line(kind), line)), _) => {
                self.add(kind, line, now);
                let what = if kind == "+USORF of a chunk to OK" { "USORF 557" } else { "other" };
                self.ok = Some((what, now));
            }
            (None, Some((name, sent))) if name == "USOCO" => {
                let sent = *sent;
                self.add("USOCO to OK", sent, now);
            }
            _ => {}
        }
    }

    fn app(&mut self, word: &str, now: u64) {
        let last = self.last.insert(word.to_owned(), now);
        match (word, last) {
            ("connected", _) => self.connected = Some(now),
            ("sending", Some(last)) => self.add("sending to sending", last, now),
            ("sending", None) => {
                if let Some(connected) = self.connected {
                    self.add("connected to sending", connected, now);
                }
            }
            ("updatesPending", Some(last)) => self.add("updatesPending to updatesPending", last, now),
            _ => {}
        }
    }
}
