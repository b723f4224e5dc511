//! What an operation leaves when a reset or the loss of power ends it early.
//!
//! ST's manuals say only that the contents are not guaranteed then (RM0090 3.6, the same controller in the STM32F4; the
//! data sheets give no more). So what is left is drawn, stream `flash.power_loss`: of a word being programmed any of the
//! bits that were to be cleared, of a sector being erased one of three pictures. Approximated: a cell reads the same
//! each time, though one between its two states would not.

use super::FlashController;
use super::operation::{ARRAY_BASE, Operation};
use crate::device::Cx;

const STREAM: &str = "flash.power_loss";

/// What is left of a range that was being erased.
const ERASED_SO_FAR: u64 = 0;
/// An erase begins by programming all cells, so that they age alike.
const CLEARED_SO_FAR: u64 = 1;
/// Cells go back to 1 all together, not one after the other.
const IN_BETWEEN: u64 = 2;

impl FlashController {
    /// Ends the operation under way where it is, as a reset or a power cut does. One that is over is not changed.
    pub fn abort(&mut self, cx: &mut Cx<'_>) {
        self.update(cx);
        match std::mem::replace(&mut self.operation, Operation::Idle) {
            Operation::Idle | Operation::Options { .. } => {}
            Operation::Program { offset, size, before, after } => {
                let clearing = u64::from(before & !after);
                let cleared = cx.decisions.draw(cx.now.time_ps, STREAM, "cleared_bits", 0, u32::MAX.into()) & clearing;
                let left = u64::from(before) & !cleared;
                let bytes = (left as u32).to_le_bytes();
                cx.memory.flash_erase(offset, size);
                cx.memory.flash_program(offset, bytes.get(..size as usize).unwrap_or_default());
            }
            Operation::Erase { offset, length } => interrupt_erase(offset, length, cx),
        }
        self.busy_until_ps = self.busy_until_ps.min(cx.now.time_ps);
    }
}

fn interrupt_erase(offset: u32, length: u32, cx: &mut Cx<'_>) {
    let mut draw = |what, high| cx.decisions.draw(cx.now.time_ps, STREAM, what, 0, high);
    let picture = draw("erase_picture", IN_BETWEEN);
    match picture {
        ERASED_SO_FAR | CLEARED_SO_FAR => {
            let reached = draw("erase_bytes", length.into()) as u32;
            if picture == ERASED_SO_FAR {
                cx.memory.flash_erase(offset, reached);
            } else {
                cx.memory.flash_program(offset, &vec![0; reached as usize]);
            }
        }
        _ => {
            // Of 256 cells that held 0 so many read 1.
            let back = draw("erase_cells", 255);
            let mut noise = Noise(draw("erase_noise", u64::MAX));
            let content: Vec<u8> =
                (offset..offset + length).map(|at| cx.memory.read(ARRAY_BASE + at, 1).unwrap_or(0) as u8).collect();
            let left: Vec<u8> = content.into_iter().map(|byte| byte | noise.byte(back)).collect();
            cx.memory.flash_erase(offset, length);
            cx.memory.flash_program(offset, &left);
        }
    }
}

/// A sequence of bits that follows from one drawn number (SplitMix64).
struct Noise(u64);

impl Noise {
    /// Eight cells, each of them 1 in `of_256` cases of 256.
    fn byte(&mut self, of_256: u64) -> u8 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        mixed.to_le_bytes().iter().fold(0, |bits, cell| bits << 1 | u8::from(u64::from(*cell) < of_256))
    }
}
