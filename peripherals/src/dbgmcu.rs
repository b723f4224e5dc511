//! MCU debug component (RM0033 section 32.16).
//!
//! The freeze bits say which counters stop while a debugger halts the core. Here a debugger's stop stops all virtual
//! time, so that they make no difference that a guest could observe; they store and read back.

use serde::{Deserialize, Serialize};

use crate::device::{Cx, Device};
use crate::registers::Access::{R, Rw, Tag};
use crate::registers::{Field, Register, RegisterFile};

const TABLE: &[Register] = &[
    Register {
        offset: 0x00,
        name: "IDCODE",
        // STM32F20x/21x, revision X; bits 12 to 15 read 6 (32.6.1).
        reset: 0x2003_6411,
        section: "32.6.1",
        fields: &[Field::new("DEV_ID", 0, 12, R), Field::new("REV_ID", 16, 16, R)],
    },
    Register {
        offset: 0x04,
        name: "CR",
        reset: 0,
        section: "32.16.3",
        fields: &[
            Field::new("DBG_SLEEP", 0, 1, Rw),
            Field::new("DBG_STOP", 1, 1, Rw),
            Field::new("DBG_STANDBY", 2, 1, Rw),
            Field::new("TRACE_IOEN", 5, 1, Tag),
            Field::new("TRACE_MODE", 6, 2, Tag),
        ],
    },
    Register {
        offset: 0x08,
        name: "APB1_FZ",
        reset: 0,
        section: "32.16.4",
        fields: &[
            Field::new("DBG_TIM2_STOP", 0, 1, Rw),
            Field::new("DBG_TIM3_STOP", 1, 1, Rw),
            Field::new("DBG_TIM4_STOP", 2, 1, Rw),
            Field::new("DBG_TIM5_STOP", 3, 1, Rw),
            Field::new("DBG_TIM6_STOP", 4, 1, Rw),
            Field::new("DBG_TIM7_STOP", 5, 1, Rw),
            Field::new("DBG_TIM12_STOP", 6, 1, Rw),
            Field::new("DBG_TIM13_STOP", 7, 1, Rw),
            Field::new("DBG_TIM14_STOP", 8, 1, Rw),
            Field::new("DBG_RTC_STOP", 10, 1, Rw),
            Field::new("DBG_WWDG_STOP", 11, 1, Rw),
            Field::new("DBG_IWDG_STOP", 12, 1, Rw),
            Field::new("DBG_I2C1_SMBUS_TIMEOUT", 21, 1, Rw),
            Field::new("DBG_I2C2_SMBUS_TIMEOUT", 22, 1, Rw),
            Field::new("DBG_I2C3_SMBUS_TIMEOUT", 23, 1, Rw),
            Field::new("DBG_CAN1_STOP", 25, 1, Rw),
            Field::new("DBG_CAN2_STOP", 26, 1, Rw),
        ],
    },
    Register {
        offset: 0x0c,
        name: "APB2_FZ",
        reset: 0,
        section: "32.16.5",
        fields: &[
            Field::new("DBG_TIM1_STOP", 0, 1, Rw),
            Field::new("DBG_TIM8_STOP", 1, 1, Rw),
            Field::new("DBG_TIM9_STOP", 16, 1, Rw),
            Field::new("DBG_TIM10_STOP", 17, 1, Rw),
            Field::new("DBG_TIM11_STOP", 18, 1, Rw),
        ],
    },
];

/// DBGMCU. Has no interrupt. Reset by power-on only (32.16.3).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Dbgmcu {
    regs: RegisterFile,
}

impl Dbgmcu {
    /// After power-on.
    pub fn new() -> Self {
        Self { regs: RegisterFile::new(TABLE) }
    }
}

impl Default for Dbgmcu {
    fn default() -> Self {
        Self::new()
    }
}

impl Device for Dbgmcu {
    fn name(&self) -> &str {
        "DBGMCU"
    }

    fn table(&self) -> &'static [Register] {
        TABLE
    }

    fn read(&mut self, offset: u32, cx: &mut Cx<'_>) -> u32 {
        match RegisterFile::index_of(TABLE, offset) {
            Some(index) => self.regs[index],
            None => {
                cx.unmodelled(&format!("DBGMCU read offset {offset:#x}"));
                0
            }
        }
    }

    fn write(&mut self, offset: u32, value: u32, lanes: u32, cx: &mut Cx<'_>) {
        match RegisterFile::index_of(TABLE, offset) {
            Some(index) => {
                self.regs.write(TABLE, index, value, lanes, "DBGMCU", cx);
            }
            None => cx.unmodelled(&format!("DBGMCU write offset {offset:#x}")),
        }
    }

    /// The composition calls this at power-on only.
    fn reset(&mut self) {
        *self = Self::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    #[test]
    fn the_id_code_is_an_stm32f20x_s_and_cannot_be_written() {
        let mut bench = Bench::new();
        let mut dbgmcu = Dbgmcu::new();
        dbgmcu.write(0x00, 0, u32::MAX, &mut bench.cx());
        assert_eq!(dbgmcu.read(0x00, &mut bench.cx()) & 0xfff, 0x411);
        dbgmcu.write(0x08, u32::MAX, u32::MAX, &mut bench.cx());
        assert_eq!(dbgmcu.read(0x08, &mut bench.cx()), 0x06e0_1dff);
        assert!(bench.ledger.entries().is_empty());
        dbgmcu.write(0x04, 1 << 5, u32::MAX, &mut bench.cx());
        assert!(bench.ledger.entries().contains_key("DBGMCU.CR.TRACE_IOEN"));
    }
}
