//! MAX17043 battery fuel gauge (data sheet 19-4811), on the Electron's PMIC bus.

use serde::{Deserialize, Serialize};

use super::i2c_target::I2cTarget;
use crate::time::Now;

const VCELL: u8 = 0x02;
const SOC: u8 = 0x04;
const MODE: u8 = 0x06;
const VERSION: u8 = 0x08;
const CONFIG: u8 = 0x0c;
const COMMAND: u8 = 0xfe;

const VERSION_VALUE: u16 = 3;
/// RCOMP 0x97, alert threshold 4 %.
const CONFIG_RESET: u16 = 0x971c;
const SLEEP: u16 = 1 << 7;
const ALRT: u16 = 1 << 5;
/// Writable bits of CONFIG: RCOMP, SLEEP, ALRT (which software can only clear) and ATHD.
const CONFIG_WRITABLE: u16 = 0xff9f;
/// COMMAND value that resets the part as if it lost power.
const POWER_ON_RESET: u16 = 0x5400;

/// The fuel gauge at address 0x36.
///
/// Voltage and charge are set from outside. Registers are available at once after a reset; the data sheet's first
/// measurement takes 125 ms (voltage) and 500 ms (charge).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Max17043 {
    config: u16,
    /// What the cell is.
    battery_mv: u32,
    charge_256ths: u16,
    /// What the registers say: held in sleep mode.
    measured_mv: u32,
    measured_charge_256ths: u16,
    quick_starts: u32,
    reserved_accesses: u64,
    pointer: u8,
    pointer_expected: bool,
    high_byte: Option<u8>,
}

impl Max17043 {
    /// After power-on with a battery of `battery_mv` millivolts, charged to `charge_percent`.
    pub fn new(battery_mv: u32, charge_percent: u8) -> Self {
        let charge = u16::from(charge_percent) << 8;
        Self {
            config: CONFIG_RESET,
            battery_mv,
            charge_256ths: charge,
            measured_mv: battery_mv,
            measured_charge_256ths: charge,
            quick_starts: 0,
            reserved_accesses: 0,
            pointer: 0,
            pointer_expected: true,
            high_byte: None,
        }
    }

    /// The same part at power-on, with the same battery.
    pub fn restarted(&self) -> Self {
        let mut part = Self::new(self.battery_mv, 0);
        (part.charge_256ths, part.measured_charge_256ths) = (self.charge_256ths, self.charge_256ths);
        part
    }

    /// Sets the cell's voltage in millivolts; VCELL holds 0 to 5118 mV in steps of 1.25 mV.
    pub fn set_battery_mv(&mut self, battery_mv: u32) {
        self.battery_mv = battery_mv;
        self.measure();
    }

    /// Sets the state of charge in 1/256 percent.
    pub fn set_charge_256ths(&mut self, charge_256ths: u16) {
        self.charge_256ths = charge_256ths;
        self.measure();
    }

    /// Whether the ALRT pin is driven low (the Electron's LOW_BAT).
    pub fn alert(&self) -> bool {
        self.config & ALRT != 0
    }

    /// Quick-start commands received: each makes a real gauge guess the charge anew from the voltage.
    pub fn quick_starts(&self) -> u32 {
        self.quick_starts
    }

    /// Accesses to addresses that the data sheet does not define; they read as zero.
    pub fn reserved_accesses(&self) -> u64 {
        self.reserved_accesses
    }

    fn measure(&mut self) {
        if self.config & SLEEP != 0 {
            return;
        }
        let before = self.measured_charge_256ths;
        self.measured_mv = self.battery_mv;
        self.measured_charge_256ths = self.charge_256ths;
        // ATHD counts down from 32 % (data sheet, CONFIG register).
        let threshold = (32 - (self.config & 0x1f)) << 8;
        if self.charge_256ths < threshold && before >= threshold {
            self.config |= ALRT;
        }
    }

    fn register(&mut self, address: u8) -> u16 {
        match address {
            VCELL => {
                let steps = (u64::from(self.measured_mv) * 4 / 5).min(0xfff);
                (steps as u16) << 4
            }
            SOC => self.measured_charge_256ths,
            VERSION => VERSION_VALUE,
            CONFIG => self.config,
            // Write only.
            MODE | COMMAND => 0,
            _ => {
                self.reserved_accesses += 1;
                0
            }
        }
    }

    /// Takes a whole register; `false` if the part does not acknowledge the low byte.
    fn write_register(&mut self, address: u8, value: u16) -> bool {
        match address {
            MODE if value == 0x4000 => self.quick_starts = self.quick_starts.saturating_add(1),
            CONFIG => {
                let alert = self.config & value & ALRT;
                self.config = value & CONFIG_WRITABLE | alert;
                self.measure();
            }
            COMMAND if value == POWER_ON_RESET => {
                // The part is gone before it could acknowledge (data sheet, COMMAND register).
                self.config = CONFIG_RESET;
                self.quick_starts = 0;
                self.measured_mv = self.battery_mv;
                self.measured_charge_256ths = self.charge_256ths;
                return false;
            }
            VCELL | SOC | VERSION | MODE | COMMAND => {}
            _ => self.reserved_accesses += 1,
        }
        true
    }
}

impl I2cTarget for Max17043 {
    fn address(&self) -> u8 {
        0x36
    }

    fn start(&mut self, read: bool, _now: Now) {
        self.high_byte = None;
        if !read {
            self.pointer_expected = true;
        }
    }

    fn write(&mut self, byte: u8) -> bool {
        if self.pointer_expected {
            self.pointer_expected = false;
            self.pointer = byte;
            return true;
        }
        // Registers are 16 bits, high byte first, and change only when both bytes are in.
        match self.high_byte.take() {
            None => {
                self.high_byte = Some(byte);
                true
            }
            Some(high) => {
                let address = self.pointer & !1;
                self.pointer = address.wrapping_add(2);
                self.write_register(address, u16::from_be_bytes([high, byte]))
            }
        }
    }

    fn read(&mut self) -> u8 {
        let [high, low] = self.register(self.pointer & !1).to_be_bytes();
        let byte = if self.pointer & 1 == 0 { high } else { low };
        self.pointer = self.pointer.wrapping_add(1);
        byte
    }

    fn stop(&mut self) {
        self.pointer_expected = true;
        self.high_byte = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(part: &mut Max17043, register: u8) -> u16 {
        part.start(false, Now::default());
        assert!(part.write(register));
        part.start(true, Now::default());
        let value = u16::from_be_bytes([part.read(), part.read()]);
        part.stop();
        value
    }

    fn write(part: &mut Max17043, register: u8, value: u16) -> bool {
        part.start(false, Now::default());
        assert!(part.write(register));
        let [high, low] = value.to_be_bytes();
        assert!(part.write(high));
        let acknowledged = part.write(low);
        part.stop();
        acknowledged
    }

    #[test]
    fn voltage_and_charge_read_in_the_data_sheet_s_units() {
        let mut part = Max17043::new(4000, 81);
        assert_eq!(u32::from(read(&mut part, VCELL) >> 4) * 5 / 4, 4000);
        assert_eq!(read(&mut part, SOC), 81 << 8);
        assert_eq!(read(&mut part, VERSION), 3);
        assert_eq!(read(&mut part, CONFIG), 0x971c);
    }

    #[test]
    fn falling_below_the_threshold_alerts_until_cleared() {
        let mut part = Max17043::new(3600, 10);
        assert!(write(&mut part, CONFIG, 0x9717), "threshold 9 %");
        part.set_charge_256ths(9 << 8);
        assert!(!part.alert());
        part.set_charge_256ths((9 << 8) - 1);
        assert!(part.alert());
        assert_eq!(read(&mut part, CONFIG), 0x9737);
        assert!(write(&mut part, CONFIG, 0x9717));
        assert!(!part.alert());
    }

    #[test]
    fn asleep_it_measures_nothing() {
        let mut part = Max17043::new(4000, 80);
        assert!(write(&mut part, CONFIG, 0x971c | SLEEP));
        part.set_battery_mv(3500);
        assert_eq!(u32::from(read(&mut part, VCELL) >> 4) * 5 / 4, 4000);
        assert!(write(&mut part, CONFIG, 0x971c));
        assert_eq!(u32::from(read(&mut part, VCELL) >> 4) * 5 / 4, 3500);
    }

    #[test]
    fn the_reset_command_is_not_acknowledged() {
        let mut part = Max17043::new(4000, 80);
        assert!(write(&mut part, CONFIG, 0x5f05));
        assert!(!write(&mut part, COMMAND, POWER_ON_RESET));
        assert_eq!(read(&mut part, CONFIG), CONFIG_RESET);
        assert_eq!(read(&mut part, SOC), 80 << 8);
    }

    #[test]
    fn half_a_register_changes_nothing() {
        let mut part = Max17043::new(4000, 80);
        part.start(false, Now::default());
        assert!(part.write(CONFIG));
        assert!(part.write(0x12));
        part.stop();
        assert_eq!(read(&mut part, CONFIG), CONFIG_RESET);
    }
}
