//! Word indices and bits of the timers' registers.

// Word index of each register; a timer stores its registers by it.
pub(super) const CR1: usize = 0;
pub(super) const CR2: usize = 1;
pub(super) const SMCR: usize = 2;
pub(super) const DIER: usize = 3;
pub(super) const SR: usize = 4;
pub(super) const EGR: usize = 5;
pub(super) const CCMR1: usize = 6;
pub(super) const CCMR2: usize = 7;
pub(super) const CCER: usize = 8;
pub(super) const CNT: usize = 9;
pub(super) const PSC: usize = 10;
pub(super) const ARR: usize = 11;
pub(super) const RCR: usize = 12;
pub(super) const CCR1: usize = 13;
pub(super) const CCR4: usize = 16;
pub(super) const BDTR: usize = 17;
pub(super) const DCR: usize = 18;
pub(super) const DMAR: usize = 19;
/// Words from the first register to the last.
pub(super) const WORDS: usize = 21;

pub(super) const CEN: u32 = 1 << 0;
pub(super) const UDIS: u32 = 1 << 1;
pub(super) const URS: u32 = 1 << 2;
pub(super) const OPM: u32 = 1 << 3;
pub(super) const DIR: u32 = 1 << 4;
pub(super) const ARPE: u32 = 1 << 7;
pub(super) const CMS: u32 = 3 << 5;
pub(super) const CCDS: u32 = 1 << 3;
pub(super) const TI1S: u32 = 1 << 7;
pub(super) const ECE: u32 = 1 << 14;
pub(super) const ETP: u32 = 1 << 15;
pub(super) const UIF: u32 = 1 << 0;
pub(super) const COMIF: u32 = 1 << 5;
pub(super) const TIF: u32 = 1 << 6;
pub(super) const BIF: u32 = 1 << 7;
pub(super) const BKE: u32 = 1 << 12;
pub(super) const BKP: u32 = 1 << 13;
pub(super) const AOE: u32 = 1 << 14;
pub(super) const MOE: u32 = 1 << 15;
