//! Core files, as an ELF reader sees them.

use lockstep::gdb::core_file::{core_image, write_core};

use crate::script::{COUNTER, LOOP, machine};

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

#[test]
fn memory_and_registers_are_in_it() {
    let mut machine = machine();
    // Two instructions to the loop, three in it: the first store is done.
    machine.run_until_instruction(4, u64::MAX).unwrap();
    let core = core_image(&machine);
    assert_eq!(&core[..7], b"\x7fELF\x01\x01\x01");
    let headers: Vec<[u32; 6]> =
        (0..3).map(|n| std::array::from_fn(|field| word(&core, 52 + 32 * n + 4 * field))).collect();
    let [notes, sram, flash] = &headers[..] else { panic!() };
    assert_eq!((notes[0], sram[0], flash[0]), (4, 1, 1));
    assert_eq!((sram[2], sram[4], flash[2], flash[4]), (0x2000_0000, 128 << 10, 0x0800_0000, 1 << 20));
    assert_eq!(core.len() as u32, flash[1] + flash[4]);
    assert_eq!(word(&core, (sram[1] + COUNTER - 0x2000_0000) as usize), 1);
    // The first note: NT_PRSTATUS of "CORE", its registers from byte 72 on.
    let note = notes[1] as usize;
    assert_eq!((word(&core, note), word(&core, note + 4), word(&core, note + 8)), (5, 148, 1));
    assert_eq!(&core[note + 12..note + 17], b"CORE\0");
    let registers = note + 20 + 72;
    assert_eq!(word(&core, registers + 4), 1);
    assert_eq!(word(&core, registers + 15 * 4), LOOP + 4);
}

#[test]
fn it_is_written_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.core");
    write_core(&machine(), &path).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), core_image(&machine()));
    assert!(write_core(&machine(), &folder.path().join("missing/b.core")).is_err());
}
