//! Thumb-2 instructions (ARMv7-M ARM A5, A7.7), as far as they matter to finding a function's return address: what they
//! do to the stack pointer, to the link register, and where they go.

/// Bit of LR in a register list.
pub const LR_BIT: u16 = 1 << 14;
/// Bit of PC in a register list.
pub const PC_BIT: u16 = 1 << 15;
/// Number of the stack pointer.
pub const SP: u8 = 13;
/// Number of the link register.
pub const LR: u8 = 14;
/// Number of the program counter.
pub const PC: u8 = 15;

/// What an instruction does to stack and flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing of that.
    None,
    /// Stores these registers below the stack pointer, which then is this much lower.
    Push {
        /// Bit n: register n.
        registers: u16,
        /// Bytes.
        bytes: i32,
    },
    /// Loads these registers from the stack pointer on, which then is this much higher.
    Pop {
        /// Bit n: register n.
        registers: u16,
        /// Bytes.
        bytes: i32,
    },
    /// Adds to the stack pointer.
    AddSp(i32),
    /// The stack pointer becomes a register's value and this.
    SpFrom {
        /// The register.
        register: u8,
        /// What is added.
        add: i32,
    },
    /// A register becomes the stack pointer's value and this.
    SpTo {
        /// The register.
        register: u8,
        /// What is added.
        add: i32,
    },
    /// Adds to a low register.
    AddRegister {
        /// The register.
        register: u8,
        /// What is added.
        add: i32,
    },
    /// The stack pointer becomes something that cannot be told from the instruction.
    SpLost,
    /// Goes elsewhere.
    Branch {
        /// Where to.
        to: u32,
        /// Or goes on.
        conditional: bool,
    },
    /// Goes to where a register points.
    BranchRegister(u8),
    /// Goes to where a word in memory points.
    LoadPc,
    /// Calls a function; `None` if a register says which.
    Call(Option<u32>),
    /// Goes to an entry of the table that follows.
    TableBranch {
        /// Entries are halfwords, not bytes.
        halves: bool,
    },
    /// This many instructions that follow are conditional.
    IfThen(u32),
    /// Not meant to be executed.
    Undefined,
}

/// An instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Its length in bytes.
    pub bytes: u32,
    /// What it does.
    pub effect: Effect,
}

/// Whether an instruction that begins with this halfword has two of them (A5.1).
pub fn is_wide(first: u16) -> bool {
    first >> 11 >= 0x1d
}

/// The instruction at an address, from its halfword and the one behind it.
pub fn decode(address: u32, first: u16, second: u16) -> Instruction {
    if is_wide(first) {
        Instruction { bytes: 4, effect: wide(address, first, second) }
    } else {
        Instruction { bytes: 2, effect: narrow(address, first) }
    }
}

/// Whether an instruction is a call, from the two halfwords before the return address.
pub fn is_call(before: [u16; 2]) -> bool {
    let [first, second] = before;
    // BL; or BLX with a register.
    first & 0xf800 == 0xf000 && second & 0xd000 == 0xd000 || second & 0xff87 == 0x4780
}

/// A number of `bits` bits with its sign.
fn signed(value: u32, bits: u32) -> u32 {
    let shift = 32 - bits;
    ((value << shift).cast_signed() >> shift).cast_unsigned()
}

fn narrow(address: u32, code: u16) -> Effect {
    let next = address.wrapping_add(4);
    let low = u32::from(code & 0xff);
    let list = code & 0xff;
    match code {
        0xb400..=0xb5ff => {
            let registers = list | if code & 0x100 != 0 { LR_BIT } else { 0 };
            Effect::Push { registers, bytes: 4 * registers.count_ones().cast_signed() }
        }
        0xbc00..=0xbdff => {
            let registers = list | if code & 0x100 != 0 { PC_BIT } else { 0 };
            Effect::Pop { registers, bytes: 4 * registers.count_ones().cast_signed() }
        }
        0xb000..=0xb07f => Effect::AddSp(4 * i32::from(code & 0x7f)),
        0xb080..=0xb0ff => Effect::AddSp(-4 * i32::from(code & 0x7f)),
        0xa800..=0xafff => Effect::SpTo { register: (code >> 8 & 7) as u8, add: 4 * i32::from(list) },
        0x3000..=0x37ff => Effect::AddRegister { register: (code >> 8 & 7) as u8, add: i32::from(list) },
        0x3800..=0x3fff => Effect::AddRegister { register: (code >> 8 & 7) as u8, add: -i32::from(list) },
        0x4400..=0x44ff | 0x4600..=0x46ff => {
            let (to, from) = ((code & 7 | code >> 4 & 8) as u8, (code >> 3 & 15) as u8);
            match (code >> 9 & 1, to, from) {
                (1, SP, register) => Effect::SpFrom { register, add: 0 },
                (1, register, SP) if register != PC => Effect::SpTo { register, add: 0 },
                (1, PC, LR) => Effect::BranchRegister(LR),
                (_, PC, _) => Effect::LoadPc,
                (_, SP, _) => Effect::SpLost,
                _ => Effect::None,
            }
        }
        0x4700..=0x477f => Effect::BranchRegister((code >> 3 & 15) as u8),
        0x4780..=0x47ff => Effect::Call(None),
        0xd000..=0xddff => {
            let to = next.wrapping_add(signed(low << 1, 9));
            Effect::Branch { to, conditional: true }
        }
        0xde00..=0xdeff => Effect::Undefined,
        0xe000..=0xe7ff => {
            let to = next.wrapping_add(signed(u32::from(code & 0x7ff) << 1, 12));
            Effect::Branch { to, conditional: false }
        }
        0xbf00..=0xbfff if code & 15 != 0 => Effect::IfThen(4 - (code & 15).trailing_zeros()),
        // CBZ, CBNZ
        _ if code & 0xf500 == 0xb100 => {
            let offset = u32::from(code >> 9 & 1) << 6 | u32::from(code >> 3 & 31) << 1;
            Effect::Branch { to: next.wrapping_add(offset), conditional: true }
        }
        _ => Effect::None,
    }
}

fn wide(address: u32, first: u16, second: u16) -> Effect {
    let to = (second >> 12) as u8;
    let imm8 = i32::from(second & 0xff);
    match first {
        0xe92d => Effect::Push { registers: second & !PC_BIT, bytes: 4 * second.count_ones().cast_signed() },
        0xe8bd => Effect::Pop { registers: second, bytes: 4 * second.count_ones().cast_signed() },
        // STR Rt, [SP, #-n]! and LDR Rt, [SP], #n
        0xf84d if second & 0x0f00 == 0x0d00 => Effect::Push { registers: 1 << to, bytes: imm8 },
        0xf85d if second & 0x0f00 == 0x0b00 => Effect::Pop { registers: 1 << to, bytes: imm8 },
        // Any other load or store that changes SP: STRD, LDRD, and single ones with write-back.
        _ if first & 0xfe0f == 0xe80d && first & 0x0020 != 0 => Effect::SpLost,
        0xf84d | 0xf85d if second & 0x0900 == 0x0900 => Effect::SpLost,
        _ if first & 0xff70 == 0xf850 && to == PC => Effect::LoadPc,
        _ if first & 0xfe50 == 0xe810 && second & PC_BIT != 0 && first & 0xfff0 != 0xe8d0 => Effect::LoadPc,
        _ if first & 0xfff0 == 0xe8d0 && second & 0xffe0 == 0xf000 => {
            Effect::TableBranch { halves: second & 0x10 != 0 }
        }
        _ if first & 0xf800 == 0xf000 && second & 0x8000 != 0 => branch(address, first, second),
        _ if first & 0xf800 == 0xf000 => immediate(first, second),
        // Data processing with a register: only what changes SP matters.
        _ if first & 0xfe00 == 0xea00 && second >> 8 & 15 == u16::from(SP) => Effect::SpLost,
        _ => Effect::None,
    }
}

/// B, B<cond>, BL, and the system instructions among them (A5.3.4).
fn branch(address: u32, first: u16, second: u16) -> Effect {
    let next = address.wrapping_add(4);
    let sign = u32::from(first >> 10 & 1);
    let (j1, j2) = (u32::from(second >> 13 & 1), u32::from(second >> 11 & 1));
    let low = u32::from(second & 0x7ff) << 1;
    let far = || {
        let (i1, i2) = (!(j1 ^ sign) & 1, !(j2 ^ sign) & 1);
        let offset = sign << 24 | i1 << 23 | i2 << 22 | u32::from(first & 0x3ff) << 12 | low;
        next.wrapping_add(signed(offset, 25))
    };
    match second & 0x5000 {
        0x5000 => Effect::Call(Some(far())),
        0x1000 => Effect::Branch { to: far(), conditional: false },
        0x0000 if first >> 6 & 15 < 14 => {
            let offset = sign << 20 | j2 << 19 | j1 << 18 | u32::from(first & 0x3f) << 12 | low;
            Effect::Branch { to: next.wrapping_add(signed(offset, 21)), conditional: true }
        }
        0x0000 if first & 0xfff0 == 0xf7f0 => Effect::Undefined,
        _ => Effect::None,
    }
}

/// Data processing with an immediate: additions to and from SP (A5.3.1, A5.3.3).
fn immediate(first: u16, second: u16) -> Effect {
    let (from, to) = ((first & 15) as u8, (second >> 8 & 15) as u8);
    let imm12 = u32::from(first >> 10 & 1) << 11 | u32::from(second >> 12 & 7) << 8 | u32::from(second & 0xff);
    let value = match first & 0xfbe0 {
        0xf100 => expand(imm12).cast_signed(),
        0xf1a0 => expand(imm12).cast_signed().wrapping_neg(),
        0xf200 => imm12.cast_signed(),
        0xf2a0 => -imm12.cast_signed(),
        _ if to == SP && first & 0x0200 == 0 && first & 0x0010 == 0 => return Effect::SpLost,
        _ => return Effect::None,
    };
    match (from, to) {
        (SP, SP) => Effect::AddSp(value),
        (register, SP) => Effect::SpFrom { register, add: value },
        (SP, register) => Effect::SpTo { register, add: value },
        _ => Effect::None,
    }
}

/// A modified immediate (A5.3.2).
fn expand(imm12: u32) -> u32 {
    let byte = imm12 & 0xff;
    match imm12 >> 8 {
        0 => byte,
        1 => byte << 16 | byte,
        2 => byte << 24 | byte << 8,
        3 => byte << 24 | byte << 16 | byte << 8 | byte,
        _ => (0x80 | imm12 & 0x7f).rotate_right(imm12 >> 7),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Encodings as GNU as gives them.
    #[test]
    fn instructions_are_as_the_assembler_has_them() {
        let at = 0x0802_0000;
        for (code, effect) in [
            ([0xb530, 0], Effect::Push { registers: 0x4030, bytes: 12 }),
            ([0xbd30, 0], Effect::Pop { registers: 0x8030, bytes: 12 }),
            ([0xe92d, 0x41f0], Effect::Push { registers: 0x41f0, bytes: 24 }),
            ([0xe8bd, 0x81f0], Effect::Pop { registers: 0x81f0, bytes: 24 }),
            ([0xf84d, 0xed04], Effect::Push { registers: 0x4000, bytes: 4 }),
            ([0xf85d, 0xfb04], Effect::Pop { registers: 0x8000, bytes: 4 }),
            ([0xb084, 0], Effect::AddSp(-16)),
            ([0xb004, 0], Effect::AddSp(16)),
            ([0xf5ad, 0x7d00], Effect::AddSp(-512)),
            ([0xf50d, 0x7d00], Effect::AddSp(512)),
            ([0xf6ad, 0x2d0c], Effect::AddSp(-2572)),
            ([0xebad, 0x0d03], Effect::SpLost),
            ([0x46bd, 0], Effect::SpFrom { register: 7, add: 0 }),
            ([0xaf02, 0], Effect::SpTo { register: 7, add: 8 }),
            ([0x3718, 0], Effect::AddRegister { register: 7, add: 24 }),
            ([0x4770, 0], Effect::BranchRegister(14)),
            ([0x4798, 0], Effect::Call(None)),
            ([0xe7fe, 0], Effect::Branch { to: at, conditional: false }),
            ([0xd0fe, 0], Effect::Branch { to: at, conditional: true }),
            ([0xb10b, 0], Effect::Branch { to: at + 6, conditional: true }),
            ([0xf000, 0xf800], Effect::Call(Some(at + 4))),
            ([0xf7ff, 0xfffe], Effect::Call(Some(at))),
            ([0xf7ff, 0xbffe], Effect::Branch { to: at, conditional: false }),
            ([0xf43f, 0xaffe], Effect::Branch { to: at, conditional: true }),
            ([0xe8df, 0xf003], Effect::TableBranch { halves: false }),
            ([0xe8df, 0xf013], Effect::TableBranch { halves: true }),
            ([0xbf18, 0], Effect::IfThen(1)),
            ([0xbf04, 0], Effect::IfThen(2)),
            ([0xbf00, 0], Effect::None),
            ([0xf8df, 0xf000], Effect::LoadPc),
            ([0xf3bf, 0x8f4f], Effect::None),
            ([0xf3ef, 0x8009], Effect::None),
            ([0xf8d3, 0x2000], Effect::None),
            ([0xf1b3, 0x0f01], Effect::None),
            ([0xf113, 0x0f01], Effect::None),
        ] {
            assert_eq!(decode(at, code[0], code[1]).effect, effect, "{code:04x?}");
        }
    }

    #[test]
    fn calls_are_told_from_what_stands_before_their_return() {
        assert!(is_call([0xf7ff, 0xfffe]));
        assert!(is_call([0x2000, 0x4798]));
        assert!(!is_call([0xf7ff, 0xbffe]), "a branch does not return");
        assert!(!is_call([0x2000, 0x4718]));
    }

    proptest::proptest! {
        #[test]
        fn no_code_panics(address: u32, first: u16, second: u16) {
            let decoded = decode(address, first, second);
            proptest::prop_assert_eq!(decoded.bytes == 4, is_wide(first));
        }
    }
}
