//! Resets of the whole chip (RM0033 5.1) and wake-up from Stop.

use super::devices::device_mut;
use super::map::{self, Id};
use super::{Soc, SocEnv};
use crate::backup_sram::BackupSram;
use crate::device::Device;
use crate::dma::Dma;
use crate::rcc::ResetCause;
use crate::time::Wake;

impl Soc {
    /// Power comes up. With `backup_supplied` VBAT was there all the time: the RTC with its backup registers, BDCR and,
    /// with the backup regulator on, the backup SRAM are kept. Option bytes, the one-time area and the levels that the
    /// board drives stay in any case.
    pub fn power_on_reset(&mut self, backup_supplied: bool, env: &mut SocEnv<'_>) {
        let sram_kept = backup_supplied && self.devices.pwr.backup_regulator_enabled();
        self.advance_all(env);
        self.devices.pwr.power_on_reset();
        if !backup_supplied {
            self.devices.rtc.power_on_reset();
            self.devices.pwr.backup_domain_power_on_reset();
        }
        if !sram_kept {
            self.devices.backup_sram = BackupSram::new();
        }
        self.devices.dbgmcu.reset();
        self.reset_rest(ResetCause::PowerOn, backup_supplied, env);
    }

    /// System reset: everything but the backup domain (RTC, backup registers, BDCR), the backup SRAM, CSR's reset
    /// flags and DBGMCU (RM0033 5.1.1, 32.16). The machine resets the core at the same instant.
    ///
    /// `cause` is anything but [`ResetCause::PowerOn`]; for that see [`Soc::power_on_reset`]. A wake-up from Standby
    /// loses the backup SRAM unless the backup regulator is on.
    pub fn system_reset(&mut self, cause: ResetCause, env: &mut SocEnv<'_>) {
        if cause == ResetCause::PowerOn {
            self.power_on_reset(false, env);
            return;
        }
        self.advance_all(env);
        if cause == ResetCause::StandbyWakeup && !self.devices.pwr.backup_regulator_enabled() {
            self.devices.backup_sram = BackupSram::new();
        }
        self.devices.pwr.reset();
        self.reset_rest(cause, true, env);
    }

    /// The core wakes from Stop: SYSCLK is HSI, HSE and the PLLs are off (RM0033 4.3.4).
    pub fn wake_from_stop(&mut self, env: &mut SocEnv<'_>) {
        self.devices.rcc.wake_from_stop(env.now.time_ps);
        self.settle(Id::Rcc, env);
    }

    /// What was counted before the reset stays counted in the devices that survive it.
    fn advance_all(&mut self, env: &mut SocEnv<'_>) {
        for id in Id::all() {
            device_mut(&mut self.dma, &mut self.devices, id).advance(&mut cx!(self, env));
        }
    }

    fn reset_rest(&mut self, cause: ResetCause, backup_kept: bool, env: &mut SocEnv<'_>) {
        self.devices.flash.system_reset(&mut cx!(self, env));
        self.devices.rcc.system_reset(cause, backup_kept);
        self.dma = [Dma::new(1), Dma::new(2)];
        self.in_reset = 0;
        self.enabled = map::enabled(&self.devices.rcc.enable_bits());
        for id in Id::all() {
            // The three kept ones are reset by power-on above; PWR, RCC and FLASH were done with what they keep.
            let done = matches!(
                id,
                Id::Rtc | Id::BackupSram | Id::Dbgmcu | Id::Pwr | Id::Rcc | Id::Flash | Id::Dma1 | Id::Dma2
            );
            if !done {
                self.reset_device(id, env);
            }
        }
        self.devices.backup_sram.reset();
        self.devices.rtc.reset();
        self.reset_request = None;
        self.wakeup_event = false;
        self.lsi_forced = false;
        self.triggers = [(0, false); 14];
        self.clocks = self.devices.rcc.clocks();
        for id in Id::all() {
            device_mut(&mut self.dma, &mut self.devices, id).clocks_changed(&mut cx!(self, env));
        }
        self.wakes.fill(Wake::NEVER);
        self.next = Wake::NEVER;
        if self.devices.flash.hardware_watchdog() {
            self.devices.iwdg.start(&mut cx!(self, env));
        }
        self.syscfg_changed();
        self.pwr_changed();
        for id in Id::all() {
            self.settle(id, env);
        }
    }
}
