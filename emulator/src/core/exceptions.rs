//! Exception states and priorities (ARMv7-M ARM B1.5, B3.4; PM0056 2.3, 4.3).

use serde::{Deserialize, Serialize};

/// Interrupts of the STM32F205 (RM0033 table 61): positions 0 to 80.
pub const IRQ_COUNT: usize = 81;
/// Exception numbers: 16 of the system, then the interrupts.
pub const EXCEPTION_COUNT: usize = 16 + IRQ_COUNT;

/// NMI.
pub const NMI: usize = 2;
/// HardFault.
pub const HARD_FAULT: usize = 3;
/// MemManage.
pub const MEM_MANAGE: usize = 4;
/// BusFault.
pub const BUS_FAULT: usize = 5;
/// UsageFault.
pub const USAGE_FAULT: usize = 6;
/// SVCall.
pub const SV_CALL: usize = 11;
/// Debug monitor.
pub const DEBUG_MONITOR: usize = 12;
/// PendSV.
pub const PEND_SV: usize = 14;
/// SysTick.
pub const SYS_TICK: usize = 15;

/// Priority bits that exist on the STM32F2: the top four.
pub const PRIORITY_MASK: u8 = 0xf0;

/// Priority of code that no exception is active for and nothing masks.
pub const THREAD_PRIORITY: i32 = 256;

/// The mask registers that take part in the execution priority.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Masks {
    /// PRIMASK.
    pub primask: bool,
    /// FAULTMASK.
    pub faultmask: bool,
    /// BASEPRI.
    pub basepri: u8,
}

/// Pending, active and enabled states, line levels, priorities.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exceptions {
    pending: u128,
    active: u128,
    enabled: u128,
    lines: u128,
    priority: Vec<u8>,
    /// AIRCR.PRIGROUP: bits up to this one are subpriority.
    pub priority_group: u8,
    /// Set when an exception became pending or a priority or enable changed, until [`Exceptions::take_changed`].
    changed: bool,
    /// Set when an exception became pending, until [`Exceptions::take_pended`].
    pended: bool,
}

const fn bit(exception: usize) -> u128 {
    1 << exception
}

impl Default for Exceptions {
    fn default() -> Self {
        Self::new()
    }
}

impl Exceptions {
    /// After reset. System exceptions count as enabled; the configurable faults are enabled by SHCSR.
    pub fn new() -> Self {
        let always = bit(NMI) | bit(HARD_FAULT) | bit(SV_CALL) | bit(PEND_SV) | bit(SYS_TICK);
        Self {
            pending: 0,
            active: 0,
            enabled: always,
            lines: 0,
            priority: vec![0; EXCEPTION_COUNT],
            priority_group: 0,
            changed: false,
            pended: false,
        }
    }

    /// Whether an exception became pending since the last call, enabled or not: the event of SCR.SEVONPEND.
    pub fn take_pended(&mut self) -> bool {
        std::mem::take(&mut self.pended)
    }

    /// AIRCR.PRIGROUP.
    pub fn set_priority_group(&mut self, group: u8) {
        self.priority_group = group & 7;
        self.changed = true;
    }

    /// Whether something happened since the last call that may make an exception takeable.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// Makes an exception pending.
    pub fn set_pending(&mut self, exception: usize) {
        if exception < EXCEPTION_COUNT && self.pending & bit(exception) == 0 {
            self.pending |= bit(exception);
            self.changed = true;
            self.pended = true;
        }
    }

    /// Clears a pending state. An interrupt whose line is still asserted becomes pending again at once.
    pub fn clear_pending(&mut self, exception: usize) {
        if exception < EXCEPTION_COUNT && self.lines & bit(exception) == 0 {
            self.pending &= !bit(exception);
        }
    }

    /// Whether it is pending.
    pub fn is_pending(&self, exception: usize) -> bool {
        exception < EXCEPTION_COUNT && self.pending & bit(exception) != 0
    }

    /// Whether it is active.
    pub fn is_active(&self, exception: usize) -> bool {
        exception < EXCEPTION_COUNT && self.active & bit(exception) != 0
    }

    /// Number of active exceptions.
    pub fn active_count(&self) -> u32 {
        self.active.count_ones()
    }

    /// Forces an active state (SHCSR writes, exception entry).
    pub fn set_active(&mut self, exception: usize, active: bool) {
        if exception < EXCEPTION_COUNT {
            if active {
                self.active |= bit(exception);
            } else {
                self.active &= !bit(exception);
            }
            self.changed = true;
        }
    }

    /// Whether it may be taken.
    pub fn is_enabled(&self, exception: usize) -> bool {
        exception < EXCEPTION_COUNT && self.enabled & bit(exception) != 0
    }

    /// Enables or disables (ISER/ICER, SHCSR).
    pub fn set_enabled(&mut self, exception: usize, enabled: bool) {
        if exception < EXCEPTION_COUNT {
            if enabled {
                self.enabled |= bit(exception);
                self.changed |= self.pending & bit(exception) != 0;
            } else {
                self.enabled &= !bit(exception);
            }
        }
    }

    /// Priority byte, low four bits zero.
    pub fn priority(&self, exception: usize) -> u8 {
        self.priority.get(exception).copied().unwrap_or(0)
    }

    /// Sets the priority byte; only its top four bits exist.
    pub fn set_priority(&mut self, exception: usize, value: u8) {
        if let Some(p) = self.priority.get_mut(exception) {
            *p = value & PRIORITY_MASK;
            self.changed = true;
        }
    }

    /// The levels of all interrupt lines, 32 a word. A line that rises makes its interrupt pending; one that is
    /// still high when its handler returns does so again.
    pub fn set_lines(&mut self, levels: [u32; 3]) {
        let all = u128::from(levels[0]) | u128::from(levels[1]) << 32 | u128::from(levels[2]) << 64;
        let lines = all << 16 & (bit(EXCEPTION_COUNT) - 1);
        if lines == self.lines {
            return;
        }
        let risen = lines & !self.lines;
        if risen & !self.pending != 0 {
            self.changed = true;
            self.pended = true;
        }
        self.pending |= risen;
        self.lines = lines;
    }

    fn group_of(&self, priority: u8) -> i32 {
        let subpriority = (2u32 << self.priority_group) - 1;
        i32::from(priority & !(subpriority as u8))
    }

    /// Group priority of an exception; lower is more urgent.
    pub fn group_priority(&self, exception: usize) -> i32 {
        match exception {
            1 => -3,
            NMI => -2,
            HARD_FAULT => -1,
            _ => self.group_of(self.priority(exception)),
        }
    }

    /// Priority of the code that runs now (B1.5.4 ExecutionPriority).
    pub fn execution_priority(&self, masks: Masks) -> i32 {
        let mut lowest = THREAD_PRIORITY;
        let mut rest = self.active;
        while rest != 0 {
            lowest = lowest.min(self.group_priority(rest.trailing_zeros() as usize));
            rest &= rest - 1;
        }
        if masks.basepri != 0 {
            lowest = lowest.min(self.group_of(masks.basepri));
        }
        if masks.primask {
            lowest = lowest.min(0);
        }
        if masks.faultmask {
            lowest = lowest.min(-1);
        }
        lowest
    }

    /// The enabled pending exception of the highest priority, if any: by group, then subpriority, then number.
    pub fn highest_pending(&self) -> Option<usize> {
        let mut rest = self.pending & self.enabled;
        let mut best: Option<(i32, u8, usize)> = None;
        while rest != 0 {
            let exception = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            let key = (self.group_priority(exception), self.priority(exception), exception);
            if best.is_none_or(|b| key < b) {
                best = Some(key);
            }
        }
        best.map(|(_, _, exception)| exception)
    }

    /// The exception to take now, if one is urgent enough.
    pub fn takeable(&self, masks: Masks) -> Option<usize> {
        let exception = self.highest_pending()?;
        (self.group_priority(exception) < self.execution_priority(masks)).then_some(exception)
    }

    /// Whether any enabled exception is pending.
    pub fn any_pending(&self) -> bool {
        self.pending & self.enabled != 0
    }

    /// Pending becomes active.
    pub fn activate(&mut self, exception: usize) {
        if exception < EXCEPTION_COUNT {
            self.pending &= !bit(exception);
            self.active |= bit(exception);
        }
    }

    /// Active becomes inactive, and pending again if its line is still asserted.
    pub fn deactivate(&mut self, exception: usize) {
        if exception < EXCEPTION_COUNT {
            self.active &= !bit(exception);
            if self.lines & bit(exception) != 0 {
                self.pending |= bit(exception);
            }
            self.changed = true;
        }
    }

    /// 32 pending bits of interrupts from `32 * word`.
    pub fn pending_word(&self, word: usize) -> u32 {
        (self.pending >> (16 + 32 * word)) as u32
    }

    /// 32 active bits likewise.
    pub fn active_word(&self, word: usize) -> u32 {
        (self.active >> (16 + 32 * word)) as u32
    }

    /// 32 enabled bits likewise.
    pub fn enabled_word(&self, word: usize) -> u32 {
        (self.enabled >> (16 + 32 * word)) as u32
    }

    /// Any external interrupt pending, enabled or not (ICSR.ISRPENDING).
    pub fn isr_pending(&self) -> bool {
        self.pending >> 16 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_go_to_the_lower_subpriority_and_then_to_the_lower_number() {
        let mut e = Exceptions::new();
        e.priority_group = 5; // bits 7:6 group, 5:4 subpriority
        for (irq, priority) in [(3, 0x50), (2, 0x60), (1, 0x60)] {
            e.set_priority(16 + irq, priority);
            e.set_enabled(16 + irq, true);
            e.set_pending(16 + irq);
        }
        assert_eq!(e.takeable(Masks::default()), Some(16 + 3));
        e.activate(16 + 3);
        assert_eq!(e.takeable(Masks::default()), None, "the same group does not preempt");
        e.deactivate(16 + 3);
        assert_eq!(e.takeable(Masks::default()), Some(16 + 1));
    }

    #[test]
    fn basepri_masks_its_own_level_and_below() {
        let mut e = Exceptions::new();
        e.set_priority(20, 0x50);
        e.set_enabled(20, true);
        e.set_pending(20);
        assert_eq!(e.takeable(Masks { basepri: 0x50, ..Masks::default() }), None);
        assert_eq!(e.takeable(Masks { basepri: 0x60, ..Masks::default() }), Some(20));
        assert_eq!(e.takeable(Masks { primask: true, ..Masks::default() }), None);
    }

    #[test]
    fn a_line_held_high_comes_back_after_its_handler() {
        let mut e = Exceptions::new();
        e.set_enabled(16, true);
        e.set_lines([1, 0, 0]);
        e.activate(16);
        assert!(!e.is_pending(16));
        e.deactivate(16);
        assert!(e.is_pending(16));
        e.set_lines([0, 0, 0]);
        e.clear_pending(16);
        assert!(!e.is_pending(16));
    }
}
