//! The private peripheral bus: system control space with NVIC, SCB and MPU registers (ARMv7-M ARM B3.2 to B3.5,
//! PM0056 4), SysTick, DWT, and the debug registers that code without a debugger sees.

use lockstep_peripherals::{Access, Field, Ledger, Register};
use serde::{Deserialize, Serialize};

use super::dwt::Dwt;
use super::exceptions::*;
use super::faults::{BFARVALID, Fault};
use super::systick::SysTick;

/// Cortex-M3 r2p0, as the STM32F2 has it (PM0056 4.4.2).
const CPUID: u32 = 0x412f_c230;
/// Interrupt lines in groups of 32, minus one.
const ICTR: u32 = 2;
const AIRCR_KEY: u32 = 0x05fa;
/// Software trigger interrupt register, from 0xE000_0000.
const STIR: u32 = 0xef00;
const CCR_WRITABLE: u32 = 0x31b;
/// CCR.DIV_0_TRP.
pub const CCR_DIV_0_TRP: u32 = 1 << 4;
/// CCR.UNALIGN_TRP.
pub const CCR_UNALIGN_TRP: u32 = 1 << 3;
/// CCR.STKALIGN.
pub const CCR_STKALIGN: u32 = 1 << 9;
/// CCR.BFHFNMIGN.
pub const CCR_BFHFNMIGN: u32 = 1 << 8;
/// CCR.USERSETMPEND.
pub const CCR_USERSETMPEND: u32 = 1 << 1;
/// CCR.NONBASETHRDENA.
pub const CCR_NONBASETHRDENA: u32 = 1;
/// SCR.SLEEPONEXIT.
pub const SCR_SLEEPONEXIT: u32 = 1 << 1;
/// SCR.SLEEPDEEP.
pub const SCR_SLEEPDEEP: u32 = 1 << 2;
/// SCR.SEVONPEND.
pub const SCR_SEVONPEND: u32 = 1 << 4;

/// System control block registers that are plain words here, by offset from 0xE000_E000. Everything else in the
/// space is computed.
pub const SCB_REGISTERS: &[Register] = &[
    Register {
        offset: 0xd08,
        name: "VTOR",
        reset: 0,
        section: "PM0056 4.4.4",
        fields: &[Field::new("TBLOFF", 9, 21, Access::Rw)],
    },
    Register {
        offset: 0xd10,
        name: "SCR",
        reset: 0,
        section: "PM0056 4.4.6",
        fields: &[
            Field::new("SLEEPONEXIT", 1, 1, Access::Rw),
            Field::new("SLEEPDEEP", 2, 1, Access::Rw),
            Field::new("SEVONPEND", 4, 1, Access::Rw),
        ],
    },
    Register {
        offset: 0xd14,
        name: "CCR",
        reset: 0x200,
        section: "PM0056 4.4.7",
        fields: &[
            Field::new("NONBASETHRDENA", 0, 1, Access::Rw),
            Field::new("USERSETMPEND", 1, 1, Access::Rw),
            Field::new("UNALIGN_TRP", 3, 1, Access::Rw),
            Field::new("DIV_0_TRP", 4, 1, Access::Rw),
            Field::new("BFHFNMIGN", 8, 1, Access::Rw),
            Field::new("STKALIGN", 9, 1, Access::Rw),
        ],
    },
];

/// What a write to the space asks of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScsEffect {
    /// AIRCR.SYSRESETREQ or VECTRESET.
    pub reset: bool,
    /// CCR trap bits changed.
    pub traps_changed: bool,
}

/// All of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Scs {
    /// Exception states.
    pub exceptions: Exceptions,
    /// SysTick.
    pub systick: SysTick,
    /// DWT.
    pub dwt: Dwt,
    /// Vector table address.
    pub vtor: u32,
    /// System control register.
    pub scr: u32,
    /// Configuration and control register.
    pub ccr: u32,
    /// Configurable fault status.
    pub cfsr: u32,
    /// HardFault status.
    pub hfsr: u32,
    /// Debug fault status.
    pub dfsr: u32,
    /// MemManage fault address.
    pub mmfar: u32,
    /// Bus fault address.
    pub bfar: u32,
    /// Debug exception and monitor control.
    pub demcr: u32,
    actlr: u32,
    mpu_control: u32,
    mpu_region: u32,
    /// RBAR and RASR of the eight regions. Stored; not enforced (FIDELITY.md).
    mpu_regions: Vec<(u32, u32)>,
    dcrdr: u32,
    /// IPSR of the running code, kept by the machine for ICSR.VECTACTIVE.
    pub active_exception: u32,
}

impl Default for Scs {
    fn default() -> Self {
        Self::new()
    }
}

impl Scs {
    /// After reset.
    pub fn new() -> Self {
        Self {
            exceptions: Exceptions::new(),
            systick: SysTick::default(),
            dwt: Dwt::default(),
            vtor: 0,
            scr: 0,
            ccr: 0x200,
            cfsr: 0,
            hfsr: 0,
            dfsr: 0,
            mmfar: 0,
            bfar: 0,
            demcr: 0,
            actlr: 0,
            mpu_control: 0,
            mpu_region: 0,
            mpu_regions: vec![(0, 0); 8],
            dcrdr: 0,
            active_exception: 0,
        }
    }

    /// Records a fault's cause.
    pub fn record_fault(&mut self, fault: Fault) {
        self.cfsr |= fault.cfsr_bit().0;
        if let Fault::DataBus(address) = fault {
            self.cfsr |= BFARVALID;
            self.bfar = address;
        }
    }

    /// Whether code without privilege may make this access; any other is a BusFault (B3.1.1).
    pub fn allows_unprivileged(&self, offset: u32, write: bool) -> bool {
        offset == STIR && write && self.ccr & CCR_USERSETMPEND != 0
    }

    fn icsr(&self) -> u32 {
        let e = &self.exceptions;
        let pending = e.highest_pending().unwrap_or(0) as u32;
        u32::from(e.is_pending(NMI)) << 31
            | u32::from(e.is_pending(PEND_SV)) << 28
            | u32::from(e.is_pending(SYS_TICK)) << 26
            | u32::from(e.isr_pending()) << 22
            | pending << 12
            | u32::from(e.active_count() <= 1) << 11
            | self.active_exception
    }

    fn shcsr(&self) -> u32 {
        let e = &self.exceptions;
        u32::from(e.is_active(MEM_MANAGE))
            | u32::from(e.is_active(BUS_FAULT)) << 1
            | u32::from(e.is_active(USAGE_FAULT)) << 3
            | u32::from(e.is_active(SV_CALL)) << 7
            | u32::from(e.is_active(DEBUG_MONITOR)) << 8
            | u32::from(e.is_active(PEND_SV)) << 10
            | u32::from(e.is_active(SYS_TICK)) << 11
            | u32::from(e.is_pending(USAGE_FAULT)) << 12
            | u32::from(e.is_pending(MEM_MANAGE)) << 13
            | u32::from(e.is_pending(BUS_FAULT)) << 14
            | u32::from(e.is_pending(SV_CALL)) << 15
            | u32::from(e.is_enabled(MEM_MANAGE)) << 16
            | u32::from(e.is_enabled(BUS_FAULT)) << 17
            | u32::from(e.is_enabled(USAGE_FAULT)) << 18
    }

    fn write_shcsr(&mut self, value: u32) {
        let e = &mut self.exceptions;
        for (bit, exception) in [
            (0, MEM_MANAGE),
            (1, BUS_FAULT),
            (3, USAGE_FAULT),
            (7, SV_CALL),
            (8, DEBUG_MONITOR),
            (10, PEND_SV),
            (11, SYS_TICK),
        ] {
            e.set_active(exception, value >> bit & 1 != 0);
        }
        for (bit, exception) in [(12, USAGE_FAULT), (13, MEM_MANAGE), (14, BUS_FAULT), (15, SV_CALL)] {
            if value >> bit & 1 != 0 {
                e.set_pending(exception);
            } else {
                e.clear_pending(exception);
            }
        }
        for (bit, exception) in [(16, MEM_MANAGE), (17, BUS_FAULT), (18, USAGE_FAULT)] {
            e.set_enabled(exception, value >> bit & 1 != 0);
        }
    }

    /// Reads a word at `offset` from 0xE000_0000. `cycle` is the start of the accessing instruction.
    pub fn read(&mut self, offset: u32, cycle: u64, pc: u32, time_ps: u64, ledger: &mut Ledger) -> u32 {
        match offset {
            0x1000..=0x1fff => return self.dwt.read(offset - 0x1000, cycle),
            0xe000..=0xefff => {}
            _ => {
                ledger.unmodelled(&format!("private peripheral bus read {:#010x}", 0xe000_0000 + offset), pc, time_ps);
                return 0;
            }
        }
        let offset = offset - 0xe000;
        match offset {
            0x004 => ICTR,
            0x008 => self.actlr,
            0x010..=0x01c => {
                if self.systick.advance(cycle) {
                    self.exceptions.set_pending(SYS_TICK);
                }
                self.systick.read(offset)
            }
            0x100..=0x108 | 0x180..=0x188 => self.exceptions.enabled_word((offset as usize & 0x7f) / 4),
            0x200..=0x208 | 0x280..=0x288 => self.exceptions.pending_word((offset as usize & 0x7f) / 4),
            0x300..=0x308 => self.exceptions.active_word((offset as usize & 0x7f) / 4),
            0x10c..=0x17f | 0x18c..=0x1ff | 0x20c..=0x27f | 0x28c..=0x2ff | 0x30c..=0x3ff => 0,
            0x400..=0x7ef => {
                let first = 16 + (offset as usize - 0x400);
                (0..4).fold(0, |word, i| word | u32::from(self.exceptions.priority(first + i)) << (8 * i))
            }
            0xd00 => CPUID,
            0xd04 => self.icsr(),
            0xd08 => self.vtor,
            0xd0c => 0xfa05_0000 | u32::from(self.exceptions.priority_group) << 8,
            0xd10 => self.scr,
            0xd14 => self.ccr,
            0xd18..=0xd20 => {
                let first = 4 + (offset as usize - 0xd18);
                (0..4).fold(0, |word, i| word | u32::from(self.exceptions.priority(first + i)) << (8 * i))
            }
            0xd24 => self.shcsr(),
            0xd28 => self.cfsr,
            0xd2c => self.hfsr,
            0xd30 => self.dfsr,
            0xd34 => self.mmfar,
            0xd38 => self.bfar,
            // ID registers of the Cortex-M3 (TRM DDI 0337 table 5-1).
            0xd40 => 0x30,
            0xd44 => 0x200,
            0xd48 => 0x0010_0000,
            0xd50 => 0x0000_0030,
            0xd58 => 0,
            0xd60 => 0x0114_1110,
            0xd64 => 0x0211_1000,
            0xd68 => 0x2111_2231,
            0xd6c => 0x0111_1110,
            0xd70 => 0x0131_0102,
            0xd3c | 0xd4c | 0xd54 | 0xd5c => 0,
            0xd90 => 0x0000_0800,
            0xd94 => self.mpu_control,
            0xd98 => self.mpu_region,
            0xd9c | 0xda4 | 0xdac | 0xdb4 => self.mpu_regions[self.mpu_region as usize & 7].0 & !0x1f | self.mpu_region,
            0xda0 | 0xda8 | 0xdb0 | 0xdb8 => self.mpu_regions[self.mpu_region as usize & 7].1,
            // No debugger is attached: DHCSR reads S_REGRDY only.
            0xdf0 => 1 << 16,
            0xdf8 => self.dcrdr,
            0xdfc => self.demcr,
            0xfd0 => 0x04,
            0xfe0 => 0x00,
            0xfe4 => 0xb0,
            0xfe8 => 0x1b,
            0xff0 => 0x0d,
            0xff4 => 0xe0,
            0xff8 => 0x05,
            0xffc => 0xb1,
            _ => {
                ledger.unmodelled(&format!("SCS read {:#010x}", 0xe000_e000 + offset), pc, time_ps);
                0
            }
        }
    }

    /// Writes the bytes in `lanes` of the word at `offset` from 0xE000_0000.
    #[allow(clippy::too_many_arguments)] // the parts of one bus access, and the ledger
    pub fn write(
        &mut self,
        offset: u32,
        value: u32,
        lanes: u32,
        cycle: u64,
        pc: u32,
        time_ps: u64,
        ledger: &mut Ledger,
    ) -> ScsEffect {
        let mut effect = ScsEffect::default();
        match offset {
            0x1000..=0x1fff => {
                if let Some(what) = self.dwt.write(offset - 0x1000, value, cycle) {
                    ledger.unmodelled(what, pc, time_ps);
                }
                return effect;
            }
            0xe000..=0xefff => {}
            _ => {
                ledger.unmodelled(&format!("private peripheral bus write {:#010x}", 0xe000_0000 + offset), pc, time_ps);
                return effect;
            }
        }
        let offset = offset - 0xe000;
        match offset {
            0x008 => self.actlr = value & 7,
            0x010..=0x01c => {
                if self.systick.advance(cycle) {
                    self.exceptions.set_pending(SYS_TICK);
                }
                self.systick.write(offset, value, cycle);
            }
            0x100..=0x2ff => {
                let first = 16 + (offset as usize & 0x7f) * 8;
                for i in (0..32).filter(|i| value >> i & 1 != 0) {
                    match offset & 0x380 {
                        0x100 => self.exceptions.set_enabled(first + i, true),
                        0x180 => self.exceptions.set_enabled(first + i, false),
                        0x200 => self.exceptions.set_pending(first + i),
                        _ => self.exceptions.clear_pending(first + i),
                    }
                }
            }
            0x400..=0x7ef => self.write_priorities(16 + (offset as usize - 0x400), value, lanes),
            0xd04 => {
                for (bit, exception) in [(31, NMI), (28, PEND_SV), (26, SYS_TICK)] {
                    if value >> bit & 1 != 0 {
                        self.exceptions.set_pending(exception);
                    }
                }
                for (bit, exception) in [(27, PEND_SV), (25, SYS_TICK)] {
                    if value >> bit & 1 != 0 {
                        self.exceptions.clear_pending(exception);
                    }
                }
            }
            0xd08 => self.vtor = value & 0x3fff_fe00,
            0xd0c => {
                if value >> 16 == AIRCR_KEY {
                    self.exceptions.set_priority_group((value >> 8 & 7) as u8);
                    effect.reset = value & 0b101 != 0;
                }
            }
            0xd10 => self.scr = value & 0x16,
            0xd14 => {
                effect.traps_changed = (self.ccr ^ value) & (CCR_DIV_0_TRP | CCR_UNALIGN_TRP) != 0;
                self.ccr = value & CCR_WRITABLE;
            }
            0xd18..=0xd20 => self.write_priorities(4 + (offset as usize - 0xd18), value, lanes),
            0xd24 => self.write_shcsr(value),
            0xd28 => self.cfsr &= !(value & lanes),
            0xd2c => self.hfsr &= !value,
            0xd30 => self.dfsr &= !value,
            0xd34 => self.mmfar = value,
            0xd38 => self.bfar = value,
            0xd94 => {
                if value & 1 != 0 {
                    ledger.unmodelled("MPU.CTRL.ENABLE (regions are stored, not enforced)", pc, time_ps);
                }
                self.mpu_control = value & 7;
            }
            0xd98 => self.mpu_region = value & 7,
            0xd9c | 0xda4 | 0xdac | 0xdb4 => {
                if value & 0x10 != 0 {
                    self.mpu_region = value & 7;
                }
                self.mpu_regions[self.mpu_region as usize & 7].0 = value & !0x1f;
            }
            0xda0 | 0xda8 | 0xdb0 | 0xdb8 => self.mpu_regions[self.mpu_region as usize & 7].1 = value,
            0xdf0 | 0xdf4 => {} // ignored without a debugger
            0xdf8 => self.dcrdr = value,
            0xdfc => {
                self.demcr = value & 0x010f_07f1;
                self.dwt.set_demcr(self.demcr, cycle);
            }
            0xf00 => self.exceptions.set_pending(16 + (value as usize & 0x1ff)),
            _ => ledger.unmodelled(&format!("SCS write {:#010x}", 0xe000_e000 + offset), pc, time_ps),
        }
        effect
    }

    fn write_priorities(&mut self, first: usize, value: u32, lanes: u32) {
        for i in 0..4 {
            if lanes >> (8 * i) & 0xff != 0 {
                self.exceptions.set_priority(first + i, (value >> (8 * i)) as u8);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_writes_reach_one_priority() {
        let mut scs = Scs::new();
        let mut ledger = Ledger::default();
        scs.write(0xe400, 0x0000_ff00, 0x0000_ff00, 0, 0, 0, &mut ledger);
        assert_eq!(scs.read(0xe400, 0, 0, 0, &mut ledger), 0x0000_f000, "only the top four bits exist");
        scs.write(0xed20, 0xf000_0000, 0xff00_0000, 0, 0, 0, &mut ledger);
        assert_eq!(scs.exceptions.priority(SYS_TICK), 0xf0);
        assert!(ledger.entries().is_empty());
    }

    #[test]
    fn aircr_needs_its_key() {
        let mut scs = Scs::new();
        let mut ledger = Ledger::default();
        assert!(!scs.write(0xed0c, 4, u32::MAX, 0, 0, 0, &mut ledger).reset);
        assert!(scs.write(0xed0c, 0x05fa_0004, u32::MAX, 0, 0, 0, &mut ledger).reset);
    }
}
