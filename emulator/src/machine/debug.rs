//! What a debugger needs of the machine, none of which changes the run.

use lockstep_engine::{Access, Bus, HostMemory, Watch};

use super::Machine;
use crate::world::{GuestMemory, World};

impl Machine {
    /// Has the machine stop with [`Stop::Breakpoint`](super::Stop::Breakpoint) before each instruction at one of these
    /// addresses (bit 0 clear). Called again after such a stop, it goes on with that instruction.
    pub fn set_breakpoints(&mut self, addresses: &[u32]) {
        self.engine.set_breakpoints(addresses);
        self.engine.pass_breakpoint_at(None);
    }

    /// Has the next instruction executed even if it has a breakpoint.
    pub fn pass_breakpoint(&mut self) {
        self.engine.pass_breakpoint_at(Some(self.instructions));
    }

    /// Has the machine stop with [`Stop::Watchpoint`](super::Stop::Watchpoint) after each instruction that makes one of
    /// these accesses, and after what else makes one: stacking, DMA, the flash controller.
    pub fn set_watchpoints(&mut self, watches: &[Watch]) {
        self.engine.set_watches(watches);
        self.world.memory.watching.set(watches);
    }

    /// What an access by privileged code would read now; `None` where the bus would answer with an error. It is read
    /// from a copy of the world, so that a register which changes when it is read is not changed.
    pub fn inspect(&self, address: u32, size: u32) -> Option<u32> {
        if let Some(value) = self.world.memory.peek_value(address, size) {
            return Some(value);
        }
        let copy = |block: &HostMemory| {
            let copy = HostMemory::new(block.len());
            copy.write(0, &block.to_vec()).then_some(copy)
        };
        let memory = GuestMemory::of(copy(&self.world.memory.sram)?, copy(&self.world.memory.flash)?);
        let mut world = World::new(self.world.state.clone(), memory);
        world.begin_run(u64::MAX);
        let access = Access {
            address,
            size,
            pc: self.engine.registers().pc,
            cycles: self.cycles,
            instructions: self.instructions,
            privileged: true,
        };
        world.read(&access).ok()
    }
}
