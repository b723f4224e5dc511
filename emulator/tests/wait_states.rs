//! FLASH_ACR takes effect at once: wait states cost cycles unless the instruction cache hides them, and a machine
//! restored from a snapshot charges what the first one does.

use lockstep::Machine;
use lockstep::electron::{DeviceSettings, electron};

/// Stores `acr` to FLASH_ACR, then counts in R2 for 64 instructions and loops for ever.
fn machine(acr: u32) -> Machine {
    let mut flash = Vec::new();
    flash.extend(0x2000_1000u32.to_le_bytes());
    flash.extend(0x0800_0009u32.to_le_bytes());
    // ldr r0, [pc, #4]; ldr r1, [pc, #8]; str r1, [r0]; b.n over the two words
    for halfword in [0x4801u16, 0x4902, 0x6001, 0xe003] {
        flash.extend(halfword.to_le_bytes());
    }
    flash.extend(0x4002_3c00u32.to_le_bytes());
    flash.extend(acr.to_le_bytes());
    for halfword in [[0x3201u16; 64].as_slice(), &[0xe7fe]].concat() {
        flash.extend(halfword.to_le_bytes());
    }
    let mut machine = electron(flash, &DeviceSettings::default()).unwrap();
    machine.set_idle_skipping(false);
    machine
}

fn cycles_after_68_instructions(mut machine: Machine) -> u64 {
    machine.run_until_instruction(68, u64::MAX).unwrap();
    assert_eq!(machine.registers().r[2], 64);
    machine.cycles()
}

#[test]
fn wait_states_count_from_the_store_on() {
    let hidden = cycles_after_68_instructions(machine(0x203));
    let charged = cycles_after_68_instructions(machine(0x003));
    // The branch goes to a new line of 16 bytes, and 64 instructions of two bytes from 0x0800_0018 on begin eight more:
    // three wait states each.
    assert_eq!(charged - hidden, (1 + 8) * 3);
}

#[test]
fn a_restored_machine_charges_the_same() {
    let expected = cycles_after_68_instructions(machine(0x003));
    let mut first = machine(0x003);
    first.run_until_instruction(20, u64::MAX).unwrap();
    let mut restored = Machine::restore(&first.snapshot(), false).unwrap();
    restored.set_idle_skipping(false);
    assert_eq!(cycles_after_68_instructions(restored), expected);
}
