//! External interrupt/event controller (RM0033 section 8.2): edge detectors of 23 lines.
//!
//! Lines 0 to 15 are GPIO pins selected by SYSCFG; 16 PVD, 17 RTC alarm, 18 OTG_FS wake-up, 19 Ethernet wake-up,
//! 20 OTG_HS wake-up, 21 RTC tamper and time stamp, 22 RTC wake-up.

use serde::{Deserialize, Serialize};

use crate::device::{Cx, Device};
use crate::registers::Access::{Rc1, Rs, Rw};
use crate::registers::{Access, Field, Register, RegisterFile};

/// EXTI line of the programmable voltage detector.
pub const LINE_PVD: u8 = 16;
/// EXTI line of the RTC alarm.
pub const LINE_RTC_ALARM: u8 = 17;
/// EXTI line of the OTG_FS wake-up.
pub const LINE_OTG_FS_WAKEUP: u8 = 18;
/// EXTI line of the OTG_HS wake-up.
pub const LINE_OTG_HS_WAKEUP: u8 = 20;
/// EXTI line of RTC tamper and time stamp.
pub const LINE_RTC_TAMPER: u8 = 21;
/// EXTI line of the RTC wake-up timer.
pub const LINE_RTC_WAKEUP: u8 = 22;

const LINES: u32 = 0x7f_ffff;

macro_rules! per_line {
    ($name:literal, $access:expr) => {
        per_line!($name, $access; 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22)
    };
    ($name:literal, $access:expr; $($n:literal)*) => { &[$(Field::new(concat!($name, $n), $n, 1, $access)),*] };
}

const TABLE: &[Register] = &[
    Register { offset: 0x00, name: "IMR", reset: 0, section: "8.3.1", fields: per_line!("MR", Rw) },
    Register { offset: 0x04, name: "EMR", reset: 0, section: "8.3.2", fields: per_line!("MR", Rw) },
    Register { offset: 0x08, name: "RTSR", reset: 0, section: "8.3.3", fields: per_line!("TR", Rw) },
    Register { offset: 0x0c, name: "FTSR", reset: 0, section: "8.3.4", fields: per_line!("TR", Rw) },
    Register { offset: 0x10, name: "SWIER", reset: 0, section: "8.3.5", fields: per_line!("SWIER", Rs) },
    Register { offset: 0x14, name: "PR", reset: 0, section: "8.3.6", fields: per_line!("PR", Rc1) },
];
const IMR: usize = 0;
const EMR: usize = 1;
const RTSR: usize = 2;
const FTSR: usize = 3;
const SWIER: usize = 4;
const PR: usize = 5;

const _: () = assert!(matches!(TABLE[PR].fields[0].access, Access::Rc1));

/// EXTI. Interrupt lines: bits 0 to 4 EXTI0 to EXTI4, 5 EXTI9_5, 6 EXTI15_10, 7 PVD, 8 tamper and time stamp, 9 RTC
/// wake-up, 10 RTC alarm, 11 OTG_FS wake-up, 12 OTG_HS wake-up, 13 Ethernet wake-up.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Exti {
    regs: [u32; 6],
    levels: u32,
    event: bool,
}

impl Exti {
    /// After reset, all lines low.
    pub fn new() -> Self {
        Self { regs: [0; 6], levels: 0, event: false }
    }

    /// The level of an input line; a change is an edge.
    pub fn set_line(&mut self, line: u8, level: bool) {
        let bit = 1u32.checked_shl(line.into()).unwrap_or(0) & LINES;
        self.set_lines(bit, if level { bit } else { 0 });
    }

    /// The levels of all lines in `mask` at once.
    pub fn set_lines(&mut self, mask: u32, levels: u32) {
        let new = (self.levels & !mask) | (levels & mask);
        let rising = new & !self.levels & self.regs[RTSR];
        let falling = !new & self.levels & self.regs[FTSR];
        self.levels = new;
        self.trigger((rising | falling) & LINES);
    }

    /// The levels last given.
    pub fn levels(&self) -> u32 {
        self.levels
    }

    fn trigger(&mut self, lines: u32) {
        self.regs[PR] |= lines;
        self.event |= lines & self.regs[EMR] != 0;
    }

    /// Whether an event pulse went to the core since the last call: it wakes from WFE.
    pub fn take_event(&mut self) -> bool {
        std::mem::take(&mut self.event)
    }
}

impl Default for Exti {
    fn default() -> Self {
        Self::new()
    }
}

impl Device for Exti {
    fn name(&self) -> &str {
        "EXTI"
    }

    fn table(&self) -> &'static [Register] {
        TABLE
    }

    fn read(&mut self, offset: u32, cx: &mut Cx<'_>) -> u32 {
        match RegisterFile::index_of(TABLE, offset) {
            Some(index) => self.regs[index],
            None => {
                cx.unmodelled(&format!("EXTI read offset {offset:#x}"));
                0
            }
        }
    }

    fn write(&mut self, offset: u32, value: u32, lanes: u32, cx: &mut Cx<'_>) {
        let Some(index) = RegisterFile::index_of(TABLE, offset) else {
            cx.unmodelled(&format!("EXTI write offset {offset:#x}"));
            return;
        };
        let old = self.regs[index];
        self.regs[index] = TABLE[index].after_write(old, value, lanes);
        match index {
            // A 0 to 1 change of SWIER acts like an edge; clearing PR clears SWIER (8.3.5).
            SWIER => self.trigger(self.regs[SWIER] & !old),
            PR => self.regs[SWIER] &= !(value & lanes),
            _ => {}
        }
    }

    fn irq_lines(&self) -> u32 {
        let pending = self.regs[PR] & self.regs[IMR];
        if pending == 0 {
            return 0;
        }
        let group = |mask: u32, bit: u32| u32::from(pending & mask != 0) << bit;
        pending & 0x1f
            | group(0x0000_03e0, 5)
            | group(0x0000_fc00, 6)
            | group(1 << LINE_PVD, 7)
            | group(1 << LINE_RTC_TAMPER, 8)
            | group(1 << LINE_RTC_WAKEUP, 9)
            | group(1 << LINE_RTC_ALARM, 10)
            | group(1 << LINE_OTG_FS_WAKEUP, 11)
            | group(1 << LINE_OTG_HS_WAKEUP, 12)
            | group(1 << 19, 13)
    }

    /// The input levels are not the EXTI's own and stay.
    fn reset(&mut self) {
        *self = Self { levels: self.levels, ..Self::new() };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::Bench;

    fn rig(writes: &[(u32, u32)]) -> (Bench, Exti) {
        let (mut bench, mut exti) = (Bench::new(), Exti::new());
        for (offset, value) in writes {
            exti.write(*offset, *value, u32::MAX, &mut bench.cx());
        }
        (bench, exti)
    }

    #[test]
    fn the_mode_button_s_falling_edge_raises_exti9_5_until_cleared() {
        let (mut bench, mut exti) = rig(&[(0x00, 0x80), (0x0c, 0x80)]);
        exti.set_line(7, true);
        assert_eq!(exti.irq_lines(), 0, "rising edge not selected");
        exti.set_line(7, false);
        exti.set_line(7, false);
        assert_eq!(exti.irq_lines(), 1 << 5);
        exti.write(0x14, 0x80, u32::MAX, &mut bench.cx());
        assert_eq!((exti.irq_lines(), exti.read(0x14, &mut bench.cx())), (0, 0));
        assert!(!exti.take_event(), "EMR is clear");
    }

    #[test]
    fn every_line_reaches_its_own_interrupt() {
        let lines = [
            (0, 0),
            (4, 4),
            (5, 5),
            (9, 5),
            (10, 6),
            (15, 6),
            (16, 7),
            (17, 10),
            (18, 11),
            (19, 13),
            (20, 12),
            (21, 8),
            (22, 9),
        ];
        for (line, irq) in lines {
            let (_, mut exti) = rig(&[(0x00, LINES), (0x08, LINES)]);
            exti.set_line(line, true);
            assert_eq!(exti.irq_lines(), 1 << irq, "line {line}");
        }
    }

    #[test]
    fn a_masked_edge_stays_pending_and_an_event_wakes_wfe() {
        let (mut bench, mut exti) = rig(&[(0x08, 1 << 17), (0x04, 1 << 17)]);
        exti.set_line(17, true);
        assert_eq!((exti.irq_lines(), exti.read(0x14, &mut bench.cx())), (0, 1 << 17));
        assert!(exti.take_event());
        assert!(!exti.take_event());
        exti.write(0x00, 1 << 17, u32::MAX, &mut bench.cx());
        assert_eq!(exti.irq_lines(), 1 << 10);
    }

    #[test]
    fn a_software_interrupt_is_cleared_with_its_pending_bit() {
        let (mut bench, mut exti) = rig(&[(0x00, 1), (0x10, 1)]);
        assert_eq!(exti.irq_lines(), 1);
        exti.write(0x14, 1, u32::MAX, &mut bench.cx());
        assert_eq!((exti.irq_lines(), exti.read(0x10, &mut bench.cx())), (0, 0));
        exti.write(0x10, 1, u32::MAX, &mut bench.cx());
        assert_eq!(exti.irq_lines(), 1);
    }

    proptest! {
        /// Pending bits are exactly the selected edges of the level sequence.
        #[test]
        fn pending_is_the_union_of_selected_edges(rising: u32, falling: u32, levels: Vec<u32>) {
            let (mut bench, mut exti) = rig(&[(0x08, rising), (0x0c, falling)]);
            let (mut last, mut expected) = (0, 0);
            for level in levels {
                exti.set_lines(u32::MAX, level);
                expected |= (level & !last & rising) | (!level & last & falling);
                last = level;
            }
            prop_assert_eq!(exti.read(0x14, &mut bench.cx()), expected & LINES);
        }
    }
}
