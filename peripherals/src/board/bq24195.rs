//! BQ24195 battery charger and power path (data sheet SLUSB97), on the Electron's PMIC bus.

use serde::{Deserialize, Serialize};

use super::i2c_target::I2cTarget;
use crate::time::{Now, PS_PER_S};

/// What feeds VBUS, as the D+/D− detection finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PowerSource {
    /// Nothing: the board runs from its battery.
    None,
    /// A USB host: 500 mA.
    UsbHost,
    /// An adapter: 3 A.
    Adapter,
}

/// REG08 CHRG_STAT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChargeStatus {
    /// Not charging.
    NotCharging = 0,
    /// Battery below BATLOWV.
    PreCharge = 1,
    /// Constant current or voltage.
    FastCharge = 2,
    /// Charge terminated: full.
    Done = 3,
}

/// Reset values of REG00 to REG07 (SLUSB97, register tables).
///
/// REG00.IINLIM and REG08 to REG0A are not here: the input's detection, the state and the mask set decide those.
const RESET: [u8; 8] = [0x30, 0x1b, 0x60, 0x11, 0xb2, 0x9a, 0x03, 0x4b];
/// Bits that software may change, per register; reserved bits keep their value.
const WRITABLE: [u8; 8] = [0xff, 0x3e, 0xfd, 0xff, 0xff, 0xfe, 0x03, 0xe3];
/// REG0A: part number 4 (bq24195), device revision 3.
const VENDOR: u8 = 0x23;

const INPUT_SOURCE: usize = 0;
const POWER_ON_CONFIG: usize = 1;
const TIMER: usize = 5;
const MISC: usize = 7;
const STATUS: u8 = 0x08;
const FAULT: u8 = 0x09;
const PART: u8 = 0x0a;

/// REG01: reset all registers.
const REG_RST: u8 = 1 << 7;
/// REG01: restart the I2C watchdog.
const WD_RST: u8 = 1 << 6;
const EN_HIZ: u8 = 1 << 7;
const DPDM_EN: u8 = 1 << 7;
const BATFET_DISABLE: u8 = 1 << 5;
const WATCHDOG_FAULT: u8 = 1 << 7;

/// The charger at address 0x6B.
///
/// The state of charge is set from outside; charging itself is not simulated. The I2C watchdog is evaluated when the
/// part is next addressed, which is when its effect can be seen on the bus; its INT pulse is not modelled.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Bq24195 {
    regs: [u8; 8],
    source: PowerSource,
    charge: ChargeStatus,
    battery_low: bool,
    thermal_regulation: bool,
    /// REG09 as it is now.
    fault: u8,
    /// REG09 bits that appeared since it was last read.
    fault_latched: u8,
    /// Virtual time of the last watchdog restart; `None` in default mode, where the watchdog has expired or no host
    /// wrote yet.
    host_since_ps: Option<u64>,
    now_ps: u64,
    pointer: u8,
    pointer_expected: bool,
}

impl Bq24195 {
    /// After power-on with a full battery and a USB host.
    pub fn new() -> Self {
        let mut part = Self {
            regs: RESET,
            source: PowerSource::UsbHost,
            charge: ChargeStatus::Done,
            battery_low: false,
            thermal_regulation: false,
            fault: 0,
            fault_latched: 0,
            host_since_ps: None,
            now_ps: 0,
            pointer: 0,
            pointer_expected: true,
        };
        part.detect_input();
        part
    }

    /// The same part at power-on, fed by the same source.
    pub fn restarted(&self) -> Self {
        let mut part = Self::new();
        part.set_power_source(self.source);
        part
    }

    /// Plugs or unplugs the power source; the input current limit follows its detection.
    pub fn set_power_source(&mut self, source: PowerSource) {
        self.source = source;
        self.detect_input();
    }

    /// State of the charge as REG08 shows it while power is good.
    pub fn set_charge_status(&mut self, status: ChargeStatus) {
        self.charge = status;
    }

    /// Battery below the minimum system voltage (REG08.VSYS_STAT).
    pub fn set_battery_low(&mut self, low: bool) {
        self.battery_low = low;
    }

    /// Die hot enough for thermal regulation (REG08.THERM_STAT).
    pub fn set_thermal_regulation(&mut self, hot: bool) {
        self.thermal_regulation = hot;
    }

    /// Fault conditions present now, as REG09's bits 6 to 0 (CHRG_FAULT, BAT_FAULT, NTC_FAULT).
    pub fn set_faults(&mut self, faults: u8) {
        self.fault = faults & !WATCHDOG_FAULT;
        self.fault_latched |= self.fault;
    }

    /// Whether the battery is cut off the system by REG07.BATFET_Disable.
    pub fn battery_disconnected(&self) -> bool {
        self.regs[MISC] & BATFET_DISABLE != 0
    }

    /// Whether the input feeds the system: a source is there and REG00.EN_HIZ is clear.
    pub fn power_good(&self) -> bool {
        self.source != PowerSource::None && self.regs[INPUT_SOURCE] & EN_HIZ == 0
    }

    fn detect_input(&mut self) {
        let limit = match self.source {
            PowerSource::None => return,
            PowerSource::UsbHost => 2,
            PowerSource::Adapter => 7,
        };
        self.regs[INPUT_SOURCE] = self.regs[INPUT_SOURCE] & !7 | limit;
    }

    fn reset_registers(&mut self) {
        let limit = self.regs[INPUT_SOURCE] & 7;
        self.regs = RESET;
        self.regs[INPUT_SOURCE] |= limit;
    }

    /// Watchdog period in picoseconds, `None` if disabled (REG05.WATCHDOG).
    fn watchdog_ps(&self) -> Option<u64> {
        match self.regs[TIMER] >> 4 & 3 {
            0 => None,
            1 => Some(40 * PS_PER_S),
            2 => Some(80 * PS_PER_S),
            _ => Some(160 * PS_PER_S),
        }
    }

    fn check_watchdog(&mut self) {
        let (Some(since), Some(period)) = (self.host_since_ps, self.watchdog_ps()) else { return };
        if self.now_ps.saturating_sub(since) >= period {
            self.host_since_ps = None;
            self.reset_registers();
            self.fault_latched |= WATCHDOG_FAULT;
        }
    }

    fn status(&self) -> u8 {
        let good = self.power_good();
        let bus = match self.source {
            _ if !good => 0,
            PowerSource::None => 0,
            PowerSource::UsbHost => 1,
            PowerSource::Adapter => 2,
        };
        let charging = good && self.regs[POWER_ON_CONFIG] >> 4 & 3 == 1;
        let charge = if charging { self.charge as u8 } else { 0 };
        bus << 6
            | charge << 4
            | u8::from(good) << 2
            | u8::from(self.thermal_regulation) << 1
            | u8::from(self.battery_low)
    }

    fn write_register(&mut self, value: u8) {
        let index = usize::from(self.pointer);
        let (Some(register), Some(writable)) = (self.regs.get_mut(index), WRITABLE.get(index)) else {
            // REG08 to REG0A are read only; beyond them there is nothing.
            return;
        };
        *register = *register & !writable | value & writable;
        // Any write makes the host responsible for the watchdog, if it was not already.
        self.host_since_ps.get_or_insert(self.now_ps);
        match index {
            POWER_ON_CONFIG => {
                if value & REG_RST != 0 {
                    self.reset_registers();
                }
                if value & WD_RST != 0 {
                    self.host_since_ps = Some(self.now_ps);
                }
            }
            // Writing REG05 restarts the period it sets.
            TIMER => self.host_since_ps = Some(self.now_ps),
            MISC if value & DPDM_EN != 0 => {
                self.regs[MISC] &= !DPDM_EN;
                self.detect_input();
            }
            _ => {}
        }
    }
}

impl Default for Bq24195 {
    fn default() -> Self {
        Self::new()
    }
}

impl I2cTarget for Bq24195 {
    fn address(&self) -> u8 {
        0x6b
    }

    fn start(&mut self, read: bool, now: Now) {
        self.now_ps = now.time_ps;
        self.check_watchdog();
        if !read {
            self.pointer_expected = true;
        }
    }

    fn write(&mut self, byte: u8) -> bool {
        if self.pointer_expected {
            self.pointer_expected = false;
            self.pointer = byte;
            return byte <= PART;
        }
        if self.pointer > PART {
            return false;
        }
        self.write_register(byte);
        self.pointer = self.pointer.saturating_add(1);
        true
    }

    fn read(&mut self) -> u8 {
        let value = match self.pointer {
            STATUS => self.status(),
            FAULT => {
                // The first read shows what happened since the last one, the next what is so now.
                let value = self.fault_latched | self.fault;
                self.fault_latched = 0;
                // REG09 does not take part in multi-byte reads: it is read again and again.
                return value;
            }
            PART => VENDOR,
            index => self.regs.get(usize::from(index)).copied().unwrap_or(0xff),
        };
        self.pointer = self.pointer.saturating_add(1);
        value
    }

    fn stop(&mut self) {
        self.pointer_expected = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Now {
        Now { cycles: 0, time_ps: seconds * PS_PER_S }
    }

    fn read(part: &mut Bq24195, register: u8, seconds: u64) -> u8 {
        part.start(false, at(seconds));
        assert!(part.write(register));
        part.start(true, at(seconds));
        let value = part.read();
        part.stop();
        value
    }

    fn write(part: &mut Bq24195, register: u8, value: u8, seconds: u64) {
        part.start(false, at(seconds));
        assert!(part.write(register));
        assert!(part.write(value));
        part.stop();
    }

    #[test]
    fn the_values_the_vendor_s_firmware_was_seen_to_accept() {
        let mut part = Bq24195::new();
        assert_eq!(read(&mut part, 8, 0), 0x74);
        assert_eq!(read(&mut part, 9, 0), 0);
        assert_eq!(read(&mut part, 10, 0), 0x23);
        let registers: Vec<u8> = (0..8).map(|r| read(&mut part, r, 0)).collect();
        assert_eq!(registers, [0x32, 0x1b, 0x60, 0x11, 0xb2, 0x9a, 0x03, 0x4b]);
    }

    #[test]
    fn reserved_and_status_bits_do_not_take_writes() {
        let mut part = Bq24195::new();
        write(&mut part, 6, 0xff, 0);
        assert_eq!(read(&mut part, 6, 0), 0x03);
        write(&mut part, 7, 0x00, 0);
        assert_eq!(read(&mut part, 7, 0), 0x08);
        write(&mut part, 8, 0xff, 0);
        assert_eq!(read(&mut part, 8, 0), 0x74);
        part.start(false, at(0));
        assert!(!part.write(0x0b), "no such register");
    }

    #[test]
    fn consecutive_bytes_go_to_consecutive_registers() {
        let mut part = Bq24195::new();
        part.start(false, at(0));
        assert!([2, 0x20, 0x22].into_iter().all(|b| part.write(b)));
        part.stop();
        assert_eq!((read(&mut part, 2, 0), read(&mut part, 3, 0)), (0x20, 0x22));
    }

    #[test]
    fn an_unserved_watchdog_restores_the_defaults_and_tells_once() {
        let mut part = Bq24195::new();
        write(&mut part, 4, 0x9a, 0);
        write(&mut part, 1, 0x1b | WD_RST, 39);
        assert_eq!(read(&mut part, 4, 78), 0x9a);
        assert_eq!(read(&mut part, 4, 79), 0xb2);
        assert_eq!(read(&mut part, 9, 79), WATCHDOG_FAULT);
        assert_eq!(read(&mut part, 9, 79), 0);
    }

    #[test]
    fn a_disabled_watchdog_never_expires() {
        let mut part = Bq24195::new();
        write(&mut part, 5, 0x8a, 0);
        write(&mut part, 4, 0x9a, 0);
        assert_eq!(read(&mut part, 4, 100_000), 0x9a);
    }

    #[test]
    fn unplugging_is_seen_in_the_status() {
        let mut part = Bq24195::new();
        part.set_power_source(PowerSource::None);
        assert_eq!(read(&mut part, 8, 0), 0x00);
        part.set_power_source(PowerSource::Adapter);
        part.set_charge_status(ChargeStatus::FastCharge);
        assert_eq!(read(&mut part, 8, 0), 0xa4);
        assert_eq!(read(&mut part, 0, 0), 0x37);
        write(&mut part, 0, 0xb7, 0);
        assert_eq!(read(&mut part, 8, 0), 0x00, "high impedance: the input is cut off");
    }
}
