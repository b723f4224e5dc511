//! Register table of a DMA controller (RM0033 9.5). Flags and settings of eight streams.

use crate::registers::Access::{R, Rw, W};
use crate::registers::{Field, Register};

pub(super) const LISR: usize = 0;
pub(super) const HISR: usize = 1;
pub(super) const LIFCR: usize = 2;
pub(super) const HIFCR: usize = 3;

/// A stream's registers, relative to [`stream_base`].
pub(super) const CR: usize = 0;
pub(super) const NDTR: usize = 1;
pub(super) const PAR: usize = 2;
pub(super) const M0AR: usize = 3;
pub(super) const M1AR: usize = 4;
pub(super) const FCR: usize = 5;

/// Index of a stream's first register in the table.
pub(super) const fn stream_base(stream: usize) -> usize {
    4 + 6 * stream
}

/// A stream's flags, as they stand for stream 0; [`flag_shift`] moves them.
pub(super) mod flag {
    pub const FEIF: u32 = 1 << 0;
    pub const TEIF: u32 = 1 << 3;
    pub const HTIF: u32 = 1 << 4;
    pub const TCIF: u32 = 1 << 5;
}

/// Position of a stream's flags in LISR (0 to 3) or HISR (4 to 7).
pub(super) const fn flag_shift(stream: usize) -> u32 {
    match stream & 3 {
        0 => 0,
        1 => 6,
        2 => 16,
        _ => 22,
    }
}

/// Stream configuration register bits.
pub(super) mod cr {
    pub const EN: u32 = 1 << 0;
    /// DMEIE, TEIE, HTIE, TCIE: one place below their flags.
    pub const INTERRUPT_ENABLES: u32 = 0x1e;
    pub const PFCTRL: u32 = 1 << 5;
    pub const CIRC: u32 = 1 << 8;
    pub const PINC: u32 = 1 << 9;
    pub const MINC: u32 = 1 << 10;
    pub const PSIZE: u32 = 3 << 11;
    pub const MSIZE: u32 = 3 << 13;
    pub const PINCOS: u32 = 1 << 15;
    pub const DBM: u32 = 1 << 18;
    pub const CT: u32 = 1 << 19;
    pub const PBURST: u32 = 3 << 21;
    pub const MBURST: u32 = 3 << 23;
}

/// Stream FIFO control register bits.
pub(super) mod fcr {
    pub const FTH: u32 = 3;
    pub const DMDIS: u32 = 1 << 2;
    pub const FS: u32 = 7 << 3;
    pub const FEIE: u32 = 1 << 7;
}

macro_rules! flags {
    ($access:ident, $prefix:literal, $a:literal, $b:literal, $c:literal, $d:literal) => {
        &[
            Field::new(concat!($prefix, "FEIF", $a), 0, 1, $access),
            Field::new(concat!($prefix, "DMEIF", $a), 2, 1, $access),
            Field::new(concat!($prefix, "TEIF", $a), 3, 1, $access),
            Field::new(concat!($prefix, "HTIF", $a), 4, 1, $access),
            Field::new(concat!($prefix, "TCIF", $a), 5, 1, $access),
            Field::new(concat!($prefix, "FEIF", $b), 6, 1, $access),
            Field::new(concat!($prefix, "DMEIF", $b), 8, 1, $access),
            Field::new(concat!($prefix, "TEIF", $b), 9, 1, $access),
            Field::new(concat!($prefix, "HTIF", $b), 10, 1, $access),
            Field::new(concat!($prefix, "TCIF", $b), 11, 1, $access),
            Field::new(concat!($prefix, "FEIF", $c), 16, 1, $access),
            Field::new(concat!($prefix, "DMEIF", $c), 18, 1, $access),
            Field::new(concat!($prefix, "TEIF", $c), 19, 1, $access),
            Field::new(concat!($prefix, "HTIF", $c), 20, 1, $access),
            Field::new(concat!($prefix, "TCIF", $c), 21, 1, $access),
            Field::new(concat!($prefix, "FEIF", $d), 22, 1, $access),
            Field::new(concat!($prefix, "DMEIF", $d), 24, 1, $access),
            Field::new(concat!($prefix, "TEIF", $d), 25, 1, $access),
            Field::new(concat!($prefix, "HTIF", $d), 26, 1, $access),
            Field::new(concat!($prefix, "TCIF", $d), 27, 1, $access),
        ]
    };
}

macro_rules! table {
    ($($n:literal)*) => {
        &[
            Register { offset: 0x00, name: "LISR", reset: 0, section: "9.5.1", fields: flags!(R, "", 0, 1, 2, 3) },
            Register { offset: 0x04, name: "HISR", reset: 0, section: "9.5.2", fields: flags!(R, "", 4, 5, 6, 7) },
            Register { offset: 0x08, name: "LIFCR", reset: 0, section: "9.5.3", fields: flags!(W, "C", 0, 1, 2, 3) },
            Register { offset: 0x0c, name: "HIFCR", reset: 0, section: "9.5.4", fields: flags!(W, "C", 4, 5, 6, 7) },
            $(
                Register {
                    offset: 0x10 + 0x18 * $n,
                    name: concat!("S", $n, "CR"),
                    reset: 0,
                    section: "9.5.5",
                    fields: &[
                        Field::new("EN", 0, 1, Rw),
                        Field::new("DMEIE", 1, 1, Rw),
                        Field::new("TEIE", 2, 1, Rw),
                        Field::new("HTIE", 3, 1, Rw),
                        Field::new("TCIE", 4, 1, Rw),
                        Field::new("PFCTRL", 5, 1, Rw),
                        Field::new("DIR", 6, 2, Rw),
                        Field::new("CIRC", 8, 1, Rw),
                        Field::new("PINC", 9, 1, Rw),
                        Field::new("MINC", 10, 1, Rw),
                        Field::new("PSIZE", 11, 2, Rw),
                        Field::new("MSIZE", 13, 2, Rw),
                        Field::new("PINCOS", 15, 1, Rw),
                        Field::new("PL", 16, 2, Rw),
                        Field::new("DBM", 18, 1, Rw),
                        Field::new("CT", 19, 1, Rw),
                        Field::new("PBURST", 21, 2, Rw),
                        Field::new("MBURST", 23, 2, Rw),
                        Field::new("CHSEL", 25, 3, Rw),
                    ],
                },
                Register {
                    offset: 0x14 + 0x18 * $n,
                    name: concat!("S", $n, "NDTR"),
                    reset: 0,
                    section: "9.5.6",
                    fields: &[Field::new("NDT", 0, 16, Rw)],
                },
                Register {
                    offset: 0x18 + 0x18 * $n,
                    name: concat!("S", $n, "PAR"),
                    reset: 0,
                    section: "9.5.7",
                    fields: &[Field::new("PAR", 0, 32, Rw)],
                },
                Register {
                    offset: 0x1c + 0x18 * $n,
                    name: concat!("S", $n, "M0AR"),
                    reset: 0,
                    section: "9.5.8",
                    fields: &[Field::new("M0A", 0, 32, Rw)],
                },
                Register {
                    offset: 0x20 + 0x18 * $n,
                    name: concat!("S", $n, "M1AR"),
                    reset: 0,
                    section: "9.5.9",
                    fields: &[Field::new("M1A", 0, 32, Rw)],
                },
                Register {
                    offset: 0x24 + 0x18 * $n,
                    name: concat!("S", $n, "FCR"),
                    reset: 0x21,
                    section: "9.5.10",
                    fields: &[
                        Field::new("FTH", 0, 2, Rw),
                        Field::new("DMDIS", 2, 1, Rw),
                        Field::new("FS", 3, 3, R),
                        Field::new("FEIE", 7, 1, Rw),
                    ],
                },
            )*
        ]
    };
}

pub(super) const TABLE: &[Register] = table!(0 1 2 3 4 5 6 7);
