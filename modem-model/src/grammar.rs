//! The grammar of a command line (ITU-T V.250 5.2 to 5.4, TS 27.007 4): what stands between `AT` and the line's end.
//!
//! Only shape is judged here; what a parameter means is the command's affair.

use nom::branch::alt;
use nom::bytes::complete::{is_not, tag, take_while, take_while_m_n};
use nom::character::complete::{char, digit1, one_of, space0};
use nom::combinator::{map, map_res, opt, recognize, value};
use nom::multi::{many0, separated_list1};
use nom::sequence::{delimited, pair, preceded, terminated};
use nom::{IResult, Parser};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// One command of a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// `E0`, `&K3`, `I9`, `Z`: a letter (with `&` or `\` before it) and a number.
    Basic {
        /// In upper case: `E`, `&K`.
        name: String,
        /// The number, if given.
        value: Option<u32>,
    },
    /// `S3?` or `S3=13`.
    Register {
        /// The register's number.
        number: u32,
        /// The new value; `None` reads.
        value: Option<u32>,
    },
    /// `D…`: takes the rest of the line.
    Dial(String),
    /// `+NAME…`.
    Extended {
        /// With its `+`, in upper case.
        name: String,
        /// What is asked of it.
        form: Form,
    },
}

impl Command {
    /// The command's name without a `+`: `USOCO`, `E`, `&K`, `S`, `D`.
    pub fn name(&self) -> &str {
        match self {
            Self::Basic { name, .. } => name,
            Self::Register { .. } => "S",
            Self::Dial(_) => "D",
            Self::Extended { name, .. } => name.trim_start_matches('+'),
        }
    }
}

/// The form of an extended command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Form {
    /// `+NAME`
    Execute,
    /// `+NAME?`
    Read,
    /// `+NAME=?`
    Test,
    /// `+NAME=…`
    Set(Vec<Param>),
}

/// One parameter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Param {
    /// Left out: `AT+UPSD=0,,1`.
    Empty,
    /// Without quotes.
    Bare(String),
    /// Between quotes, the quotes removed.
    Quoted(Vec<u8>),
}

impl Param {
    /// The value as a number.
    pub fn as_u32(&self) -> Option<u32> {
        match self {
            Self::Bare(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// The value as text, quoted or not.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Empty => None,
            Self::Bare(text) => Some(text),
            Self::Quoted(bytes) => std::str::from_utf8(bytes).ok(),
        }
    }
}

/// The line is not a list of commands.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("AT line: byte {position} of {length} does not continue any command; expected a letter, + or ;")]
pub struct GrammarError {
    /// Offset of the first byte that could not be read, after `AT`.
    pub position: usize,
    /// Length of what was given.
    pub length: usize,
}

/// Finds what follows the `AT` of a line: the first `AT`, `At`, `aT` or `at` in it (V.250 5.2.1: what stands before
/// the prefix is ignored). `None` if there is none.
pub fn after_prefix(line: &[u8]) -> Option<&[u8]> {
    let at = line.windows(2).position(|pair| pair.eq_ignore_ascii_case(b"AT"))?;
    line.get(at + 2..)
}

/// Reads all commands of a line; `body` is what follows `AT`, without the terminator. An empty body is an empty list.
///
/// # Errors
/// [`GrammarError`] with the place, if the body is not a list of commands.
pub fn parse(body: &[u8]) -> Result<Vec<Command>, GrammarError> {
    // A control character or non-ASCII byte outside quotes ends the match and so is an error with its place.
    match terminated(many0(command), pair(separators, space0)).parse(body) {
        Ok(([], commands)) => Ok(commands),
        Ok((rest, _)) => Err(GrammarError { position: body.len() - rest.len(), length: body.len() }),
        Err(_) => Err(GrammarError { position: 0, length: body.len() }),
    }
}

fn separators(input: &[u8]) -> IResult<&[u8], ()> {
    value((), take_while(|c| c == b' ' || c == b';')).parse(input)
}

fn command(input: &[u8]) -> IResult<&[u8], Command> {
    // After a basic command the next may follow at once (`ATE0V1`); after an extended one a `;` must stand, which
    // holds because an extended command ends only there or at the line's end.
    preceded(separators, alt((extended, register, dial, basic))).parse(input)
}

fn number(input: &[u8]) -> IResult<&[u8], u32> {
    map_res(digit1, |digits: &[u8]| String::from_utf8_lossy(digits).parse()).parse(input)
}

fn basic(input: &[u8]) -> IResult<&[u8], Command> {
    let name = recognize(pair(opt(one_of("&\\")), take_while_m_n(1, 1, |c: u8| c.is_ascii_alphabetic())));
    map(pair(name, opt(preceded(space0, number))), |(name, value)| Command::Basic { name: upper(name), value })
        .parse(input)
}

fn register(input: &[u8]) -> IResult<&[u8], Command> {
    let tail = alt((
        value(None, delimited(space0, char('?'), space0)),
        map(preceded(delimited(space0, char('='), space0), number), Some),
    ));
    map((one_of("Ss"), space0, number, tail), |(_, _, number, value)| Command::Register { number, value }).parse(input)
}

fn dial(input: &[u8]) -> IResult<&[u8], Command> {
    map(preceded(one_of("Dd"), take_while(|_| true)), |rest: &[u8]| {
        Command::Dial(String::from_utf8_lossy(rest).trim().to_owned())
    })
    .parse(input)
}

fn extended(input: &[u8]) -> IResult<&[u8], Command> {
    let name =
        recognize(pair(char('+'), take_while_m_n(1, 16, |c: u8| c.is_ascii_alphanumeric() || b"!%-./:_".contains(&c))));
    let form = alt((
        value(Form::Test, (char('='), space0, char('?'))),
        map(preceded(char('='), params), Form::Set),
        value(Form::Read, char('?')),
        value(Form::Execute, tag("")),
    ));
    let (rest, (name, _, form, _)) = (name, space0, form, space0).parse(input)?;
    if rest.first().is_some_and(|&c| c != b';') {
        return Err(nom::Err::Error(nom::error::Error::new(rest, nom::error::ErrorKind::Eof)));
    }
    Ok((rest, Command::Extended { name: upper(name), form }))
}

fn params(input: &[u8]) -> IResult<&[u8], Vec<Param>> {
    separated_list1(char(','), delimited(space0, param, space0)).parse(input)
}

fn param(input: &[u8]) -> IResult<&[u8], Param> {
    let quoted = delimited(char('"'), opt(is_not("\"")), char('"'));
    let bare = take_while(|c: u8| c.is_ascii_graphic() && !b",;\"".contains(&c));
    alt((
        map(quoted, |bytes: Option<&[u8]>| Param::Quoted(bytes.unwrap_or_default().to_vec())),
        map(bare, |bytes: &[u8]| match bytes {
            [] => Param::Empty,
            _ => Param::Bare(String::from_utf8_lossy(bytes).into_owned()),
        }),
    ))
    .parse(input)
}

fn upper(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extended(name: &str, form: Form) -> Command {
        Command::Extended { name: name.to_owned(), form }
    }

    fn basic(name: &str, value: Option<u32>) -> Command {
        Command::Basic { name: name.to_owned(), value }
    }

    fn bare(text: &str) -> Param {
        Param::Bare(text.to_owned())
    }

    #[test]
    fn forms() {
        assert_eq!(parse(b"").unwrap(), []);
        assert_eq!(parse(b" E0").unwrap(), [basic("E", Some(0))]);
        assert_eq!(parse(b"e0v1&k3").unwrap(), [basic("E", Some(0)), basic("V", Some(1)), basic("&K", Some(3))]);
        assert_eq!(parse(b"+CREG?").unwrap(), [extended("+CREG", Form::Read)]);
        assert_eq!(parse(b"+creg=?").unwrap(), [extended("+CREG", Form::Test)]);
        assert_eq!(
            parse(b"S3=13S4?").unwrap(),
            [Command::Register { number: 3, value: Some(13) }, Command::Register { number: 4, value: None }]
        );
        assert_eq!(parse(b"D*99#;+X").unwrap(), [Command::Dial("*99#;+X".to_owned())]);
    }

    #[test]
    fn parameters() {
        let commands = parse(b"+UPSD=0,1,\"a;b,c\",, 7 ;+CSQ").unwrap();
        let params = vec![bare("0"), bare("1"), Param::Quoted(b"a;b,c".to_vec()), Param::Empty, bare("7")];
        assert_eq!(commands, [extended("+UPSD", Form::Set(params)), extended("+CSQ", Form::Execute)]);
    }

    #[test]
    fn the_place_of_an_error_is_told() {
        assert_eq!(parse(b"+CSQ!\x01").unwrap_err().length, 6);
        assert!(parse(b"+COPS=\"open").is_err());
        assert!(parse(b"E99999999999").is_err());
        assert!(parse(b"+CREG?+CSQ").is_err(), "extended commands need a semicolon between them");
    }

    #[test]
    fn prefix() {
        assert_eq!(after_prefix(b"\0xAT+X"), Some(&b"+X"[..]));
        assert_eq!(after_prefix(b"aT"), Some(&b""[..]));
        assert_eq!(after_prefix(b"A"), None);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }

        #[test]
        fn a_set_command_keeps_its_parameters(texts in proptest::collection::vec("[ -!#-~]{0,20}", 1..6)) {
            let line = format!("+X={}", texts.iter().map(|t| format!("\"{t}\"")).collect::<Vec<_>>().join(","));
            let expected = texts.iter().map(|t| Param::Quoted(t.as_bytes().to_vec())).collect();
            proptest::prop_assert_eq!(parse(line.as_bytes()).unwrap(), [extended("+X", Form::Set(expected))]);
        }
    }
}
