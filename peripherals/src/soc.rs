//! All peripherals of the STM32F205 on their buses: address map, clock enables, interrupt lines, DMA requests, resets,
//! and the wires between them.
//!
//! The machine calls [`Soc::read`] and [`Soc::write`] for every access outside SRAM and flash, [`Soc::advance`] when
//! [`Soc::next_wake`] is due, and after each of them looks at [`Soc::irq_levels`], [`Soc::next_wake`],
//! [`Soc::clocks`] and [`Soc::take_reset_request`], all of which are cached.
//!
//! Approximated: a peripheral whose clock is disabled keeps running (but for the timers), only its registers are out of
//! reach (reads give 0, writes do nothing, both noted in the ledger); the low-power clock enables have no effect; an
//! access takes no time on the bus.

macro_rules! cx {
    ($soc:expr, $env:expr) => {
        crate::device::Cx {
            now: $env.now,
            pc: $env.pc,
            clocks: &$soc.clocks,
            memory: &mut *$env.memory,
            board: &mut $crate::soc::wiring::Tap {
                board: &mut *$env.board,
                rts: &mut $soc.rts,
                spi: &$soc.spi,
                inputs: &$soc.inputs,
            },
            decisions: &mut *$env.decisions,
            ledger: &mut *$env.ledger,
        }
    };
}

mod devices;
mod dma_bus;
mod inputs;
mod interrupts;
mod map;
mod requests;
mod reset;
mod spi_wiring;
mod timer_wiring;
mod wiring;

use lockstep_traces::Decisions;
use serde::{Deserialize, Serialize};

use crate::device::{Board, Memory};
use crate::dma::Dma;
use crate::flash::{ARRAY_BASE, ARRAY_SIZE, INFORMATION_BASE, INFORMATION_END, UniqueId};
use crate::ledger::Ledger;
use crate::rcc::{ClockSettings, ResetCause};
use crate::syscfg::BootMemory;
use crate::time::{Clocks, Now, Wake};

pub use devices::Devices;
pub use interrupts::INTERRUPTS;
pub use map::{Bus, Id, PLACES, Place};

use devices::device_mut;
use interrupts::Interrupts;
use map::Set;
use spi_wiring::SpiWires;
use wiring::RtsLevels;

/// Rounds of [`Soc::advance`] at one instant after which a device that is still due is taken for stuck.
const ADVANCE_ROUNDS: u32 = 10_000;

/// What the machine lends for one access or event.
pub struct SocEnv<'a> {
    /// The exact instant.
    pub now: Now,
    /// Program counter of the accessing instruction (0 for events).
    pub pc: u32,
    /// SRAM and the flash array.
    pub memory: &'a mut dyn Memory,
    /// The other ends of the pins.
    pub board: &'a mut dyn Board,
    /// Choices of the outside world.
    pub decisions: &'a mut Decisions,
    /// What is touched but not modelled.
    pub ledger: &'a mut Ledger,
}

impl SocEnv<'_> {
    fn unmodelled(&mut self, what: &str) {
        self.ledger.unmodelled(what, self.pc, self.now.time_ps);
    }
}

/// An access that no slave answers: the core takes a bus fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BusError {
    /// Nothing is at this address.
    #[error("nothing is at address {address:#010x} (reserved in RM0033 table 1); the core takes a bus fault")]
    Reserved {
        /// The address.
        address: u32,
    },
    /// The chip maker's boot loader, which is not part of the project.
    #[error("address {address:#010x} is in system memory, whose contents are not available")]
    SystemMemory {
        /// The address.
        address: u32,
    },
    /// An access of a size that the bus does not have.
    #[error("an access of {size} bytes at {address:#010x}: the bus has 1, 2 and 4")]
    Size {
        /// The address.
        address: u32,
        /// The size.
        size: u32,
    },
}

/// What distinguishes one chip and board from another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocSettings {
    /// Oscillators.
    pub clock: ClockSettings,
    /// The 96-bit unique id: the device id is these bytes in hexadecimal.
    pub unique_id: UniqueId,
}

impl Default for SocSettings {
    fn default() -> Self {
        Self { clock: ClockSettings::default(), unique_id: *b"\x00\x00\x00\x00\x00\x00LOCKST" }
    }
}

/// The chip without its core and memories.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Soc {
    settings: SocSettings,
    devices: Devices,
    dma: [Dma; 2],
    clocks: Clocks,
    /// By [`Id`]: when each device wants to be advanced.
    wakes: Vec<Wake>,
    /// The earliest of them.
    next: Wake,
    interrupts: Interrupts,
    /// By [`Id`]: DMA request lines.
    dma_requests: Vec<u8>,
    /// A request or a DMA register may have changed since the controllers were last served.
    dma_dirty: bool,
    dma_serving: bool,
    enabled: Set,
    in_reset: Set,
    /// Pins of each port that SYSCFG connects to EXTI.
    exti_select: [u16; 9],
    /// Input levels of each port as last carried on.
    inputs: [u16; 9],
    /// Trigger output of each timer as last carried on: pulses so far, and level.
    triggers: [(u64, bool); 14],
    rtc_lines: u32,
    rts: RtsLevels,
    spi: SpiWires,
    lsi_forced: bool,
    reset_request: Option<ResetCause>,
    wakeup_event: bool,
}

impl Soc {
    /// The chip before power; call [`Soc::power_on_reset`] next.
    pub fn new(settings: SocSettings) -> Self {
        let mut soc = Self {
            devices: Devices::new(&settings),
            dma: [Dma::new(1), Dma::new(2)],
            settings,
            clocks: Clocks::RESET,
            wakes: vec![Wake::NEVER; Id::COUNT],
            next: Wake::NEVER,
            interrupts: Interrupts::new(),
            dma_requests: vec![0; Id::COUNT],
            dma_dirty: false,
            dma_serving: false,
            enabled: 0,
            in_reset: 0,
            exti_select: [0; 9],
            inputs: [0; 9],
            triggers: [(0, false); 14],
            rtc_lines: 0,
            rts: RtsLevels::default(),
            spi: SpiWires::default(),
            lsi_forced: false,
            reset_request: None,
            wakeup_event: false,
        };
        soc.refresh_all();
        soc
    }

    /// The peripherals, to look at.
    pub fn devices(&self) -> &Devices {
        &self.devices
    }

    /// The DMA controllers, to look at.
    pub fn dma(&self) -> &[Dma; 2] {
        &self.dma
    }

    /// Bus clocks in force.
    pub fn clocks(&self) -> &Clocks {
        &self.clocks
    }

    /// When [`Soc::advance`] must be called next: the earlier of the two.
    pub fn next_wake(&self) -> Wake {
        self.next
    }

    /// Levels of the 81 interrupt lines into the NVIC: position n is bit n % 32 of word n / 32.
    pub fn irq_levels(&self) -> [u32; 3] {
        self.interrupts.levels()
    }

    /// What SYSCFG maps at address 0.
    pub fn boot_memory(&self) -> BootMemory {
        self.devices.syscfg.boot_memory()
    }

    /// Wait states of a flash read (FLASH_ACR.LATENCY).
    pub fn flash_latency(&self) -> u32 {
        self.devices.flash.latency()
    }

    /// Until when an access to flash stalls the core; a past instant when it does not.
    pub fn flash_busy_until_ps(&self) -> u64 {
        self.devices.flash.busy_until_ps()
    }

    /// A watchdog wants the system to be reset. The machine then calls [`Soc::system_reset`] with the cause.
    pub fn take_reset_request(&mut self) -> Option<ResetCause> {
        self.reset_request.take()
    }

    /// Whether [`Soc::take_reset_request`] has something to give.
    pub fn reset_pending(&self) -> bool {
        self.reset_request.is_some()
    }

    /// Extra cycles that a fetch from a new 128-bit flash line costs: the wait states, unless the accelerator hides
    /// them (its instruction cache is enabled).
    pub fn flash_line_penalty(&self) -> u32 {
        if self.devices.flash.instruction_cache_enabled() { 0 } else { self.devices.flash.latency() }
    }

    /// Whether EXTI sent the core an event since the last call: wakes from WFE.
    pub fn take_event(&mut self) -> bool {
        self.devices.exti.take_event()
    }

    /// Whether something that ends Standby happened since the last call: the WKUP pin, or an RTC alarm, wake-up,
    /// tamper or time stamp.
    pub fn take_wakeup_event(&mut self) -> bool {
        std::mem::take(&mut self.wakeup_event)
    }

    /// The core or a debugger reads 1, 2 or 4 bytes.
    ///
    /// # Errors
    /// [`BusError`] where nothing answers: the core takes a bus fault.
    #[inline]
    pub fn read(&mut self, address: u32, size: u32, env: &mut SocEnv<'_>) -> Result<u32, BusError> {
        match map::at(address) {
            Some(id) if is_aligned(address, size) => Ok(self.read_device(id, address, size, env)),
            Some(_) => self.split_read(address, size, env),
            None => self.read_elsewhere(address, size, env),
        }
    }

    /// The core or a debugger writes 1, 2 or 4 bytes.
    ///
    /// A write to flash goes to its controller: outside a programming operation it has no effect but an error flag.
    ///
    /// # Errors
    /// [`BusError`] where nothing answers: the core takes a bus fault.
    #[inline]
    pub fn write(&mut self, address: u32, size: u32, value: u32, env: &mut SocEnv<'_>) -> Result<(), BusError> {
        match map::at(address) {
            Some(id) if is_aligned(address, size) => {
                self.write_device(id, address, size, value, env);
                Ok(())
            }
            Some(_) => self.split_write(address, size, value, env),
            None => self.write_elsewhere(address, size, value, env),
        }
    }

    /// The core reads the peripheral bit-band alias (0x4200_0000..0x4400_0000) with an access of `size` bytes: 0 or 1.
    ///
    /// # Errors
    /// [`BusError`] as for the address behind the alias, and outside the alias.
    pub fn bitband_read(&mut self, alias: u32, size: u32, env: &mut SocEnv<'_>) -> Result<u32, BusError> {
        let (address, bit) = peripheral_bit(alias, size)?;
        Ok(self.read(address, size, env)? >> bit & 1)
    }

    /// The core writes bit 0 of `value` to the peripheral bit-band alias: it reads `size` bytes behind it, changes the
    /// bit and writes them back, with nothing in between (PM0056 2.2.5).
    ///
    /// # Errors
    /// As for [`Soc::bitband_read`].
    pub fn bitband_write(&mut self, alias: u32, size: u32, value: u32, env: &mut SocEnv<'_>) -> Result<(), BusError> {
        let (address, bit) = peripheral_bit(alias, size)?;
        let old = self.read(address, size, env)?;
        self.write(address, size, old & !(1 << bit) | (value & 1) << bit, env)
    }

    /// Whether a read of this address leaves everything as it is, so that a loop that polls it stands still until the
    /// next event.
    pub fn read_changes_nothing(&self, address: u32) -> bool {
        map::at(address).is_some_and(|id| id.reads_change_nothing() && (self.enabled & !self.in_reset) & id.bit() != 0)
    }

    /// What [`Soc::read`] would give, if reading changes nothing and would give the same until the next event or
    /// access; `None` when in doubt. To be asked only while no event is due.
    #[inline]
    pub fn quiet_read(&self, address: u32, size: u32) -> Option<u32> {
        let id = map::at(address)?;
        if self.enabled & !self.in_reset & id.bit() == 0 || !is_aligned(address, size) {
            return None;
        }
        let word = devices::device(&self.dma, &self.devices, id).quiet_read((address - id.place().base) & !3)?;
        Some(word >> (address % 4 * 8) & mask(size))
    }

    fn read_device(&mut self, id: Id, address: u32, size: u32, env: &mut SocEnv<'_>) -> u32 {
        if (self.enabled & !self.in_reset) & id.bit() == 0 {
            self.report_unclocked(id, "read", env);
            return 0;
        }
        let event_was_due = self.catch_up(id, env);
        let offset = (address - id.place().base) & !3;
        let word = device_mut(&mut self.dma, &mut self.devices, id).read(offset, &mut cx!(self, env));
        if event_was_due || !id.reads_change_nothing() {
            self.settle(id, env);
        }
        word >> (address % 4 * 8) & mask(size)
    }

    fn write_device(&mut self, id: Id, address: u32, size: u32, value: u32, env: &mut SocEnv<'_>) {
        if (self.enabled & !self.in_reset) & id.bit() == 0 {
            self.report_unclocked(id, "write", env);
            return;
        }
        self.catch_up(id, env);
        let offset = (address - id.place().base) & !3;
        let (value, lanes) = lanes(id.place().bus, address, size, value);
        device_mut(&mut self.dma, &mut self.devices, id).write(offset, value, lanes, &mut cx!(self, env));
        self.settle(id, env);
    }

    /// A device whose event is due at this very instant sees the event before the access.
    fn catch_up(&mut self, id: Id, env: &mut SocEnv<'_>) -> bool {
        let due = self.wakes[id.index()].is_due(env.now);
        if due {
            device_mut(&mut self.dma, &mut self.devices, id).advance(&mut cx!(self, env));
        }
        due
    }

    #[cold]
    fn report_unclocked(&self, id: Id, access: &str, env: &mut SocEnv<'_>) {
        let name = devices::device(&self.dma, &self.devices, id).name();
        env.ledger.note(&format!("unclocked {access} {name}"), env.pc, env.now.time_ps);
    }

    /// An unaligned access: the core makes aligned ones of it (ARMv7-M A3.2.1), from low to high.
    #[cold]
    fn split_read(&mut self, address: u32, size: u32, env: &mut SocEnv<'_>) -> Result<u32, BusError> {
        let mut value = 0;
        for (offset, size) in pieces(address, size)? {
            let part = self.read(address.wrapping_add(offset), size, env)?;
            value |= part << (offset * 8);
        }
        Ok(value)
    }

    #[cold]
    fn split_write(&mut self, address: u32, size: u32, value: u32, env: &mut SocEnv<'_>) -> Result<(), BusError> {
        for (offset, size) in pieces(address, size)? {
            self.write(address.wrapping_add(offset), size, value >> (offset * 8) & mask(size), env)?;
        }
        Ok(())
    }

    #[cold]
    fn read_elsewhere(&mut self, address: u32, size: u32, env: &mut SocEnv<'_>) -> Result<u32, BusError> {
        if !matches!(size, 1 | 2 | 4) {
            return Err(BusError::Size { address, size });
        }
        if !(INFORMATION_BASE..INFORMATION_END).contains(&address) {
            return Err(BusError::Reserved { address });
        }
        self.devices.flash.information_read(address, size).ok_or_else(|| {
            env.unmodelled("read system memory");
            BusError::SystemMemory { address }
        })
    }

    fn write_elsewhere(&mut self, address: u32, size: u32, value: u32, env: &mut SocEnv<'_>) -> Result<(), BusError> {
        if !matches!(size, 1 | 2 | 4) {
            return Err(BusError::Size { address, size });
        }
        let target = match address {
            0..ARRAY_SIZE if self.boot_memory() == BootMemory::Flash => address + ARRAY_BASE,
            _ => address,
        };
        let in_array = target.wrapping_sub(ARRAY_BASE) < ARRAY_SIZE;
        if !in_array && !(INFORMATION_BASE..INFORMATION_END).contains(&target) {
            return Err(BusError::Reserved { address });
        }
        self.devices.flash.array_write(target, size, value, &mut cx!(self, env));
        self.settle(Id::Flash, env);
        Ok(())
    }

    /// Runs everything that is due at `env.now` until nothing more is.
    pub fn advance(&mut self, env: &mut SocEnv<'_>) {
        let mut rounds = 0;
        while self.next.is_due(env.now) {
            for id in Id::all() {
                if !self.wakes[id.index()].is_due(env.now) {
                    continue;
                }
                device_mut(&mut self.dma, &mut self.devices, id).advance(&mut cx!(self, env));
                self.settle(id, env);
                if rounds == ADVANCE_ROUNDS && self.wakes[id.index()].is_due(env.now) {
                    // A defect of the model, not of the guest: say so and go on rather than hang.
                    let name = devices::device(&self.dma, &self.devices, id).name();
                    env.unmodelled(&format!("{name} stuck: its event stays due"));
                    self.wakes[id.index()] = Wake::NEVER;
                    self.next = self.wakes.iter().fold(Wake::NEVER, |next, wake| next.min(*wake));
                }
            }
            rounds = (rounds + 1).min(ADVANCE_ROUNDS);
        }
    }

    fn refresh_all(&mut self) {
        for id in Id::all() {
            self.refresh(id);
        }
    }
}

/// The bit that a word of a bit-band alias stands for (PM0056 2.2.5): the address of its byte and its bit number.
/// `None` outside 0x2200_0000..0x2400_0000 and 0x4200_0000..0x4400_0000.
///
/// In the peripheral region use [`Soc::bitband_read`] and [`Soc::bitband_write`]: the access behind the alias has the
/// size of the access to it, and a byte store to a peripheral on an APB is another thing than a word store.
pub fn bitband_target(address: u32) -> Option<(u32, u32)> {
    let region = match address >> 25 {
        0x11 => 0x2000_0000,
        0x21 => 0x4000_0000,
        _ => return None,
    };
    let offset = address & 0x01ff_ffff;
    Some((region + offset / 32, offset / 4 % 8))
}

/// Address of the `size` bytes that hold the bit of a peripheral alias, and the bit in them.
fn peripheral_bit(alias: u32, size: u32) -> Result<(u32, u32), BusError> {
    if !matches!(size, 1 | 2 | 4) {
        return Err(BusError::Size { address: alias, size });
    }
    match bitband_target(alias) {
        Some((byte, bit)) if byte >= 0x4000_0000 => Ok((byte & !(size - 1), byte % size * 8 + bit)),
        _ => Err(BusError::Reserved { address: alias }),
    }
}

fn is_aligned(address: u32, size: u32) -> bool {
    match size {
        4 => address.is_multiple_of(4),
        2 => address.is_multiple_of(2),
        1 => true,
        _ => false,
    }
}

fn mask(size: u32) -> u32 {
    match size {
        1 => 0xff,
        2 => 0xffff,
        _ => u32::MAX,
    }
}

/// The word and lanes that a narrow store becomes.
fn lanes(bus: Bus, address: u32, size: u32, value: u32) -> (u32, u32) {
    let value = value & mask(size);
    match (bus, size) {
        (Bus::Apb, 1) => (value * 0x0101_0101, u32::MAX),
        (Bus::Apb, 2) => (value * 0x0001_0001, u32::MAX),
        _ => {
            let shift = address % 4 * 8;
            (value << shift, mask(size) << shift)
        }
    }
}

/// Aligned pieces of an unaligned access: offset and size of each.
fn pieces(address: u32, size: u32) -> Result<impl Iterator<Item = (u32, u32)>, BusError> {
    if !matches!(size, 1 | 2 | 4) {
        return Err(BusError::Size { address, size });
    }
    let mut offset = 0;
    Ok(std::iter::from_fn(move || {
        let left = size - offset;
        let piece = match address.wrapping_add(offset) % 4 {
            0 if left >= 4 => 4,
            0 | 2 if left >= 2 => 2,
            _ => 1,
        };
        let item = (left > 0).then_some((offset, piece));
        offset += piece.min(left);
        item
    }))
}

#[cfg(test)]
mod tests;
