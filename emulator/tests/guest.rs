//! Bare-metal test programs on the machine: exceptions, interrupts, faults, lock-up. The programs and what they prove
//! stand in `firmware-images/guest-tests`.

use std::path::Path;

use lockstep::core::exceptions::NMI;
use lockstep::electron::{DeviceSettings, electron};
use lockstep::semihosting::{SemihostingEnd, SemihostingRun, run_semihosting};
use lockstep::setup::files::Kept;
use lockstep::setup::options::parse_key_value;
use lockstep::setup::{Parts, settings};
use lockstep::{CoreState, Machine, Snapshot};
use lockstep_images::{FlashImage, Image};

/// More than any of the programs takes, at 16 MHz.
const LIMIT_CYCLES: u64 = 400_000_000;

fn flash(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../firmware-images/built").join(name);
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let image = Image::parse(name, &bytes, None).unwrap();
    let mut flash = FlashImage::blank();
    flash.place(&image).unwrap();
    flash.into_bytes()
}

fn machine(name: &str) -> Machine {
    let settings = DeviceSettings { seed: 1, semihosting: true, ..DeviceSettings::default() };
    electron(flash(name), &settings).unwrap()
}

fn run(name: &str) -> (Machine, SemihostingRun) {
    let mut machine = machine(name);
    let run = run_semihosting(&mut machine, LIMIT_CYCLES).unwrap();
    (machine, run)
}

/// Every check `ok`, at least `checks` of them, and a good end.
fn passes(name: &str, checks: usize) {
    checks_of(name, &run(name).1, checks);
}

fn checks_of(name: &str, run: &SemihostingRun, checks: usize) {
    let text = String::from_utf8_lossy(&run.output);
    let failed: Vec<&str> = text
        .lines()
        .filter(|line| !["ok ", "note "].iter().any(|p| line.starts_with(p)) && *line != "passed")
        .collect();
    let ok = text.lines().filter(|line| line.starts_with("ok ")).count();
    assert!(failed.is_empty(), "{name}: {failed:#?}");
    assert_eq!(run.end, SemihostingEnd::Exit(0), "{name}:\n{text}");
    assert!(ok >= checks, "{name}: only {ok} checks instead of {checks}");
}

#[test]
fn exceptions() {
    passes("test-exceptions.elf", 35);
}

/// The program's own checks, and the card from outside: a driver written in C, by SPI, DMA and moved pins.
#[test]
fn an_sd_card() {
    const BLOCKS: u32 = 2048;
    let pattern = |factor: usize, start: usize| std::array::from_fn::<u8, 512, _>(|i| (i * factor + start) as u8);
    let mut content = vec![0; BLOCKS as usize * 512];
    content[3 * 512..4 * 512].copy_from_slice(&pattern(5, 1));
    let mut parts = Parts::default();
    settings::apply(&mut parts, &[parse_key_value("board.sd=card.img").unwrap()]).unwrap();
    let files = Kept([("card.img".into(), content)].into());
    let mut machine = parts.machine(flash("test-sd_card.elf"), 1, true, false, &mut &files).unwrap();
    let run = run_semihosting(&mut machine, 2 * LIMIT_CYCLES).unwrap();
    checks_of("test-sd_card.elf", &run, 27);
    let storage = machine.world.state.electron.sd_slot().unwrap().card().storage().clone();
    for number in 0..BLOCKS {
        let expected = match number {
            3 => pattern(5, 1),
            7 | 9 | 11 => pattern(number as usize, 0),
            _ => [0; 512],
        };
        assert_eq!(storage.block(number), expected, "block {number}");
    }
    // A snapshot holds the card, with what was written to it.
    let snapshot = Snapshot::from_bytes(&machine.snapshot().to_bytes().unwrap()).unwrap();
    let mut restored = Machine::restore(&snapshot, true).unwrap();
    let card = restored.world.state.electron.sd_slot().unwrap().card();
    assert_eq!((card.storage().block(3), card.storage().block(11)), (pattern(5, 1), pattern(11, 0)));
}

/// A card that is not in its socket: the program finds an open line. One of a wrong size is refused by name.
#[test]
fn a_pulled_sd_card_and_one_of_no_size() {
    let with = |value: &str, files: &Kept| {
        let mut parts = Parts::default();
        settings::apply(&mut parts, &[parse_key_value(&format!("board.sd={value}")).unwrap()]).unwrap();
        parts.machine(flash("test-sd_card.elf"), 1, true, false, &mut &*files)
    };
    let files = Kept([("odd.img".into(), vec![0; 1000])].into());
    let mut machine = with("blank:64M", &files).unwrap();
    assert!(machine.with_sd_slot(|slot, now_ps, decisions| slot.insert(false, now_ps, decisions)).is_some());
    let run = run_semihosting(&mut machine, LIMIT_CYCLES).unwrap();
    assert!(String::from_utf8_lossy(&run.output).contains("FAIL go_idle got 0x000000ff"), "{run:?}");
    let error = with("odd.img", &files).unwrap_err().to_string();
    assert!(error.contains("odd.img") && error.contains("1000 bytes: a card has 512 KiB to 32 GiB"), "{error}");
    assert!(with("missing.img", &files).is_err());
}

#[test]
fn interrupts() {
    passes("test-interrupts.elf", 39);
}

#[test]
fn it_blocks_and_multiple_loads_interrupted_anywhere() {
    passes("test-it_blocks.elf", 5);
}

#[test]
fn exclusive_accesses_across_exceptions() {
    passes("test-exclusive.elf", 12);
}

#[test]
fn usage_faults() {
    passes("test-faults.elf", 90);
}

#[test]
fn bus_and_memory_management_faults() {
    passes("test-bus_faults.elf", 40);
}

#[test]
fn bit_bands_and_unaligned_accesses() {
    passes("test-bitband.elf", 13);
}

#[test]
fn faults_passed_over_and_unaligned_devices() {
    passes("test-ignored_faults.elf", 16);
}

#[test]
fn wfi_wfe_sev_and_sleep_on_exit() {
    passes("test-sleep.elf", 22);
}

#[test]
fn entry_return_tail_chaining_and_late_arrival_take_their_cycles() {
    passes("test-timing.elf", 13);
}

#[test]
fn unreadable_vectors_lock_up() {
    let (machine, run) = run("test-vector_lockup.elf");
    assert_eq!(String::from_utf8_lossy(&run.output), "ok before_lockup\n");
    assert_eq!(run.end, SemihostingEnd::LockUp);
    assert_eq!(machine.core_state(), CoreState::LockedUp);
}

#[test]
fn an_nmi_gets_through_to_a_locked_up_core() {
    let (mut machine, _) = run("test-lockup.elf");
    machine.world.state.scs.exceptions.set_pending(NMI);
    let run = run_semihosting(&mut machine, LIMIT_CYCLES).unwrap();
    // The program has no handler for it and says so.
    assert_eq!(run.output.split(|b| *b == b'\n').next(), Some(&b"note exception 0x00000002"[..]));
    assert_eq!(run.end, SemihostingEnd::Exit(1));
}

#[test]
fn a_fault_in_the_hard_fault_handler_locks_up() {
    let (mut machine, run) = run("test-lockup.elf");
    assert_eq!(String::from_utf8_lossy(&run.output), "ok before_lockup\nok hard_fault_entered\n");
    assert_eq!(run.end, SemihostingEnd::LockUp);
    assert_eq!(machine.core_state(), CoreState::LockedUp);
    let (at, pc) = machine.observer.lock_up().unwrap();
    assert_eq!(at.cycles, machine.cycles());
    assert!((0x0800_0000..0x0801_0000).contains(&pc));
    // Time goes on; the core does not.
    let instructions = machine.instructions();
    machine.run_until_cycle(at.cycles + 1_000_000).unwrap();
    assert_eq!((machine.core_state(), machine.instructions()), (CoreState::LockedUp, instructions));
}
