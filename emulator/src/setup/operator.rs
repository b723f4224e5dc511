//! Commands to the device service, as an operator writes them:
//!
//! ```text
//! ota app.bin at 30s               call brew "two cups" at 40s        signal on at 50s
//! ota-system 2.2.0 when connected  variable cups at 41s               describe at 51s
//! heal 2.2.0                       publish lid open at 42s            ping at 1m after 10s
//! ```
//! A command takes effect when a device is connected, but not `at` an earlier time than it says; `after` adds to the
//! later of both. Words with blanks, and words that mean something here, go into quotation marks.

use std::path::{Path, PathBuf};

use lockstep_modem::network::service::modules::Upload;
use lockstep_modem::network::service::{Action, OperatorCommand, ServerRequest};

use super::SetupError;
use super::duration::parse_duration_ps;
use super::files::{Files, vendor_set};
use super::options::did_you_mean;
use super::words::{Word, words};
use crate::cloud;

/// What `--cloud` was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloudArgument(pub Option<CloudCommand>);

/// A command, its files not yet read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloudCommand {
    text: String,
    verb: Verb,
    at_ps: u64,
    after_ps: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Verb {
    Ask(ServerRequest),
    Ota(Vec<PathBuf>),
    OtaSystem(Vec<String>),
    Heal(Vec<String>),
}

/// Each command with its form.
const FORMS: [(&str, &str); 10] = [
    ("ota", "ota FILE..."),
    ("ota-system", "ota-system VERSION, or FILE..."),
    ("heal", "heal VERSION, or FILE..."),
    ("call", "call NAME [ARGUMENT]"),
    ("variable", "variable NAME"),
    ("publish", "publish NAME [DATA]"),
    ("ping", "ping"),
    ("describe", "describe"),
    ("signal", "signal on|off"),
    ("discard-session", "discard-session"),
];

/// Reads a value of `--cloud`; nothing is the bare option.
pub fn parse_cloud(text: &str) -> Result<CloudArgument, String> {
    if text.trim().is_empty() {
        return Ok(CloudArgument(None));
    }
    let words = words(text)?;
    let Some((verb, rest)) = words.split_first() else { return Ok(CloudArgument(None)) };
    let is_keyword = |word: &Word| ["at", "after", "when"].iter().any(|keyword| word.is(keyword));
    let (arguments, timing) = rest.split_at(rest.iter().position(is_keyword).unwrap_or(rest.len()));
    let arguments: Vec<String> = arguments.iter().map(|word| word.text.clone()).collect();
    let verb = parse_verb(&verb.text, arguments)?;
    let (at_ps, after_ps) = parse_timing(timing)?;
    Ok(CloudArgument(Some(CloudCommand { text: text.trim().to_owned(), verb, at_ps, after_ps })))
}

fn parse_verb(verb: &str, arguments: Vec<String>) -> Result<Verb, String> {
    let Some((_, form)) = FORMS.iter().find(|(name, _)| *name == verb) else {
        let names = FORMS.map(|(name, _)| name);
        let hint = did_you_mean(verb, names.iter().copied());
        return Err(format!(
            "no command {verb:?}{hint}; there are {} (image files go before --cloud)",
            names.join(", ")
        ));
    };
    let wrong = || format!("the form is: {form} [at TIME] [when connected] [after TIME]");
    let ask = |request: ServerRequest| {
        request.check().map_err(|error| error.to_string())?;
        Ok(Verb::Ask(request))
    };
    let mut given = arguments.iter().cloned();
    let (first, second, is_more) = (given.next(), given.next(), given.next().is_some());
    match (verb, first, second) {
        ("ota", Some(_), _) => Ok(Verb::Ota(arguments.into_iter().map(PathBuf::from).collect())),
        ("ota-system", Some(_), _) => Ok(Verb::OtaSystem(arguments)),
        ("heal", Some(_), _) => Ok(Verb::Heal(arguments)),
        _ if is_more => Err(wrong()),
        ("call", Some(name), argument) => ask(ServerRequest::Function { name, argument: argument.unwrap_or_default() }),
        ("publish", Some(name), data) => ask(ServerRequest::Event { name, data: data.unwrap_or_default() }),
        ("variable", Some(name), None) => ask(ServerRequest::Variable { name }),
        ("ping", None, None) => ask(ServerRequest::Ping),
        ("describe", None, None) => ask(ServerRequest::Describe),
        ("discard-session", None, None) => ask(ServerRequest::DiscardSession),
        ("signal", Some(state), None) if state == "on" || state == "off" => {
            ask(ServerRequest::Signal { on: state == "on" })
        }
        _ => Err(wrong()),
    }
}

/// Time and delay in picoseconds.
fn parse_timing(mut words: &[Word]) -> Result<(u64, u64), String> {
    let (mut at_ps, mut after_ps, mut when) = (None, None, false);
    while let Some((keyword, rest)) = words.split_first() {
        let operand = rest.first().ok_or_else(|| format!("something is missing behind {:?}", keyword.text))?;
        let slot = match keyword.text.as_str() {
            "at" => &mut at_ps,
            "after" => &mut after_ps,
            "when" if operand.is("connected") && !when => {
                when = true;
                words = rest.get(1..).unwrap_or_default();
                continue;
            }
            "when" => return Err("a command waits for one thing only, once: when connected".to_owned()),
            other => return Err(format!("{other:?} does not belong here; at, when connected or after can follow")),
        };
        if slot.replace(parse_duration_ps(&operand.text)?).is_some() {
            return Err(format!("{:?} is there twice", keyword.text));
        }
        words = rest.get(1..).unwrap_or_default();
    }
    Ok((at_ps.unwrap_or(0), after_ps.unwrap_or(0)))
}

/// Whether it is the name of a command.
pub fn is_verb(word: &str) -> bool {
    FORMS.iter().any(|(name, _)| *name == word)
}

/// The names of all commands.
pub fn verbs() -> impl Iterator<Item = &'static str> {
    FORMS.iter().map(|(name, _)| *name)
}

impl CloudCommand {
    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it says when it takes effect.
    pub fn has_timing(&self) -> bool {
        self.at_ps > 0 || self.after_ps > 0
    }

    /// The files that it names, or what may be files.
    pub fn files(&self) -> Vec<PathBuf> {
        match &self.verb {
            Verb::Ask(_) => Vec::new(),
            Verb::Ota(files) => files.clone(),
            Verb::OtaSystem(set) | Verb::Heal(set) => set.iter().map(PathBuf::from).collect(),
        }
    }

    /// Reads the files that it names.
    pub fn prepare(&self, source: &mut dyn Files) -> Result<OperatorCommand, SetupError> {
        let action = match &self.verb {
            Verb::Ask(request) => Action::Ask(request.clone()),
            Verb::Ota(files) => {
                Action::Update(files.iter().map(|file| upload(file, source)).collect::<Result<_, _>>()?)
            }
            Verb::OtaSystem(set) => Action::UpdateSystem(uploads(set, source)?),
            Verb::Heal(set) => Action::Heal(uploads(set, source)?),
        };
        Ok(OperatorCommand { text: self.text.clone(), at_ps: self.at_ps, after_ps: self.after_ps, action })
    }
}

/// A version of the catalogue, or files.
fn uploads(set: &[String], source: &mut dyn Files) -> Result<Vec<Upload>, SetupError> {
    match set {
        [version] if lockstep_images::catalogue::set(version).is_some() => {
            Ok(cloud::system_uploads(&vendor_set(version, source)?))
        }
        [version] if !source.exists(Path::new(version)) => {
            let known = lockstep_images::catalogue::versions().join(", ");
            Err(SetupError::Usage(format!("--cloud: {version}: neither a file nor a version; there are {known}")))
        }
        files => files.iter().map(|file| upload(Path::new(file), source)).collect(),
    }
}

fn upload(path: &Path, source: &mut dyn Files) -> Result<Upload, SetupError> {
    let bytes = source.read(path)?;
    let wrong = |reason: String| SetupError::File { path: path.to_owned(), reason };
    if bytes.starts_with(b"\x7fELF") {
        return Err(wrong(
            "an ELF file, which no device takes over the air; give the .bin that the build made".to_owned(),
        ));
    }
    let name = path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
    let upload = cloud::upload(&name, &bytes);
    let request = ServerRequest::Update { image: upload.image.clone() };
    request.check().map_err(|error| wrong(error.to_string()))?;
    Ok(upload)
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000_000;

    fn command(text: &str) -> CloudCommand {
        parse_cloud(text).unwrap().0.unwrap()
    }

    #[test]
    fn commands_are_read() {
        let ota = command("ota app.bin at 30s");
        assert_eq!((ota.verb, ota.at_ps, ota.after_ps), (Verb::Ota(vec!["app.bin".into()]), 30 * S, 0));
        let set = command("  ota-system a.bin 'b c.bin' when connected after 5s at 1m ");
        assert_eq!(set.verb, Verb::OtaSystem(vec!["a.bin".to_owned(), "b c.bin".to_owned()]));
        assert_eq!((set.at_ps, set.after_ps), (60 * S, 5 * S));
        let call = command(r#"call brew "say \"at\" once" at 1s"#);
        let request = ServerRequest::Function { name: "brew".to_owned(), argument: "say \"at\" once".to_owned() };
        assert_eq!(call.verb, Verb::Ask(request));
        let publish = command("publish 'at' \"\"");
        let request = ServerRequest::Event { name: "at".to_owned(), data: String::new() };
        assert_eq!(publish.verb, Verb::Ask(request));
        assert_eq!(command("signal off").verb, Verb::Ask(ServerRequest::Signal { on: false }));
        assert_eq!(command("ping").at_ps, 0);
        assert_eq!(parse_cloud(" "), Ok(CloudArgument(None)));
    }

    #[test]
    fn mistakes_are_named_in_one_line() {
        let error = |text: &str| parse_cloud(text).unwrap_err();
        assert!(error("otta app.bin").contains("did you mean ota?"));
        assert!(error("app.elf").contains("image files go before --cloud"));
        assert_eq!(error("ota at 3s"), "the form is: ota FILE... [at TIME] [when connected] [after TIME]");
        assert!(error("signal maybe").contains("signal on|off"));
        assert!(error("ping 3").contains("the form is: ping"));
        assert!(error("ping at").contains("missing behind \"at\""));
        assert!(error("ping at soon").contains("not a duration"));
        assert!(error("ping at 1s at 2s").contains("twice"));
        assert!(error("ping at 1s x 2s").contains("does not belong here"));
        assert!(error("ping when hungry").contains("when connected"));
        assert!(error("call brew \"x").contains("quotation mark"));
        assert!(error(&format!("call brew {}", "x".repeat(800))).contains("shorten"));
        for text in ["ota", "call", "variable", "variable a b", "publish", "describe x", "call a b c"] {
            assert!(error(text).contains("the form is"), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(text in "\\PC*", words in "(ota|call|ping|at|when|after|connected|'|\"|\\\\|3s| ){0,12}") {
            for text in [text, words] {
                if let Err(error) = parse_cloud(&text) {
                    proptest::prop_assert!(!error.contains('\n'));
                }
            }
        }
    }
}
