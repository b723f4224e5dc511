//! Power control (RM0033 section 4): backup domain access, voltage detector, stop and standby selection.

use serde::{Deserialize, Serialize};

use crate::device::{Cx, Device};
use crate::registers::{Access, Field, Register, RegisterFile};

const TABLE: &[Register] = &[
    Register {
        offset: 0x00,
        name: "CR",
        reset: 0,
        section: "4.4.1",
        fields: &[
            Field::new("LPDS", 0, 1, Access::Rw),
            Field::new("PDDS", 1, 1, Access::Rw),
            Field::new("CWUF", 2, 1, Access::W),
            Field::new("CSBF", 3, 1, Access::W),
            Field::new("PVDE", 4, 1, Access::Rw),
            Field::new("PLS", 5, 3, Access::Rw),
            Field::new("DBP", 8, 1, Access::Rw),
            Field::new("FPDS", 9, 1, Access::Rw),
        ],
    },
    Register {
        offset: 0x04,
        name: "CSR",
        reset: 0,
        section: "4.4.2",
        fields: &[
            Field::new("WUF", 0, 1, Access::R),
            Field::new("SBF", 1, 1, Access::R),
            Field::new("PVDO", 2, 1, Access::R),
            Field::new("BRR", 3, 1, Access::R),
            Field::new("EWUP", 8, 1, Access::Rw),
            Field::new("BRE", 9, 1, Access::Rw),
        ],
    },
];
const CR: usize = 0;
const CSR: usize = 1;

const LPDS: u32 = 1 << 0;
const PDDS: u32 = 1 << 1;
const CWUF: u32 = 1 << 2;
const CSBF: u32 = 1 << 3;
const PVDE: u32 = 1 << 4;
const DBP: u32 = 1 << 8;
const FPDS: u32 = 1 << 9;

const WUF: u32 = 1 << 0;
const SBF: u32 = 1 << 1;
const PVDO: u32 = 1 << 2;
const BRR: u32 = 1 << 3;
const EWUP: u32 = 1 << 8;
const BRE: u32 = 1 << 9;

/// Falling thresholds of PLS in millivolts (RM0033 4.4.1).
const PVD_THRESHOLD_MV: [u32; 8] = [2000, 2100, 2300, 2500, 2600, 2700, 2800, 2900];
/// Hysteresis of the voltage detector (STM32F20x data sheet, embedded reset and power control block: 100 mV).
const PVD_HYSTERESIS_MV: u32 = 100;

/// What SLEEPDEEP selects when the core goes to sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeepSleep {
    /// All clocks of the 1.2 V domain stop; SRAM and registers keep their contents.
    Stop {
        /// The regulator is in low-power mode (longer wake-up).
        low_power_regulator: bool,
        /// Flash is powered down (longer wake-up).
        flash_power_down: bool,
    },
    /// The 1.2 V domain is off; waking is a reset.
    Standby,
}

/// The power controller. Interrupt line bit 0: PVD output, which is EXTI line 16.
///
/// The backup regulator is ready as soon as it is enabled.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pwr {
    regs: RegisterFile,
    vdd_mv: u32,
    wakeup_pin: bool,
}

impl Pwr {
    /// After power-on with VDD at 3.3 V.
    pub fn new() -> Self {
        Self { regs: RegisterFile::new(TABLE), vdd_mv: 3300, wakeup_pin: false }
    }

    /// CR.DBP: the backup domain (RTC, backup SRAM, RCC_BDCR) may be written.
    pub fn backup_write_enabled(&self) -> bool {
        self.regs[CR] & DBP != 0
    }

    /// CSR.BRE: backup SRAM keeps its contents in standby and on VBAT.
    pub fn backup_regulator_enabled(&self) -> bool {
        self.regs[CSR] & BRE != 0
    }

    /// Which mode SLEEPDEEP enters.
    pub fn deep_sleep(&self) -> DeepSleep {
        let cr = self.regs[CR];
        if cr & PDDS != 0 {
            DeepSleep::Standby
        } else {
            DeepSleep::Stop { low_power_regulator: cr & LPDS != 0, flash_power_down: cr & FPDS != 0 }
        }
    }

    /// Whether standby may be entered: with WUF set the device would wake at once (RM0033 4.3.5).
    pub fn wakeup_pending(&self) -> bool {
        self.regs[CSR] & WUF != 0
    }

    /// The device went to standby: CSR.SBF tells so after the wake-up reset.
    pub fn standby_entered(&mut self) {
        self.regs[CSR] |= SBF;
    }

    /// A wake-up event (RTC alarm, wake-up timer, tamper, timestamp): sets CSR.WUF.
    pub fn wakeup_event(&mut self) {
        self.regs[CSR] |= WUF;
    }

    /// Level of the WKUP pin (PA0). `true` if this is a wake-up event: a rising edge with CSR.EWUP set.
    pub fn set_wakeup_pin(&mut self, level: bool) -> bool {
        let rising = level && !self.wakeup_pin;
        self.wakeup_pin = level;
        let wakes = rising && self.regs[CSR] & EWUP != 0;
        if wakes {
            self.wakeup_event();
        }
        wakes
    }

    /// Supply voltage in millivolts, which the voltage detector compares with CR.PLS.
    pub fn set_vdd_mv(&mut self, vdd_mv: u32) {
        self.vdd_mv = vdd_mv;
        self.compare_vdd();
    }

    /// Power-on reset: as new, at the present supply voltage. BRE is kept: it belongs to the backup domain.
    pub fn power_on_reset(&mut self) {
        let backup = self.regs[CSR] & (BRE | BRR);
        *self = Self { regs: RegisterFile::new(TABLE), ..*self };
        self.regs[CSR] |= backup;
    }

    /// Reset of the backup domain with VBAT gone: BRE too.
    pub fn backup_domain_power_on_reset(&mut self) {
        self.regs[CSR] &= !(BRE | BRR);
    }

    fn compare_vdd(&mut self) {
        let cr = self.regs[CR];
        if cr & PVDE == 0 {
            self.regs[CSR] &= !PVDO;
            return;
        }
        let threshold_mv = PVD_THRESHOLD_MV[(cr >> 5 & 7) as usize];
        if self.vdd_mv < threshold_mv {
            self.regs[CSR] |= PVDO;
        } else if self.vdd_mv >= threshold_mv + PVD_HYSTERESIS_MV {
            self.regs[CSR] &= !PVDO;
        }
    }
}

impl Default for Pwr {
    fn default() -> Self {
        Self::new()
    }
}

impl Device for Pwr {
    fn name(&self) -> &str {
        "PWR"
    }

    fn table(&self) -> &'static [Register] {
        TABLE
    }

    fn read(&mut self, offset: u32, cx: &mut Cx<'_>) -> u32 {
        match RegisterFile::index_of(TABLE, offset) {
            Some(index) => self.regs[index],
            None => {
                cx.unmodelled(&format!("PWR read offset {offset:#x}"));
                0
            }
        }
    }

    fn write(&mut self, offset: u32, value: u32, lanes: u32, cx: &mut Cx<'_>) {
        let Some(index) = RegisterFile::index_of(TABLE, offset) else {
            cx.unmodelled(&format!("PWR write offset {offset:#x}"));
            return;
        };
        self.regs.write(TABLE, index, value, lanes, "PWR", cx);
        if index == CR {
            if value & lanes & CWUF != 0 {
                self.regs[CSR] &= !WUF;
            }
            if value & lanes & CSBF != 0 {
                self.regs[CSR] &= !SBF;
            }
            self.compare_vdd();
        } else {
            let ready = if self.regs[CSR] & BRE != 0 { BRR } else { 0 };
            self.regs[CSR] = self.regs[CSR] & !BRR | ready;
        }
    }

    fn irq_lines(&self) -> u32 {
        u32::from(self.regs[CSR] & PVDO != 0)
    }

    /// System reset, also the one that ends standby: the flags that tell of standby and the backup regulator stay.
    fn reset(&mut self) {
        let kept = self.regs[CSR] & (WUF | SBF | BRE | BRR);
        self.regs = RegisterFile::new(TABLE);
        self.regs[CSR] = kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    #[test]
    fn dbp_opens_the_backup_domain_until_reset() {
        let mut bench = Bench::new();
        let mut pwr = Pwr::new();
        assert!(!pwr.backup_write_enabled());
        pwr.write(0, DBP, u32::MAX, &mut bench.cx());
        assert!(pwr.backup_write_enabled());
        pwr.reset();
        assert!(!pwr.backup_write_enabled());
    }

    #[test]
    fn brr_follows_bre_and_survives_a_system_reset() {
        let mut bench = Bench::new();
        let mut pwr = Pwr::new();
        pwr.write(4, BRE, u32::MAX, &mut bench.cx());
        assert_eq!(pwr.read(4, &mut bench.cx()), BRE | BRR);
        pwr.reset();
        assert_eq!(pwr.read(4, &mut bench.cx()), BRE | BRR);
        pwr.write(4, 0, u32::MAX, &mut bench.cx());
        assert_eq!(pwr.read(4, &mut bench.cx()), 0);
    }

    #[test]
    fn standby_and_wake_up_are_told_until_software_clears_them() {
        let mut bench = Bench::new();
        let mut pwr = Pwr::new();
        assert_eq!(pwr.deep_sleep(), DeepSleep::Stop { low_power_regulator: false, flash_power_down: false });
        pwr.write(0, PDDS, u32::MAX, &mut bench.cx());
        assert_eq!(pwr.deep_sleep(), DeepSleep::Standby);
        pwr.write(4, EWUP, u32::MAX, &mut bench.cx());
        pwr.standby_entered();
        assert!(pwr.set_wakeup_pin(true));
        assert!(!pwr.set_wakeup_pin(true), "only the edge wakes");
        pwr.reset();
        assert_eq!(pwr.read(4, &mut bench.cx()), WUF | SBF);
        pwr.write(0, CWUF | CSBF, u32::MAX, &mut bench.cx());
        assert_eq!(pwr.read(4, &mut bench.cx()), 0);
        assert_eq!(pwr.read(0, &mut bench.cx()), 0, "CWUF and CSBF read as zero");
    }

    #[test]
    fn the_voltage_detector_has_hysteresis() {
        let mut bench = Bench::new();
        let mut pwr = Pwr::new();
        pwr.write(0, PVDE | 7 << 5, u32::MAX, &mut bench.cx());
        assert_eq!(pwr.irq_lines(), 0);
        pwr.set_vdd_mv(2899);
        assert_eq!(pwr.irq_lines(), 1);
        pwr.set_vdd_mv(2950);
        assert_eq!(pwr.irq_lines(), 1);
        pwr.set_vdd_mv(3000);
        assert_eq!(pwr.irq_lines(), 0);
    }
}
