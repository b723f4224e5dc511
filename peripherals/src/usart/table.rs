//! Register tables of the USARTs and UARTs (RM0033 24.6). UART4 and UART5 lack flow control and the clock output.

use crate::registers::Access::{R, Rc0, Rw, Tag};
use crate::registers::{Field, Register};

pub(super) const SR: usize = 0;
pub(super) const DR: usize = 1;
pub(super) const BRR: usize = 2;
pub(super) const CR1: usize = 3;
pub(super) const CR2: usize = 4;
pub(super) const CR3: usize = 5;

/// Status register flags.
pub(super) mod sr {
    pub const PE: u32 = 1 << 0;
    pub const FE: u32 = 1 << 1;
    pub const NF: u32 = 1 << 2;
    pub const ORE: u32 = 1 << 3;
    pub const IDLE: u32 = 1 << 4;
    pub const RXNE: u32 = 1 << 5;
    pub const TC: u32 = 1 << 6;
    pub const TXE: u32 = 1 << 7;
    pub const LBD: u32 = 1 << 8;
    pub const CTS: u32 = 1 << 9;
    /// Cleared by reading SR, then DR.
    pub const CLEARED_BY_DR_READ: u32 = PE | FE | NF | ORE | IDLE;
}

/// Control register 1 bits that the model acts on.
pub(super) mod cr1 {
    pub const SBK: u32 = 1 << 0;
    pub const RWU: u32 = 1 << 1;
    pub const RE: u32 = 1 << 2;
    pub const TE: u32 = 1 << 3;
    pub const IDLEIE: u32 = 1 << 4;
    pub const RXNEIE: u32 = 1 << 5;
    pub const TCIE: u32 = 1 << 6;
    pub const TXEIE: u32 = 1 << 7;
    pub const PEIE: u32 = 1 << 8;
    pub const PS: u32 = 1 << 9;
    pub const PCE: u32 = 1 << 10;
    pub const WAKE: u32 = 1 << 11;
    pub const M: u32 = 1 << 12;
    pub const UE: u32 = 1 << 13;
    pub const OVER8: u32 = 1 << 15;
}

/// Control register 2 bits that the model acts on. `STOP` is bits 13:12, `ADD` bits 3:0.
pub(super) mod cr2 {
    pub const LBDIE: u32 = 1 << 6;
    pub const LINEN: u32 = 1 << 14;
}

/// Control register 3 bits that the model acts on.
pub(super) mod cr3 {
    pub const EIE: u32 = 1 << 0;
    pub const HDSEL: u32 = 1 << 3;
    pub const DMAR: u32 = 1 << 6;
    pub const DMAT: u32 = 1 << 7;
    pub const RTSE: u32 = 1 << 8;
    pub const CTSE: u32 = 1 << 9;
    pub const CTSIE: u32 = 1 << 10;
    pub const ONEBIT: u32 = 1 << 11;
}

const DR_REGISTER: Register =
    Register { offset: 0x04, name: "DR", reset: 0, section: "24.6.2", fields: &[Field::new("DR", 0, 9, Rw)] };

const BRR_REGISTER: Register = Register {
    offset: 0x08,
    name: "BRR",
    reset: 0,
    section: "24.6.3",
    fields: &[Field::new("DIV_Fraction", 0, 4, Rw), Field::new("DIV_Mantissa", 4, 12, Rw)],
};

const CR1_REGISTER: Register = Register {
    offset: 0x0c,
    name: "CR1",
    reset: 0,
    section: "24.6.4",
    fields: &[
        Field::new("SBK", 0, 1, Rw),
        Field::new("RWU", 1, 1, Rw),
        Field::new("RE", 2, 1, Rw),
        Field::new("TE", 3, 1, Rw),
        Field::new("IDLEIE", 4, 1, Rw),
        Field::new("RXNEIE", 5, 1, Rw),
        Field::new("TCIE", 6, 1, Rw),
        Field::new("TXEIE", 7, 1, Rw),
        Field::new("PEIE", 8, 1, Rw),
        Field::new("PS", 9, 1, Rw),
        Field::new("PCE", 10, 1, Rw),
        Field::new("WAKE", 11, 1, Rw),
        Field::new("M", 12, 1, Rw),
        Field::new("UE", 13, 1, Rw),
        Field::new("OVER8", 15, 1, Rw),
    ],
};

/// USART1, 2, 3 and 6.
pub(super) const USART: &[Register] = &[
    Register {
        offset: 0x00,
        name: "SR",
        reset: 0xc0,
        section: "24.6.1",
        fields: &[
            Field::new("PE", 0, 1, R),
            Field::new("FE", 1, 1, R),
            Field::new("NF", 2, 1, R),
            Field::new("ORE", 3, 1, R),
            Field::new("IDLE", 4, 1, R),
            Field::new("RXNE", 5, 1, Rc0),
            Field::new("TC", 6, 1, Rc0),
            Field::new("TXE", 7, 1, R),
            Field::new("LBD", 8, 1, Rc0),
            Field::new("CTS", 9, 1, Rc0),
        ],
    },
    DR_REGISTER,
    BRR_REGISTER,
    CR1_REGISTER,
    Register {
        offset: 0x10,
        name: "CR2",
        reset: 0,
        section: "24.6.5",
        fields: &[
            Field::new("ADD", 0, 4, Rw),
            Field::new("LBDL", 5, 1, Rw),
            Field::new("LBDIE", 6, 1, Rw),
            Field::new("LBCL", 8, 1, Tag),
            Field::new("CPHA", 9, 1, Tag),
            Field::new("CPOL", 10, 1, Tag),
            Field::new("CLKEN", 11, 1, Tag),
            Field::new("STOP", 12, 2, Rw),
            Field::new("LINEN", 14, 1, Rw),
        ],
    },
    Register {
        offset: 0x14,
        name: "CR3",
        reset: 0,
        section: "24.6.6",
        fields: &[
            Field::new("EIE", 0, 1, Rw),
            Field::new("IREN", 1, 1, Tag),
            Field::new("IRLP", 2, 1, Tag),
            Field::new("HDSEL", 3, 1, Rw),
            Field::new("NACK", 4, 1, Tag),
            Field::new("SCEN", 5, 1, Tag),
            Field::new("DMAR", 6, 1, Rw),
            Field::new("DMAT", 7, 1, Rw),
            Field::new("RTSE", 8, 1, Rw),
            Field::new("CTSE", 9, 1, Rw),
            Field::new("CTSIE", 10, 1, Rw),
            Field::new("ONEBIT", 11, 1, Rw),
        ],
    },
    Register {
        offset: 0x18,
        name: "GTPR",
        reset: 0,
        section: "24.6.7",
        fields: &[Field::new("PSC", 0, 8, Tag), Field::new("GT", 8, 8, Tag)],
    },
];

/// UART4 and UART5.
pub(super) const UART: &[Register] = &[
    Register {
        offset: 0x00,
        name: "SR",
        reset: 0xc0,
        section: "24.6.1",
        fields: &[
            Field::new("PE", 0, 1, R),
            Field::new("FE", 1, 1, R),
            Field::new("NF", 2, 1, R),
            Field::new("ORE", 3, 1, R),
            Field::new("IDLE", 4, 1, R),
            Field::new("RXNE", 5, 1, Rc0),
            Field::new("TC", 6, 1, Rc0),
            Field::new("TXE", 7, 1, R),
            Field::new("LBD", 8, 1, Rc0),
        ],
    },
    DR_REGISTER,
    BRR_REGISTER,
    CR1_REGISTER,
    Register {
        offset: 0x10,
        name: "CR2",
        reset: 0,
        section: "24.6.5",
        fields: &[
            Field::new("ADD", 0, 4, Rw),
            Field::new("LBDL", 5, 1, Rw),
            Field::new("LBDIE", 6, 1, Rw),
            Field::new("STOP", 12, 2, Rw),
            Field::new("LINEN", 14, 1, Rw),
        ],
    },
    Register {
        offset: 0x14,
        name: "CR3",
        reset: 0,
        section: "24.6.6",
        fields: &[
            Field::new("EIE", 0, 1, Rw),
            Field::new("IREN", 1, 1, Tag),
            Field::new("IRLP", 2, 1, Tag),
            Field::new("HDSEL", 3, 1, Rw),
            Field::new("DMAR", 6, 1, Rw),
            Field::new("DMAT", 7, 1, Rw),
            Field::new("ONEBIT", 11, 1, Rw),
        ],
    },
    Register { offset: 0x18, name: "GTPR", reset: 0, section: "24.6.7", fields: &[Field::new("PSC", 0, 8, Tag)] },
];
