//! A scenario's file: TOML, checked against what is known. An error names the line and the key.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

use lockstep_images::app_config::AppConfig;
use lockstep_modem::duration::parse_duration_ps;
use lockstep_modem::percent::parse_percent_ppm;
use serde::Deserialize;
use toml::Spanned;

use super::{Condition, Expectation, HuntSpec, OwnImage, Scenario, StepTemplate, Template, Variant, choices};
use crate::setup::options::{FileAt, KeyValue, parse_file_at};
use crate::setup::{CloudSpec, DeviceSpec, Parts, SetupError, app, settings};

/// Longest scenario file.
const BYTES_MAX: usize = 1 << 20;
/// Virtual time of a run that does not say its own.
const FOR_PS: u64 = 120_000_000_000_000;

/// What is wrong with a scenario.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScenarioError {
    /// A line of the file.
    #[error("line {line}: {problem}")]
    Line {
        /// The line, from 1.
        line: usize,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// A step with its places filled.
    #[error("step {number}, {field}: {problem}")]
    Step {
        /// The step, from 1.
        number: usize,
        /// Its field.
        field: String,
        /// What is wrong.
        problem: String,
    },
    /// The file as a whole.
    #[error("{0}")]
    File(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: Option<String>,
    about: Option<String>,
    r#for: Option<Spanned<String>>,
    seed: Option<u64>,
    #[serde(default)]
    strict: bool,
    device: Spanned<Device>,
    #[serde(default)]
    set: Values,
    #[serde(default)]
    image: Vec<ImageEntry>,
    #[serde(default)]
    step: Vec<StepEntry>,
    #[serde(default)]
    expect: Vec<ExpectEntry>,
    #[serde(default)]
    hunt: HuntEntry,
    #[serde(default)]
    variant: Vec<VariantEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Device {
    firmware: Option<String>,
    #[serde(default)]
    images: Vec<Spanned<String>>,
    app: Option<PathBuf>,
    #[serde(default)]
    app_set: Values,
    dct: Option<PathBuf>,
    cloud: Option<bool>,
}

/// Settings, each with its place in the file.
type Values = BTreeMap<String, Spanned<Scalar>>;

/// A value as TOML has it; settings are text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Bool(bool),
    Integer(i64),
    Text(String),
}

impl Scalar {
    fn text(&self) -> String {
        match self {
            Self::Bool(value) => value.to_string(),
            Self::Integer(value) => value.to_string(),
            Self::Text(value) => value.clone(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ImageEntry {
    name: String,
    app: PathBuf,
    #[serde(default)]
    set: Values,
    #[serde(default)]
    like_device: bool,
    bytes: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StepEntry {
    at: Option<Spanned<String>>,
    when: Option<Spanned<String>>,
    after: Option<Spanned<String>>,
    r#do: Spanned<String>,
    chance: Option<Spanned<String>>,
    kind: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectEntry {
    that: Option<Spanned<String>>,
    never: Option<Spanned<String>>,
    from: Option<Spanned<String>>,
    by: Option<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct HuntEntry {
    from: Option<Spanned<String>>,
    after: Option<Spanned<String>>,
    until: Option<Spanned<String>>,
    settle: Option<Spanned<String>>,
    r#for: Option<Spanned<String>>,
    recovery: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VariantEntry {
    name: String,
    firmware: Option<String>,
    #[serde(default)]
    app_set: Values,
    #[serde(default)]
    set: Values,
}

/// Turns a place in the file into a line.
struct Reader<'a> {
    text: &'a str,
}

type Result<T> = std::result::Result<T, ScenarioError>;

impl Reader<'_> {
    fn line(&self, span: &Range<usize>) -> usize {
        self.text.get(..span.start).map_or(1, |before| before.matches('\n').count() + 1)
    }

    fn wrong(&self, key: &str, span: &Range<usize>, problem: &str) -> ScenarioError {
        ScenarioError::Line { line: self.line(span), problem: format!("{key}: {problem}") }
    }

    /// Reads a value of a key.
    fn read<T>(
        &self,
        key: &str,
        value: &Spanned<String>,
        read: impl FnOnce(&str) -> std::result::Result<T, String>,
    ) -> Result<T> {
        read(value.get_ref()).map_err(|problem| self.wrong(key, &value.span(), &problem))
    }

    fn optional<T>(
        &self,
        key: &str,
        value: &Option<Spanned<String>>,
        read: impl FnOnce(&str) -> std::result::Result<T, String>,
    ) -> Result<Option<T>> {
        value.as_ref().map(|value| self.read(key, value, read)).transpose()
    }

    fn duration(&self, key: &str, value: &Option<Spanned<String>>, default_ps: u64) -> Result<u64> {
        Ok(self.optional(key, value, parse_duration_ps)?.unwrap_or(default_ps))
    }

    fn step(&self, index: usize, entry: &StepEntry) -> Result<StepTemplate> {
        let step = StepTemplate {
            at: self.optional("step.at", &entry.at, Template::parse)?,
            when: self.optional("step.when", &entry.when, Template::parse)?,
            after: self.optional("step.after", &entry.after, Template::parse)?,
            action: self.read("step.do", &entry.r#do, Template::parse)?,
            chance_ppm: self.optional("step.chance", &entry.chance, chance)?,
            kind: entry.kind.clone(),
        };
        if step.kind.is_some() && step.chance_ppm.is_none() {
            return Err(self.wrong("step.kind", &entry.r#do.span(), "a step that a hunt may leave out needs a chance"));
        }
        for probe in choices::probes(index, &step) {
            choices::step(index, &step, &probe).map_err(|error| match error {
                ScenarioError::Step { field, problem, .. } => {
                    let of = |span: &Option<Spanned<String>>| span.as_ref().map(Spanned::span);
                    let span = match field.as_str() {
                        "at" => of(&entry.at),
                        "when" => of(&entry.when),
                        "after" => of(&entry.after),
                        _ => None,
                    };
                    self.wrong(&format!("step.{field}"), &span.unwrap_or(entry.r#do.span()), &problem)
                }
                other => other,
            })?;
        }
        Ok(step)
    }

    fn expectation(&self, entry: &ExpectEntry) -> Result<Expectation> {
        let (value, is_never) = match (&entry.that, &entry.never) {
            (Some(that), None) => (that, false),
            (None, Some(never)) => (never, true),
            _ => {
                let places = [&entry.that, &entry.never, &entry.from, &entry.by];
                let span = places.into_iter().flatten().map(Spanned::span).next().unwrap_or(0..0);
                return Err(self.wrong("expect", &span, "give either that or never"));
            }
        };
        let key = if is_never { "expect.never" } else { "expect.that" };
        Ok(Expectation {
            condition: self.read(key, value, Condition::parse)?,
            is_never,
            from_ps: self.duration("expect.from", &entry.from, 0)?,
            by_ps: self.optional("expect.by", &entry.by, parse_duration_ps)?,
        })
    }

    fn hunt(&self, entry: &HuntEntry, for_ps: u64) -> Result<HuntSpec> {
        let from = match &entry.from {
            Some(from) => self.read("hunt.from", from, Condition::parse)?,
            None => Condition::parse("cloud connected").map_err(ScenarioError::File)?,
        };
        Ok(HuntSpec {
            from,
            after_ps: self.duration("hunt.after", &entry.after, 0)?,
            until: self.optional("hunt.until", &entry.until, Condition::parse)?,
            settle_ps: self.duration("hunt.settle", &entry.settle, 0)?,
            for_ps: self.duration("hunt.for", &entry.r#for, for_ps)?,
            recovery_ps: self.optional("hunt.recovery", &entry.recovery, parse_duration_ps)?,
        })
    }

    /// Settings of modem, link, chip and board.
    fn settings(&self, place: &str, values: &Values) -> Result<Vec<KeyValue>> {
        self.key_values(place, values, |setting| settings::apply(&mut Parts::default(), &[setting]))
    }

    /// Settings of our own application.
    fn app_settings(&self, place: &str, values: &Values) -> Result<Vec<KeyValue>> {
        self.key_values(place, values, |setting| app::apply(&mut AppConfig::default(), &[setting]))
    }

    fn key_values(
        &self,
        place: &str,
        values: &Values,
        check: impl Fn(KeyValue) -> std::result::Result<(), SetupError>,
    ) -> Result<Vec<KeyValue>> {
        let setting = |(key, value): (&String, &Spanned<Scalar>)| {
            let setting = KeyValue { key: key.clone(), value: value.get_ref().text() };
            check(setting.clone())
                .map_err(|error| self.wrong(place, &value.span(), error.to_string().trim_start_matches("--set ")))?;
            Ok(setting)
        };
        values.iter().map(setting).collect()
    }

    fn device(&self, device: &Device) -> Result<DeviceSpec> {
        let files: Result<Vec<FileAt>> =
            device.images.iter().map(|image| self.read("device.images", image, parse_file_at)).collect();
        Ok(DeviceSpec {
            files: files?,
            firmware: device.firmware.clone(),
            app: device.app.clone(),
            app_set: self.app_settings("device.app_set", &device.app_set)?,
            dct: device.dct.clone(),
            cloud: match device.cloud {
                Some(true) => CloudSpec::Yes,
                Some(false) => CloudSpec::No,
                None => CloudSpec::IfFitting,
            },
        })
    }
}

/// Per cent as millionths.
fn chance(text: &str) -> std::result::Result<u64, String> {
    let wrong = || format!("{text:?} is no share: give per cent, 0.01% to 100%");
    let ppm = text.strip_suffix('%').and_then(|number| parse_percent_ppm(number.trim()));
    ppm.filter(|ppm| (1..=1_000_000).contains(ppm)).ok_or_else(wrong)
}

impl Scenario {
    /// Reads a scenario.
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() > BYTES_MAX {
            return Err(ScenarioError::File(format!("{} bytes: larger than any scenario (1 MB)", text.len())));
        }
        let reader = Reader { text };
        let file: File = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| reader.line(&span));
            ScenarioError::Line { line, problem: error.message().replace('\n', " ") }
        })?;
        let set = reader.settings("set", &file.set)?;
        let for_ps = reader.duration("for", &file.r#for, FOR_PS)?;
        let images = file.image.into_iter().map(|image| {
            Ok(OwnImage {
                set: reader.app_settings("image.set", &image.set)?,
                name: image.name,
                app: image.app,
                is_like_device: image.like_device,
                bytes: image.bytes,
            })
        });
        let steps = file.step.iter().enumerate().map(|(index, entry)| reader.step(index, entry));
        let variants = file.variant.into_iter().map(|entry| {
            Ok(Variant {
                app_set: reader.app_settings("variant.app_set", &entry.app_set)?,
                set: reader.settings("variant.set", &entry.set)?,
                name: entry.name,
                firmware: entry.firmware,
            })
        });
        Ok(Self {
            text: text.to_owned(),
            name: file.name.unwrap_or_else(|| "unnamed".to_owned()),
            about: file.about.unwrap_or_default(),
            for_ps,
            seed: file.seed.unwrap_or(1),
            strict: file.strict,
            device: reader.device(file.device.get_ref())?,
            set,
            images: images.collect::<Result<_>>()?,
            steps: steps.collect::<Result<_>>()?,
            expectations: file.expect.iter().map(|entry| reader.expectation(entry)).collect::<Result<_>>()?,
            hunt: reader.hunt(&file.hunt, for_ps)?,
            variants: variants.collect::<Result<_>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Choices;

    const SCENARIO: &str = r#"
name = "update while polling"
for = "110s"
[device]
firmware = "0.5.2"
app = "app.bin"
app_set = { mode = "echo", poll_delay_ms = 20 }
[set]
"link.loss" = "1%"
[[image]]
name = "new.bin"
app = "app.bin"
set = { version = 2 }
[[step]]
when = "cloud connected"
after = "{2s..5s}"
do = "ota new.bin"
[[step]]
do = "modem late_ok={1s~12s}@{USORD|USORF}#{1..20}"
chance = "30%"
kind = "late answers"
[[expect]]
that = "serial 'lockstep-app 2 '"
by = "100s"
[[expect]]
never = "finding"
[hunt]
until = "serial 'lockstep-app 2 '"
"#;

    #[test]
    fn a_scenario_is_read() {
        let scenario = Scenario::parse(SCENARIO).unwrap();
        assert_eq!(scenario.device.app_set[1], KeyValue { key: "poll_delay_ms".to_owned(), value: "20".to_owned() });
        let steps = scenario.steps(&Choices::default()).unwrap();
        assert_eq!(steps[0].as_ref().unwrap().after_ps, 2_000_000_000_000);
        assert!(steps[1].is_none(), "a plain run leaves out what is left to chance");
        assert_eq!(scenario.expectations.len(), 2);
    }

    #[test]
    fn a_hunt_draws_what_is_left_open() {
        let scenario = Scenario::parse(SCENARIO).unwrap();
        let drawn: Vec<Choices> = (0..200).map(|seed| Choices::draw(&scenario, seed)).collect();
        assert_eq!(drawn[7], Choices::draw(&scenario, 7));
        let with_fault = drawn.iter().filter(|choices| scenario.steps(choices).unwrap()[1].is_some()).count();
        // 30 % of the half of the runs that have this kind at all.
        assert!((15..50).contains(&with_fault), "{with_fault} of 200");
    }

    #[test]
    fn mistakes_name_the_line_and_the_key() {
        for (from, to, expected) in [
            ("when = \"cloud connected\"", "when = \"clowd\"", "line 15: step.when: no condition \"clowd\""),
            ("do = \"ota new.bin\"", "do = \"otta new.bin\"", "line 17: step.do: no action \"otta\""),
            ("{USORD|USORF}", "{USORD|US-RF}", "line 19: step.do:"),
            ("by = \"100s\"", "by = \"soon\"", "line 24: expect.by:"),
            ("never = \"finding\"", "by = \"1s\"", "line 26: expect: give either that or never"),
            ("\"link.loss\" = \"1%\"", "\"link.los\" = \"1%\"", "line 9: set: link.los"),
            ("poll_delay_ms = 20", "poll_delay = 20", "line 7: device.app_set: poll_delay: no such setting"),
            ("version = 2", "version = \"two\"", "line 13: image.set: setting of the application: version=two"),
            ("chance = \"30%\"", "chance = \"300%\"", "line 20: step.chance:"),
            ("chance = \"30%\"\n", "", "line 19: step.kind:"),
            ("for = \"110s\"", "four = \"110s\"", "line 3: unknown field `four`"),
            ("firmware = \"0.5.2\"", "firmware = 3", "line 5:"),
        ] {
            let text = SCENARIO.replace(from, to);
            assert_ne!(text, SCENARIO);
            let error = Scenario::parse(&text).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(text in "\\PC{0,80}", at in 0..SCENARIO.len(), with in "\\PC{0,3}") {
            let _ = Scenario::parse(&text);
            let mut changed = SCENARIO.to_owned();
            changed.replace_range(at..at + 1, &with);
            let _ = Scenario::parse(&changed);
        }
    }
}
