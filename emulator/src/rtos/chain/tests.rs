use proptest::prelude::*;

use super::*;
use crate::rtos::MemoryCopy;

/// Code at the start of flash as halfwords, a stack in SRAM.
struct Machine {
    flash: Vec<u8>,
    sram: Vec<u8>,
}

impl Machine {
    fn new() -> Self {
        Self { flash: vec![0xff; 0x4000], sram: vec![0; SRAM_SIZE as usize] }
    }

    fn code(&mut self, offset: usize, halves: &[u16]) {
        for (n, half) in halves.iter().enumerate() {
            self.flash[offset + 2 * n..][..2].copy_from_slice(&half.to_le_bytes());
        }
    }

    fn set(&mut self, address: u32, word: u32) {
        self.sram[(address - SRAM_BASE) as usize..][..4].copy_from_slice(&word.to_le_bytes());
    }

    fn memory(&self) -> MemoryCopy<'_> {
        MemoryCopy { sram: &self.sram, flash: &self.flash }
    }

    fn chain(&self, pc: u32, sp: u32, lr: u32) -> Chain {
        chain(&self.memory(), Context { pc, sp, lr: Some(lr), saved: [None; 8] }, SRAM_BASE + SRAM_SIZE)
    }
}

const CODE: u32 = FLASH_BASE;
const SP: u32 = SRAM_BASE + 0x1000;
/// What the kernel gives a task to return to.
const NOWHERE: u32 = FLASH_BASE + 0x3001;

/// A function that calls itself: push {r4, r5, r6, lr}; sub sp, #16; bl itself; add sp, #16; pop {r4, r5, r6, pc}.
const RECURSIVE: [u16; 6] = [0xb570, 0xb084, 0xf7ff, 0xfffc, 0xb004, 0xbd70];
/// Behind its call.
const AFTER_CALL: u32 = CODE + 8;
/// The stack that a round takes.
const ROUND: u32 = 32;

fn recursion(rounds: u32) -> Machine {
    let mut machine = Machine::new();
    machine.code(0, &RECURSIVE);
    // A leaf that is being executed: bx lr. A task: push {r4, lr}; bl CODE; pop {r4, pc}.
    machine.code(0x100, &[0x4770]);
    machine.code(0x200, &[0xb510, 0xf7ff, 0xfefd, 0xbd10]);
    for round in 0..rounds {
        // Stale return addresses in the locals of each round.
        machine.set(SP + round * ROUND + 4, AFTER_CALL | 1);
        let is_outermost = round + 1 == rounds;
        let returns_to = if is_outermost { CODE + 0x206 } else { AFTER_CALL };
        machine.set(SP + round * ROUND + 28, returns_to | 1);
    }
    machine.set(SP + rounds * ROUND + 4, NOWHERE);
    machine
}

#[test]
fn a_recursion_is_followed_to_its_end_and_compressed() {
    let machine = recursion(6);
    let chain = machine.chain(CODE + 0x100, SP, AFTER_CALL | 1);
    assert_eq!(chain.end, ChainEnd::Outermost { to: NOWHERE });
    // The leaf, six rounds (the call of the leaf is taken for one), the task.
    let pcs: Vec<u32> = chain.frames.iter().map(|frame| frame.pc - CODE).collect();
    assert_eq!(pcs, [0x100, 8, 8, 8, 8, 8, 8, 0x206]);
    assert!(chain.frames.iter().skip(1).all(|frame| frame.trust == Trust::Followed));
    assert_eq!(
        stretches(&chain.frames),
        [
            Stretch { first: 0, frames: 1, times: 1 },
            Stretch { first: 1, frames: 1, times: 6 },
            Stretch { first: 7, frames: 1, times: 1 },
        ]
    );
}

#[test]
fn rounds_of_several_frames_are_compressed() {
    let frame = |pc: u32| Frame { pc, sp: 0, slot: None, trust: Trust::Followed, interrupted: false };
    let frames: Vec<Frame> = [1, 2, 3, 2, 3, 2, 3, 2, 4].map(frame).to_vec();
    let found = stretches(&frames);
    assert_eq!(found[1], Stretch { first: 1, frames: 2, times: 3 });
    assert_eq!(found.iter().map(|s| s.frames * s.times).sum::<usize>(), frames.len());
}

#[test]
fn a_return_address_that_leads_nowhere_ends_the_chain() {
    let mut machine = recursion(3);
    machine.set(SP + ROUND + 28, 0x0100_0009);
    let chain = machine.chain(CODE + 0x100, SP, AFTER_CALL | 1);
    assert_eq!(chain.frames.len(), 3);
    assert_eq!(chain.end, ChainEnd::BadReturn { slot: SP + ROUND + 28, value: 0x0100_0009 });
}

#[test]
fn a_function_without_a_way_out_is_left_by_its_prologue() {
    let mut machine = Machine::new();
    // push {r3, lr}; sub sp, #8; bl +0; b -6 (the bl again).
    machine.code(0x300, &[0xb508, 0xb082, 0xf000, 0xf800, 0xe7fc]);
    machine.set(SP + 12, NOWHERE);
    let chain = machine.chain(CODE + 0x308, SP, 0);
    assert_eq!(chain.frames.len(), 1);
    assert_eq!(chain.end, ChainEnd::Outermost { to: NOWHERE });
    // Not yet begun: the link register has it.
    let chain = machine.chain(CODE + 0x300, SP, NOWHERE);
    assert_eq!((chain.frames.len(), chain.end), (1, ChainEnd::Outermost { to: NOWHERE }));
}

#[test]
fn handlers_lead_to_what_they_interrupted() {
    let mut machine = recursion(2);
    // A handler: push {r4, lr}, standing behind it; pop {r4, pc}.
    machine.code(0x400, &[0xb510, 0xbf00, 0xbd10]);
    let msp = SRAM_BASE + 0x8000;
    machine.set(msp + 4, 0xffff_fffd);
    let frame = SP - 32;
    machine.set(frame + 20, AFTER_CALL | 1);
    machine.set(frame + 24, CODE + 0x100);
    machine.set(frame + 28, 1 << 24);
    let registers =
        CoreRegisters { pc: CODE + 0x402, msp, psp: frame, xpsr: 14, lr: 0xffff_fffd, ..CoreRegisters::default() };
    let chain = live_chain(&machine.memory(), &registers, SRAM_BASE + SRAM_SIZE);
    let pcs: Vec<(u32, bool)> = chain.frames.iter().map(|frame| (frame.pc - CODE, frame.interrupted)).collect();
    assert_eq!(pcs, [(0x402, false), (0x100, true), (8, false), (8, false), (0x206, false)]);
    assert_eq!(chain.end, ChainEnd::Outermost { to: NOWHERE });
}

#[test]
fn stale_words_are_only_possible_frames() {
    let mut machine = recursion(2);
    machine.set(SP - 64 + 8, AFTER_CALL | 1);
    // Erased flash is no code: nothing says how to leave it.
    let chain = machine.chain(CODE + 0x2000, SP - 64, 0);
    assert!(chain.frames.len() > 1);
    assert!(chain.frames.iter().skip(1).all(|frame| frame.trust == Trust::Possible), "{chain:?}");
}

proptest! {
    #[test]
    fn hostile_code_and_stacks_never_panic(
        code in proptest::collection::vec(any::<u16>(), 0..400),
        stack in proptest::collection::vec(prop_oneof![any::<u32>(), CODE..CODE + 0x1000], 0..300),
        pc in prop_oneof![any::<u32>(), CODE..CODE + 0x1000],
        sp in prop_oneof![any::<u32>(), SP - 64..SP + 64],
        lr: u32, psp: u32, handler: bool, limit: u32,
    ) {
        let mut machine = Machine::new();
        machine.code(0, &code);
        for (n, word) in stack.iter().enumerate() {
            machine.set(SP + 4 * n as u32, *word);
        }
        let registers = CoreRegisters {
            pc, msp: sp, psp, lr, xpsr: u32::from(handler) * 3, ..CoreRegisters::default()
        };
        let chain = live_chain(&machine.memory(), &registers, limit);
        prop_assert!(chain.frames.len() <= FRAMES_MAX);
        prop_assert_eq!(stretches(&chain.frames).iter().map(|s| s.frames * s.times).sum::<usize>(), chain.frames.len());
        let _ = saved_context(&machine.memory(), sp);
    }
}
