//! A fault in words, and what stack and code say about how the core got there.

use serde::Serialize;

use super::moment::{FaultStatus, Moment, Reason};
use super::threads::{ChainReport, chain_report};
use crate::core::faults::Fault;
use crate::places::Places;
use crate::rtos::chain::{Context, chain, is_return_address};
use crate::rtos::{Rtos, Words};
use crate::world::{FLASH_BASE, FLASH_SIZE, SRAM_BASE, SRAM_SIZE};

/// A return address with one byte changed fits this many others at most, or it says nothing.
const NEIGHBOURS_MAX: usize = 4;

/// A fault in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FaultReport {
    /// Name of the bit of CFSR that it set.
    pub bit: &'static str,
    /// Where, with its name.
    pub place: String,
    /// The instruction's address.
    pub pc: u32,
    /// Why no code can be there, if so.
    pub no_code: Option<&'static str>,
    /// The link register, with its name.
    pub lr: String,
    /// Registers R0 to R12, SP, LR, PC, xPSR.
    pub registers: Vec<(String, u32)>,
    /// Fault status registers as they are after it.
    pub status: FaultStatus,
    /// What they say.
    pub status_words: Vec<String>,
    /// The task whose stack was in use; `None` in a handler or without an RTOS.
    pub task: Option<u32>,
    /// The stack word by which the core returned here, if it did.
    pub returned_by: Option<ReturnSlot>,
    /// Words around the stack pointer: address, word, name.
    pub stack: Vec<(u32, u32, Option<String>)>,
}

/// A return address on the stack that leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReturnSlot {
    /// Where it lies.
    pub slot: u32,
    /// What it is.
    pub value: u32,
    /// Return addresses of this firmware that differ from it in one byte: address, which byte of it (0 the lowest),
    /// name.
    pub looks_like: Vec<(u32, u32, Option<String>)>,
    /// The calls from there on, if there is just one such address and it is taken for the true one.
    pub chain: Option<ChainReport>,
}

impl FaultReport {
    /// The fault of a moment that was kept for one.
    pub(super) fn of(moment: &Moment, rtos: Option<&Rtos>, places: &Places) -> Option<Self> {
        let Reason::Fault(seen) = moment.reason else { return None };
        let registers = &moment.registers;
        let mut named: Vec<(String, u32)> = registers.r.iter().zip(0..).map(|(r, n)| (format!("R{n}"), *r)).collect();
        named.extend([("SP", registers.sp()), ("LR", registers.lr), ("PC", registers.pc)].map(|(n, v)| (n.into(), v)));
        named.push(("xPSR".to_owned(), registers.stacked_xpsr()));
        let no_code = no_code(&moment.memory(), seen.pc);
        let returned_by = no_code.and_then(|_| returned_by(moment, seen.fault, rtos, places));
        Some(Self {
            bit: seen.fault.cfsr_bit().1,
            place: places.place(seen.pc),
            pc: seen.pc,
            no_code,
            lr: places.place(seen.lr),
            registers: named,
            status: moment.status,
            status_words: status_words(&moment.status),
            task: (registers.ipsr() == 0).then(|| rtos?.running().map(|task| task.tcb)).flatten(),
            returned_by,
            stack: stack_words(moment, places),
        })
    }
}

/// Why no code can be at an address, if so.
fn no_code(memory: &impl Words, pc: u32) -> Option<&'static str> {
    // The alias of flash at 0 has the same content.
    let address = if pc < FLASH_SIZE { pc | FLASH_BASE } else { pc };
    match memory.half(address) {
        None => Some("neither flash nor SRAM has this address"),
        Some(0xffff) if (FLASH_BASE..FLASH_BASE + FLASH_SIZE).contains(&address) => Some("flash is erased there"),
        Some(_) => None,
    }
}

/// The stack word that the core got its PC from: a `pop` that loads PC reads it last, right below where SP is then.
fn returned_by(moment: &Moment, fault: Fault, rtos: Option<&Rtos>, places: &Places) -> Option<ReturnSlot> {
    let is_fetch =
        matches!(fault, Fault::InstructionBus | Fault::InstructionAccess | Fault::InvalidState | Fault::Undefined);
    let (memory, sp) = (moment.memory(), moment.registers.sp());
    let slot = sp.checked_sub(4).filter(|_| is_fetch)?;
    let value = memory.word(slot)?;
    if value & !1 != moment.registers.pc {
        return None;
    }
    let looks_like = neighbours(&memory, value, places);
    let chain = match looks_like.as_slice() {
        [(address, ..)] => {
            let saved: [Option<u32>; 8] = std::array::from_fn(|n| moment.registers.r.get(n + 4).copied());
            let limit = rtos.and_then(Rtos::running).map_or(SRAM_BASE + SRAM_SIZE, |task| task.stack_limit);
            let found = chain(&memory, Context { pc: address & !1, sp, lr: None, saved }, limit);
            Some(chain_report(&found, places))
        }
        _ => None,
    };
    Some(ReturnSlot { slot, value, looks_like, chain })
}

/// Return addresses of this firmware that differ from a word in one byte only, with the number of that byte and a name;
/// none if there are too many to say anything.
pub fn neighbours(memory: &impl Words, word: u32, places: &Places) -> Vec<(u32, u32, Option<String>)> {
    let mut found = Vec::new();
    for byte in 0..4 {
        let shift = 8 * byte;
        let others = (0..=0xffu32).map(|value| word & !(0xff << shift) | value << shift);
        for other in others.filter(|other| *other != word && is_return_address(memory, *other)) {
            found.push((other, byte, places.return_name(other & !1)));
        }
    }
    if found.len() > NEIGHBOURS_MAX { Vec::new() } else { found }
}

/// Sixteen words of the stack in use: those just released and those above.
fn stack_words(moment: &Moment, places: &Places) -> Vec<(u32, u32, Option<String>)> {
    let (memory, sp) = (moment.memory(), moment.registers.sp() & !3);
    let addresses = (0..16u32).map(|n| sp.wrapping_sub(16).wrapping_add(4 * n));
    let word = |address: u32| Some((address, memory.word(address)?));
    let name = |word: u32| is_return_address(&memory, word).then(|| places.return_name(word & !1)).flatten();
    addresses.filter_map(word).map(|(address, word)| (address, word, name(word))).collect()
}

/// What the fault status registers say.
fn status_words(status: &FaultStatus) -> Vec<String> {
    let mut words = decode_cfsr(status);
    words.extend(decode_hfsr(status.hfsr));
    words
}

/// The bits of CFSR in words (ARMv7-M ARM B3.2.15).
pub fn decode_cfsr(status: &FaultStatus) -> Vec<String> {
    const BITS: [(u32, &str); 15] = [
        (0, "IACCVIOL: instruction fetch from memory that is execute-never or protected"),
        (1, "DACCVIOL: data access to protected memory"),
        (3, "MUNSTKERR: memory protection on return from an exception"),
        (4, "MSTKERR: memory protection on entry to an exception"),
        (8, "IBUSERR: instruction fetch from where no memory answers"),
        (9, "PRECISERR: data access to where nothing answers, by this instruction"),
        (10, "IMPRECISERR: data access to where nothing answers, by an earlier instruction"),
        (11, "UNSTKERR: bus error on return from an exception"),
        (12, "STKERR: bus error on entry to an exception: the stack pointer is not in memory"),
        (16, "UNDEFINSTR: an instruction that does not exist"),
        (17, "INVSTATE: a branch to an address without the Thumb bit"),
        (18, "INVPC: a wrong EXC_RETURN"),
        (19, "NOCP: a coprocessor that is not there"),
        (24, "UNALIGNED: an unaligned access that traps"),
        (25, "DIVBYZERO: a division by zero that traps"),
    ];
    let set = |bit: u32| status.cfsr >> bit & 1 == 1;
    let mut words: Vec<String> =
        BITS.iter().filter(|(bit, _)| set(*bit)).map(|(_, words)| (*words).to_owned()).collect();
    if set(7) {
        words.push(format!("MMARVALID: the address was {:#010x}", status.mmfar));
    }
    if set(15) {
        words.push(format!("BFARVALID: the address was {:#010x}", status.bfar));
    }
    words
}

/// The bits of HFSR in words (ARMv7-M ARM B3.2.16).
pub fn decode_hfsr(hfsr: u32) -> Vec<String> {
    const BITS: [(u32, &str); 3] = [
        (1, "VECTTBL: the vector of an exception could not be read"),
        (30, "FORCED: its own handler is disabled or cannot preempt, so it became a HardFault"),
        (31, "DEBUGEVT: a breakpoint without a debugger"),
    ];
    BITS.iter().filter(|(bit, _)| hfsr >> bit & 1 == 1).map(|(_, words)| (*words).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use lockstep_images::SymbolTable;
    use proptest::prelude::*;

    use super::*;
    use crate::rtos::MemoryCopy;

    #[test]
    fn a_damaged_return_address_is_recognised_by_its_one_byte() {
        let mut flash = vec![0xff; 0x200];
        // bl, and behind it the return address.
        flash[0x100..0x104].copy_from_slice(&[0xff, 0xf7, 0xfe, 0xff]);
        let memory = MemoryCopy { sram: &[], flash: &flash };
        let places = Places::new(SymbolTable::default(), &flash);
        assert_eq!(neighbours(&memory, 0x0100_0105, &places), [(0x0800_0105, 3, None)]);
        assert_eq!(neighbours(&memory, 0x0800_0005, &places), [(0x0800_0105, 1, None)]);
        assert!(neighbours(&memory, 0x0100_0005, &places).is_empty(), "two bytes");
        assert!(neighbours(&memory, 0x0100_0104, &places).is_empty(), "no Thumb bit");
        assert_eq!(no_code(&memory, 0x0100_0104), Some("neither flash nor SRAM has this address"));
        assert_eq!(no_code(&memory, 0x0800_0040), Some("flash is erased there"));
        assert_eq!((no_code(&memory, 0x0800_0102), no_code(&memory, 0x102)), (None, None));
    }

    #[test]
    fn status_registers_are_put_into_words() {
        let status = FaultStatus { cfsr: 1 << 9 | 1 << 15, hfsr: 1 << 30, mmfar: 0, bfar: 0x10 };
        let words = status_words(&status).join("; ");
        for part in ["PRECISERR", "BFARVALID: the address was 0x00000010", "FORCED"] {
            assert!(words.contains(part), "{words}");
        }
        assert!(status_words(&FaultStatus::default()).is_empty());
    }

    proptest! {
        #[test]
        fn no_word_panics(flash: Vec<u8>, word: u32, cfsr: u32, hfsr: u32) {
            let memory = MemoryCopy { sram: &flash, flash: &flash };
            let found = neighbours(&memory, word, &Places::new(SymbolTable::default(), &flash));
            prop_assert!(found.iter().all(|(other, byte, _)| (other ^ word) & !(0xff << (8 * byte)) == 0));
            let _ = status_words(&FaultStatus { cfsr, hfsr, ..FaultStatus::default() });
        }
    }
}
