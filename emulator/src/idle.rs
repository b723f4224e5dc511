//! Idle loops: recognised by what they do, and skipped without changing anything but the speed.
//!
//! An RTOS that never executes WFI spins in its idle task. If one round of the loop leaves every register and all of
//! SRAM as they were, and touches no device, then the next round does the same, and so do all rounds until the next
//! event: skipping whole rounds is exact. What is proven is the fixed point, by running one round; how a candidate is
//! found is a mere heuristic and cannot make the result wrong.

use lockstep_engine::{CoreRegisters, Engine, EngineError, RunEnd, StopReason};

use crate::world::World;

/// Below this distance to the next event a try costs more than it saves.
const MIN_DISTANCE_CYCLES: u64 = 3_000;
/// Longest round looked for, in instructions.
const MAX_ROUND_INSTRUCTIONS: u64 = 400;
/// Tries to be left out after a failed search, doubled each time up to the limit.
const FIRST_PAUSE: u32 = 4;
const LAST_PAUSE: u32 = 64;
/// Rounds run before a known loop is given up for this time. One may not be enough: an interrupt between LDREX and
/// STREX opens the exclusive monitor, and only the next round brings it back to what it was.
const ROUNDS: u32 = 3;
/// Failures in a row after which a loop is forgotten.
const FAILURES: u32 = 16;
/// Loops remembered.
const KNOWN_LOOPS: usize = 8;

#[derive(Clone, Copy, Debug)]
struct Round {
    low_pc: u32,
    high_pc: u32,
    cycles: u64,
    failures: u32,
}

/// Finds idle loops and skips them.
#[derive(Debug, Default)]
pub struct IdleFinder {
    known: Vec<Round>,
    pause: u32,
    next_pause: u32,
    sram: Vec<u8>,
    skipped_cycles: u64,
    skipped_instructions: u64,
}

impl IdleFinder {
    /// Cycles skipped so far.
    pub fn skipped_cycles(&self) -> u64 {
        self.skipped_cycles
    }

    /// Instructions skipped so far.
    pub fn skipped_instructions(&self) -> u64 {
        self.skipped_instructions
    }

    /// Tries to skip towards `limit_cycles`. Returns where the machine is now, if it moved at all.
    pub fn skip(
        &mut self,
        engine: &mut Engine,
        world: &mut World,
        registers: &CoreRegisters,
        from: RunEnd,
        limit_cycles: u64,
    ) -> Result<Option<RunEnd>, EngineError> {
        // A round begins and ends here: a breakpoint here would be passed over at its start and not be met at its end.
        if limit_cycles.saturating_sub(from.cycles) < MIN_DISTANCE_CYCLES || engine.has_breakpoint(registers.pc) {
            return Ok(None);
        }
        if let Some(index) = self.known.iter().position(|r| (r.low_pc..=r.high_pc).contains(&registers.pc)) {
            return self.try_rounds(engine, world, *registers, from, limit_cycles, index).map(Some);
        }
        if self.pause > 0 {
            self.pause -= 1;
            return Ok(None);
        }
        self.search(engine, world, registers, from, limit_cycles).map(Some)
    }

    /// Runs one round and, if it was a fixed point, skips all further whole rounds before the limit.
    fn try_rounds(
        &mut self,
        engine: &mut Engine,
        world: &mut World,
        mut before: CoreRegisters,
        from: RunEnd,
        limit_cycles: u64,
        index: usize,
    ) -> Result<RunEnd, EngineError> {
        let round_cycles = self.known[index].cycles;
        let accesses = world.accesses;
        self.sram.resize(world.memory.sram.len(), 0);
        let mut at = from;
        for _ in 0..ROUNDS {
            let start = at;
            let copied = world.memory.sram.read(0, &mut self.sram);
            world.begin_run(start.cycles + round_cycles);
            at = engine.run(world, start.cycles, start.instructions)?;
            let after = engine.registers();
            let whole_round = copied
                && at.reason == StopReason::Deadline
                && at.cycles == start.cycles + round_cycles
                && world.accesses == accesses
                && after.pc == before.pc;
            if !whole_round || limit_cycles < at.cycles + round_cycles {
                break;
            }
            if after == before && world.memory.sram.holds(&self.sram) {
                self.known[index].failures = 0;
                let rounds = (limit_cycles - at.cycles) / round_cycles;
                let skipped = rounds * round_cycles;
                let skipped_instructions = rounds * (at.instructions - start.instructions);
                self.skipped_cycles += skipped;
                self.skipped_instructions += skipped_instructions;
                return Ok(RunEnd {
                    cycles: at.cycles + skipped,
                    instructions: at.instructions + skipped_instructions,
                    reason: StopReason::Deadline,
                });
            }
            before = after;
        }
        self.known[index].failures += 1;
        if self.known[index].failures == FAILURES {
            self.known.remove(index);
        }
        Ok(at)
    }

    /// Steps until the registers come back to what they were, to learn the length of a round.
    fn search(
        &mut self,
        engine: &mut Engine,
        world: &mut World,
        registers: &CoreRegisters,
        from: RunEnd,
        limit_cycles: u64,
    ) -> Result<RunEnd, EngineError> {
        let accesses = world.accesses;
        let mut at = from;
        let (mut low_pc, mut high_pc) = (registers.pc, registers.pc);
        while at.instructions < from.instructions + MAX_ROUND_INSTRUCTIONS && at.cycles < limit_cycles {
            world.begin_run(at.cycles + 1);
            at = engine.run(world, at.cycles, at.instructions)?;
            let now = engine.registers();
            low_pc = low_pc.min(now.pc);
            high_pc = high_pc.max(now.pc);
            if at.reason != StopReason::Deadline || world.accesses != accesses {
                break;
            }
            if now == *registers {
                if self.known.len() == KNOWN_LOOPS {
                    self.known.remove(0);
                }
                self.known.push(Round { low_pc, high_pc, cycles: at.cycles - from.cycles, failures: 0 });
                self.next_pause = FIRST_PAUSE;
                return Ok(at);
            }
        }
        self.next_pause = (self.next_pause * 2).clamp(FIRST_PAUSE, LAST_PAUSE);
        self.pause = self.next_pause;
        Ok(at)
    }
}
