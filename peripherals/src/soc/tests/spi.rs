//! The SPIs as firmware reaches them: clocks, pins, interrupts and DMA.

use super::*;
use crate::spi::SpiFrame;

const GPIOA: u32 = 0x4002_0000;
const DMA2: u32 = 0x4002_6400;
const SPI1: u32 = 0x4001_3000;
const SPI2: u32 = 0x4000_3800;
const SPI3: u32 = 0x4000_3c00;
const CR2: u32 = 0x04;
const SR: u32 = 0x08;
const DR: u32 = 0x0c;
/// Master, slave select by software, fPCLK/2.
const MASTER: u32 = 1 << 9 | 1 << 8 | 1 << 2;
const SPE: u32 = 1 << 6;

/// All clocks on; SPI1 on PA5 to PA7, SPI2 on PB13 to PB15, SPI3 on PC10 to PC12.
fn rig() -> Rig {
    let mut rig = Rig::new();
    rig.set(RCC + 0x30, 0x7 | 3 << 21);
    rig.set(RCC + 0x40, 1 << 14 | 1 << 15);
    rig.set(RCC + 0x44, 1 << 12);
    rig.write(GPIOA, 0xa800_a800);
    rig.write(GPIOA + 0x20, 0x5550_0000);
    rig.write(GPIOB, 0xa800_0280);
    rig.write(GPIOB + 0x24, 0x5550_0000);
    rig.write(GPIOC, 0x02a0_0000);
    rig.write(GPIOC + 0x24, 0x0006_6600);
    rig
}

#[test]
fn dma_moves_a_block_both_ways_through_each_spi() {
    // RM0033 tables 22 and 23: controller (its registers), channel, streams that receive and that send.
    for (spi, number, dma, channel, rx_streams, tx_streams) in
        [(SPI1, 1, DMA2, 3, [0, 2], [3, 5]), (SPI2, 2, DMA1, 0, [3, 3], [4, 4]), (SPI3, 3, DMA1, 0, [0, 2], [5, 7])]
    {
        for (rx_stream, tx_stream) in rx_streams.into_iter().zip(tx_streams) {
            let mut rig = rig();
            rig.bench.board.spi_loopback = true;
            let block: Vec<u8> = (0..512u32).map(|i| (i * 7 + i / 256) as u8).collect();
            rig.bench.memory.sram[0x1000..][..512].copy_from_slice(&block);
            for (stream, memory, direction) in [(rx_stream, 0x2000_2000, 0), (tx_stream, 0x2000_1000, 1 << 6)] {
                let stream = dma + 0x10 + stream * 0x18;
                rig.write(stream + 0x04, 512);
                rig.write(stream + 0x08, spi + DR);
                rig.write(stream + 0x0c, memory);
                // Memory increment, interrupt at the end.
                rig.write(stream, channel << 25 | 1 << 10 | direction | 1 << 4 | 1);
            }
            rig.write(spi, MASTER | SPE);
            let start = rig.bench.now.cycles;
            rig.write(spi + CR2, 3);
            rig.pass(512 * 16 * 62_500);
            assert_eq!(rig.bench.memory.sram[0x2000..][..512], block, "SPI{number}");
            let sent: Vec<u8> = rig.bench.board.spi.iter().map(|(_, frame, _)| frame.mosi.unwrap() as u8).collect();
            assert_eq!(sent, block);
            assert!(rig.bench.board.spi.iter().all(|(bus, _, _)| *bus == number));
            // Two HCLK cycles a bit: 512 frames back to back.
            assert_eq!(rig.bench.board.spi[511].2.cycles - start, 512 * 16 - 1);
            assert_eq!(rig.read(spi + SR), 2, "neither busy nor overrun");
            for stream in [rx_stream, tx_stream] {
                let positions =
                    if dma == DMA1 { [11, 12, 13, 14, 15, 16, 17, 47] } else { [56, 57, 58, 59, 60, 68, 69, 70] };
                assert!(rig.irq(positions[stream as usize]), "SPI{number} stream {stream}");
                assert_eq!(rig.read(dma + 0x10 + stream * 0x18) & 1, 0);
            }
        }
    }
}

#[test]
fn dma_appends_and_checks_the_crc() {
    let mut rig = rig();
    rig.bench.board.spi_loopback = true;
    rig.bench.memory.sram[..2].copy_from_slice(&[1, 2]);
    for (stream, memory, direction) in [(0, 0x2000_0100, 0), (3, 0x2000_0000, 1 << 6)] {
        let stream = DMA2 + 0x10 + stream * 0x18;
        rig.write(stream + 0x04, 2);
        rig.write(stream + 0x08, SPI1 + DR);
        rig.write(stream + 0x0c, memory);
        rig.write(stream, 3 << 25 | 1 << 10 | direction | 1);
    }
    rig.write(SPI1, MASTER | 1 << 13);
    rig.write(SPI1, MASTER | 1 << 13 | SPE);
    rig.write(SPI1 + CR2, 3);
    rig.pass(PS_PER_MS);
    let sent: Vec<_> = rig.bench.board.spi.iter().map(|(_, frame, _)| frame.mosi.unwrap()).collect();
    assert_eq!(sent, [1, 2, 0x1b]);
    assert_eq!(rig.bench.memory.sram[0x100..0x103], [1, 2, 0]);
    assert_eq!(rig.read(SPI1 + SR), 3, "the CRC waits to be read, and it is right");
    assert_eq!(rig.read(SPI1 + DR), 0x1b);
}

#[test]
fn each_spi_has_its_interrupt() {
    // RM0033 table 20.
    for (spi, position) in [(SPI1, 35), (SPI2, 36), (SPI3, 51)] {
        let mut rig = rig();
        rig.write(spi + CR2, 1 << 6);
        rig.write(spi, MASTER | SPE);
        rig.write(spi + DR, 0x55);
        assert!(!rig.irq(position));
        rig.pass(15 * 62_500);
        assert!(rig.irq(position));
        rig.read(spi + DR);
        assert!(!rig.irq(position));
    }
}

#[test]
fn a_frame_tells_the_pins_it_is_on() {
    let mut rig = rig();
    let pins = |rig: &Rig| {
        let pins = rig.bench.board.spi.last().unwrap().1.pins;
        [pins.sck, pins.mosi, pins.miso]
    };
    let send = |rig: &mut Rig, spi: u32| {
        rig.write(spi, MASTER | SPE);
        rig.write(spi + DR, 0x5a);
        rig.pass(20 * 62_500);
        rig.read(spi + DR)
    };
    let on = |port, numbers: [u8; 3]| numbers.map(|number| Some(Pin::new(port, number)));
    rig.bench.board.spi_loopback = true;
    for (spi, expected) in
        [(SPI1, on(Port::A, [5, 7, 6])), (SPI2, on(Port::B, [13, 15, 14])), (SPI3, on(Port::C, [10, 12, 11]))]
    {
        assert_eq!(send(&mut rig, spi), 0x5a);
        assert_eq!(pins(&rig), expected);
    }
    // PB3 to PB5 lead to SPI3 or, with another alternate function, to SPI1.
    rig.write(GPIOA, 0xa800_0000);
    rig.write(GPIOC, 0);
    rig.write(GPIOB, 0xa800_0a80);
    for (spi, function) in [(SPI3, 0x0066_6000), (SPI1, 0x0055_5000)] {
        rig.write(GPIOB + 0x20, function);
        assert_eq!(send(&mut rig, spi), 0x5a);
        assert_eq!(pins(&rig), on(Port::B, [3, 5, 4]));
    }
    // Without a pin for SCK nothing leaves, without one for MISO nothing comes in.
    let frames = rig.bench.board.spi.len();
    assert_eq!(send(&mut rig, SPI3), 0);
    assert_eq!(rig.bench.board.spi.len(), frames);
    rig.write(GPIOB, 0xa800_0880);
    assert_eq!(send(&mut rig, SPI1), 0);
    let [sck, mosi, _] = on(Port::B, [3, 5, 4]);
    assert_eq!(pins(&rig), [sck, mosi, None]);
}

#[test]
fn an_open_miso_reads_as_its_pin_does() {
    let mut rig = rig();
    let receive = |rig: &mut Rig| {
        rig.write(SPI1, MASTER | SPE);
        rig.write(SPI1 + DR, 0);
        rig.pass(20 * 62_500);
        rig.read(SPI1 + DR)
    };
    assert_eq!(receive(&mut rig), 0, "nothing pulls");
    rig.write(GPIOA + 0x0c, 1 << 12);
    assert_eq!(receive(&mut rig), 0xff, "pull-up");
    rig.with(|soc, env| soc.drive_pin(Pin::new(Port::A, 6), Some(false), env));
    assert_eq!(receive(&mut rig), 0, "the board holds it low");
    rig.bench.board.spi_data.push_back(0x3c);
    assert_eq!(receive(&mut rig), 0x3c, "a part answers");
}

#[test]
fn pins_show_sck_s_idle_level_and_nss() {
    let mut rig = rig();
    // NSS of SPI1 on PA4 too.
    rig.write(GPIOA, 0xa800_aa00);
    rig.write(GPIOA + 0x20, 0x5555_0000);
    let levels = |rig: &Rig| [4, 5, 6, 7].map(|number| rig.soc.pin_driven(Pin::new(Port::A, number)));
    assert_eq!(levels(&rig), [None; 4], "a disabled SPI drives nothing");
    rig.write(SPI1 + CR2, 1 << 2);
    rig.write(SPI1, 1 << 2 | 1 << 1 | SPE);
    assert_eq!(levels(&rig), [Some(false), Some(true), None, Some(false)]);
    assert_eq!(rig.read(SPI1 + SR) & 1 << 5, 0, "its own NSS is no fault");
    let told = rig.bench.board.pins.iter().rev().find(|(pin, _, _)| *pin == Pin::new(Port::A, 5));
    assert_eq!(told.map(|(_, level, _)| *level), Some(Some(true)));
    rig.write(SPI1, 1 << 2 | 1 << 1);
    assert_eq!(levels(&rig), [None; 4]);
    // RCC's reset takes the pins away as well.
    rig.write(SPI1, MASTER | SPE);
    assert_eq!(levels(&rig)[1], Some(false));
    rig.set(RCC + 0x24, 1 << 12);
    assert_eq!(levels(&rig), [None; 4]);
}

#[test]
fn nss_low_on_its_pin_is_a_mode_fault() {
    let mut rig = rig();
    let nss = Pin::new(Port::A, 4);
    rig.with(|soc, env| soc.drive_pin(nss, Some(true), env));
    rig.write(GPIOA, 0xa800_aa00);
    rig.write(GPIOA + 0x20, 0x5555_0000);
    rig.write(SPI1 + CR2, 1 << 5);
    rig.write(SPI1, 1 << 2 | SPE);
    assert_eq!(rig.read(SPI1), 1 << 2 | SPE);
    rig.with(|soc, env| soc.drive_pin(nss, Some(false), env));
    assert!(rig.irq(35));
    assert_eq!(rig.read(SPI1), 0);
    assert_eq!(rig.soc.pin_driven(Pin::new(Port::A, 5)), None);
    rig.with(|soc, env| soc.drive_pin(nss, Some(true), env));
    assert_eq!(rig.read(SPI1 + SR) & 1 << 5, 1 << 5);
    rig.write(SPI1, 1 << 2);
    assert!(!rig.irq(35));
    rig.write(SPI1, 1 << 2 | SPE);
    assert_eq!(rig.read(SPI1), 1 << 2 | SPE);
    rig.write(GPIOA, 0xa800_a800);
    assert_eq!(rig.read(SPI1), 0, "NSS without a pin reads low");
}

#[test]
fn an_outside_master_clocks_a_slave_that_its_nss_selects() {
    let mut rig = rig();
    // NSS of SPI2 on PB12.
    rig.write(GPIOB, 0xaa00_0280);
    rig.write(GPIOB + 0x24, 0x5555_0000);
    rig.write(SPI2 + CR2, 1 << 6);
    rig.write(SPI2, SPE);
    rig.write(SPI2 + DR, 0xc3);
    let exchange = |rig: &mut Rig| {
        rig.with(|soc, env| soc.spi_clock_start(2, env));
        rig.pass(8 * PS_PER_US);
        let frame = SpiFrame::byte(0x35, PS_PER_US, rig.bench.now.time_ps - 8 * PS_PER_US);
        rig.with(|soc, env| soc.spi_clock_frame(2, &frame, env))
    };
    let nss = Pin::new(Port::B, 12);
    rig.with(|soc, env| soc.drive_pin(nss, Some(true), env));
    assert_eq!(exchange(&mut rig), None);
    rig.with(|soc, env| soc.drive_pin(nss, Some(false), env));
    assert_eq!(rig.soc.pin_driven(Pin::new(Port::B, 14)), Some(false), "MISO is driven while it is selected");
    assert_eq!(exchange(&mut rig), Some(0xc3));
    assert!(rig.irq(36));
    assert_eq!(rig.read(SPI2 + DR), 0x35);
    rig.write(RCC + 0x40, 0);
    assert_eq!(exchange(&mut rig), None, "without a clock");
    for bus in [0, 4, 255] {
        let frame = SpiFrame::byte(0, 1, 0);
        assert_eq!(rig.with(|soc, env| soc.spi_clock_frame(bus, &frame, env)), None);
    }
}

#[test]
fn a_restored_chip_goes_on_within_a_frame() {
    let mut a = rig();
    a.bench.board.spi_loopback = true;
    a.write(SPI1, MASTER | SPE | 7 << 3);
    a.write(SPI1 + DR, 0x41);
    a.write(SPI1 + DR, 0x42);
    a.pass(30 * PS_PER_US);
    let bytes = postcard::to_stdvec(&a.soc).unwrap();
    let mut b = rig();
    b.bench.board.spi_loopback = true;
    b.soc = postcard::from_bytes(&bytes).unwrap();
    b.bench.now = a.bench.now;
    b.bench.decisions = a.bench.decisions.clone();
    a.pass(PS_PER_MS);
    b.pass(PS_PER_MS);
    assert_eq!(a.bench.board.spi, b.bench.board.spi);
    assert_eq!(a.bench.board.spi.len(), 2);
    assert_eq!(postcard::to_stdvec(&a.soc).unwrap(), postcard::to_stdvec(&b.soc).unwrap());
}
