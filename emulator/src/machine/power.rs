//! Loss of power of the whole board, and its return.

use lockstep_engine::CoreRegisters;
use lockstep_peripherals::rcc::ResetCause;

use super::{CoreState, Machine};

impl Machine {
    /// Both supplies of the board, USB and battery, are gone now and come back after `off_ps`; until then nothing runs
    /// but what is outside of the board. The call only cuts: run on to let the time pass.
    ///
    /// Lost are the core, all peripherals, the backup domain (VBAT is tied to the 3.3 V supply), most or all of SRAM
    /// ([`World::power_off`](crate::world::World::power_off)), the modem's and the charger's state. Kept are flash, but
    /// for an operation under way, which the stream `flash.power_loss` decides, the option bytes, and what the modem
    /// has in its own flash.
    pub fn power_cut(&mut self, off_ps: u64) {
        let returns_ps = self.now().time_ps.saturating_add(off_ps);
        self.world.power_off(self.cycles, returns_ps);
        self.engine.set_registers(&CoreRegisters { exclusive_address: u64::MAX, ..CoreRegisters::default() });
        self.core = CoreState::Off;
        self.event = false;
    }

    /// Passes time without power; with it, starts anew.
    pub(super) fn stay_off(&mut self, returns_ps: u64, limit_cycles: u64) {
        if self.now().time_ps < returns_ps {
            let returns = self.world.state.clock.cycle_at(returns_ps);
            self.cycles = limit_cycles.min(self.world.next_event_cycle()).min(returns).max(self.cycles);
            return;
        }
        self.world.power_on(self.cycles);
        self.observer.reset(self.now(), self.instructions, ResetCause::PowerOn);
        self.reset_core();
    }

    /// Runs until `count` program and erase operations on flash have begun since the machine was made, the last of them
    /// just now, or until virtual time `time_ps`.
    pub fn run_until_flash_operation(&mut self, count: u64, time_ps: u64) -> Result<super::Stop, super::MachineError> {
        while self.world.state.soc.devices().flash.operations() < count && self.now().time_ps < time_ps {
            let stop = self.step(self.world.state.clock.cycle_at(time_ps))?;
            if stop != super::Stop::Limit {
                return Ok(stop);
            }
        }
        Ok(super::Stop::Limit)
    }
}
