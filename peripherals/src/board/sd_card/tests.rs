//! The card as a host on its wires sees it.

use super::*;

mod commands;
mod faults;
mod properties;
mod streams;
mod wires;

/// A host: an SPI in mode 0 at 1 MHz, and a chip select.
#[derive(Clone)]
struct Host {
    card: SdCard,
    now_ps: u64,
    decisions: Decisions,
}

const BIT_PS: u64 = 1_000_000;
const MIB: u32 = 2048;
/// Polls after which a test gives up: 2 s.
const PATIENCE: u32 = 250_000;

fn image(blocks: u32) -> Arc<SdImage> {
    Arc::new(SdImage::empty(blocks).unwrap())
}

/// A block that says which it is.
fn pattern(number: u32) -> Block {
    std::array::from_fn(|place| (number as usize * 7 + place * 3 + place / 256) as u8)
}

impl Host {
    fn with(config: SdConfig, image: Arc<SdImage>, seed: u64) -> Self {
        Self { card: SdCard::new(config, image), now_ps: 0, decisions: Decisions::new(seed) }
    }

    /// A card of this size, ready, selected, with CRC off.
    fn ready(blocks: u32) -> Self {
        let mut host = Self::with(SdConfig::default(), image(blocks), 1);
        host.initialise();
        host
    }

    fn initialise(&mut self) {
        self.power_up();
        assert_eq!(self.command(0, 0), 1);
        assert_eq!(self.command(8, 0x1aa), 1);
        self.bytes::<4>();
        for _ in 0..PATIENCE {
            assert_eq!(self.command(55, 0) & !1, 0);
            if self.command(41, 1 << 30) == 0 {
                return;
            }
        }
        panic!("the card does not become ready");
    }

    /// 10 ms and 80 clocks without a chip select, then selects.
    fn power_up(&mut self) {
        self.now_ps += 10_000_000_000;
        self.select(false);
        (0..10).for_each(|_| _ = self.send(0xff));
        self.select(true);
    }

    fn select(&mut self, is_selected: bool) {
        self.card.select(is_selected);
    }

    /// One byte each way; `None` if nobody answers.
    fn exchange(&mut self, byte: u8) -> Option<u8> {
        let frame = SpiFrame::byte(byte, BIT_PS, self.now_ps);
        self.now_ps += 8 * BIT_PS;
        self.card.frame(&frame, &mut self.decisions).map(|word| word as u8)
    }

    fn send(&mut self, byte: u8) -> u8 {
        self.exchange(byte).unwrap_or(0xff)
    }

    fn read(&mut self) -> u8 {
        self.send(0xff)
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.read())
    }

    /// Reads on while the card sends `idle`.
    fn first_other_than(&mut self, idle: u8) -> u8 {
        (0..PATIENCE).map(|_| self.read()).find(|byte| *byte != idle).expect("the card says something else")
    }

    fn wait_while_busy(&mut self) {
        (0..PATIENCE).find(|_| self.read() == 0xff).expect("the card stops being busy");
    }

    /// The six bytes of a command.
    fn frame_of(index: u8, argument: u32) -> [u8; 6] {
        let [a, b, c, d] = argument.to_be_bytes();
        let mut frame = [0x40 | index, a, b, c, d, 0];
        frame[5] = crc7(&frame[..5]) << 1 | 1;
        frame
    }

    /// R1 within 8 bytes; 0xFF if there is none.
    fn raw_command(&mut self, frame: [u8; 6]) -> u8 {
        frame.into_iter().for_each(|byte| _ = self.send(byte));
        (0..9).map(|_| self.read()).find(|byte| byte & 0x80 == 0).unwrap_or(0xff)
    }

    fn command(&mut self, index: u8, argument: u32) -> u8 {
        self.raw_command(Self::frame_of(index, argument))
    }

    fn application(&mut self, index: u8, argument: u32) -> u8 {
        self.command(55, 0);
        self.command(index, argument)
    }

    /// A block behind its token, its CRC checked.
    fn block<const N: usize>(&mut self) -> [u8; N] {
        assert_eq!(self.first_other_than(0xff), 0xfe, "the start token");
        let data = self.bytes();
        assert_eq!(u16::from_be_bytes(self.bytes()), crc16(&data));
        data
    }

    fn read_block(&mut self, argument: u32) -> Block {
        assert_eq!(self.command(17, argument), 0);
        self.block()
    }

    /// Sends a block behind a token; gives the data response.
    fn send_block(&mut self, token: u8, data: &[u8]) -> u8 {
        self.send(token);
        data.iter().for_each(|byte| _ = self.send(*byte));
        crc16(data).to_be_bytes().into_iter().for_each(|byte| _ = self.send(byte));
        self.read() & 0x1f
    }

    fn write_block(&mut self, argument: u32, data: &Block) -> u8 {
        assert_eq!(self.command(24, argument), 0);
        let response = self.send_block(0xfe, data);
        self.wait_while_busy();
        response
    }

    /// R2: status since it was last asked.
    fn status(&mut self) -> [u8; 2] {
        [self.command(13, 0), self.read()]
    }

    fn cut_power(&mut self) {
        self.card.set_power(false, self.now_ps, &mut self.decisions);
        self.now_ps += 1_000_000_000;
        self.card.set_power(true, self.now_ps, &mut self.decisions);
    }
}
