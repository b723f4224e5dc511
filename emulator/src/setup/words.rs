//! Words of the small languages in which commands, conditions and actions are written.

use nom::branch::alt;
use nom::bytes::complete::{escaped_transform, is_not};
use nom::character::complete::{char, multispace0, multispace1};
use nom::combinator::{all_consuming, map, opt, value};
use nom::multi::separated_list0;
use nom::sequence::delimited;
use nom::{IResult, Parser};

/// A word; one in quotation marks is never a keyword.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Its text, without quotation marks.
    pub text: String,
    /// Whether it was in quotation marks.
    pub is_quoted: bool,
}

impl Word {
    /// Whether it is this keyword.
    pub fn is(&self, keyword: &str) -> bool {
        !self.is_quoted && self.text == keyword
    }
}

/// Words apart by blanks: plain ones, or in either kind of quotation marks with `\\` before a mark or another `\\`.
pub fn words(text: &str) -> Result<Vec<Word>, String> {
    match all_words(text) {
        Ok((_, words)) => Ok(words),
        Err(_) => Err("a quotation mark is not closed, or something follows one".to_owned()),
    }
}

fn all_words(text: &str) -> IResult<&str, Vec<Word>> {
    let plain = map(is_not(" \t\"'"), |text: &str| Word { text: text.to_owned(), is_quoted: false });
    let escape = || alt((value("\\", char('\\')), value("\"", char('"')), value("'", char('\''))));
    let double = delimited(char('"'), opt(escaped_transform(is_not("\\\""), '\\', escape())), char('"'));
    let single = delimited(char('\''), opt(escaped_transform(is_not("\\'"), '\\', escape())), char('\''));
    let quoted =
        map(alt((double, single)), |text: Option<String>| Word { text: text.unwrap_or_default(), is_quoted: true });
    all_consuming(delimited(multispace0, separated_list0(multispace1, alt((quoted, plain))), multispace0)).parse(text)
}
