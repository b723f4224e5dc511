//! Standard output, with a closed one as an error instead of a panic.

use std::io::{BufWriter, Stdout, Write};

use super::CliError;

/// Standard output, buffered.
pub struct Output {
    to: BufWriter<Stdout>,
}

impl Output {
    /// Standard output.
    pub fn new() -> Self {
        Self { to: BufWriter::new(std::io::stdout()) }
    }

    /// A line of text.
    pub fn line(&mut self, text: &str) -> Result<(), CliError> {
        writeln!(self.to, "{text}").map_err(CliError::Output)
    }

    /// Text as it is.
    pub fn text(&mut self, text: &str) -> Result<(), CliError> {
        self.to.write_all(text.as_bytes()).map_err(CliError::Output)
    }

    /// Bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        self.to.write_all(bytes).map_err(CliError::Output)
    }

    /// One JSON value in a line.
    pub fn json(&mut self, value: &impl serde::Serialize) -> Result<(), CliError> {
        serde_json::to_writer(&mut self.to, value).map_err(|error| CliError::Output(error.into()))?;
        self.line("")
    }

    /// Sends what is buffered.
    pub fn finish(&mut self) -> Result<(), CliError> {
        self.to.flush().map_err(CliError::Output)
    }
}

/// Bytes as text in one line: printable ASCII as it is, line ends and others escaped.
pub fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'\r' => text.push_str("\\r"),
            b'\n' => text.push_str("\\n"),
            b'\\' => text.push_str("\\\\"),
            0x20..=0x7e => text.push(char::from(*byte)),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A number with its digits in groups of three.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_one_line_whatever_the_bytes() {
        assert_eq!(escape(b"AT\r\n\x00\\\xff"), "AT\\r\\n\\x00\\\\\\xff");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(grouped(123), "123");
    }
}
