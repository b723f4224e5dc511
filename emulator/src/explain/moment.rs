//! One moment of a run, kept whole: what an explanation is made from. A fault's moment is kept before its handler runs;
//! what the handler does to registers and stack would cover the traces.

use lockstep_engine::CoreRegisters;
use lockstep_modem::SocketView;
use lockstep_peripherals::Now;
use lockstep_peripherals::board::LedState;
use serde::Serialize;

use super::history::{AtSeen, History, OverTheAir};
use crate::machine::{GuestFault, Machine};
use crate::rtos::{MemoryCopy, Rtos, TaskClock};
use crate::world::World;

/// Why a moment was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A fault was raised.
    Fault(GuestFault),
    /// The core locked up.
    LockUp,
    /// The LED was seen to blink SOS: the firmware gave up on its own.
    Sos {
        /// The panic code.
        code: u32,
    },
    /// Somebody asked.
    Asked,
}

/// Fault status registers (ARMv7-M ARM B3.2.15 to B3.2.18).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FaultStatus {
    /// Configurable fault status.
    pub cfsr: u32,
    /// HardFault status.
    pub hfsr: u32,
    /// MemManage fault address.
    pub mmfar: u32,
    /// BusFault address.
    pub bfar: u32,
}

/// A moment.
#[derive(Clone, Debug)]
pub struct Moment {
    /// Why it was kept.
    pub reason: Reason,
    /// When.
    pub now: Now,
    /// Instructions executed until then.
    pub instructions: u64,
    /// Core registers.
    pub registers: CoreRegisters,
    /// Fault status registers.
    pub status: FaultStatus,
    /// SRAM.
    pub sram: Vec<u8>,
    /// Flash.
    pub flash: Vec<u8>,
    /// What context switches told until then.
    pub clock: Option<TaskClock>,
    /// The last AT lines.
    pub at: Vec<AtSeen>,
    /// The update over the air, if there was one since power-on.
    pub update: Option<OverTheAir>,
    /// What was last seen of the device service, in words.
    pub cloud: Vec<(u64, String)>,
    /// The modem's sockets.
    pub sockets: Vec<SocketView>,
    /// What the LED showed.
    pub led: LedState,
}

/// AT lines kept with a moment.
const AT_KEPT: usize = 24;
/// Events of the device service kept with a moment.
const CLOUD_KEPT: usize = 12;

impl Moment {
    /// The machine as it is now.
    pub fn of(machine: &Machine) -> Self {
        let (history, clock) = (machine.observer.history(), machine.observer.task_clock());
        let led = machine.observer.led().state();
        let at = (machine.now(), machine.instructions());
        Self::keep(Reason::Asked, at, machine.registers(), &machine.world, history, clock, led)
    }

    pub(crate) fn keep(
        reason: Reason,
        (now, instructions): (Now, u64),
        registers: CoreRegisters,
        world: &World,
        history: Option<&History>,
        clock: Option<&TaskClock>,
        led: LedState,
    ) -> Self {
        let scs = &world.state.scs;
        let last = |count: usize, length: usize| length.saturating_sub(count);
        Self {
            reason,
            now,
            instructions,
            registers,
            status: FaultStatus { cfsr: scs.cfsr, hfsr: scs.hfsr, mmfar: scs.mmfar, bfar: scs.bfar },
            sram: world.memory.sram.to_vec(),
            flash: world.memory.flash.to_vec(),
            clock: clock.cloned(),
            at: history.map_or_else(Vec::new, |history| {
                history.at.iter().skip(last(AT_KEPT, history.at.len())).cloned().collect()
            }),
            update: history.and_then(|history| history.update.clone()),
            cloud: history.map_or_else(Vec::new, |history| {
                history.cloud.iter().skip(last(CLOUD_KEPT, history.cloud.len())).cloned().collect()
            }),
            sockets: world.state.electron.modem.sockets(),
            led,
        }
    }

    /// Its memory.
    pub fn memory(&self) -> MemoryCopy<'_> {
        MemoryCopy { sram: &self.sram, flash: &self.flash }
    }

    /// The tasks and what they wait for; `None` when no scheduler is recognised.
    pub fn rtos(&self) -> Option<Rtos> {
        let mut observer = self.clock.as_ref().map(|clock| clock.observer().clone()).unwrap_or_default();
        observer.survey_memory(&self.memory(), self.registers.psp)
    }
}
