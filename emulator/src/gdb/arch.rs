//! The registers of a Cortex-M3 as GDB knows them.

use gdbstub::arch::{Arch, Registers};
use lockstep_engine::CoreRegisters;

/// R0 to R15 and xPSR in GDB's XML (GDB manual, "ARM Features").
macro_rules! general_registers {
    () => {
        r#"<?xml version="1.0"?>
<!DOCTYPE target SYSTEM "gdb-target.dtd">
<target version="1.0">
<architecture>arm</architecture>
<feature name="org.gnu.gdb.arm.m-profile">
<reg name="r0" bitsize="32" regnum="0"/>
<reg name="r1" bitsize="32"/>
<reg name="r2" bitsize="32"/>
<reg name="r3" bitsize="32"/>
<reg name="r4" bitsize="32"/>
<reg name="r5" bitsize="32"/>
<reg name="r6" bitsize="32"/>
<reg name="r7" bitsize="32"/>
<reg name="r8" bitsize="32"/>
<reg name="r9" bitsize="32"/>
<reg name="r10" bitsize="32"/>
<reg name="r11" bitsize="32"/>
<reg name="r12" bitsize="32"/>
<reg name="sp" bitsize="32" type="data_ptr"/>
<reg name="lr" bitsize="32"/>
<reg name="pc" bitsize="32" type="code_ptr"/>
<reg name="xpsr" bitsize="32"/>
</feature>
"#
    };
}

/// What GDB is told of the registers. The order is that of `g` packets.
const DESCRIPTION: &str = concat!(
    general_registers!(),
    r#"<feature name="org.gnu.gdb.arm.m-system">
<reg name="msp" bitsize="32" type="data_ptr"/>
<reg name="psp" bitsize="32" type="data_ptr"/>
<reg name="primask" bitsize="32"/>
<reg name="basepri" bitsize="32"/>
<reg name="faultmask" bitsize="32"/>
<reg name="control" bitsize="32"/>
</feature>
</target>
"#
);

/// The same without the registers that a core file has no place for.
const CORE_DESCRIPTION: &str = concat!(general_registers!(), "</target>\n");

/// Words of a `g` packet: R0 to R15, xPSR, MSP, PSP, PRIMASK, BASEPRI, FAULTMASK, CONTROL.
const WORDS: usize = 23;
const SP: usize = 13;
const LR: usize = 14;
const PC: usize = 15;
const XPSR: usize = 16;
const MSP: usize = 17;
const PSP: usize = 18;
const CONTROL: usize = 22;

/// The registers, as GDB numbers them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CortexM3Registers {
    words: [u32; WORDS],
}

impl CortexM3Registers {
    /// R0 to R15 and xPSR, as they stand in the notes of core files.
    pub fn general(&self) -> &[u32] {
        &self.words[..=XPSR]
    }

    /// The registers of a task that was switched out, on this core: it uses the process stack.
    pub fn of_task(&self, r: [u32; 13], sp: u32, lr: u32, pc: u32, xpsr: u32) -> Self {
        let mut words = self.words;
        words[..SP].copy_from_slice(&r);
        (words[SP], words[LR], words[PC], words[XPSR]) = (sp, lr, pc, xpsr);
        words[PSP] = sp;
        words[CONTROL] |= 2;
        Self { words }
    }

    /// Puts them into the core's registers. EPSR.T and IT come from xPSR.
    pub fn store(&self, registers: &mut CoreRegisters) {
        let words = &self.words;
        registers.set_stacked_xpsr(words[XPSR]);
        registers.msp = words[MSP];
        registers.psp = words[PSP];
        registers.primask = words[19] & 1 != 0;
        registers.basepri = (words[20] & 0xf0) as u8;
        registers.faultmask = words[21] & 1 != 0;
        registers.control = (words[CONTROL] & 3) as u8;
        registers.r.copy_from_slice(&words[..SP]);
        registers.set_sp(words[SP]);
        registers.lr = words[LR];
        registers.pc = words[PC] & !1;
    }
}

impl From<&CoreRegisters> for CortexM3Registers {
    fn from(registers: &CoreRegisters) -> Self {
        let mut words = [0; WORDS];
        words[..SP].copy_from_slice(&registers.r);
        (words[SP], words[LR], words[PC]) = (registers.sp(), registers.lr, registers.pc);
        words[XPSR] = registers.stacked_xpsr();
        words[MSP..].copy_from_slice(&[
            registers.msp,
            registers.psp,
            registers.primask.into(),
            registers.basepri.into(),
            registers.faultmask.into(),
            registers.control.into(),
        ]);
        Self { words }
    }
}

impl Registers for CortexM3Registers {
    type ProgramCounter = u32;

    fn pc(&self) -> u32 {
        self.words[PC]
    }

    fn gdb_serialize(&self, mut write_byte: impl FnMut(Option<u8>)) {
        for byte in self.words.iter().flat_map(|word| word.to_le_bytes()) {
            write_byte(Some(byte));
        }
    }

    fn gdb_deserialize(&mut self, bytes: &[u8]) -> Result<(), ()> {
        if bytes.len() != 4 * WORDS {
            return Err(());
        }
        for (word, bytes) in self.words.iter_mut().zip(bytes.chunks_exact(4)) {
            *word = bytes.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte));
        }
        Ok(())
    }
}

/// An ARMv7-M core without floating point.
#[derive(Debug)]
pub enum CortexM3 {}

impl CortexM3 {
    /// The description of the registers that a core file holds, in GDB's XML.
    pub fn core_description() -> &'static str {
        CORE_DESCRIPTION
    }
}

impl Arch for CortexM3 {
    type Usize = u32;
    type Registers = CortexM3Registers;
    type BreakpointKind = usize;
    type RegId = ();

    fn target_description_xml() -> Option<&'static str> {
        Some(DESCRIPTION)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_come_back_as_they_went() {
        let mut registers = CoreRegisters {
            msp: 0x2000_1000,
            psp: 0x2000_2000,
            lr: 0xffff_fffd,
            pc: 0x0802_0000,
            xpsr: 0x6000_0000,
            thumb: true,
            control: 2,
            basepri: 0x50,
            ..CoreRegisters::default()
        };
        registers.r[12] = 12;
        let mut bytes = Vec::new();
        CortexM3Registers::from(&registers).gdb_serialize(|byte| bytes.extend(byte));
        assert_eq!(bytes.len(), DESCRIPTION.matches("<reg ").count() * 4);
        let mut read = CortexM3Registers::default();
        assert_eq!(read.gdb_deserialize(&bytes), Ok(()));
        assert_eq!((read.words[SP], read.words[XPSR]), (0x2000_2000, 0x6100_0000));
        let mut stored = CoreRegisters::default();
        read.store(&mut stored);
        assert_eq!(stored, registers);
        assert_eq!(read.gdb_deserialize(&bytes[1..]), Err(()));
    }
}
