//! Random number generator (RM0033 section 20).
//!
//! A word is ready 40 periods of the 48 MHz clock after the generator was enabled or the last word was read. Words
//! come from the decision stream `rng`; seed errors do not happen.

use serde::{Deserialize, Serialize};

use crate::device::{Cx, Device};
use crate::registers::Access::{R, Rc0, Rw};
use crate::registers::{Field, Register, RegisterFile};
use crate::time::{Clocks, PS_PER_S, Wake};

const TABLE: &[Register] = &[
    Register {
        offset: 0x00,
        name: "CR",
        reset: 0,
        section: "20.4.1",
        fields: &[Field::new("RNGEN", 2, 1, Rw), Field::new("IE", 3, 1, Rw)],
    },
    Register {
        offset: 0x04,
        name: "SR",
        reset: 0,
        section: "20.4.2",
        fields: &[
            Field::new("DRDY", 0, 1, R),
            Field::new("CECS", 1, 1, R),
            Field::new("SECS", 2, 1, R),
            Field::new("CEIS", 5, 1, Rc0),
            Field::new("SEIS", 6, 1, Rc0),
        ],
    },
    Register { offset: 0x08, name: "DR", reset: 0, section: "20.4.3", fields: &[Field::new("RNDATA", 0, 32, R)] },
];
const CR: usize = 0;
const SR: usize = 1;
const DR: usize = 2;
const RNGEN: u32 = 1 << 2;
const IE: u32 = 1 << 3;
const DRDY: u32 = 1 << 0;
const CECS: u32 = 1 << 1;
const CEIS: u32 = 1 << 5;
const SEIS: u32 = 1 << 6;
const PERIODS_PER_WORD: u64 = 40;

/// The generator. Interrupt line bit 0: data ready or error.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rng {
    regs: RegisterFile,
    /// When the word being made is ready; `None` while none is.
    ready_ps: Option<u64>,
}

impl Rng {
    /// After reset.
    pub fn new() -> Self {
        Self { regs: RegisterFile::new(TABLE), ready_ps: None }
    }

    fn start_word(&mut self, cx: &Cx<'_>) {
        let enabled = self.regs[CR] & RNGEN != 0 && self.regs[SR] & DRDY == 0;
        self.ready_ps = match cx.clocks.clk48_hz {
            Some(hz) if enabled => Some(cx.now.time_ps.saturating_add(PERIODS_PER_WORD * PS_PER_S / hz.max(1))),
            _ => None,
        };
    }

    /// RNG_CLK is missing or slower than HCLK/16 (20.3.2).
    fn check_clock(&mut self, cx: &Cx<'_>) {
        let good = cx.clocks.clk48_hz.is_some_and(|hz| hz * 16 >= cx.clocks.hclk_hz);
        if good || self.regs[CR] & RNGEN == 0 {
            self.regs[SR] &= !CECS;
        } else {
            self.regs[SR] |= CECS | CEIS;
        }
    }

    fn update(&mut self, cx: &mut Cx<'_>) {
        if self.ready_ps.is_some_and(|ready_ps| ready_ps <= cx.now.time_ps) {
            self.ready_ps = None;
            self.regs[DR] = cx.decisions.entropy_u32("rng");
            self.regs[SR] |= DRDY;
        }
    }
}

impl Default for Rng {
    fn default() -> Self {
        Self::new()
    }
}

impl Device for Rng {
    fn name(&self) -> &str {
        "RNG"
    }

    fn table(&self) -> &'static [Register] {
        TABLE
    }

    fn read(&mut self, offset: u32, cx: &mut Cx<'_>) -> u32 {
        self.update(cx);
        match RegisterFile::index_of(TABLE, offset) {
            Some(DR) => {
                let value = self.regs[DR];
                if self.regs[SR] & DRDY != 0 {
                    self.regs[SR] &= !DRDY;
                    self.start_word(cx);
                }
                value
            }
            Some(index) => self.regs[index],
            None => {
                cx.unmodelled(&format!("RNG read offset {offset:#x}"));
                0
            }
        }
    }

    fn write(&mut self, offset: u32, value: u32, lanes: u32, cx: &mut Cx<'_>) {
        self.update(cx);
        let Some(index) = RegisterFile::index_of(TABLE, offset) else {
            cx.unmodelled(&format!("RNG write offset {offset:#x}"));
            return;
        };
        let old = self.regs.write(TABLE, index, value, lanes, "RNG", cx);
        if index == CR && (old ^ self.regs[CR]) & RNGEN != 0 {
            self.check_clock(cx);
            self.start_word(cx);
        }
    }

    fn wake(&self, _clocks: &Clocks) -> Wake {
        // Without the interrupt nobody can see the instant but by reading.
        match self.ready_ps {
            Some(ready_ps) if self.regs[CR] & IE != 0 => Wake::at_time_ps(ready_ps),
            _ => Wake::NEVER,
        }
    }

    fn advance(&mut self, cx: &mut Cx<'_>) {
        self.update(cx);
    }

    fn clocks_changed(&mut self, cx: &mut Cx<'_>) {
        self.check_clock(cx);
        if cx.clocks.clk48_hz.is_none() || self.ready_ps.is_none() {
            self.start_word(cx);
        }
    }

    fn irq_lines(&self) -> u32 {
        u32::from(self.regs[CR] & IE != 0 && self.regs[SR] & (DRDY | CEIS | SEIS) != 0)
    }

    fn reset(&mut self) {
        *self = Self::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    fn rig() -> (Bench, Rng) {
        let mut bench = Bench::new();
        bench.clocks.clk48_hz = Some(48_000_000);
        (bench, Rng::new())
    }

    #[test]
    fn a_word_is_ready_after_forty_clocks_and_is_the_seed_s() {
        let (mut bench, mut rng) = rig();
        rng.write(0x00, RNGEN | IE, u32::MAX, &mut bench.cx());
        assert_eq!(rng.read(0x04, &mut bench.cx()), 0);
        let wake = rng.wake(&bench.clocks);
        assert_eq!(wake, Wake::at_time_ps(833_333));
        bench.now.time_ps = wake.time_ps;
        rng.advance(&mut bench.cx());
        assert_eq!((rng.read(0x04, &mut bench.cx()), rng.irq_lines()), (DRDY, 1));
        let mut expected = lockstep_traces::Decisions::new(1);
        assert_eq!(rng.read(0x08, &mut bench.cx()), expected.entropy_u32("rng"));
        assert_eq!((rng.read(0x04, &mut bench.cx()), rng.irq_lines()), (0, 0));
        bench.now.time_ps += 833_333;
        assert_eq!(rng.read(0x04, &mut bench.cx()), DRDY);
        assert_eq!(rng.read(0x08, &mut bench.cx()), expected.entropy_u32("rng"));
    }

    #[test]
    fn polling_often_or_seldom_gives_the_same_words() {
        let run = |step_ps: u64| {
            let (mut bench, mut rng) = rig();
            rng.write(0x00, RNGEN, u32::MAX, &mut bench.cx());
            let mut words = Vec::new();
            while words.len() < 20 {
                bench.now.time_ps += step_ps;
                rng.advance(&mut bench.cx());
                if rng.read(0x04, &mut bench.cx()) & DRDY != 0 {
                    words.push(rng.read(0x08, &mut bench.cx()));
                }
            }
            words
        };
        assert_eq!(run(10_000), run(5_000_000));
    }

    #[test]
    fn without_a_48_mhz_clock_the_error_is_flagged() {
        let (mut bench, mut rng) = rig();
        bench.clocks.clk48_hz = None;
        rng.write(0x00, RNGEN | IE, u32::MAX, &mut bench.cx());
        bench.now.time_ps = PS_PER_S;
        assert_eq!((rng.read(0x04, &mut bench.cx()), rng.irq_lines()), (CECS | CEIS, 1));
        bench.clocks.clk48_hz = Some(48_000_000);
        rng.clocks_changed(&mut bench.cx());
        assert_eq!(rng.read(0x04, &mut bench.cx()), CEIS);
        rng.write(0x04, !CEIS, u32::MAX, &mut bench.cx());
        bench.now.time_ps += 833_333;
        assert_eq!(rng.read(0x04, &mut bench.cx()), DRDY);
    }
}
