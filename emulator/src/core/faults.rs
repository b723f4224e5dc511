//! Fault causes and where they are recorded: CFSR, HFSR, BFAR, MMFAR (ARMv7-M ARM B1.5.14, B3.2.15; PM0056 4.4.10).

use serde::{Deserialize, Serialize};

use super::exceptions::{BUS_FAULT, MEM_MANAGE, USAGE_FAULT};

/// A synchronous fault of the running code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// Undefined instruction (UFSR.UNDEFINSTR).
    Undefined,
    /// EPSR.T clear (UFSR.INVSTATE).
    InvalidState,
    /// Bad EXC_RETURN (UFSR.INVPC).
    InvalidReturn,
    /// Coprocessor instruction (UFSR.NOCP).
    NoCoprocessor,
    /// Unaligned access (UFSR.UNALIGNED).
    Unaligned,
    /// Division by zero (UFSR.DIVBYZERO).
    DivideByZero,
    /// Instruction fetch refused by the bus (BFSR.IBUSERR).
    InstructionBus,
    /// Data access refused by the bus (BFSR.PRECISERR), with its address.
    DataBus(u32),
    /// Stacking refused (BFSR.STKERR).
    Stacking,
    /// Unstacking refused (BFSR.UNSTKERR).
    Unstacking,
    /// Fetch from execute-never memory (MMFSR.IACCVIOL).
    InstructionAccess,
}

impl Fault {
    /// The exception that handles it when enabled.
    pub fn exception(self) -> usize {
        match self {
            Self::Undefined
            | Self::InvalidState
            | Self::InvalidReturn
            | Self::NoCoprocessor
            | Self::Unaligned
            | Self::DivideByZero => USAGE_FAULT,
            Self::InstructionBus | Self::DataBus(_) | Self::Stacking | Self::Unstacking => BUS_FAULT,
            Self::InstructionAccess => MEM_MANAGE,
        }
    }

    /// The bit of CFSR that it sets, and its name.
    pub fn cfsr_bit(self) -> (u32, &'static str) {
        match self {
            Self::InstructionAccess => (1 << 0, "IACCVIOL"),
            Self::InstructionBus => (1 << 8, "IBUSERR"),
            Self::DataBus(_) => (1 << 9, "PRECISERR"),
            Self::Unstacking => (1 << 11, "UNSTKERR"),
            Self::Stacking => (1 << 12, "STKERR"),
            Self::Undefined => (1 << 16, "UNDEFINSTR"),
            Self::InvalidState => (1 << 17, "INVSTATE"),
            Self::InvalidReturn => (1 << 18, "INVPC"),
            Self::NoCoprocessor => (1 << 19, "NOCP"),
            Self::Unaligned => (1 << 24, "UNALIGNED"),
            Self::DivideByZero => (1 << 25, "DIVBYZERO"),
        }
    }
}

/// BFSR.BFARVALID.
pub const BFARVALID: u32 = 1 << 15;
/// HFSR.VECTTBL: the vector of an exception could not be read.
pub const HFSR_VECTTBL: u32 = 1 << 1;
/// HFSR.FORCED: a configurable fault escalated.
pub const HFSR_FORCED: u32 = 1 << 30;
/// HFSR.DEBUGEVT: BKPT without a debugger.
pub const HFSR_DEBUGEVT: u32 = 1 << 31;
