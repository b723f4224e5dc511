//! System configuration controller (RM0033 section 7).

use serde::{Deserialize, Serialize};

use crate::device::{Cx, Device, Port};
use crate::registers::Access::{R, Rw, Tag};
use crate::registers::{Field, Register, RegisterFile};

const TABLE: &[Register] = &[
    Register { offset: 0x00, name: "MEMRMP", reset: 0, section: "7.2.1", fields: &[Field::new("MEM_MODE", 0, 2, Rw)] },
    Register {
        offset: 0x04,
        name: "PMC",
        reset: 0,
        section: "7.2.2",
        fields: &[Field::new("MII_RMII_SEL", 23, 1, Tag)],
    },
    Register {
        offset: 0x08,
        name: "EXTICR1",
        reset: 0,
        section: "7.2.3",
        fields: &[
            Field::new("EXTI0", 0, 4, Rw),
            Field::new("EXTI1", 4, 4, Rw),
            Field::new("EXTI2", 8, 4, Rw),
            Field::new("EXTI3", 12, 4, Rw),
        ],
    },
    Register {
        offset: 0x0c,
        name: "EXTICR2",
        reset: 0,
        section: "7.2.4",
        fields: &[
            Field::new("EXTI4", 0, 4, Rw),
            Field::new("EXTI5", 4, 4, Rw),
            Field::new("EXTI6", 8, 4, Rw),
            Field::new("EXTI7", 12, 4, Rw),
        ],
    },
    Register {
        offset: 0x10,
        name: "EXTICR3",
        reset: 0,
        section: "7.2.5",
        fields: &[
            Field::new("EXTI8", 0, 4, Rw),
            Field::new("EXTI9", 4, 4, Rw),
            Field::new("EXTI10", 8, 4, Rw),
            Field::new("EXTI11", 12, 4, Rw),
        ],
    },
    Register {
        offset: 0x14,
        name: "EXTICR4",
        reset: 0,
        section: "7.2.6",
        fields: &[
            Field::new("EXTI12", 0, 4, Rw),
            Field::new("EXTI13", 4, 4, Rw),
            Field::new("EXTI14", 8, 4, Rw),
            Field::new("EXTI15", 12, 4, Rw),
        ],
    },
    Register {
        offset: 0x20,
        name: "CMPCR",
        reset: 0,
        section: "7.2.7",
        fields: &[Field::new("CMP_PD", 0, 1, Rw), Field::new("READY", 8, 1, R)],
    },
];
const MEMRMP: usize = 0;
const EXTICR1: usize = 2;
const CMPCR: usize = 6;

/// What is mapped at address 0 (RM0033 table 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BootMemory {
    /// Main flash.
    Flash,
    /// System memory (the chip maker's boot loader).
    SystemMemory,
    /// FSMC bank 1.
    Fsmc,
    /// Embedded SRAM (SRAM1).
    Sram,
}

/// SYSCFG. Has no interrupt.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Syscfg {
    regs: RegisterFile,
}

impl Syscfg {
    /// After reset, with the boot pins selecting main flash as on the Electron.
    pub fn new() -> Self {
        Self { regs: RegisterFile::new(TABLE) }
    }

    /// What MEMRMP maps at address 0.
    pub fn boot_memory(&self) -> BootMemory {
        match self.regs[MEMRMP] & 3 {
            0 => BootMemory::Flash,
            1 => BootMemory::SystemMemory,
            2 => BootMemory::Fsmc,
            _ => BootMemory::Sram,
        }
    }

    /// The port whose pin `line` is connected to EXTI line `line` (0 to 15). `None` for a setting the manual reserves.
    pub fn exti_port(&self, line: u8) -> Option<Port> {
        let word = self.regs[EXTICR1 + usize::from(line & 15) / 4];
        match word >> (line % 4 * 4) & 0xf {
            0 => Some(Port::A),
            1 => Some(Port::B),
            2 => Some(Port::C),
            3 => Some(Port::D),
            4 => Some(Port::E),
            5 => Some(Port::F),
            6 => Some(Port::G),
            7 => Some(Port::H),
            8 => Some(Port::I),
            _ => None,
        }
    }
}

impl Default for Syscfg {
    fn default() -> Self {
        Self::new()
    }
}

impl Device for Syscfg {
    fn name(&self) -> &str {
        "SYSCFG"
    }

    fn table(&self) -> &'static [Register] {
        TABLE
    }

    fn read(&mut self, offset: u32, cx: &mut Cx<'_>) -> u32 {
        match RegisterFile::index_of(TABLE, offset) {
            Some(index) => self.regs[index],
            None => {
                cx.unmodelled(&format!("SYSCFG read offset {offset:#x}"));
                0
            }
        }
    }

    fn write(&mut self, offset: u32, value: u32, lanes: u32, cx: &mut Cx<'_>) {
        let Some(index) = RegisterFile::index_of(TABLE, offset) else {
            cx.unmodelled(&format!("SYSCFG write offset {offset:#x}"));
            return;
        };
        self.regs.write(TABLE, index, value, lanes, "SYSCFG", cx);
        match index {
            // The compensation cell is ready at once: the manual gives no time.
            CMPCR => self.regs[CMPCR] = (self.regs[CMPCR] & 1) * 0x101,
            MEMRMP if self.regs[MEMRMP] & 3 != 0 => cx.unmodelled("SYSCFG.MEMRMP.MEM_MODE"),
            _ => {}
        }
    }

    fn reset(&mut self) {
        *self = Self::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    #[test]
    fn each_line_s_port_is_read_from_its_own_four_bits() {
        let mut bench = Bench::new();
        let mut syscfg = Syscfg::new();
        assert_eq!(syscfg.exti_port(13), Some(Port::A));
        // EXTI7 and EXTI13 from port C: the MODE button and LOW_BAT.
        syscfg.write(0x0c, 0x2000, u32::MAX, &mut bench.cx());
        syscfg.write(0x14, 0x00f0 & 0x0020, u32::MAX, &mut bench.cx());
        let ports: Vec<_> = (0..16).map(|line| syscfg.exti_port(line)).collect();
        for (line, port) in ports.into_iter().enumerate() {
            assert_eq!(port, Some(if line == 7 || line == 13 { Port::C } else { Port::A }), "line {line}");
        }
        syscfg.write(0x14, 0xffff, u32::MAX, &mut bench.cx());
        assert_eq!(syscfg.exti_port(13), None);
        syscfg.write(0x20, 1, u32::MAX, &mut bench.cx());
        assert_eq!(syscfg.read(0x20, &mut bench.cx()), 0x101);
    }
}
