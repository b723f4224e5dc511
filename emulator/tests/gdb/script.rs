//! A debugger made of a list of packets, and a machine to be debugged.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};

use gdbstub::conn::{Connection, ConnectionExt};
use lockstep::Machine;
use lockstep::electron::{DeviceSettings, electron};
use lockstep::gdb::{Debugger, Ended, serve_connection};

/// Where the program starts.
pub const START: u32 = 0x0800_0100;
/// Its loop.
pub const LOOP: u32 = START + 4;
/// The word that it counts in.
pub const COUNTER: u32 = 0x2000_0000;
/// Virtual time for which the run is debugged: some 10,000 rounds at 16 MHz.
pub const END_PS: u64 = 4_000_000_000;

/// A program that counts: `movs r0, #0x20; lsls r0, r0, #24; loop: adds r1, #1; str r1, [r0]; nop; b loop`.
pub fn machine() -> Machine {
    let mut flash = vec![0xff; 0x200];
    flash[..4].copy_from_slice(&0x2001_0000u32.to_le_bytes());
    flash[4..8].copy_from_slice(&(START | 1).to_le_bytes());
    let program = [0x20, 0x20, 0x00, 0x06, 0x01, 0x31, 0x01, 0x60, 0x00, 0xbf, 0xfb, 0xe7];
    flash[0x100..0x100 + program.len()].copy_from_slice(&program);
    electron(flash, &DeviceSettings::default()).unwrap()
}

/// Bytes that come when asked for; while the machine runs, only what is set to interrupt it.
struct Script {
    input: VecDeque<u8>,
    output: Arc<Mutex<Vec<u8>>>,
    /// Looks after which the user interrupts a running machine.
    interrupt_after: Option<u32>,
}

impl Connection for Script {
    type Error = io::Error;
    fn write(&mut self, byte: u8) -> io::Result<()> {
        self.output.lock().unwrap().push(byte);
        Ok(())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl ConnectionExt for Script {
    fn read(&mut self) -> io::Result<u8> {
        self.input.pop_front().ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
    fn peek(&mut self) -> io::Result<Option<u8>> {
        match &mut self.interrupt_after {
            Some(0) => {
                self.interrupt_after = None;
                self.input.push_front(3);
                Ok(Some(3))
            }
            Some(left) => {
                *left -= 1;
                Ok(None)
            }
            None => Ok(None),
        }
    }
}

/// A packet as it goes over the wire.
pub fn packet(text: &str) -> Vec<u8> {
    let sum = text.bytes().fold(0u8, u8::wrapping_add);
    format!("${text}#{sum:02x}").into_bytes()
}

/// Lets a debugger say these bytes; everything that it is answered.
pub fn say(
    debugger: &mut Debugger<Machine>,
    bytes: &[u8],
    interrupt_after: Option<u32>,
) -> (Vec<u8>, Result<Ended, String>) {
    let output = Arc::new(Mutex::new(Vec::new()));
    let script = Script { input: bytes.iter().copied().collect(), output: Arc::clone(&output), interrupt_after };
    let ended = serve_connection(script, debugger).map_err(|error| error.to_string());
    let bytes = output.lock().unwrap().clone();
    (bytes, ended)
}

/// Lets a debugger send these packets; the answer to each.
pub fn ask(debugger: &mut Debugger<Machine>, packets: &[&str]) -> Vec<String> {
    let bytes: Vec<u8> = packets.iter().flat_map(|text| packet(text)).collect();
    let (output, ended) = say(debugger, &bytes, None);
    assert!(ended.is_ok(), "{ended:?}");
    answers(&output)
}

/// The packets in an output, with runs of the same character written out.
pub fn answers(output: &[u8]) -> Vec<String> {
    let mut answers = Vec::new();
    for part in String::from_utf8_lossy(output).split('$').skip(1) {
        let content = part.split('#').next().unwrap();
        let mut text = String::new();
        let mut chars = content.chars();
        while let Some(c) = chars.next() {
            if c == '*' {
                let count = chars.next().unwrap() as usize - 29;
                let last = text.chars().last().unwrap();
                text.extend(std::iter::repeat_n(last, count));
            } else {
                text.push(c);
            }
        }
        answers.push(text);
    }
    answers
}

/// A debugger of the program.
pub fn debugger() -> Debugger<Machine> {
    Debugger::new(machine(), END_PS)
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The lines that `monitor` printed.
pub fn printed(answer: &[String]) -> Vec<String> {
    answer
        .iter()
        .filter_map(|text| text.strip_prefix('O'))
        .filter(|text| *text != "K")
        .map(|text| {
            let bytes: Vec<u8> =
                (0..text.len() / 2).map(|n| u8::from_str_radix(&text[2 * n..2 * n + 2], 16).unwrap()).collect();
            String::from_utf8(bytes).unwrap().trim_end().to_owned()
        })
        .collect()
}
