//! Runs a bare-metal ELF to its final BKPT on unpatched Unicorn, with no hook on instructions, blocks or memory.
//!
//! `raw-unicorn default|virtual ELF`. With `virtual` the TLB is filled by a hook that maps each page to itself, the
//! fastest that unpatched Unicorn gets. It prints nothing; who measures takes the time of the process.

use std::error::Error;
use std::process::ExitCode;

use goblin::elf::Elf;
use goblin::elf::program_header::PT_LOAD;
use unicorn_engine::{Arch, ArmCpuModel, Mode, Prot, RegisterARM, TlbEntry, TlbType, Unicorn, uc_error};

const FLASH: (u64, u64) = (0x0800_0000, 1 << 20);
const SRAM: (u64, u64) = (0x2000_0000, 128 << 10);
/// The peripherals of APB1, APB2 and AHB1.
const DEVICES: (u64, u64) = (0x4000_0000, 0x8_0000);
/// What every device register reads as: a USART's status register after reset (TXE and TC).
const USART_SR: u64 = 0xc0;
const BKPT_AB: [u8; 2] = [0xab, 0xbe];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.as_slice() {
        [tlb, elf] if tlb == "default" => run(TlbType::CPU, elf),
        [tlb, elf] if tlb == "virtual" => run(TlbType::VIRTUAL, elf),
        _ => Err("usage: raw-unicorn default|virtual ELF".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("raw-unicorn: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(tlb: TlbType, path: &str) -> Result<(), Box<dyn Error>> {
    let bytes = std::fs::read(path).map_err(|e| format!("{path}: {e}"))?;
    let elf = Elf::parse(&bytes).map_err(|e| format!("{path}: {e}"))?;
    // THUMB without MCLASS, then the model: MCLASS would force a Cortex-M33.
    let mut uc = Unicorn::new(Arch::ARM, Mode::THUMB).map_err(|e| format!("open: {e:?}"))?;
    let failed = |what: &'static str| move |e: uc_error| format!("{what}: {e:?}");
    uc.ctl_set_cpu_model(ArmCpuModel::CORTEX_M3 as i32).map_err(failed("become a Cortex-M3"))?;
    uc.ctl_set_tlb_type(tlb).map_err(failed("choose the TLB"))?;
    if tlb == TlbType::VIRTUAL {
        // RAM that may hold code is slow to store to: only flash is executable here.
        let flash = FLASH.0..FLASH.0 + FLASH.1;
        uc.add_tlb_hook(1, 0, move |_, address, _| {
            let perms = if flash.contains(&address) { Prot::READ | Prot::EXEC } else { Prot::READ | Prot::WRITE };
            Some(TlbEntry { paddr: address, perms })
        })
        .map_err(failed("hook the TLB"))?;
    }
    for (base, length) in [FLASH, SRAM] {
        uc.mem_map(base, length, Prot::ALL).map_err(failed("map memory"))?;
    }
    uc.mmio_map(
        DEVICES.0,
        DEVICES.1,
        Some(|_: &mut Unicorn<'_, ()>, _, _| USART_SR),
        Some(|_: &mut Unicorn<'_, ()>, _, _, _| {}),
    )
    .map_err(failed("map the devices"))?;
    for header in elf.program_headers.iter().filter(|h| h.p_type == PT_LOAD && h.p_filesz > 0) {
        let content = bytes.get(header.file_range()).ok_or_else(|| format!("{path}: a segment lies outside"))?;
        uc.mem_write(header.p_paddr, content).map_err(failed("load a segment"))?;
    }
    let word = |address: u64| -> Result<u64, String> {
        let bytes = uc.mem_read_as_vec(address, 4).map_err(failed("read the vector table"))?;
        Ok(bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)))
    };
    let (sp, reset) = (word(FLASH.0)?, word(FLASH.0 + 4)?);
    uc.reg_write(RegisterARM::SP, sp).map_err(failed("set SP"))?;
    let end = uc.emu_start(reset | 1, 0, 0, 0);
    let pc = uc.reg_read(RegisterARM::PC).map_err(failed("read PC"))?;
    let at = uc.mem_read_as_vec(pc & !1, 2).map_err(failed("read at PC"))?;
    if end != Err(uc_error::EXCEPTION) || at != BKPT_AB {
        return Err(format!("{path}: the run ended at {pc:#010x} with {end:?} instead of at the final BKPT").into());
    }
    Ok(())
}
