//! Register table of the I2C interface (RM0033 section 23.6).

use crate::registers::{Access, Field, Register};

/// Every register. SMBus and packet error checking are named, not modelled.
pub(super) const TABLE: &[Register] = &[
    Register {
        offset: 0x00,
        name: "CR1",
        reset: 0,
        section: "23.6.1",
        fields: &[
            Field::new("PE", 0, 1, Access::Rw),
            Field::new("SMBUS", 1, 1, Access::Tag),
            Field::new("SMBTYPE", 3, 1, Access::Tag),
            Field::new("ENARP", 4, 1, Access::Tag),
            Field::new("ENPEC", 5, 1, Access::Tag),
            // ENGC and NOSTRETCH matter to a slave only, and no other master is on the board's buses.
            Field::new("ENGC", 6, 1, Access::Rw),
            Field::new("NOSTRETCH", 7, 1, Access::Rw),
            Field::new("START", 8, 1, Access::Rw),
            Field::new("STOP", 9, 1, Access::Rw),
            Field::new("ACK", 10, 1, Access::Rw),
            Field::new("POS", 11, 1, Access::Rw),
            Field::new("PEC", 12, 1, Access::Tag),
            Field::new("ALERT", 13, 1, Access::Tag),
            Field::new("SWRST", 15, 1, Access::Rw),
        ],
    },
    Register {
        offset: 0x04,
        name: "CR2",
        reset: 0,
        section: "23.6.2",
        fields: &[
            Field::new("FREQ", 0, 6, Access::Rw),
            Field::new("ITERREN", 8, 1, Access::Rw),
            Field::new("ITEVTEN", 9, 1, Access::Rw),
            Field::new("ITBUFEN", 10, 1, Access::Rw),
            Field::new("DMAEN", 11, 1, Access::Rw),
            Field::new("LAST", 12, 1, Access::Rw),
        ],
    },
    Register {
        offset: 0x08,
        name: "OAR1",
        reset: 0,
        section: "23.6.3",
        // Own addresses are stored; nothing on the board addresses the microcontroller.
        fields: &[
            Field::new("ADD", 0, 10, Access::Rw),
            Field::new("KEEP1", 14, 1, Access::Rw),
            Field::new("ADDMODE", 15, 1, Access::Rw),
        ],
    },
    Register {
        offset: 0x0c,
        name: "OAR2",
        reset: 0,
        section: "23.6.4",
        fields: &[Field::new("ENDUAL", 0, 1, Access::Rw), Field::new("ADD2", 1, 7, Access::Rw)],
    },
    Register { offset: 0x10, name: "DR", reset: 0, section: "23.6.5", fields: &[Field::new("DR", 0, 8, Access::Rw)] },
    Register {
        offset: 0x14,
        name: "SR1",
        reset: 0,
        section: "23.6.6",
        fields: &[
            Field::new("SB", 0, 1, Access::R),
            Field::new("ADDR", 1, 1, Access::R),
            Field::new("BTF", 2, 1, Access::R),
            Field::new("ADD10", 3, 1, Access::R),
            Field::new("STOPF", 4, 1, Access::R),
            Field::new("RxNE", 6, 1, Access::R),
            Field::new("TxE", 7, 1, Access::R),
            Field::new("BERR", 8, 1, Access::Rc0),
            Field::new("ARLO", 9, 1, Access::Rc0),
            Field::new("AF", 10, 1, Access::Rc0),
            Field::new("OVR", 11, 1, Access::Rc0),
            Field::new("PECERR", 12, 1, Access::Rc0),
            Field::new("TIMEOUT", 14, 1, Access::Rc0),
            Field::new("SMBALERT", 15, 1, Access::Rc0),
        ],
    },
    Register {
        offset: 0x18,
        name: "SR2",
        reset: 0,
        section: "23.6.7",
        fields: &[
            Field::new("MSL", 0, 1, Access::R),
            Field::new("BUSY", 1, 1, Access::R),
            Field::new("TRA", 2, 1, Access::R),
            Field::new("GENCALL", 4, 1, Access::R),
            Field::new("SMBDEFAULT", 5, 1, Access::R),
            Field::new("SMBHOST", 6, 1, Access::R),
            Field::new("DUALF", 7, 1, Access::R),
            Field::new("PEC", 8, 8, Access::R),
        ],
    },
    Register {
        offset: 0x1c,
        name: "CCR",
        reset: 0,
        section: "23.6.8",
        fields: &[
            Field::new("CCR", 0, 12, Access::Rw),
            Field::new("DUTY", 14, 1, Access::Rw),
            Field::new("F/S", 15, 1, Access::Rw),
        ],
    },
    Register {
        offset: 0x20,
        name: "TRISE",
        reset: 2,
        section: "23.6.9",
        fields: &[Field::new("TRISE", 0, 6, Access::Rw)],
    },
];

pub(super) const CR1: usize = 0;
pub(super) const CR2: usize = 1;
pub(super) const DR: usize = 4;
pub(super) const SR1: usize = 5;
pub(super) const SR2: usize = 6;
pub(super) const CCR: usize = 7;

pub(super) const PE: u32 = 1 << 0;
pub(super) const START: u32 = 1 << 8;
pub(super) const STOP: u32 = 1 << 9;
pub(super) const ACK: u32 = 1 << 10;
pub(super) const POS: u32 = 1 << 11;
pub(super) const PEC: u32 = 1 << 12;
pub(super) const SWRST: u32 = 1 << 15;

pub(super) const ITERREN: u32 = 1 << 8;
pub(super) const ITEVTEN: u32 = 1 << 9;
pub(super) const ITBUFEN: u32 = 1 << 10;
pub(super) const DMAEN: u32 = 1 << 11;
pub(super) const LAST: u32 = 1 << 12;

pub(super) const SB: u32 = 1 << 0;
pub(super) const ADDR: u32 = 1 << 1;
pub(super) const BTF: u32 = 1 << 2;
pub(super) const ADD10: u32 = 1 << 3;
pub(super) const STOPF: u32 = 1 << 4;
pub(super) const RXNE: u32 = 1 << 6;
pub(super) const TXE: u32 = 1 << 7;
pub(super) const AF: u32 = 1 << 10;
pub(super) const ERRORS: u32 = 0xdf00;

pub(super) const MSL: u32 = 1 << 0;
pub(super) const BUSY: u32 = 1 << 1;
pub(super) const TRA: u32 = 1 << 2;

pub(super) const DUTY: u32 = 1 << 14;
pub(super) const FAST: u32 = 1 << 15;
