//! Register tables of the SPIs (RM0033 25.5). SPI1 has no I2S: its two I2S registers are reserved.

use crate::registers::Access::{R, Rc0, Rw, Tag};
use crate::registers::{Field, Register};

pub(super) const CR1: usize = 0;
pub(super) const CR2: usize = 1;
pub(super) const SR: usize = 2;
pub(super) const DR: usize = 3;
pub(super) const CRCPR: usize = 4;
pub(super) const RXCRCR: usize = 5;
pub(super) const TXCRCR: usize = 6;

/// Control register 1 bits. `BR` is bits 5:3.
pub(super) mod cr1 {
    pub const CPHA: u32 = 1 << 0;
    pub const CPOL: u32 = 1 << 1;
    pub const MSTR: u32 = 1 << 2;
    pub const SPE: u32 = 1 << 6;
    pub const LSBFIRST: u32 = 1 << 7;
    pub const SSI: u32 = 1 << 8;
    pub const SSM: u32 = 1 << 9;
    pub const RXONLY: u32 = 1 << 10;
    pub const DFF: u32 = 1 << 11;
    pub const CRCNEXT: u32 = 1 << 12;
    pub const CRCEN: u32 = 1 << 13;
    pub const BIDIOE: u32 = 1 << 14;
    pub const BIDIMODE: u32 = 1 << 15;
}

/// Control register 2 bits that the model acts on.
pub(super) mod cr2 {
    pub const RXDMAEN: u32 = 1 << 0;
    pub const TXDMAEN: u32 = 1 << 1;
    pub const SSOE: u32 = 1 << 2;
    pub const ERRIE: u32 = 1 << 5;
    pub const RXNEIE: u32 = 1 << 6;
    pub const TXEIE: u32 = 1 << 7;
}

/// Status register flags.
pub(super) mod sr {
    pub const RXNE: u32 = 1 << 0;
    pub const TXE: u32 = 1 << 1;
    pub const CRCERR: u32 = 1 << 4;
    pub const MODF: u32 = 1 << 5;
    pub const OVR: u32 = 1 << 6;
    pub const BSY: u32 = 1 << 7;
}

const CR1_REGISTER: Register = Register {
    offset: 0x00,
    name: "CR1",
    reset: 0,
    section: "25.5.1",
    fields: &[
        Field::new("CPHA", 0, 1, Rw),
        Field::new("CPOL", 1, 1, Rw),
        Field::new("MSTR", 2, 1, Rw),
        Field::new("BR", 3, 3, Rw),
        Field::new("SPE", 6, 1, Rw),
        Field::new("LSBFIRST", 7, 1, Rw),
        Field::new("SSI", 8, 1, Rw),
        Field::new("SSM", 9, 1, Rw),
        Field::new("RXONLY", 10, 1, Rw),
        Field::new("DFF", 11, 1, Rw),
        Field::new("CRCNEXT", 12, 1, Rw),
        Field::new("CRCEN", 13, 1, Rw),
        Field::new("BIDIOE", 14, 1, Rw),
        Field::new("BIDIMODE", 15, 1, Rw),
    ],
};

const CR2_REGISTER: Register = Register {
    offset: 0x04,
    name: "CR2",
    reset: 0,
    section: "25.5.2",
    fields: &[
        Field::new("RXDMAEN", 0, 1, Rw),
        Field::new("TXDMAEN", 1, 1, Rw),
        Field::new("SSOE", 2, 1, Rw),
        Field::new("FRF", 4, 1, Tag),
        Field::new("ERRIE", 5, 1, Rw),
        Field::new("RXNEIE", 6, 1, Rw),
        Field::new("TXEIE", 7, 1, Rw),
    ],
};

/// CHSIDE and UDR belong to I2S and FRE to the TI format: they are never set here.
const SR_REGISTER: Register = Register {
    offset: 0x08,
    name: "SR",
    reset: sr::TXE,
    section: "25.5.3",
    fields: &[
        Field::new("RXNE", 0, 1, R),
        Field::new("TXE", 1, 1, R),
        Field::new("CHSIDE", 2, 1, R),
        Field::new("UDR", 3, 1, R),
        Field::new("CRCERR", 4, 1, Rc0),
        Field::new("MODF", 5, 1, R),
        Field::new("OVR", 6, 1, R),
        Field::new("BSY", 7, 1, R),
        Field::new("FRE", 8, 1, R),
    ],
};

const DR_REGISTER: Register =
    Register { offset: 0x0c, name: "DR", reset: 0, section: "25.5.4", fields: &[Field::new("DR", 0, 16, Rw)] };

const CRCPR_REGISTER: Register =
    Register { offset: 0x10, name: "CRCPR", reset: 7, section: "25.5.5", fields: &[Field::new("CRCPOLY", 0, 16, Rw)] };

const RXCRCR_REGISTER: Register =
    Register { offset: 0x14, name: "RXCRCR", reset: 0, section: "25.5.6", fields: &[Field::new("RXCRC", 0, 16, R)] };

const TXCRCR_REGISTER: Register =
    Register { offset: 0x18, name: "TXCRCR", reset: 0, section: "25.5.7", fields: &[Field::new("TXCRC", 0, 16, R)] };

const fn table(i2scfgr: Register, i2spr: Register) -> [Register; 9] {
    [
        CR1_REGISTER,
        CR2_REGISTER,
        SR_REGISTER,
        DR_REGISTER,
        CRCPR_REGISTER,
        RXCRCR_REGISTER,
        TXCRCR_REGISTER,
        i2scfgr,
        i2spr,
    ]
}

/// SPI1.
pub(super) const SPI1: &[Register] = &table(
    Register { offset: 0x1c, name: "I2SCFGR", reset: 0, section: "25.5.8", fields: &[] },
    Register { offset: 0x20, name: "I2SPR", reset: 0, section: "25.5.9", fields: &[] },
);

/// SPI2 and SPI3.
pub(super) const SPI: &[Register] = &table(
    Register {
        offset: 0x1c,
        name: "I2SCFGR",
        reset: 0,
        section: "25.5.8",
        fields: &[
            Field::new("CHLEN", 0, 1, Tag),
            Field::new("DATLEN", 1, 2, Tag),
            Field::new("CKPOL", 3, 1, Tag),
            Field::new("I2SSTD", 4, 2, Tag),
            Field::new("PCMSYNC", 7, 1, Tag),
            Field::new("I2SCFG", 8, 2, Tag),
            Field::new("I2SE", 10, 1, Tag),
            Field::new("I2SMOD", 11, 1, Tag),
        ],
    },
    Register {
        offset: 0x20,
        name: "I2SPR",
        reset: 2,
        section: "25.5.9",
        fields: &[Field::new("I2SDIV", 0, 8, Tag), Field::new("ODD", 8, 1, Tag), Field::new("MCKOE", 9, 1, Tag)],
    },
);
