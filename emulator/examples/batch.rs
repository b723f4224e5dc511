//! Runs many semihosting programs, one after the other, each on a new machine:
//! `cargo run --release --example batch -- LIMIT_CYCLES FILE...` (or `-` for names on standard input, one a line).
//! `batch hash` gives the BLAKE3 of each line of standard input, which is bytes in hexadecimal.
//! A line each: file, `exit STATUS` | `lockup` | `limit` | `error REASON`, BLAKE3 of what it wrote, instructions, cycles.

use std::io::{BufRead, Write};
use std::path::Path;

use lockstep::electron::{DeviceSettings, electron};
use lockstep::semihosting::{SemihostingEnd, run_semihosting};
use lockstep_images::{FlashImage, Image};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next().ok_or("usage: batch LIMIT_CYCLES FILE... | -")?;
    if first == "hash" {
        return hash_lines();
    }
    let limit_cycles: u64 = first.parse()?;
    let mut files: Vec<String> = arguments.collect();
    if files == ["-"] {
        files = std::io::stdin().lock().lines().collect::<Result<_, _>>()?;
    }
    let mut out = std::io::stdout().lock();
    for file in files {
        match run(Path::new(&file), limit_cycles) {
            Ok(line) => writeln!(out, "{file}\t{line}")?,
            Err(error) => writeln!(out, "{file}\terror {}\t-\t0\t0", error.to_string().replace(['\t', '\n'], " "))?,
        }
        out.flush()?;
    }
    Ok(())
}

fn hash_lines() -> Result<(), Box<dyn std::error::Error>> {
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let digits =
            line.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair)?, 16).map_err(Box::from));
        let bytes = digits.collect::<Result<Vec<u8>, Box<dyn std::error::Error>>>()?;
        println!("{}", blake3::hash(&bytes));
    }
    Ok(())
}

fn run(file: &Path, limit_cycles: u64) -> Result<String, Box<dyn std::error::Error>> {
    let image = Image::parse(&file.display().to_string(), &std::fs::read(file)?, None)?;
    let mut flash = FlashImage::blank();
    flash.place(&image)?;
    let settings = DeviceSettings { seed: 1, semihosting: true, ..DeviceSettings::default() };
    let mut machine = electron(flash.into_bytes(), &settings)?;
    let run = run_semihosting(&mut machine, limit_cycles)?;
    let end = match run.end {
        SemihostingEnd::Exit(status) => format!("exit {status}"),
        SemihostingEnd::LockUp => "lockup".to_owned(),
        SemihostingEnd::Limit => "limit".to_owned(),
    };
    Ok(format!("{end}\t{}\t{}\t{}", blake3::hash(&run.output), machine.instructions(), machine.cycles()))
}
