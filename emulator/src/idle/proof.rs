//! What makes a round of an idle loop the same as the one before, written down once so that it need not be run again.
//!
//! An instruction's effect follows from the registers, the bytes it loads, and the code. So does a whole round's: when
//! all registers are as they were at some place of a round that was a fixed point, and all bytes that the round reached
//! are too, then the round from that place on is the same, and ends with the same registers and bytes. Bytes that are
//! only stored belong to it: the first round might change them, later ones would not.
//!
//! They are learned by running two rounds an instruction at a time with a watch on all of SRAM.

use lockstep_engine::{CoreRegisters, Engine, EngineError, HostMemory, StopReason, Watch, WatchKind};

use super::Course;
use crate::world::{FLASH_BASE, SRAM_BASE};

/// More bytes than an idle loop reaches.
const MAX_BYTES: usize = 256;

/// One place of the round, before an instruction.
#[derive(Debug)]
struct Place {
    registers: CoreRegisters,
    bytes: Vec<u8>,
}

/// A round that is a fixed point, at each of its instructions.
#[derive(Debug)]
pub(super) struct Proof {
    code_generation: u64,
    /// Whether the exclusive monitor matters: what it was left with by others does not, to a round without it.
    uses_monitor: bool,
    /// Offsets in SRAM of the bytes that the round reaches.
    offsets: Vec<u32>,
    places: Vec<Place>,
    /// What a round takes, from any of its places.
    pub(super) instructions: u64,
}

/// A run of single steps, and what it met.
struct Steps<'a, 'm> {
    course: &'a mut Course<'m>,
    uses_monitor: bool,
}

impl Proof {
    /// Whether the round from here on, with these registers, is one that was proven.
    pub(super) fn holds(&self, engine: &Engine, sram: &HostMemory, registers: &CoreRegisters) -> bool {
        let registers = without_monitor(*registers, self.uses_monitor);
        let same_bytes = |place: &Place| {
            let mut bytes = self.offsets.iter().zip(&place.bytes);
            bytes.all(|(offset, byte)| sram.read_value(*offset as usize, 1) == Some(u32::from(*byte)))
        };
        self.code_generation == engine.code_generation()
            && self.places.iter().any(|place| place.registers == registers && same_bytes(place))
    }

    /// Runs two rounds of so many cycles from here, if it is one, and learns the proof from them. Only for an engine that
    /// nobody debugs.
    pub(super) fn learn(course: &mut Course<'_>, cycles: u64) -> Result<Option<Self>, EngineError> {
        let length = course.world.memory.sram.len() as u32;
        course.engine.set_watches(&[Watch { address: SRAM_BASE, length, kind: WatchKind::Access }]);
        let learned = Steps { course: &mut *course, uses_monitor: false }.learn(cycles);
        if course.at.reason == StopReason::Watched {
            course.at.reason = StopReason::Deadline;
        }
        course.engine.set_watches(&[]);
        course.engine.take_watch_hit();
        learned
    }
}

impl Steps<'_, '_> {
    /// Executes an instruction of flash that reaches nothing but memory, and adds the offsets of the bytes that it
    /// reaches in SRAM; `false` if it is another.
    fn step(&mut self, offsets: &mut Vec<u32>) -> Result<bool, EngineError> {
        let course = &mut *self.course;
        let pc = course.engine.registers().pc;
        let Some(code) = pc.checked_sub(FLASH_BASE) else { return Ok(false) };
        let Some(code) = course.world.memory.flash.read_value(code as usize, 2) else { return Ok(false) };
        if course.at.cycles >= course.limit_cycles {
            return Ok(false);
        }
        self.uses_monitor |= is_exclusive(code);
        let bus_accesses = course.engine.bus_accesses();
        course.run(1)?;
        if let Some(hit) = course.engine.take_watch_hit() {
            let last = hit.address + hit.size.max(bytes_reached(code)) - 1;
            offsets.extend(hit.address - SRAM_BASE..=last - SRAM_BASE);
        }
        let went_on = matches!(course.at.reason, StopReason::Deadline | StopReason::Watched);
        Ok(went_on && course.engine.bus_accesses() == bus_accesses)
    }

    fn learn(&mut self, cycles: u64) -> Result<Option<Proof>, EngineError> {
        let start = self.course.engine.registers();
        let mut offsets = Vec::new();
        let begin = self.course.at;
        loop {
            if !self.step(&mut offsets)? || self.course.at.cycles > begin.cycles + cycles {
                return Ok(None);
            }
            if self.course.engine.registers() == start {
                break;
            }
        }
        offsets.sort_unstable();
        offsets.dedup();
        let in_memory = offsets.last().is_none_or(|last| (*last as usize) < self.course.world.memory.sram.len());
        if offsets.len() > MAX_BYTES || !in_memory || self.course.at.cycles != begin.cycles + cycles {
            return Ok(None);
        }
        let instructions = self.course.at.instructions - begin.instructions;
        let begin = self.course.at;
        let mut places = vec![self.place(&offsets)];
        let mut reached = Vec::new();
        while self.course.at.instructions < begin.instructions + instructions {
            if !self.step(&mut reached)? {
                return Ok(None);
            }
            places.push(self.place(&offsets));
        }
        let end = places.pop();
        let is_fixed_point = self.course.at.instructions == begin.instructions + instructions
            && self.course.at.cycles == begin.cycles + cycles
            && end.is_some_and(|end| end.registers == places[0].registers && end.bytes == places[0].bytes)
            && reached.iter().all(|offset| offsets.binary_search(offset).is_ok());
        let uses_monitor = self.uses_monitor;
        for place in &mut places {
            place.registers = without_monitor(place.registers, uses_monitor);
        }
        let code_generation = self.course.engine.code_generation();
        Ok(is_fixed_point.then_some(Proof { code_generation, uses_monitor, offsets, places, instructions }))
    }

    fn place(&self, offsets: &[u32]) -> Place {
        let sram = &self.course.world.memory.sram;
        let byte = |offset: &u32| sram.read_value(*offset as usize, 1).unwrap_or_default() as u8;
        Place { registers: self.course.engine.registers(), bytes: offsets.iter().map(byte).collect() }
    }
}

fn without_monitor(registers: CoreRegisters, uses_monitor: bool) -> CoreRegisters {
    if uses_monitor { registers } else { CoreRegisters { exclusive_address: 0, exclusive_value: 0, ..registers } }
}

/// Whether an instruction that begins with this halfword may have to do with the exclusive monitor: LDREX and STREX in
/// all sizes (and TBB, which shares their halfword), and CLREX among the barriers and others.
fn is_exclusive(code: u32) -> bool {
    matches!(code & 0xffe0, 0xe840 | 0xe8c0) || code == 0xf3bf
}

/// At most so many bytes from its first access on are reached by an instruction that begins with this halfword, if it
/// makes several accesses (ARMv7-M ARM A5.2, A5.3): they go upwards. 0: it makes one.
fn bytes_reached(code: u32) -> u32 {
    const ALL_REGISTERS: u32 = 16 * 4;
    match code {
        // LDM, STM, PUSH and POP, 16 bits.
        0xc000..=0xcfff | 0xb400..=0xb5ff | 0xbc00..=0xbdff => ALL_REGISTERS,
        // LDRD, STRD, exclusive accesses, TBB.
        0xe800..=0xe9ff if code & 0x40 != 0 => 8,
        // LDM and STM, 32 bits.
        0xe800..=0xe9ff => ALL_REGISTERS,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_that_have_to_do_with_the_exclusive_monitor() {
        // strex, ldrex, strexb, ldrexb, clrex
        for code in [0xe841, 0xe851, 0xe8c1, 0xe8d1, 0xf3bf] {
            assert!(is_exclusive(code), "{code:#x}");
        }
        // ldrd, strd, ldmia.w, push.w
        for code in [0xe9d2, 0xe9c2, 0xe891, 0xe92d, 0xe8f2, 0xe8e2] {
            assert!(!is_exclusive(code), "{code:#x}");
        }
    }

    #[test]
    fn instructions_with_several_accesses_are_told_from_those_with_one() {
        // push {r4, lr}; pop {r4, pc}; stmia r0!, {r1, r2}; ldmdb r0, {r1, r2}; ldrd r0, r1, [r2]; ldrex r0, [r1]
        for (code, bytes) in [(0xb510, 64), (0xbd10, 64), (0xc006, 64), (0xe910, 64), (0xe9d2, 8), (0xe851, 8)] {
            assert_eq!(bytes_reached(code), bytes, "{code:#x}");
        }
        // ldr r0, [r1]; str r0, [sp]; ldr.w r0, [r1]; b; cbz
        for code in [0x6808, 0x9000, 0xf8d1, 0xe7fe, 0xb100] {
            assert_eq!(bytes_reached(code), 0, "{code:#x}");
        }
    }
}
