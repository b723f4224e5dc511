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

    /// Changes SRAM or flash as nothing in the machine could: the run is another one from then on. `false`, and nothing
    /// changed, outside of them.
    pub fn change_memory(&mut self, address: u32, bytes: &[u8]) -> bool {
        self.world.memory.poke(address, bytes)
    }

    /// What an access by privileged code would read now; `None` where the bus would answer with an error. It is read
    /// from a copy of the world, so that a register which changes when it is read is not changed.
    pub fn inspect(&self, address: u32, size: u32) -> Option<u32> {
        self.inspect_all(&[(address, size)]).first().copied().flatten()
    }

    /// The same for several addresses and sizes, each as if it were the only one.
    pub fn inspect_all(&self, places: &[(u32, u32)]) -> Vec<Option<u32>> {
        let memory = &self.world.memory;
        let is_memory = |(address, size): &(u32, u32)| memory.peek_value(*address, *size).is_some();
        let copy = if places.iter().all(is_memory) { None } else { self.copy_of_memory() };
        let inspect = |(address, size): &(u32, u32)| {
            let known = memory.peek_value(*address, *size);
            known.or_else(|| self.inspect_device(*address, *size, copy.clone()?))
        };
        places.iter().map(inspect).collect()
    }

    /// A register of a device, which may write to memory (by DMA that is due) when it is read.
    fn inspect_device(&self, address: u32, size: u32, memory: (HostMemory, HostMemory)) -> Option<u32> {
        let mut world = World::new(self.world.state.clone(), GuestMemory::of(memory.0, memory.1));
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

    fn copy_of_memory(&self) -> Option<(HostMemory, HostMemory)> {
        let copy = |block: &HostMemory| {
            let copy = HostMemory::new(block.len());
            copy.write(0, &block.to_vec()).then_some(copy)
        };
        Some((copy(&self.world.memory.sram)?, copy(&self.world.memory.flash)?))
    }
}
