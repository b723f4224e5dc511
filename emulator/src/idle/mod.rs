//! Idle loops: recognised by what they do, and skipped without changing anything but the speed.
//!
//! An RTOS that never executes WFI spins in its idle task. If one round of the loop leaves every register and all of
//! SRAM as they were, and touches no device, then the next round does the same, and so do all rounds until the next
//! event: skipping whole rounds is exact. What is proven is the fixed point, by running one round; how a candidate is
//! found is a mere heuristic and cannot make the result wrong. What made a round a fixed point is written down
//! ([`Proof`]): as long as it is so, not even that one round is run.

mod proof;

use lockstep_engine::{CoreRegisters, Engine, EngineError, RunEnd, StopReason};

use crate::world::World;
use proof::Proof;

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
/// Fixed points found by comparing all memory before the first proof of a loop is learned; doubled each time, up to the
/// limit.
const FIRST_PROOF_PAUSE: u32 = 4;
const LAST_PROOF_PAUSE: u32 = 4096;
/// Times that a proof does not hold before it is given up: the loop is another now.
const PROOF_FAILURES: u32 = 4;
/// Loops remembered.
const KNOWN_LOOPS: usize = 8;

#[derive(Debug)]
struct Round {
    low_pc: u32,
    high_pc: u32,
    cycles: u64,
    failures: u32,
    proof: Option<Proof>,
    /// Times in a row that the proof did not hold, though whole rounds were made.
    proof_failures: u32,
    proof_pause: u32,
    next_proof_pause: u32,
}

impl Round {
    fn new(low_pc: u32, high_pc: u32, cycles: u64) -> Self {
        Self {
            low_pc,
            high_pc,
            cycles,
            failures: 0,
            proof: None,
            proof_failures: 0,
            proof_pause: 0,
            next_proof_pause: 0,
        }
    }
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
            if self.known[index].proof.is_some() && !engine.is_debugged() {
                return self.try_proof(engine, world, *registers, from, limit_cycles, index).map(Some);
            }
            return self.try_rounds(engine, world, *registers, from, limit_cycles, index).map(Some);
        }
        if self.pause > 0 {
            self.pause -= 1;
            return Ok(None);
        }
        self.search(engine, world, registers, from, limit_cycles).map(Some)
    }

    /// Skips all whole rounds before the limit if the proof holds, at once or after a round or two.
    fn try_proof(
        &mut self,
        engine: &mut Engine,
        world: &mut World,
        mut registers: CoreRegisters,
        from: RunEnd,
        limit_cycles: u64,
        index: usize,
    ) -> Result<RunEnd, EngineError> {
        let known = &mut self.known[index];
        let mut at = from;
        for _ in 0..ROUNDS {
            if let Some(proof) = known.proof.as_ref().filter(|p| p.holds(engine, &world.memory.sram, &registers)) {
                let (cycles, instructions) = (proof.cycles, proof.instructions);
                known.failures = 0;
                known.proof_failures = 0;
                return Ok(self.skip_rounds(at, limit_cycles, cycles, instructions));
            }
            let start = at;
            world.begin_run(start.cycles + known.cycles);
            at = engine.run(world, start.cycles, start.instructions)?;
            let pc = registers.pc;
            registers = engine.registers();
            let whole_round =
                at.reason == StopReason::Deadline && at.cycles == start.cycles + known.cycles && registers.pc == pc;
            if !whole_round || limit_cycles < at.cycles + known.cycles {
                self.count_failure(index);
                return Ok(at);
            }
        }
        known.proof_failures += 1;
        if known.proof_failures == PROOF_FAILURES {
            known.proof = None;
        }
        Ok(at)
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
                let known = &mut self.known[index];
                known.failures = 0;
                if known.proof_pause > 0 || engine.is_debugged() {
                    known.proof_pause = known.proof_pause.saturating_sub(1);
                    return Ok(self.skip_rounds(at, limit_cycles, round_cycles, at.instructions - start.instructions));
                }
                known.next_proof_pause = (known.next_proof_pause * 2).clamp(FIRST_PROOF_PAUSE, LAST_PROOF_PAUSE);
                known.proof_pause = known.next_proof_pause;
                known.proof_failures = 0;
                let (end, proof) = Proof::learn(engine, world, at, limit_cycles)?;
                known.proof = proof.filter(|proof| proof.cycles == round_cycles);
                return Ok(end);
            }
            before = after;
        }
        self.count_failure(index);
        Ok(at)
    }

    /// All whole rounds up to the limit.
    fn skip_rounds(&mut self, at: RunEnd, limit_cycles: u64, cycles: u64, instructions: u64) -> RunEnd {
        let rounds = limit_cycles.saturating_sub(at.cycles) / cycles;
        self.skipped_cycles += rounds * cycles;
        self.skipped_instructions += rounds * instructions;
        RunEnd {
            cycles: at.cycles + rounds * cycles,
            instructions: at.instructions + rounds * instructions,
            reason: StopReason::Deadline,
        }
    }

    fn count_failure(&mut self, index: usize) {
        self.known[index].failures += 1;
        if self.known[index].failures == FAILURES {
            self.known.remove(index);
        }
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
                self.known.push(Round::new(low_pc, high_pc, at.cycles - from.cycles));
                self.next_pause = FIRST_PAUSE;
                return Ok(at);
            }
        }
        self.next_pause = (self.next_pause * 2).clamp(FIRST_PAUSE, LAST_PAUSE);
        self.pause = self.next_pause;
        Ok(at)
    }
}
