//! Breakpoints and watches stop where they should, and the run is the one without them.

#[path = "common/program.rs"]
mod program;

use lockstep_engine::{
    Access, AccessFault, Bus, CoreRegisters, Engine, HostMemory, RunEnd, StopReason, Watch, WatchHit, WatchKind,
};
use program::PROGRAM;

const FLASH: u32 = 0x0800_0000;
const SRAM: u32 = 0x2000_0000;
const END: u64 = 20_000;

/// A device whose reads give the time.
struct Clock {
    deadline: u64,
}

impl Bus for Clock {
    fn read(&mut self, access: &Access) -> Result<u32, AccessFault> {
        Ok((access.cycles ^ access.instructions) as u32)
    }
    fn write(&mut self, _: &Access, _: u32) -> Result<(), AccessFault> {
        Ok(())
    }
    fn deadline_cycles(&self) -> u64 {
        self.deadline
    }
}

struct Board {
    engine: Engine,
    sram: HostMemory,
    at: RunEnd,
}

impl Board {
    fn new(program: &[u8]) -> Self {
        let (engine, sram) = program::engine(program);
        Self { engine, sram, at: RunEnd { cycles: 0, instructions: 0, reason: StopReason::Deadline } }
    }

    /// Runs towards a cycle; says why it ended.
    fn run_to(&mut self, deadline: u64) -> StopReason {
        self.at = self.engine.run(&mut Clock { deadline }, self.at.cycles, self.at.instructions).unwrap();
        self.at.reason
    }

    fn state(&self) -> (u64, u64, CoreRegisters, Vec<u8>) {
        (self.at.cycles, self.at.instructions, self.engine.registers(), self.sram.to_vec())
    }
}

/// Address of the next instruction before each instruction of the run.
fn trace() -> Vec<u32> {
    let mut board = Board::new(PROGRAM);
    let mut trace = Vec::new();
    while board.at.cycles < END {
        trace.push(board.engine.registers().pc);
        assert_eq!(board.run_to(board.at.cycles + 1), StopReason::Deadline);
    }
    trace
}

fn plain() -> Board {
    let mut board = Board::new(PROGRAM);
    assert_eq!(board.run_to(END), StopReason::Deadline);
    board
}

#[test]
fn each_breakpoint_stops_before_each_execution_of_its_instruction() {
    let (trace, plain) = (trace(), plain());
    let mut addresses: Vec<u32> = trace.clone();
    addresses.sort_unstable();
    addresses.dedup();
    assert!(addresses.len() > 30);
    for address in addresses {
        let expected = (0u64..).zip(&trace).filter(|(_, pc)| **pc == address).map(|(count, _)| count);
        let expected: Vec<u64> = expected.collect();
        let mut board = Board::new(PROGRAM);
        // Everything is translated before the breakpoint is there, and chained.
        assert_eq!(board.run_to(3_000), StopReason::Deadline);
        let expected = expected.into_iter().filter(|count| *count >= board.at.instructions).collect::<Vec<_>>();
        board.engine.set_breakpoints(&[address]);
        let mut stops = Vec::new();
        while board.run_to(END) == StopReason::AtBreakpoint {
            assert_eq!(board.engine.registers().pc, address);
            stops.push(board.at.instructions);
            board.engine.pass_breakpoint_at(Some(board.at.instructions));
        }
        assert_eq!(stops, expected, "{address:#010x}");
        assert_eq!(board.state(), plain.state(), "{address:#010x}");
    }
}

#[test]
fn breakpoints_everywhere_are_single_steps() {
    let (trace, plain) = (trace(), plain());
    let mut board = Board::new(PROGRAM);
    board.engine.set_breakpoints(&trace);
    for (count, pc) in (0..).zip(&trace) {
        assert_eq!(board.run_to(END), StopReason::AtBreakpoint);
        assert_eq!((board.at.instructions, board.engine.registers().pc), (count, *pc));
        // Without being told to pass, it stays.
        assert_eq!(board.run_to(END), StopReason::AtBreakpoint);
        assert_eq!(board.at.instructions, count);
        board.engine.pass_breakpoint_at(Some(count));
    }
    assert_eq!(board.run_to(END), StopReason::Deadline);
    assert_eq!(board.state(), plain.state());
}

#[test]
fn a_breakpoint_that_is_taken_away_does_not_stop() {
    let mut board = Board::new(PROGRAM);
    board.engine.set_breakpoints(&[FLASH + 0x10]);
    assert_eq!(board.run_to(END), StopReason::AtBreakpoint);
    board.engine.set_breakpoints(&[FLASH + 0x2e]);
    assert_eq!(board.run_to(END), StopReason::AtBreakpoint);
    assert_eq!(board.engine.registers().pc, FLASH + 0x2e);
    board.engine.set_breakpoints(&[]);
    assert_eq!(board.run_to(END), StopReason::Deadline);
    assert_eq!(board.state(), plain().state());
}

/// What the program's instructions that access memory do there: PC, address, size, store.
fn accesses(pc: u32, registers: &CoreRegisters) -> Vec<WatchHit> {
    let hit = |address, size, write| WatchHit { address, size, write, pc };
    let words = |from: u32, count: u32, write| (0..count).map(|n| hit(from + 4 * n, 4, write)).collect();
    match pc - FLASH {
        0x0a => words(SRAM, 1, false),
        0x0c => words(SRAM + 4, 1, false),
        0x10 => words(SRAM, 1, true),
        0x12 => vec![hit(SRAM + 8, 2, true)],
        0x16 => words(SRAM + 4, 1, true),
        0x2e => words(registers.msp - 20, 5, true),
        0x34 => words(registers.msp, 5, false),
        0x3a => words(SRAM, 2, false),
        0x3e => words(SRAM, 2, true),
        _ => vec![],
    }
}

#[test]
fn watches_stop_after_each_instruction_that_makes_the_access() {
    let plain = plain();
    let mut every = Vec::new();
    let mut board = Board::new(PROGRAM);
    while board.at.cycles < END {
        let registers = board.engine.registers();
        let made = accesses(registers.pc, &registers);
        board.run_to(board.at.cycles + 1);
        every.push((board.at.instructions, made));
    }
    for (address, length, kind) in [
        (SRAM, 1, WatchKind::Write),
        (SRAM + 3, 1, WatchKind::Access),
        (SRAM + 4, 4, WatchKind::Read),
        (SRAM + 7, 3, WatchKind::Write),
        (SRAM + 9, 1, WatchKind::Access),
        (SRAM + 0x2000 - 4, 4, WatchKind::Access),
        (SRAM + 0x2000 - 18, 1, WatchKind::Write),
        (SRAM + 10, 0x1000, WatchKind::Access),
        (0, u32::MAX, WatchKind::Access),
        (SRAM + 4, 0, WatchKind::Access),
    ] {
        let watch = Watch { address, length, kind };
        let expected: Vec<(u64, WatchHit)> = every
            .iter()
            .filter_map(|(count, made)| {
                let hit = made.iter().find(|hit| watch.matches(hit.address, hit.size, hit.write))?;
                Some((*count, *hit))
            })
            .collect();
        assert_eq!(expected.is_empty(), length == 0 || address == SRAM + 10, "{watch:?}");
        let mut board = Board::new(PROGRAM);
        board.engine.set_watches(&[watch]);
        let mut hits = Vec::new();
        loop {
            let reason = board.run_to(END);
            let hit = board.engine.take_watch_hit();
            assert_eq!(hit.is_some(), reason == StopReason::Watched);
            let Some(hit) = hit else { break };
            hits.push((board.at.instructions, hit));
        }
        assert_eq!(hits, expected, "{watch:?}");
        assert_eq!(board.at.reason, StopReason::Deadline);
        assert_eq!(board.state(), plain.state(), "{watch:?}");
    }
}

/// Accesses that are cut in two inside the engine are seen as the program made them.
#[test]
fn an_unaligned_access_is_watched_exactly() {
    #[rustfmt::skip]
    let program = [
        0x01, 0x60, // str  r1, [r0]     0x200003FE to 0x20000401
        0x02, 0x68, // ldr  r2, [r0]
        0x59, 0x60, // str  r1, [r3, #4] 0x20000105 to 0x20000108
        0x5c, 0x68, // ldr  r4, [r3, #4]
        0xfe, 0xe7, // b .
    ];
    for (address, pcs) in [
        (SRAM + 0x3fd, &[][..]),
        (SRAM + 0x3fe, &[0, 2]),
        (SRAM + 0x401, &[0, 2]),
        (SRAM + 0x402, &[]),
        (SRAM + 0x104, &[]),
        (SRAM + 0x105, &[4, 6]),
        (SRAM + 0x108, &[4, 6]),
        (SRAM + 0x109, &[]),
    ] {
        let mut board = Board::new(&program);
        let mut registers = board.engine.registers();
        registers.r[..4].copy_from_slice(&[SRAM + 0x3fe, 0x1234_5678, 0, SRAM + 0x101]);
        board.engine.set_registers(&registers);
        board.engine.set_watches(&[Watch { address, length: 1, kind: WatchKind::Access }]);
        let mut seen = Vec::new();
        while board.run_to(60) == StopReason::Watched {
            seen.push(board.engine.take_watch_hit().unwrap().pc - FLASH);
        }
        assert_eq!(seen, pcs, "{address:#010x}");
        let r = board.engine.registers().r;
        assert_eq!((r[2], r[4]), (0x1234_5678, 0x1234_5678));
    }
}

/// The first load replaces the base, the second one is watched for: the instruction is given up between them and run
/// again by itself, with the base as it was.
#[test]
fn a_double_load_over_its_own_base_can_be_watched() {
    let program = [0xd0, 0xe9, 0x00, 0x01, 0xfe, 0xe7]; // ldrd r0, r1, [r0]; b .
    let mut board = Board::new(&program);
    let mut registers = board.engine.registers();
    registers.r[0] = SRAM;
    board.engine.set_registers(&registers);
    assert!(board.sram.write(0, &[1, 0, 0, 0, 2, 0, 0, 0]));
    board.engine.set_watches(&[Watch { address: SRAM + 4, length: 4, kind: WatchKind::Read }]);
    assert_eq!(board.run_to(60), StopReason::Watched);
    assert_eq!(board.engine.registers().r[..2], [1, 2]);
    assert_eq!(board.at.instructions, 1);
}

#[test]
fn loads_from_read_only_memory_are_watched() {
    let program = [0x00, 0x48, 0xfe, 0xe7, 0x78, 0x56, 0x34, 0x12]; // ldr r0, [pc, #0]; b .; .word 0x12345678
    let mut board = Board::new(&program);
    board.engine.set_watches(&[Watch { address: FLASH + 4, length: 4, kind: WatchKind::Read }]);
    assert_eq!(board.run_to(60), StopReason::Watched);
    assert_eq!(board.engine.take_watch_hit(), Some(WatchHit { address: FLASH + 4, size: 4, write: false, pc: FLASH }));
    assert_eq!(board.engine.registers().r[0], 0x1234_5678);
}
