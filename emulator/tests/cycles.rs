//! What instructions cost on our machine, beside what ARM documents for the Cortex-M3 (DDI 0337I, 3.3). The sequences
//! stand in `firmware-images/guest-tests/cycles.c`; each is measured by the guest itself with DWT CYCCNT.
//!
//! `cargo test --release -p lockstep --test cycles -- --nocapture` prints the table.

use std::path::Path;

use lockstep::electron::{DeviceSettings, electron};
use lockstep::semihosting::{SemihostingEnd, run_semihosting};
use lockstep_images::{FlashImage, Image};

/// Where we differ from what is documented, and by how much it is documented to take and takes here. Each stands in
/// FIDELITY.md.
const DIFFERENCES: [(&str, u64, u64); 3] =
    [("LDR from address 2 modulo 4", 3, 2), ("LDR from address 1 modulo 4", 4, 2), ("LDRH from an odd address", 3, 2)];

/// What we chose where ARM documents a range.
const CHOICES: [(&str, u64); 14] = [
    ("UMULL", 4),
    ("SMULL", 4),
    ("UMLAL", 6),
    ("SMLAL", 6),
    ("UDIV 3/8", 2),
    ("UDIV 0xFFFFFFFF/1", 12),
    ("LDR r4,[pc,#imm]", 2),
    ("B", 2),
    ("CBNZ taken", 2),
    ("BL; BX lr", 7),
    ("MOV pc,r4", 3),
    ("POP {r5,pc}", 6),
    ("IT EQ; ADDEQ", 2),
    ("ISB", 3),
];

struct Row {
    sequence: String,
    documented: String,
    low: u64,
    high: u64,
    measured: u64,
}

fn output(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../firmware-images/built").join(name);
    let image = Image::parse(name, &std::fs::read(path).unwrap(), None).unwrap();
    let mut flash = FlashImage::blank();
    flash.place(&image).unwrap();
    let settings = DeviceSettings { seed: 1, semihosting: true, ..DeviceSettings::default() };
    let mut machine = electron(flash.into_bytes(), &settings).unwrap();
    let run = run_semihosting(&mut machine, 100_000_000).unwrap();
    assert_eq!(run.end, SemihostingEnd::Exit(0));
    String::from_utf8(run.output).unwrap()
}

fn rows() -> Vec<Row> {
    let text = output("test-cycles.elf");
    let lines = text.lines().filter_map(|line| line.strip_prefix("cycles "));
    let row = |line: &str| {
        let parts: Vec<&str> = line.split(" | ").collect();
        let [sequence, documented, low, high, measured] = parts[..] else { panic!("{line}") };
        let number = |text: &str| text.parse().unwrap();
        Row {
            sequence: sequence.to_owned(),
            documented: documented.to_owned(),
            low: number(low),
            high: number(high),
            measured: number(measured),
        }
    };
    lines.map(row).collect()
}

#[test]
fn instructions_take_the_cycles_that_arm_documents() {
    let rows = rows();
    println!("| sequence | documented | measured |\n|---|---|---|");
    let mut wrong = Vec::new();
    for row in &rows {
        let difference = DIFFERENCES.iter().find(|(sequence, ..)| *sequence == row.sequence);
        let mark = if difference.is_some() { " (differs)" } else { "" };
        println!("| {} | {} | {}{mark} |", row.sequence, row.documented, row.measured);
        let is_right = match difference {
            Some((_, documented, here)) => row.low == *documented && row.measured == *here,
            None => (row.low..=row.high).contains(&row.measured),
        };
        if !is_right {
            wrong.push(format!("{}: documented {}, measured {}", row.sequence, row.documented, row.measured));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(rows.len() >= 75, "only {} sequences", rows.len());
    for (sequence, cycles) in CHOICES {
        let row = rows.iter().find(|row| row.sequence == sequence).unwrap_or_else(|| panic!("no row {sequence}"));
        assert_eq!(row.measured, cycles, "{sequence}");
    }
    for (sequence, ..) in DIFFERENCES {
        assert!(rows.iter().any(|row| row.sequence == sequence), "no row {sequence}");
    }
}

#[test]
fn a_mix_of_lists_matrices_texts_and_crcs_takes_the_cycles_it_took() {
    let text = output("test-mix.elf");
    println!("{text}");
    // The host computes the same CRC. The cycles are what the table gave when it was last compared with CoreMark
    // (FIDELITY.md); a change of them is a change of every virtual time and belongs into the ledger too.
    assert!(text.contains("note crc 0x00002de0\n"), "{text}");
    assert!(text.contains("note cycles 0x000781de\n"), "{text}");
}
