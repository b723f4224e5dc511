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
/// Fixed points found by comparing all memory between one try to learn a loop's proof and the next; doubled each time, up
/// to the limit.
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
        let mut course = Course { engine, world, at: from, limit_cycles };
        if let Some(index) = self.known.iter().position(|r| (r.low_pc..=r.high_pc).contains(&registers.pc)) {
            if self.known[index].proof.is_some() && !course.engine.is_debugged() {
                self.try_proof(&mut course, *registers, index)?;
            } else {
                self.try_rounds(&mut course, *registers, index)?;
            }
        } else if self.pause > 0 {
            self.pause -= 1;
            return Ok(None);
        } else {
            self.search(&mut course, registers)?;
        }
        Ok(Some(course.at))
    }

    /// Skips all whole rounds before the limit if the proof holds, at once or after a round or two.
    fn try_proof(
        &mut self,
        course: &mut Course<'_>,
        mut registers: CoreRegisters,
        index: usize,
    ) -> Result<(), EngineError> {
        let known = &mut self.known[index];
        for _ in 0..ROUNDS {
            let sram = &course.world.memory.sram;
            if let Some(proof) = known.proof.as_ref().filter(|p| p.holds(course.engine, sram, &registers)) {
                let instructions = proof.instructions;
                known.failures = 0;
                known.proof_failures = 0;
                let cycles = known.cycles;
                self.skip_rounds(course, cycles, instructions);
                return Ok(());
            }
            let Some(after) = course.run_round(known.cycles, registers.pc)? else {
                self.count_failure(index);
                return Ok(());
            };
            registers = after;
        }
        known.proof_failures += 1;
        if known.proof_failures == PROOF_FAILURES {
            known.proof = None;
        }
        Ok(())
    }

    /// Runs one round and, if it was a fixed point, skips all further whole rounds before the limit.
    fn try_rounds(
        &mut self,
        course: &mut Course<'_>,
        mut before: CoreRegisters,
        index: usize,
    ) -> Result<(), EngineError> {
        let round_cycles = self.known[index].cycles;
        let accesses = course.world.accesses;
        self.sram.resize(course.world.memory.sram.len(), 0);
        for _ in 0..ROUNDS {
            let start_instructions = course.at.instructions;
            let copied = course.world.memory.sram.read(0, &mut self.sram);
            let after = course.run_round(round_cycles, before.pc)?;
            let Some(after) = after.filter(|_| copied && course.world.accesses == accesses) else { break };
            if after == before && course.world.memory.sram.holds(&self.sram) {
                let known = &mut self.known[index];
                known.failures = 0;
                if known.proof_pause > 0 || course.engine.is_debugged() {
                    known.proof_pause = known.proof_pause.saturating_sub(1);
                    let instructions = course.at.instructions - start_instructions;
                    self.skip_rounds(course, round_cycles, instructions);
                    return Ok(());
                }
                known.next_proof_pause = (known.next_proof_pause * 2).clamp(FIRST_PROOF_PAUSE, LAST_PROOF_PAUSE);
                known.proof_pause = known.next_proof_pause;
                known.proof_failures = 0;
                known.proof = Proof::learn(course, round_cycles)?;
                return Ok(());
            }
            before = after;
        }
        self.count_failure(index);
        Ok(())
    }

    /// All whole rounds up to the limit.
    fn skip_rounds(&mut self, course: &mut Course<'_>, cycles: u64, instructions: u64) {
        let rounds = course.limit_cycles.saturating_sub(course.at.cycles) / cycles;
        self.skipped_cycles += rounds * cycles;
        self.skipped_instructions += rounds * instructions;
        course.at.cycles += rounds * cycles;
        course.at.instructions += rounds * instructions;
        course.at.reason = StopReason::Deadline;
    }

    fn count_failure(&mut self, index: usize) {
        self.known[index].failures += 1;
        if self.known[index].failures == FAILURES {
            self.known.remove(index);
        }
    }

    /// Steps until the registers come back to what they were, to learn the length of a round.
    fn search(&mut self, course: &mut Course<'_>, registers: &CoreRegisters) -> Result<(), EngineError> {
        let accesses = course.world.accesses;
        let from = course.at;
        let (mut low_pc, mut high_pc) = (registers.pc, registers.pc);
        while course.at.instructions < from.instructions + MAX_ROUND_INSTRUCTIONS
            && course.at.cycles < course.limit_cycles
        {
            course.run(1)?;
            let now = course.engine.registers();
            low_pc = low_pc.min(now.pc);
            high_pc = high_pc.max(now.pc);
            if course.at.reason != StopReason::Deadline || course.world.accesses != accesses {
                break;
            }
            if now == *registers {
                if self.known.len() == KNOWN_LOOPS {
                    self.known.remove(0);
                }
                self.known.push(Round::new(low_pc, high_pc, course.at.cycles - from.cycles));
                self.next_pause = FIRST_PAUSE;
                return Ok(());
            }
        }
        self.next_pause = (self.next_pause * 2).clamp(FIRST_PAUSE, LAST_PAUSE);
        self.pause = self.next_pause;
        Ok(())
    }
}

/// A machine on its way: where it is, and how far it may go.
struct Course<'a> {
    engine: &'a mut Engine,
    world: &'a mut World,
    at: RunEnd,
    limit_cycles: u64,
}

impl Course<'_> {
    /// Runs to this many cycles from here, or to what stops the machine before.
    fn run(&mut self, cycles: u64) -> Result<(), EngineError> {
        self.world.begin_run(self.at.cycles + cycles);
        self.at = self.engine.run(self.world, self.at.cycles, self.at.instructions)?;
        Ok(())
    }

    /// Runs a round that begins and ends at `pc`, and gives the registers after it; `None` if it was no whole round, or
    /// the limit leaves no room for another.
    fn run_round(&mut self, cycles: u64, pc: u32) -> Result<Option<CoreRegisters>, EngineError> {
        let end_cycles = self.at.cycles + cycles;
        self.run(cycles)?;
        let after = self.engine.registers();
        let whole_round = self.at.reason == StopReason::Deadline && self.at.cycles == end_cycles && after.pc == pc;
        Ok((whole_round && self.at.cycles + cycles <= self.limit_cycles).then_some(after))
    }
}
