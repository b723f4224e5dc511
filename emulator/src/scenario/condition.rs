//! Conditions: what steps wait for and expectations speak of.

use std::fmt;

use lockstep_engine::HostMemory;
use lockstep_images::module::{find_info, parse};
use lockstep_images::{FLASH_LENGTH, FLASH_START, MODULE_PLACES};
use lockstep_modem::network::CloudEventKind;
use regex::Regex;

use crate::Stage;
use crate::oracle::Kind;
use crate::setup::options::{did_you_mean, parse_stage, stage_name};
use crate::setup::words::{Word, words};

/// Something that can become true.
#[derive(Clone, Debug)]
pub struct Condition {
    /// As it was written.
    pub text: String,
    /// What it is about.
    pub about: About,
}

/// What a condition is about.
#[derive(Clone, Debug)]
pub enum About {
    /// `stage NAME`: a stage was reached.
    Stage(Stage),
    /// `cloud connected`: the device is connected to the device service, by a hello or by going on in its session.
    CloudConnected,
    /// `cloud TEXT`: something happened at the device service whose description fits.
    Cloud(Pattern),
    /// `update begun|ready|delivered|failed`.
    Update(UpdateStep),
    /// `update chunk N`: the service has sent that many chunks of the update under way.
    Chunk(u32),
    /// `module PLACE version|product N`: flash holds a whole module of that version there.
    Module(ModuleIs),
    /// `serial TEXT`: a line on Serial1 fits.
    Serial(Pattern),
    /// `at TEXT`: a line of the AT dialogue fits, whoever sent it.
    At(Pattern),
    /// `led TEXT`: what the LED shows fits, for example `led "breathing cyan"`.
    Led(Pattern),
    /// `tcp connected`, `tcp closed`: some TCP socket of the modem is connected, or none is open.
    Tcp(bool),
    /// `reset` or `reset N`: the microcontroller was reset, or that often.
    Reset(usize),
    /// `finding KIND` or `finding`: an oracle has found something of that kind, or anything by which a run fails
    /// ([`Kind::is_failure`](crate::oracle::Kind::is_failure)).
    Finding(Option<Kind>),
    /// `commands done`: every command to the operator of the device service so far is done.
    CommandsDone,
    /// `command failed`: one of them came to nothing.
    CommandFailed,
}

/// A step of an update over the air.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateStep {
    /// The device was told of it.
    Begun,
    /// The device wants the chunks.
    Ready,
    /// The device has it.
    Delivered,
    /// It came to nothing.
    Failed,
}

/// A module in flash, as a condition speaks of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModuleIs {
    /// Address of its place.
    pub address: u32,
    /// Whether `number` is the product's version in the module's suffix (`PRODUCT_VERSION`), not the module's own.
    pub is_product: bool,
    /// The version.
    pub number: u16,
}

/// Where the Electron's modules are.
const PLACES: [(&str, u32); 5] = [
    ("bootloader", MODULE_PLACES[0]),
    ("system-part1", MODULE_PLACES[1]),
    ("system-part2", MODULE_PLACES[2]),
    ("system-part3", MODULE_PLACES[3]),
    ("user-part", MODULE_PLACES[4]),
];

impl ModuleIs {
    fn parse(place: &str, kind: &str, number: &str) -> Result<Self, String> {
        let Some((_, address)) = PLACES.iter().find(|(name, _)| *name == place) else {
            let names = PLACES.map(|(name, _)| name);
            let hint = did_you_mean(place, names.iter().copied());
            return Err(format!("no module {place:?}{hint}; there are {}", names.join(", ")));
        };
        let is_product = match kind {
            "version" => false,
            "product" => true,
            _ => return Err(format!("{kind:?} is neither version nor product")),
        };
        let number = number.parse().map_err(|_| format!("{number:?} is no version: 0 to 65535"))?;
        Ok(Self { address: *address, is_product, number })
    }

    /// Whether flash holds it, whole: with a CRC that fits.
    pub fn is_in(&self, flash: &HostMemory) -> bool {
        let offset = (self.address - FLASH_START) as usize;
        let mut head = [0; HEAD_BYTES];
        if !flash.read(offset, &mut head) {
            return false;
        }
        // The version of the module itself is at its head: a CRC is computed of few modules only.
        let Some((_, info)) = find_info(&head) else { return false };
        let length = info.length().min(FLASH_LENGTH - (self.address - FLASH_START));
        if !self.is_product && info.version != self.number {
            return false;
        }
        let mut bytes = vec![0; length as usize];
        let module = flash.read(offset, &mut bytes).then(|| parse(&bytes).ok()).flatten();
        module.is_some_and(|module| {
            let product = module.suffix.as_ref().and_then(|suffix| suffix.product_version);
            module.crc_valid() && (!self.is_product || product == Some(self.number))
        })
    }
}

/// A module's information is within so many bytes of its start.
const HEAD_BYTES: usize = 1024;

/// A text that fits: one that contains what was written, or `/…/` that a regular expression matches.
#[derive(Clone, Debug)]
pub enum Pattern {
    /// Contains this.
    Contains(String),
    /// Is matched by this.
    Matches(Regex),
}

/// Bound on what a regular expression may become.
const REGEX_BYTES_MAX: usize = 1 << 20;

impl Pattern {
    fn parse(text: &str) -> Result<Self, String> {
        let inner = text.strip_prefix('/').and_then(|text| text.strip_suffix('/')).filter(|_| text.len() > 1);
        let Some(inner) = inner else { return Ok(Self::Contains(text.to_owned())) };
        let regex = regex::RegexBuilder::new(inner).size_limit(REGEX_BYTES_MAX).build();
        regex.map(Self::Matches).map_err(|error| {
            let reason = error.to_string();
            let last = reason.lines().last().unwrap_or_default();
            format!("{text}: no regular expression: {}", last.trim().trim_start_matches("error: "))
        })
    }

    /// Whether a text fits.
    pub fn fits(&self, text: &str) -> bool {
        match self {
            Self::Contains(part) => text.contains(part.as_str()),
            Self::Matches(regex) => regex.is_match(text),
        }
    }
}

/// Each condition with its form.
const FORMS: [(&str, &str); 12] = [
    ("stage", "stage NAME"),
    ("cloud", "cloud connected, or cloud TEXT"),
    ("update", "update begun|ready|delivered|failed, or update chunk N"),
    ("module", "module PLACE version N, or module PLACE product N"),
    ("serial", "serial TEXT"),
    ("at", "at TEXT"),
    ("led", "led TEXT"),
    ("tcp", "tcp connected|closed"),
    ("reset", "reset, or reset N"),
    ("finding", "finding, or finding KIND"),
    ("commands", "commands done"),
    ("command", "command failed"),
];

impl Condition {
    /// Reads a condition; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (verb, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let rest = rest.trim();
        // A regular expression may hold blanks and quotation marks.
        let is_regex = rest.len() > 1 && rest.starts_with('/') && rest.ends_with('/');
        let rest = if is_regex { vec![Word { text: rest.to_owned(), is_quoted: true }] } else { words(rest)? };
        if verb.is_empty() {
            return Err("a condition is missing".to_owned());
        }
        let about = about(verb, &rest)?;
        Ok(Self { text: text.to_owned(), about })
    }
}

fn about(verb: &str, rest: &[Word]) -> Result<About, String> {
    let Some((_, form)) = FORMS.iter().find(|(name, _)| *name == verb) else {
        let names = FORMS.map(|(name, _)| name);
        let hint = did_you_mean(verb, names.iter().copied());
        return Err(format!("no condition {verb:?}{hint}; there are {}", names.join(", ")));
    };
    let wrong = || format!("the form is: {form}");
    let number = |word: &Word| word.text.parse::<u32>().ok().filter(|n| *n > 0).ok_or_else(wrong);
    match (verb, rest) {
        ("stage", [name]) => Ok(About::Stage(parse_stage(&name.text)?)),
        ("cloud", [word]) if word.is("connected") => Ok(About::CloudConnected),
        ("cloud", [text]) => Ok(About::Cloud(Pattern::parse(&text.text)?)),
        ("update", [word, count]) if word.is("chunk") => Ok(About::Chunk(number(count)?)),
        ("update", [step]) => match step.text.as_str() {
            "begun" => Ok(About::Update(UpdateStep::Begun)),
            "ready" => Ok(About::Update(UpdateStep::Ready)),
            "delivered" => Ok(About::Update(UpdateStep::Delivered)),
            "failed" => Ok(About::Update(UpdateStep::Failed)),
            _ => Err(wrong()),
        },
        ("module", [place, kind, number]) => Ok(About::Module(ModuleIs::parse(&place.text, &kind.text, &number.text)?)),
        ("serial", [text]) => Ok(About::Serial(Pattern::parse(&text.text)?)),
        ("at", [text]) => Ok(About::At(Pattern::parse(&text.text)?)),
        ("led", [text]) => Ok(About::Led(Pattern::parse(&text.text)?)),
        ("tcp", [word]) if word.is("connected") => Ok(About::Tcp(true)),
        ("tcp", [word]) if word.is("closed") => Ok(About::Tcp(false)),
        ("reset", []) => Ok(About::Reset(1)),
        ("reset", [count]) => Ok(About::Reset(number(count)? as usize)),
        ("finding", []) => Ok(About::Finding(None)),
        ("finding", [kind]) => Ok(About::Finding(Some(kind.text.parse()?))),
        ("commands", [word]) if word.is("done") => Ok(About::CommandsDone),
        ("command", [word]) if word.is("failed") => Ok(About::CommandFailed),
        _ => Err(wrong()),
    }
}

impl UpdateStep {
    /// Whether this is what happened.
    pub fn is(self, kind: &CloudEventKind) -> bool {
        match self {
            Self::Begun => matches!(kind, CloudEventKind::UpdateBegun { .. }),
            Self::Ready => matches!(kind, CloudEventKind::UpdateReady { .. }),
            Self::Delivered => matches!(kind, CloudEventKind::UpdateDelivered { .. }),
            Self::Failed => matches!(kind, CloudEventKind::UpdateFailed { .. }),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.about {
            About::Stage(stage) => write!(f, "stage {}", stage_name(*stage)),
            _ => f.write_str(&self.text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read() {
        for text in [
            "stage handshake",
            "cloud connected",
            "cloud 'session resumed'",
            "update ready",
            "update chunk 10",
            "serial \"lockstep-app 2 \"",
            "at /^\\+UUSORF: 0,\\d+$/",
            "led 'breathing cyan'",
            "tcp connected",
            "reset 3",
            "finding",
            "finding guest_fault",
            "module system-part2 version 2202",
            "module user-part product 7",
            "commands done",
            "command failed",
        ] {
            Condition::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        }
        let About::At(pattern) = Condition::parse("at /^\\+UUSORF: 0,\\d+$/").unwrap().about else { panic!() };
        assert!(pattern.fits("+UUSORF: 0,39") && !pattern.fits("+UUSORF: 1,39"));
    }

    #[test]
    fn mistakes_are_named() {
        for (text, expected) in [
            ("", "missing"),
            ("clowd connected", "did you mean cloud?"),
            ("update never", "the form is: update begun"),
            ("reset 0", "the form is: reset"),
            ("serial /(/", "no regular expression"),
            ("stage handshak", "did you mean handshake?"),
            ("led 'x", "quotation mark"),
            ("finding hard_fault", "no finding \"hard_fault\""),
            ("finding starvatoin", "did you mean starvation?"),
            ("module system-part4 version 1", "did you mean system-part"),
            ("module user-part version x", "is no version"),
            ("module user-part", "the form is: module PLACE"),
        ] {
            let error = Condition::parse(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(text in "\\PC{0,60}", words in "(cloud|update|chunk|module|user-part|serial|at|led|reset|finding|/|'|\\(|[0-9]| ){0,8}") {
            let _ = (Condition::parse(&text), Condition::parse(&words));
        }
    }
}
