//! ELF core files that gdb-multiarch opens: SRAM, flash, and the registers of each task.
//!
//! The notes are those of an ARM core file: `NT_PRSTATUS` (148 bytes; the registers at byte 72, BFD's `elf32-arm.c`),
//! and GDB's own `NT_GDB_TDESC` with the description of the registers, by which GDB knows an M-profile core.

use std::io::{self, Write};
use std::path::Path;

use super::arch::{CortexM3, CortexM3Registers};
use super::threads::Threads;
use crate::core::exceptions::HARD_FAULT;
use crate::machine::{CoreState, Machine};
use crate::world::{FLASH_BASE, SRAM_BASE};

const ET_CORE: u16 = 4;
const EM_ARM: u16 = 40;
const EF_ARM_EABI_VER5: u32 = 0x0500_0000;
const EHDR_BYTES: u16 = 52;
const PHDR_BYTES: u16 = 32;
const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;
const PF_X: u32 = 1;
const PF_W: u32 = 2;
const PF_R: u32 = 4;
const NT_PRSTATUS: u32 = 1;
const NT_GDB_TDESC: u32 = 0xff00_0000;
const PRSTATUS_BYTES: usize = 148;
const SIGTRAP: u8 = 5;
const SIGSEGV: u8 = 11;

/// Writes the state of a machine as a core file. The file appears whole or not at all.
pub fn write_core(machine: &Machine, path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    // Temporary files are private by default; this one becomes an ordinary file, with the user's umask.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(&core_image(machine))?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// The same as bytes.
pub fn core_image(machine: &Machine) -> Vec<u8> {
    let mut threads = Threads::default();
    let mut all = threads.look(machine).to_vec();
    // GDB shows the first one.
    all.sort_by_key(|thread| !thread.executes);
    let is_wrong = machine.core_state() == CoreState::LockedUp || machine.registers().ipsr() == HARD_FAULT as u32;
    let signal = if is_wrong { SIGSEGV } else { SIGTRAP };
    let mut notes = Vec::new();
    for thread in &all {
        let id = u32::try_from(thread.id.get()).unwrap_or(u32::MAX);
        note(&mut notes, "CORE", NT_PRSTATUS, &prstatus(id, signal, &thread.registers(machine)));
    }
    let description = [CortexM3::core_description().as_bytes(), &[0]].concat();
    note(&mut notes, "GDB", NT_GDB_TDESC, &description);
    let memory = &machine.world.memory;
    let sram = memory.sram.to_vec();
    let flash = memory.flash.to_vec();
    let segments: [(u32, u32, u32, &[u8]); 3] = [
        (PT_NOTE, 0, 0, &notes),
        (PT_LOAD, SRAM_BASE, PF_R | PF_W | PF_X, &sram),
        (PT_LOAD, FLASH_BASE, PF_R | PF_X, &flash),
    ];
    image(&segments)
}

fn image(segments: &[(u32, u32, u32, &[u8])]) -> Vec<u8> {
    let mut file = vec![0x7f, b'E', b'L', b'F', 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let half = |file: &mut Vec<u8>, value: u16| file.extend(value.to_le_bytes());
    let word = |file: &mut Vec<u8>, value: u32| file.extend(value.to_le_bytes());
    half(&mut file, ET_CORE);
    half(&mut file, EM_ARM);
    word(&mut file, 1); // e_version
    word(&mut file, 0); // e_entry
    word(&mut file, EHDR_BYTES.into()); // e_phoff
    word(&mut file, 0); // e_shoff
    word(&mut file, EF_ARM_EABI_VER5);
    half(&mut file, EHDR_BYTES);
    half(&mut file, PHDR_BYTES);
    half(&mut file, segments.len() as u16);
    half(&mut file, 0); // e_shentsize
    half(&mut file, 0); // e_shnum
    half(&mut file, 0); // e_shstrndx
    let mut offset = u32::from(EHDR_BYTES) + u32::from(PHDR_BYTES) * segments.len() as u32;
    for (kind, address, flags, content) in segments {
        let length = content.len() as u32;
        for value in [*kind, offset, *address, *address, length, length, *flags, 4] {
            word(&mut file, value);
        }
        offset += length;
    }
    for (_, _, _, content) in segments {
        file.extend(*content);
    }
    file
}

fn note(notes: &mut Vec<u8>, name: &str, kind: u32, content: &[u8]) {
    let padded = |bytes: &mut Vec<u8>| bytes.resize(bytes.len().next_multiple_of(4), 0);
    for value in [name.len() as u32 + 1, content.len() as u32, kind] {
        notes.extend(value.to_le_bytes());
    }
    notes.extend(name.as_bytes());
    notes.push(0);
    padded(notes);
    notes.extend(content);
    padded(notes);
}

fn prstatus(id: u32, signal: u8, registers: &CortexM3Registers) -> Vec<u8> {
    let mut status = vec![0; PRSTATUS_BYTES];
    status[0] = signal; // si_signo
    status[12] = signal; // pr_cursig
    status[24..28].copy_from_slice(&id.to_le_bytes()); // pr_pid
    for (bytes, register) in status[72..].chunks_exact_mut(4).zip(registers.general()) {
        bytes.copy_from_slice(&register.to_le_bytes());
    }
    status
}
