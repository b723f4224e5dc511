//! Code in RAM that code changes: a store takes effect from the next instruction on, wherever runs are cut and
//! whoever stores.

use lockstep_engine::{Access, AccessFault, Bus, CoreRegisters, Engine, HostMemory, RunEnd, StopReason};

/// `code_in_ram.s`, assembled.
const PROGRAM: &[u8] = &[
    0x04, 0x88, 0x84, 0xf0, 0x03, 0x04, 0x04, 0x80, 0x23, 0x44, 0x01, 0x32, 0x01, 0x35, 0x3a, 0x60, 0xf6, 0xe7, 0x00,
    0xbf, 0x04, 0x88, 0x84, 0xf0, 0x03, 0x04, 0x04, 0x80, 0x0c, 0x88, 0x84, 0xf0, 0x03, 0x04, 0x0c, 0x80, 0x00, 0xf1,
    0x01, 0x06, 0xb0, 0x47, 0x01, 0xf1, 0x01, 0x06, 0xb0, 0x47, 0x01, 0x35, 0xef, 0xe7, 0x01, 0x32, 0x70, 0x47, 0x01,
    0x33, 0x70, 0x47,
];
const AHEAD: std::ops::Range<usize> = 0..0x12;
const TARGET: u32 = 0x0a;
const CALLERS: std::ops::Range<usize> = 0x14..0x34;
const FUNCTIONS: std::ops::Range<usize> = 0x34..0x3c;
const FLASH: u32 = 0x0800_0000;
const SRAM: u32 = 0x2000_0000;

struct Nothing {
    deadline: u64,
}

impl Bus for Nothing {
    fn read(&mut self, _: &Access) -> Result<u32, AccessFault> {
        Err(AccessFault)
    }
    fn write(&mut self, _: &Access, _: u32) -> Result<(), AccessFault> {
        Err(AccessFault)
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
    fn new(flash: &[u8], sram: &[u8], registers: CoreRegisters) -> Self {
        let rom = HostMemory::new(4096);
        let ram = HostMemory::new(4096);
        assert!(rom.write(0, flash) && ram.write(0, sram));
        let mut engine = Engine::new().unwrap();
        engine.map_rom(FLASH, &rom).unwrap();
        engine.map_ram(SRAM, &ram).unwrap();
        engine.set_registers(&CoreRegisters { thumb: true, exclusive_address: u64::MAX, ..registers });
        Self { engine, sram: ram, at: RunEnd { cycles: 0, instructions: 0, reason: StopReason::Deadline } }
    }

    fn run_to(&mut self, cycles: u64) {
        while self.at.cycles < cycles {
            let mut bus = Nothing { deadline: cycles };
            self.at = self.engine.run(&mut bus, self.at.cycles, self.at.instructions).unwrap();
            assert_eq!(self.at.reason, StopReason::Deadline);
        }
    }

    fn state(&self) -> (RunEnd, CoreRegisters, Vec<u8>) {
        (self.at, self.engine.registers(), self.sram.to_vec())
    }
}

/// What `rounds` executions of an `adds #1` add up to whose immediate changes between 2 and 1, starting with 2.
fn sum(rounds: u32) -> u32 {
    rounds + rounds.div_ceil(2)
}

#[test]
fn a_block_that_changes_itself_executes_the_changed_code() {
    let board = || {
        let mut registers = CoreRegisters { pc: SRAM, ..CoreRegisters::default() };
        (registers.r[0], registers.r[7]) = (SRAM + TARGET, SRAM + 0x100);
        Board::new(&[], &PROGRAM[AHEAD], registers)
    };
    for end in [100, 1_001, 5_003, 20_000] {
        let mut plain = board();
        plain.run_to(end);
        let mut stepped = board();
        while stepped.at.cycles < end {
            stepped.run_to(stepped.at.cycles + 1);
        }
        assert_eq!(plain.state(), stepped.state(), "steps, at cycle {end}");
        for stride in [3, 7, 19, 301] {
            let mut cut = board();
            while cut.at.cycles < end {
                cut.run_to((cut.at.cycles + stride).min(end));
            }
            assert_eq!(plain.state(), cut.state(), "stride {stride}, at cycle {end}");
        }
        while plain.engine.registers().pc != SRAM {
            plain.run_to(plain.at.cycles + 1);
        }
        let r = plain.engine.registers().r;
        assert_eq!(r[2], sum(r[5]), "after {} rounds", r[5]);
    }
}

/// Privileged and unprivileged code see memory through different translation tables; code that one has executed must
/// not stay in force when the other changes it.
#[test]
fn functions_changed_by_privileged_and_unprivileged_code_are_executed_as_changed() {
    let mut registers = CoreRegisters { pc: FLASH, msp: SRAM + 0x800, psp: SRAM + 0x800, ..CoreRegisters::default() };
    (registers.r[0], registers.r[1]) = (SRAM, SRAM + 4);
    let mut board = Board::new(&PROGRAM[CALLERS], &PROGRAM[FUNCTIONS], registers);
    for length in [1, 50, 51, 400, 7, 1_000, 33, 5_000, 2_001] {
        board.run_to(board.at.cycles + length);
        while board.engine.registers().pc != FLASH {
            board.run_to(board.at.cycles + 1);
        }
        let mut registers = board.engine.registers();
        let rounds = registers.r[5];
        assert_eq!(registers.r[2..4], [sum(rounds); 2], "after {rounds} rounds");
        registers.control ^= 1;
        board.engine.set_registers(&registers);
    }
    assert!(board.engine.registers().r[5] > 100);
}

#[test]
fn code_changed_by_the_host_is_executed_as_changed() {
    let mut registers = CoreRegisters { pc: SRAM, ..CoreRegisters::default() };
    (registers.r[0], registers.r[7]) = (SRAM + 0x200, SRAM + 0x100);
    let mut board = Board::new(&[], &PROGRAM[AHEAD], registers);
    let (mut sum, mut rounds) = (0, 0);
    for step in [1, 5, 200, 3, 100] {
        // The immediate of `adds r2, #1`, the low byte of the instruction.
        assert!(board.sram.write(TARGET as usize, &[step as u8]));
        board.engine.code_changed(SRAM + TARGET, 1);
        board.run_to(board.at.cycles + 1_000);
        while board.engine.registers().pc != SRAM {
            board.run_to(board.at.cycles + 1);
        }
        let r = board.engine.registers().r;
        sum += (r[5] - rounds) * step;
        rounds = r[5];
        assert_eq!(r[2], sum, "after {rounds} rounds");
    }
}

/// Flash is mapped twice, and its code runs by one of the addresses: a change told by either must reach it.
#[test]
fn code_changed_behind_two_mappings_is_executed_as_changed() {
    let flash = HostMemory::new(4096);
    assert!(flash.write(0, &PROGRAM[AHEAD]));
    let mut engine = Engine::new().unwrap();
    engine.map_rom(0, &flash).unwrap();
    engine.map_rom(FLASH, &flash).unwrap();
    let ram = HostMemory::new(4096);
    engine.map_ram(SRAM, &ram).unwrap();
    let mut registers =
        CoreRegisters { pc: FLASH, thumb: true, exclusive_address: u64::MAX, ..CoreRegisters::default() };
    (registers.r[0], registers.r[7]) = (SRAM, SRAM + 0x100);
    engine.set_registers(&registers);
    let mut board =
        Board { engine, sram: ram, at: RunEnd { cycles: 0, instructions: 0, reason: StopReason::Deadline } };
    let (mut sum, mut rounds) = (0, 0);
    // Told by either address, it is code at both.
    for (step, mapping) in [(1, FLASH), (5, 0), (200, FLASH)] {
        assert!(flash.write(TARGET as usize, &[step as u8]));
        board.engine.code_changed(mapping + TARGET, 1);
        board.run_to(board.at.cycles + 1_000);
        while board.engine.registers().pc != FLASH {
            board.run_to(board.at.cycles + 1);
        }
        let r = board.engine.registers().r;
        sum += (r[5] - rounds) * step;
        rounds = r[5];
        assert_eq!(r[2], sum, "after {rounds} rounds");
    }
}
