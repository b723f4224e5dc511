//! The commands of SPI mode (Physical Layer Simplified Specification 7.3.1.3, tables 7-3 and 7-4).

/// A command as it comes in: six bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command {
    /// Its number, 0 to 63.
    pub index: u8,
    /// Its argument.
    pub argument: u32,
}

/// Which cards know a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cards {
    /// All.
    All,
    /// Those of standard capacity: write protection groups.
    Standard,
    /// Those of version 2 and later.
    Version2,
}

/// A row of the table of commands.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its number.
    pub index: u8,
    /// It follows CMD55.
    pub is_application: bool,
    /// Its name in the specification.
    pub name: &'static str,
    /// It is carried out in the idle state too (7.2.1, 7.3.1.3).
    pub in_idle: bool,
    /// Who knows it.
    pub cards: Cards,
}

const fn row(index: u8, name: &'static str) -> Row {
    Row { index, is_application: false, name, in_idle: false, cards: Cards::All }
}

const fn idle(row: Row) -> Row {
    Row { in_idle: true, ..row }
}

const fn application(row: Row) -> Row {
    Row { is_application: true, ..row }
}

const fn only(cards: Cards, row: Row) -> Row {
    Row { cards, ..row }
}

/// What the card knows. CMD42 (lock) and the commands of the security class are not modelled, and CSD and SCR do not
/// claim them.
pub const COMMANDS: &[Row] = &[
    idle(row(0, "GO_IDLE_STATE")),
    idle(row(1, "SEND_OP_COND")),
    row(6, "SWITCH_FUNC"),
    only(Cards::Version2, idle(row(8, "SEND_IF_COND"))),
    row(9, "SEND_CSD"),
    row(10, "SEND_CID"),
    row(12, "STOP_TRANSMISSION"),
    row(13, "SEND_STATUS"),
    row(16, "SET_BLOCKLEN"),
    row(17, "READ_SINGLE_BLOCK"),
    row(18, "READ_MULTIPLE_BLOCK"),
    row(24, "WRITE_BLOCK"),
    row(25, "WRITE_MULTIPLE_BLOCK"),
    row(27, "PROGRAM_CSD"),
    only(Cards::Standard, row(28, "SET_WRITE_PROT")),
    only(Cards::Standard, row(29, "CLR_WRITE_PROT")),
    only(Cards::Standard, row(30, "SEND_WRITE_PROT")),
    row(32, "ERASE_WR_BLK_START_ADDR"),
    row(33, "ERASE_WR_BLK_END_ADDR"),
    row(38, "ERASE"),
    idle(row(55, "APP_CMD")),
    row(56, "GEN_CMD"),
    idle(row(58, "READ_OCR")),
    idle(row(59, "CRC_ON_OFF")),
    application(row(13, "SD_STATUS")),
    application(row(22, "SEND_NUM_WR_BLOCKS")),
    application(row(23, "SET_WR_BLK_ERASE_COUNT")),
    application(idle(row(41, "SD_SEND_OP_COND"))),
    application(row(42, "SET_CLR_CARD_DETECT")),
    application(row(51, "SEND_SCR")),
];

/// The row of a command. After CMD55 a number that is no application command means the plain one (4.3.9.1).
pub fn find(index: u8, is_application: bool) -> Option<&'static Row> {
    let named = |wanted: bool| COMMANDS.iter().find(|row| row.index == index && row.is_application == wanted);
    (is_application).then(|| named(true)).flatten().or_else(|| named(false))
}

/// Bits of R1 (7.3.2.1).
pub mod r1 {
    /// In idle state: initialisation is not done.
    pub const IDLE: u8 = 1 << 0;
    /// An erase sequence was cleared before it was carried out.
    pub const ERASE_RESET: u8 = 1 << 1;
    /// Illegal command.
    pub const ILLEGAL: u8 = 1 << 2;
    /// The CRC of the command is wrong.
    pub const CRC: u8 = 1 << 3;
    /// Error in the sequence of erase commands.
    pub const ERASE_SEQUENCE: u8 = 1 << 4;
    /// A misaligned address.
    pub const ADDRESS: u8 = 1 << 5;
    /// The argument is out of what is allowed.
    pub const PARAMETER: u8 = 1 << 6;
}

/// Bits of the second byte of R2 (7.3.2.3).
pub mod r2 {
    /// Blocks were left out of an erase because they are write protected.
    pub const ERASE_SKIP: u8 = 1 << 1;
    /// A general error.
    pub const ERROR: u8 = 1 << 2;
    /// The card's error correction failed.
    pub const ECC: u8 = 1 << 4;
    /// A write to a protected block.
    pub const PROTECTED: u8 = 1 << 5;
    /// A wrong selection of blocks to erase.
    pub const ERASE_PARAMETER: u8 = 1 << 6;
    /// Out of range, or a bit of CSD that cannot be changed.
    pub const OUT_OF_RANGE: u8 = 1 << 7;
}

/// Tokens (7.3.3).
pub mod token {
    /// Before a block, in both directions but for CMD25.
    pub const START: u8 = 0xfe;
    /// Before a block of CMD25.
    pub const START_MULTIPLE: u8 = 0xfc;
    /// Instead of one: the end of CMD25.
    pub const STOP: u8 = 0xfd;
    /// Data response: accepted.
    pub const ACCEPTED: u8 = 0x05;
    /// Data response: CRC error.
    pub const CRC_ERROR: u8 = 0x0b;
    /// Data response: write error.
    pub const WRITE_ERROR: u8 = 0x0d;
    /// Data error token: error.
    pub const ERROR: u8 = 0x01;
    /// Data error token: error correction failed.
    pub const ECC_FAILED: u8 = 0x04;
    /// Data error token: out of range.
    pub const OUT_OF_RANGE: u8 = 0x08;
}
