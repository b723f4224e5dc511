//! Runs cut anywhere are the same run: the heart of the project.

#[path = "common/program.rs"]
mod program;

use lockstep_engine::{Access, AccessFault, Bus, CoreRegisters, Engine, HostMemory, RunEnd, StopReason};
use program::PROGRAM;

/// A device whose reads give the time, so that any inexact access shows in the registers.
struct Clock {
    deadline: u64,
    /// Reads move the deadline this close, to stop inside blocks.
    close_after_read: Option<u64>,
    log: Vec<(u64, u64, u32, u32)>,
}

impl Bus for Clock {
    fn read(&mut self, access: &Access) -> Result<u32, AccessFault> {
        self.log.push((access.cycles, access.instructions, access.pc, 0));
        if let Some(distance) = self.close_after_read {
            self.deadline = self.deadline.min(access.cycles + distance);
        }
        Ok((access.cycles ^ access.instructions) as u32)
    }
    fn write(&mut self, access: &Access, value: u32) -> Result<(), AccessFault> {
        self.log.push((access.cycles, access.instructions, access.pc, value));
        if let Some(distance) = self.close_after_read {
            self.deadline = self.deadline.min(access.cycles + distance);
        }
        Ok(())
    }
    fn deadline_cycles(&self) -> u64 {
        self.deadline
    }
}

struct Board {
    engine: Engine,
    sram: HostMemory,
    bus: Clock,
    at: RunEnd,
}

impl Board {
    fn new() -> Self {
        let (engine, sram) = program::engine(PROGRAM);
        let bus = Clock { deadline: 0, close_after_read: None, log: Vec::new() };
        Self { engine, sram, bus, at: RunEnd { cycles: 0, instructions: 0, reason: StopReason::Deadline } }
    }

    fn run_to(&mut self, cycles: u64) {
        while self.at.cycles < cycles {
            self.bus.deadline = cycles;
            self.at = self.engine.run(&mut self.bus, self.at.cycles, self.at.instructions).unwrap();
            assert_eq!(self.at.reason, StopReason::Deadline);
        }
    }

    fn state(&self) -> (u64, u64, CoreRegisters, Vec<u8>) {
        (self.at.cycles, self.at.instructions, self.engine.registers(), self.sram.to_vec())
    }
}

fn reference(checkpoints: &[u64]) -> Vec<(u64, u64, CoreRegisters, Vec<u8>)> {
    checkpoints
        .iter()
        .map(|&at| {
            let mut board = Board::new();
            board.run_to(at);
            board.state()
        })
        .collect()
}

const CHECKPOINTS: [u64; 4] = [1000, 1001, 54_321, 200_000];

#[test]
fn single_steps_are_the_plain_run() {
    let expected = reference(&CHECKPOINTS);
    let mut board = Board::new();
    for (checkpoint, expected) in CHECKPOINTS.into_iter().zip(expected) {
        while board.at.cycles < checkpoint {
            let before = board.at.instructions;
            board.run_to(board.at.cycles + 1);
            assert_eq!(board.at.instructions, before + 1);
        }
        assert_eq!(board.state(), expected, "at cycle {checkpoint}");
    }
}

#[test]
fn stops_anywhere_are_the_plain_run() {
    let expected = reference(&CHECKPOINTS);
    for stride in [2, 3, 5, 7, 11, 23, 61, 977] {
        let mut board = Board::new();
        for (checkpoint, expected) in CHECKPOINTS.into_iter().zip(&expected) {
            while board.at.cycles < checkpoint {
                board.run_to((board.at.cycles + stride).min(checkpoint));
            }
            assert_eq!(board.state(), *expected, "stride {stride}, at cycle {checkpoint}");
        }
    }
}

#[test]
fn a_deadline_that_a_device_moves_is_met_exactly() {
    let mut plain = Board::new();
    plain.run_to(200_000);
    for distance in [0, 1, 2, 3, 5, 8, 13, 40] {
        let mut board = Board::new();
        board.bus.close_after_read = Some(distance);
        let mut seen = 0;
        while board.at.cycles < 200_000 {
            board.bus.deadline = 200_000;
            board.at = board.engine.run(&mut board.bus, board.at.cycles, board.at.instructions).unwrap();
            if board.bus.log.len() > seen && board.at.cycles < 200_000 {
                seen = board.bus.log.len();
                let access = board.bus.log[seen - 1].0;
                // The longest instruction of the program takes 12 cycles.
                let due = board.bus.deadline.max(access + 1);
                let end = due..due + 12;
                assert!(end.contains(&board.at.cycles), "distance {distance}: {access} .. {}", board.at.cycles);
            }
        }
        assert_eq!(board.state(), plain.state(), "distance {distance}");
        assert_eq!(board.bus.log, plain.bus.log, "distance {distance}");
    }
}

#[test]
fn a_restored_engine_goes_on_as_the_first() {
    let mut plain = Board::new();
    plain.run_to(200_000);
    let mut board = Board::new();
    for at in [17, 4_711, 99_999, 123_456] {
        board.run_to(at);
        let mut fresh = Board::new();
        assert!(fresh.sram.write(0, &board.sram.to_vec()));
        fresh.engine.set_registers(&board.engine.registers());
        fresh.at = board.at;
        board = fresh;
    }
    board.run_to(200_000);
    assert_eq!(board.state(), plain.state());
}
