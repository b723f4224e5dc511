//! The core registers, as one plain struct.

use serde::{Deserialize, Serialize};

use crate::Engine;
use crate::ffi::{LsCore, uc_ls_get_core, uc_ls_set_core};

/// All programmer-visible registers of the core (ARMv7-M ARM B1.4) and the local exclusive monitor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoreRegisters {
    /// R0 to R12.
    pub r: [u32; 13],
    /// Main stack pointer.
    pub msp: u32,
    /// Process stack pointer.
    pub psp: u32,
    /// Link register.
    pub lr: u32,
    /// Address of the next instruction, bit 0 clear.
    pub pc: u32,
    /// APSR flags N, Z, C, V, Q in place, IPSR in bits 0 to 8. The T bit and IT bits are apart.
    pub xpsr: u32,
    /// EPSR.T: clear makes the next instruction an INVSTATE fault.
    pub thumb: bool,
    /// EPSR.IT of the next instruction.
    pub it_state: u8,
    /// PRIMASK bit 0.
    pub primask: bool,
    /// FAULTMASK bit 0.
    pub faultmask: bool,
    /// BASEPRI, top four bits.
    pub basepri: u8,
    /// CONTROL bits 0 (nPRIV) and 1 (SPSEL).
    pub control: u8,
    /// Address tagged by LDREX, all ones when the monitor is open.
    pub exclusive_address: u64,
    /// Value that LDREX loaded.
    pub exclusive_value: u64,
}

impl CoreRegisters {
    /// Number of the active exception, 0 in thread mode.
    pub fn ipsr(&self) -> u32 {
        self.xpsr & 0x1ff
    }

    /// The stack pointer in use.
    pub fn sp(&self) -> u32 {
        if self.uses_psp() { self.psp } else { self.msp }
    }

    /// Sets the stack pointer in use.
    pub fn set_sp(&mut self, value: u32) {
        if self.uses_psp() {
            self.psp = value;
        } else {
            self.msp = value;
        }
    }

    /// Thread mode with CONTROL.SPSEL set.
    pub fn uses_psp(&self) -> bool {
        self.ipsr() == 0 && self.control & 2 != 0
    }

    /// EPSR.IT after an instruction that was passed over (ARMv7-M ARM A7.3.3, ITAdvance).
    pub fn advance_it_state(&mut self) {
        self.it_state = if self.it_state & 7 == 0 { 0 } else { self.it_state & 0xe0 | self.it_state << 1 & 0x1f };
    }

    /// The stacked form of xPSR: flags, IPSR, T and IT together.
    pub fn stacked_xpsr(&self) -> u32 {
        let it = u32::from(self.it_state);
        self.xpsr | u32::from(self.thumb) << 24 | (it & 3) << 25 | (it >> 2) << 10
    }

    /// Splits a stacked xPSR into its parts.
    pub fn set_stacked_xpsr(&mut self, value: u32) {
        self.xpsr = value & 0xf800_01ff;
        self.thumb = value & 1 << 24 != 0;
        self.it_state = ((value >> 25 & 3) | (value >> 10 & 0x3f) << 2) as u8;
    }
}

impl From<&CoreRegisters> for LsCore {
    fn from(regs: &CoreRegisters) -> Self {
        let mut r = [0; 16];
        r[..13].copy_from_slice(&regs.r);
        r[13] = regs.sp();
        r[14] = regs.lr;
        r[15] = regs.pc & !1;
        Self {
            r,
            other_sp: if regs.uses_psp() { regs.msp } else { regs.psp },
            xpsr: regs.xpsr,
            control: regs.control.into(),
            primask: regs.primask.into(),
            faultmask: regs.faultmask.into(),
            basepri: regs.basepri.into(),
            it_state: regs.it_state.into(),
            thumb: regs.thumb.into(),
            exclusive_address: regs.exclusive_address,
            exclusive_value: regs.exclusive_value,
        }
    }
}

impl From<&LsCore> for CoreRegisters {
    fn from(core: &LsCore) -> Self {
        let mut regs = Self {
            r: [0; 13],
            msp: core.other_sp,
            psp: core.other_sp,
            lr: core.r[14],
            pc: core.r[15],
            xpsr: core.xpsr,
            thumb: core.thumb != 0,
            it_state: core.it_state as u8,
            primask: core.primask != 0,
            faultmask: core.faultmask != 0,
            basepri: core.basepri as u8,
            control: core.control as u8,
            exclusive_address: core.exclusive_address,
            exclusive_value: core.exclusive_value,
        };
        regs.r.copy_from_slice(&core.r[..13]);
        regs.set_sp(core.r[13]);
        regs
    }
}

impl Engine {
    /// Reads every register.
    pub fn registers(&self) -> CoreRegisters {
        let mut core = LsCore::default();
        // SAFETY: the handle is alive as long as `self`; `core` has the layout C expects.
        unsafe { uc_ls_get_core(self.handle(), &mut core) };
        (&core).into()
    }

    /// Writes every register.
    pub fn set_registers(&mut self, regs: &CoreRegisters) {
        // SAFETY: as above; not inside a run, because `self` is borrowed mutably.
        unsafe { uc_ls_set_core(self.handle(), &regs.into()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stacked_form_splits_into_the_same_parts() {
        let mut regs = CoreRegisters::default();
        for value in [0x0100_0000, 0xf900_000f, 0x2600_fc0e, 0x6100_0000] {
            regs.set_stacked_xpsr(value);
            assert_eq!(regs.stacked_xpsr(), value, "{value:#010x}");
        }
    }
}
