//! What happened between firmware and modem, as firmware itself logs it: read from the extracts of hardware's logs and
//! from Serial1 of an emulated device.

use std::fmt;

/// One event and the firmware's milliseconds at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub ms: u64,
    pub what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A command: its name, and socket and length as far as it has them.
    Command(String, Vec<u64>),
    /// Its payload, of this length.
    Payload(u64),
    /// An information line or URC with its numbers: socket and length.
    Line(String, Vec<u64>),
    Ok,
    Prompt,
    /// Anything else the firmware read.
    Other(String),
    /// A line of the application: its first word.
    App(String),
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers = |numbers: &[u64]| numbers.iter().map(|n| format!(" {n}")).collect::<String>();
        match self {
            Self::Command(name, args) => write!(f, "> {name}{}", numbers(args)),
            Self::Payload(length) => write!(f, "> data {length}"),
            Self::Line(name, args) => write!(f, "< +{name}{}", numbers(args)),
            Self::Ok => f.write_str("< OK"),
            Self::Prompt => f.write_str("< @"),
            Self::Other(text) => write!(f, "< {text}"),
            Self::App(word) => write!(f, "app {word}"),
        }
    }
}

/// The events of an extract (`tests/hardware/*.txt`).
pub fn of_extract(text: &str) -> Vec<Event> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(|line| extract_line(line).unwrap_or_else(|| panic!("extract: {line}"))).collect()
}

fn extract_line(line: &str) -> Option<Event> {
    let mut words = line.split(' ');
    let (ms, side, word) = (words.next()?.parse().ok()?, words.next()?, words.next()?);
    let numbers: Vec<u64> = words.map(|word| word.parse().ok()).collect::<Option<_>>()?;
    let what = match (side, word) {
        ("app", word) => What::App(word.to_owned()),
        (">", "data") => What::Payload(*numbers.first()?),
        (">", name) => What::Command(name.to_owned(), numbers),
        ("<", "OK") => What::Ok,
        ("<", "@") => What::Prompt,
        ("<", name) => What::Line(name.strip_prefix('+')?.to_owned(), numbers),
        _ => return None,
    };
    Some(Event { ms, what })
}

/// The event in a line of Serial1, if it is one: `     5.237 AT send      17 "AT+USORF=0,1024\r\n"`,
/// `     5.269 AT read OK    6 "\r\nOK\r\n"`, `0000006585 [app] INFO: connected`.
pub fn of_line(line: &str) -> Option<Event> {
    if let Some((ms, text)) = line.split_once(" [app] INFO: ") {
        let word = text.split([' ', '=']).next()?.trim();
        return Some(Event { ms: ms.parse().ok()?, what: What::App(word.to_owned()) });
    }
    let (time, rest) = line.trim().split_once(" AT ")?;
    let (seconds, fraction) = time.split_once('.')?;
    let ms = seconds.parse::<u64>().ok()? * 1000 + fraction.parse::<u64>().ok()?;
    let (head, quoted) = rest.split_once('"')?;
    let body = quoted.strip_suffix('"')?;
    let length = head.split_whitespace().last()?.parse().ok()?;
    let what = match head.split_whitespace().next()? {
        "send" => sent(body, length)?,
        "read" => read(body),
        _ => return None,
    };
    Some(Event { ms, what })
}

fn sent(body: &str, length: u64) -> Option<What> {
    let Some(command) = body.strip_prefix("AT").filter(|rest| rest.starts_with(['+', '\\'])) else {
        return Some(What::Payload(length));
    };
    let command = command.split("\\r").next()?;
    let (name, args) = command.split_once('=').unwrap_or((command, ""));
    let name = name.trim_start_matches('+');
    let numbers: Vec<u64> = args.split(',').filter_map(|arg| arg.parse().ok()).collect();
    Some(What::Command(
        name.to_owned(),
        match (name, &numbers[..]) {
            ("USOCR", _) => vec![],
            ("USOCO" | "USOCL", [socket, ..]) => vec![*socket],
            ("USOST" | "USOWR" | "USORF" | "USORD", [socket, .., length]) => vec![*socket, *length],
            _ => numbers,
        },
    ))
}

fn read(body: &str) -> What {
    let text = body.trim_start_matches("\\r\\n");
    if text.starts_with("OK") {
        return What::Ok;
    }
    if text == "@" {
        return What::Prompt;
    }
    let Some((name, args)) = text.strip_prefix('+').and_then(|text| text.split_once(": ")) else {
        return What::Other(text.to_owned());
    };
    // Nothing before the length holds a comma but as a separator.
    let fields: Vec<&str> = args.split(',').map(|field| field.split('\\').next().unwrap_or_default()).collect();
    let number = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok());
    let numbers: Vec<Option<u64>> = match (name, fields.len()) {
        ("USORF", 4..) => vec![number(0), number(3)],
        ("USORD", _) => vec![number(0), number(1)],
        ("CSQ", _) => vec![],
        _ => (0..fields.len()).map(number).collect(),
    };
    What::Line(name.to_owned(), numbers.into_iter().flatten().collect())
}

/// The same without what firmware after that of the logs does in addition: `AT` before a command, the states of all
/// sockets, the length of the next datagram. Lines and final results of these go too; URCs stay.
pub fn without_later_habits(events: &[Event]) -> Vec<Event> {
    let is_habit = |name: &str, numbers: &[u64]| match name {
        "" | "USOCTL" => true,
        "USORF" | "USORD" => numbers.last() == Some(&0),
        _ => false,
    };
    let mut in_habit = false;
    let keep = |event: &&Event| {
        match &event.what {
            What::Command(name, numbers) => in_habit = is_habit(name, numbers),
            What::Line(name, _) if name.starts_with("UUSO") => return true,
            What::App(_) => return true,
            _ => {}
        }
        !in_habit
    };
    events.iter().filter(keep).cloned().collect()
}
