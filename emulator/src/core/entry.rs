//! Exception entry and return (ARMv7-M ARM B1.5.6 to B1.5.8).

use lockstep_engine::CoreRegisters;

use super::exceptions::{BUS_FAULT, HARD_FAULT, Masks, NMI};
use super::faults::{Fault, HFSR_FORCED, HFSR_VECTTBL};
use super::scs::{CCR_NONBASETHRDENA, CCR_STKALIGN, Scs};

/// Cycles from taking an exception to its first instruction (TRM DDI 0337: 12 with zero wait states).
pub const ENTRY_CYCLES: u64 = 12;
/// Cycles from the end of one handler to the next without unstacking.
pub const TAIL_CHAIN_CYCLES: u64 = 6;
/// Cycles of a return that unstacks. The TRM gives no figure; 12 is what ARM states for "entry or exit".
pub const RETURN_CYCLES: u64 = 12;

/// Memory as stacking and vector fetch see it.
pub trait CoreMemory {
    /// A word, or `None` for a bus error.
    fn load(&mut self, address: u32) -> Option<u32>;
    /// Stores a word; `false` for a bus error.
    fn store(&mut self, address: u32, value: u32) -> bool;
}

/// The core cannot go on: a fault at HardFault priority or above (B1.5.15). Only reset, or an NMI, helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockUp;

/// The mask registers of a register set.
pub fn masks(regs: &CoreRegisters) -> Masks {
    Masks { primask: regs.primask, faultmask: regs.faultmask, basepri: regs.basepri }
}

/// Makes a fault of the running code pending, escalating it to HardFault when its own exception is disabled or not
/// urgent enough.
pub fn raise_fault(scs: &mut Scs, regs: &CoreRegisters, fault: Fault) -> Result<(), LockUp> {
    scs.record_fault(fault);
    raise(scs, regs, fault.exception())
}

/// Makes a synchronous exception (a fault, SVC) pending, or escalates it.
pub fn raise(scs: &mut Scs, regs: &CoreRegisters, exception: usize) -> Result<(), LockUp> {
    let priority = scs.exceptions.execution_priority(masks(regs));
    if scs.exceptions.is_enabled(exception) && scs.exceptions.group_priority(exception) < priority {
        scs.exceptions.set_pending(exception);
        return Ok(());
    }
    scs.hfsr |= HFSR_FORCED;
    raise_hard_fault(scs, priority)
}

/// Makes HardFault pending, unless the core already runs at its priority.
pub fn raise_hard_fault(scs: &mut Scs, priority: i32) -> Result<(), LockUp> {
    if priority <= -1 {
        return Err(LockUp);
    }
    scs.exceptions.set_pending(HARD_FAULT);
    Ok(())
}

/// Pushes the eight-word frame. Returns EXC_RETURN, or the fault when a store was refused (the stack pointer has
/// moved all the same).
pub fn push_frame(regs: &mut CoreRegisters, scs: &Scs, memory: &mut dyn CoreMemory) -> (u32, Option<Fault>) {
    let exc_return = match (regs.ipsr(), regs.uses_psp()) {
        (0, true) => 0xffff_fffd,
        (0, false) => 0xffff_fff9,
        _ => 0xffff_fff1,
    };
    let align = scs.ccr & CCR_STKALIGN != 0 && regs.sp() & 4 != 0;
    let frame = (regs.sp() & !3).wrapping_sub(0x20) & if align { !4 } else { !0 };
    let words = [
        regs.r[0],
        regs.r[1],
        regs.r[2],
        regs.r[3],
        regs.r[12],
        regs.lr,
        regs.pc,
        regs.stacked_xpsr() & !0x200 | u32::from(align) << 9,
    ];
    regs.set_sp(frame);
    let mut fault = None;
    for (i, word) in words.into_iter().enumerate() {
        if !memory.store(frame.wrapping_add(4 * i as u32), word) {
            fault = Some(Fault::Stacking);
        }
    }
    (exc_return, fault)
}

/// Reports a fault that arose during entry or return itself: it joins the pending exceptions at the priority the
/// core has now.
pub fn raise_derived(scs: &mut Scs, regs: &CoreRegisters, fault: Fault) -> Result<(), LockUp> {
    scs.record_fault(fault);
    let priority = scs.exceptions.execution_priority(masks(regs));
    if scs.exceptions.is_enabled(BUS_FAULT) && scs.exceptions.group_priority(BUS_FAULT) < priority {
        scs.exceptions.set_pending(BUS_FAULT);
        return Ok(());
    }
    scs.hfsr |= HFSR_FORCED;
    raise_hard_fault(scs, priority)
}

/// Activates `exception` and moves to its handler, the frame being on the stack already.
pub fn enter_handler(
    regs: &mut CoreRegisters,
    scs: &mut Scs,
    memory: &mut dyn CoreMemory,
    mut exception: usize,
    exc_return: u32,
) -> Result<usize, LockUp> {
    let mut vector = memory.load(scs.vtor.wrapping_add(4 * exception as u32));
    if vector.is_none() {
        if exception == HARD_FAULT || exception == NMI {
            return Err(LockUp);
        }
        scs.hfsr |= HFSR_VECTTBL;
        exception = HARD_FAULT;
        vector = memory.load(scs.vtor.wrapping_add(4 * HARD_FAULT as u32));
    }
    let Some(vector) = vector else { return Err(LockUp) };
    scs.exceptions.activate(exception);
    scs.active_exception = exception as u32;
    // Handler mode always uses the main stack; the process stack pointer keeps its value.
    let (msp, psp) = (regs.msp, regs.psp);
    regs.xpsr = regs.xpsr & !0x1ff | exception as u32;
    regs.msp = msp;
    regs.psp = psp;
    regs.control &= !2;
    regs.it_state = 0;
    regs.thumb = vector & 1 != 0;
    regs.pc = vector & !1;
    regs.lr = exc_return;
    regs.exclusive_address = u64::MAX;
    Ok(exception)
}

/// The first half of a return: checks EXC_RETURN and deactivates the exception. After it the caller either
/// tail-chains or calls [`pop_frame`].
pub fn begin_return(regs: &mut CoreRegisters, scs: &mut Scs, exc_return: u32) -> Result<(), Fault> {
    let returning = regs.ipsr() as usize;
    let nested = scs.exceptions.active_count();
    let valid = scs.exceptions.is_active(returning)
        && match exc_return & 0x0fff_ffff {
            0x0fff_fff1 => nested > 1,
            0x0fff_fff9 | 0x0fff_fffd => nested == 1 || scs.ccr & CCR_NONBASETHRDENA != 0,
            _ => false,
        };
    scs.exceptions.deactivate(returning);
    if returning != NMI {
        // "FAULTMASK is cleared on return from any exception but NMI" (B1.5.8)
        regs.faultmask = false;
    }
    regs.exclusive_address = u64::MAX;
    if valid { Ok(()) } else { Err(Fault::InvalidReturn) }
}

/// The second half: restores the frame from the stack that EXC_RETURN names.
pub fn pop_frame(
    regs: &mut CoreRegisters,
    scs: &mut Scs,
    memory: &mut dyn CoreMemory,
    exc_return: u32,
) -> Result<(), Fault> {
    let process_stack = exc_return & 0xf == 0xd;
    let frame = if process_stack { regs.psp } else { regs.msp };
    let mut words = [0; 8];
    for (i, word) in words.iter_mut().enumerate() {
        *word = memory.load(frame.wrapping_add(4 * i as u32)).ok_or(Fault::Unstacking)?;
    }
    let [r0, r1, r2, r3, r12, lr, pc, xpsr] = words;
    // IPSR of the frame must agree with the mode returned to.
    let to_thread = exc_return & 0xf != 1;
    if (xpsr & 0x1ff == 0) != to_thread {
        return Err(Fault::InvalidReturn);
    }
    let after = frame.wrapping_add(0x20) | if xpsr & 0x200 != 0 && scs.ccr & CCR_STKALIGN != 0 { 4 } else { 0 };
    if process_stack {
        regs.psp = after;
    } else {
        regs.msp = after;
    }
    regs.control = regs.control & !2 | u8::from(process_stack) << 1;
    regs.r[..4].copy_from_slice(&[r0, r1, r2, r3]);
    regs.r[12] = r12;
    regs.lr = lr;
    regs.pc = pc & !1;
    regs.set_stacked_xpsr(xpsr);
    scs.active_exception = regs.ipsr();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::exceptions::{PEND_SV, SV_CALL};
    use super::*;

    /// A vector table at 0x1000 some of whose words cannot be read.
    struct Table {
        unreadable: Vec<usize>,
    }

    impl CoreMemory for Table {
        fn load(&mut self, address: u32) -> Option<u32> {
            let exception = (address.checked_sub(0x1000)? / 4) as usize;
            (!self.unreadable.contains(&exception)).then_some(0x0800_0001 + 0x100 * exception as u32)
        }
        fn store(&mut self, _: u32, _: u32) -> bool {
            true
        }
    }

    fn enter(unreadable: &[usize], exception: usize) -> (Scs, CoreRegisters, Result<usize, LockUp>) {
        let (mut scs, mut regs) = (Scs::new(), CoreRegisters { thumb: true, ..CoreRegisters::default() });
        scs.vtor = 0x1000;
        scs.exceptions.set_pending(exception);
        let mut table = Table { unreadable: unreadable.to_vec() };
        let entered = enter_handler(&mut regs, &mut scs, &mut table, exception, 0xffff_fff9);
        (scs, regs, entered)
    }

    #[test]
    fn a_vector_that_cannot_be_read_gives_a_hard_fault_and_leaves_the_exception_pending() {
        let (scs, regs, entered) = enter(&[PEND_SV], PEND_SV);
        assert_eq!(entered, Ok(HARD_FAULT));
        assert_eq!((regs.pc, regs.ipsr(), regs.lr), (0x0800_0300, 3, 0xffff_fff9));
        assert_eq!(scs.hfsr, HFSR_VECTTBL);
        assert!(scs.exceptions.is_pending(PEND_SV) && !scs.exceptions.is_active(PEND_SV));
    }

    #[test]
    fn without_the_vector_of_hard_fault_the_core_locks_up() {
        assert_eq!(enter(&[SV_CALL, HARD_FAULT], SV_CALL).2, Err(LockUp));
        assert_eq!(enter(&[HARD_FAULT], HARD_FAULT).2, Err(LockUp));
        assert_eq!(enter(&[NMI], NMI).2, Err(LockUp));
    }

    #[test]
    fn a_return_from_an_exception_that_is_not_active_faults_and_clears_faultmask() {
        let mut scs = Scs::new();
        let mut regs = CoreRegisters { xpsr: SV_CALL as u32, faultmask: true, ..CoreRegisters::default() };
        assert_eq!(begin_return(&mut regs, &mut scs, 0xffff_fff9), Err(Fault::InvalidReturn));
        assert!(!regs.faultmask);
    }
}
