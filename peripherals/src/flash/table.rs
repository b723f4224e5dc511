//! Register table of the flash interface (PM0059 section 3).

use crate::registers::Access::{R, Rc1, Rs, Rw, W};
use crate::registers::{Field, Register};

pub(super) const ACR: usize = 0;
pub(super) const KEYR: usize = 1;
pub(super) const OPTKEYR: usize = 2;
pub(super) const SR: usize = 3;
pub(super) const CR: usize = 4;
pub(super) const OPTCR: usize = 5;

/// SR: end of operation.
pub(super) const EOP: u32 = 1 << 0;
/// SR: operation error.
pub(super) const OPERR: u32 = 1 << 1;
/// SR: write protection error.
pub(super) const WRPERR: u32 = 1 << 4;
/// SR: programming alignment error.
pub(super) const PGAERR: u32 = 1 << 5;
/// SR: programming parallelism error.
pub(super) const PGPERR: u32 = 1 << 6;
/// SR: programming sequence error.
pub(super) const PGSERR: u32 = 1 << 7;
/// SR: busy.
pub(super) const BSY: u32 = 1 << 16;

/// CR: programming.
pub(super) const PG: u32 = 1 << 0;
/// CR: sector erase.
pub(super) const SER: u32 = 1 << 1;
/// CR: mass erase.
pub(super) const MER: u32 = 1 << 2;
/// CR: start an erase.
pub(super) const STRT: u32 = 1 << 16;
/// CR: end of operation interrupt.
pub(super) const EOPIE: u32 = 1 << 24;
/// CR: error interrupt.
pub(super) const ERRIE: u32 = 1 << 25;
/// CR: locked.
pub(super) const LOCK: u32 = 1 << 31;

/// OPTCR: locked.
pub(super) const OPTLOCK: u32 = 1 << 0;
/// OPTCR: write the option bytes.
pub(super) const OPTSTRT: u32 = 1 << 1;
/// OPTCR: the bits that mirror the option bytes.
pub(super) const OPTION_BITS: u32 = 0x0fff_ffec;

pub(super) const TABLE: &[Register] = &[
    Register {
        offset: 0x00,
        name: "ACR",
        reset: 0,
        section: "3.8.1",
        fields: &[
            Field::new("LATENCY", 0, 3, Rw),
            Field::new("PRFTEN", 8, 1, Rw),
            Field::new("ICEN", 9, 1, Rw),
            Field::new("DCEN", 10, 1, Rw),
            Field::new("ICRST", 11, 1, W),
            Field::new("DCRST", 12, 1, Rw),
        ],
    },
    Register { offset: 0x04, name: "KEYR", reset: 0, section: "3.8.2", fields: &[Field::new("KEY", 0, 32, W)] },
    Register { offset: 0x08, name: "OPTKEYR", reset: 0, section: "3.8.3", fields: &[Field::new("OPTKEY", 0, 32, W)] },
    Register {
        offset: 0x0c,
        name: "SR",
        reset: 0,
        section: "3.8.4",
        fields: &[
            Field::new("EOP", 0, 1, Rc1),
            Field::new("OPERR", 1, 1, Rc1),
            Field::new("WRPERR", 4, 1, Rc1),
            Field::new("PGAERR", 5, 1, Rc1),
            Field::new("PGPERR", 6, 1, Rc1),
            Field::new("PGSERR", 7, 1, Rc1),
            Field::new("BSY", 16, 1, R),
        ],
    },
    Register {
        offset: 0x10,
        name: "CR",
        reset: LOCK,
        section: "3.8.5",
        fields: &[
            Field::new("PG", 0, 1, Rw),
            Field::new("SER", 1, 1, Rw),
            Field::new("MER", 2, 1, Rw),
            Field::new("SNB", 3, 4, Rw),
            Field::new("PSIZE", 8, 2, Rw),
            Field::new("STRT", 16, 1, Rs),
            Field::new("EOPIE", 24, 1, Rw),
            Field::new("ERRIE", 25, 1, Rw),
            Field::new("LOCK", 31, 1, Rs),
        ],
    },
    Register {
        offset: 0x14,
        name: "OPTCR",
        reset: 0x0fff_aaed,
        section: "3.8.6",
        fields: &[
            Field::new("OPTLOCK", 0, 1, Rs),
            Field::new("OPTSTRT", 1, 1, Rs),
            Field::new("BOR_LEV", 2, 2, Rw),
            Field::new("WDG_SW", 5, 1, Rw),
            Field::new("nRST_STOP", 6, 1, Rw),
            Field::new("nRST_STDBY", 7, 1, Rw),
            Field::new("RDP", 8, 8, Rw),
            Field::new("nWRP", 16, 12, Rw),
        ],
    },
];
