//! What differs between two states of a machine, by register, address and part.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::Snapshot;
use crate::world::{FLASH_BASE, SRAM_BASE};

/// One thing that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Where: a register, an address range, or the path of a field in a part's state.
    pub place: String,
    /// What it is in the first machine.
    pub first: String,
    /// What it is in the second.
    pub second: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} / {}", self.place, self.first, self.second)
    }
}

/// What differs, in groups.
#[derive(Clone, Debug, Default)]
pub struct Differences {
    /// Registers and the core's state.
    pub core: Vec<Difference>,
    /// SRAM.
    pub sram: Vec<Difference>,
    /// Flash.
    pub flash: Vec<Difference>,
    /// Peripherals, board, modem, network, choices.
    pub parts: Vec<Difference>,
}

impl Differences {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.core.is_empty() && self.sram.is_empty() && self.flash.is_empty() && self.parts.is_empty()
    }

    /// The names of the parts that differ: two steps into the state, for example `soc.usart3`.
    pub fn part_names(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.parts.iter().map(|part| part.place.splitn(3, '.').take(2).collect::<Vec<_>>().join(".")).collect();
        names.dedup();
        names
    }
}

/// Ranges of memory that are told apart; further ones are counted.
const RANGES_MAX: usize = 16;
/// Fields of parts that are told; further ones are counted.
const FIELDS_MAX: usize = 64;
/// Numbers of an array that are told one by one.
const ELEMENTS_MAX: usize = 4;
/// Bytes of a range that are shown.
const SHOWN_BYTES: usize = 16;

/// Compares two states.
pub fn differences(first: &Snapshot, second: &Snapshot) -> Differences {
    let mut registers = Fields { is_hex: true, ..Fields::default() };
    registers.compare("", &value(&first.registers), &value(&second.registers));
    let mut core = Fields::default();
    core.compare("core", &value(&first.core), &value(&second.core));
    core.compare("event register", &value(&first.event), &value(&second.event));
    core.compare("cycles", &value(&first.cycles), &value(&second.cycles));
    core.compare("instructions", &value(&first.instructions), &value(&second.instructions));
    let (a, b) = (&first.world, &second.world);
    let mut parts = Fields::default();
    parts.compare("clock", &value(&a.clock), &value(&b.clock));
    parts.compare("scs", &value(&a.scs), &value(&b.scs));
    parts.compare("soc", &value(&a.soc), &value(&b.soc));
    parts.compare("electron", &value(&a.electron), &value(&b.electron));
    parts.compare("decisions", &value(&a.decisions), &value(&b.decisions));
    parts.compare("ledger", &value(&a.ledger), &value(&b.ledger));
    parts.compare("stalled_until_ps", &value(&a.stalled_until_ps), &value(&b.stalled_until_ps));
    Differences {
        core: registers.told().into_iter().map(register).chain(core.told()).collect(),
        sram: ranges(&first.sram, &second.sram, SRAM_BASE),
        flash: ranges(&first.flash, &second.flash, FLASH_BASE),
        parts: parts.told(),
    }
}

/// What differs between two texts in JSON, by field.
pub fn json_differences(first: &str, second: &str) -> Vec<Difference> {
    let parse = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()));
    let mut fields = Fields::default();
    fields.compare("", &parse(first), &parse(second));
    fields.told()
}

/// `r.4` is R4.
fn register(difference: Difference) -> Difference {
    Difference { place: difference.place.replace("r.", "r"), ..difference }
}

/// A part as a tree. One that has no such form (a map whose keys are no text) is its bytes.
fn value<T: Serialize>(part: &T) -> Value {
    let tree = serde_json::to_string(part).and_then(|text| serde_json::from_str(&long_numbers_as_text(&text)));
    tree.unwrap_or_else(|_| {
        let bytes = postcard::to_stdvec(part).unwrap_or_default();
        Value::Array(bytes.into_iter().map(Value::from).collect())
    })
}

/// Digits of a number that fits into 64 bits in any case.
const DIGITS_MAX: usize = 19;

/// Puts numbers of more than 64 bits (the exceptions' states) into quotation marks, so that no digit is lost.
fn long_numbers_as_text(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    let (mut is_string, mut is_escaped) = (false, false);
    let mut number = String::new();
    for c in json.chars() {
        let goes_on = !number.is_empty() && matches!(c, '.' | '-' | '+' | 'e' | 'E');
        if !is_string && (c.is_ascii_digit() || c == '-' || goes_on) {
            number.push(c);
            continue;
        }
        if !number.is_empty() {
            let is_long = number.len() > DIGITS_MAX && number.bytes().all(|byte| byte.is_ascii_digit());
            let mark = if is_long { "\"" } else { "" };
            text.extend([mark, &number, mark]);
            number.clear();
        }
        match c {
            '"' if !is_escaped => is_string = !is_string,
            _ => {}
        }
        is_escaped = is_string && c == '\\' && !is_escaped;
        text.push(c);
    }
    text.push_str(&number);
    text
}

/// Ranges of bytes that differ; equal stretches of less than a word do not part them.
fn ranges(first: &[u8], second: &[u8], base: u32) -> Vec<Difference> {
    let mut ranges: Vec<std::ops::Range<usize>> = Vec::new();
    for (at, _) in first.iter().zip(second).enumerate().filter(|(_, (a, b))| a != b) {
        match ranges.last_mut() {
            Some(range) if at < range.end + 4 => range.end = at + 1,
            _ => ranges.push(at..at + 1),
        }
    }
    let more = ranges.len().saturating_sub(RANGES_MAX);
    ranges.truncate(RANGES_MAX);
    let hex = |memory: &[u8], range: &std::ops::Range<usize>| {
        let bytes = memory.get(range.clone()).unwrap_or_default();
        let shown = hex::encode(bytes.get(..SHOWN_BYTES).unwrap_or(bytes));
        if bytes.len() > SHOWN_BYTES { format!("{shown}…") } else { shown }
    };
    let mut told: Vec<Difference> = ranges
        .iter()
        .map(|range| Difference {
            place: format!("{:#010x} ({} bytes)", base as usize + range.start, range.len()),
            first: hex(first, range),
            second: hex(second, range),
        })
        .collect();
    if more > 0 {
        told.push(Difference {
            place: format!("{more} more places"), first: "…".to_owned(), second: "…".to_owned()
        });
    }
    told
}

/// Fields that differ, found by walking two trees.
#[derive(Default)]
struct Fields {
    found: Vec<Difference>,
    more: usize,
    /// Numbers are shown in hexadecimal digits, as one reads registers.
    is_hex: bool,
}

impl Fields {
    fn compare(&mut self, path: &str, first: &Value, second: &Value) {
        if first == second {
            return;
        }
        let under = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        match (first, second) {
            (Value::Object(a), Value::Object(b)) => {
                for (name, value) in a {
                    self.compare(&under(name), value, b.get(name).unwrap_or(&Value::Null));
                }
                for (name, value) in b.iter().filter(|(name, _)| !a.contains_key(*name)) {
                    self.compare(&under(name), &Value::Null, value);
                }
            }
            (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
                let differing = a.iter().zip(b).filter(|(a, b)| a != b).count();
                if differing > ELEMENTS_MAX && a.iter().all(|element| element.is_number()) {
                    let place = format!("{path} ({differing} of {} elements)", a.len());
                    self.find(place, "…".to_owned(), "…".to_owned());
                    return;
                }
                for (index, (first, second)) in a.iter().zip(b).enumerate() {
                    self.compare(&under(&index.to_string()), first, second);
                }
            }
            _ => self.find(path.to_owned(), self.short(first), self.short(second)),
        }
    }

    fn find(&mut self, place: String, first: String, second: String) {
        if self.found.len() < FIELDS_MAX {
            self.found.push(Difference { place, first, second });
        } else {
            self.more += 1;
        }
    }

    fn short(&self, value: &Value) -> String {
        match value.as_u64() {
            Some(number) if self.is_hex && number > 9 => format!("{number:#010x}"),
            _ => short(value),
        }
    }

    fn told(mut self) -> Vec<Difference> {
        if self.more > 0 {
            let place = format!("{} more fields", self.more);
            self.found.push(Difference { place, first: "…".to_owned(), second: "…".to_owned() });
        }
        self.found
    }
}

/// A value in at most so many characters.
const SHOWN_CHARACTERS: usize = 60;

fn short(value: &Value) -> String {
    let text = match value {
        Value::Null => return "-".to_owned(),
        Value::Array(values) => return format!("{} elements", values.len()),
        other => other.to_string(),
    };
    match text.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_told_apart_and_counted() {
        let first = vec![0; 1000];
        let mut second = first.clone();
        (second[4], second[7], second[20]) = (1, 2, 3);
        let told = ranges(&first, &second, SRAM_BASE);
        let places: Vec<&str> = told.iter().map(|range| range.place.as_str()).collect();
        assert_eq!(places, ["0x20000004 (4 bytes)", "0x20000014 (1 bytes)"]);
        assert_eq!(told[0].second, "01000002");
        // The first of these lie within a word of those before.
        (0..1000).step_by(10).for_each(|at| second[at] = 9);
        assert_eq!(ranges(&first, &second, SRAM_BASE).last().unwrap().place, "83 more places");
    }

    #[test]
    fn long_numbers_keep_their_digits() {
        let wide = u128::MAX - 1;
        let tree = value(&(wide, "a \\\" 11111111111111111111", -5, 1.5e-7, true, u64::MAX));
        assert_eq!(tree[0], serde_json::json!(wide.to_string()));
        assert_eq!(tree[1], "a \\\" 11111111111111111111");
        assert_eq!((&tree[2], &tree[3], &tree[4]), (&(-5).into(), &1.5e-7.into(), &true.into()));
    }

    #[test]
    fn arrays_that_differ_everywhere_are_told_once() {
        let found = json_differences("{\"seed\":[1,2,3,4,5,6]}", "{\"seed\":[6,5,4,3,2,1]}");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].place, "seed (6 of 6 elements)");
    }

    #[test]
    fn fields_are_named_by_their_path() {
        let mut fields = Fields::default();
        let first = serde_json::json!({ "usart3": { "sr": 1, "fifo": [1, 2] }, "rng": 1 });
        let second = serde_json::json!({ "usart3": { "sr": 2, "fifo": [1, 3] }, "rng": 1 });
        fields.compare("soc", &first, &second);
        let told: Vec<String> = fields.told().iter().map(ToString::to_string).collect();
        assert_eq!(told, ["soc.usart3.fifo.1: 2 / 3", "soc.usart3.sr: 1 / 2"]);
    }
}
