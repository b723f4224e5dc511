mod spi;

use proptest::prelude::*;

use super::*;
use crate::device::{Pin, Port, UartFrame};
use crate::testing::Bench;
use crate::time::{PS_PER_MS, PS_PER_S, PS_PER_US};

const RCC: u32 = 0x4002_3800;
const PWR: u32 = 0x4000_7000;
const GPIOB: u32 = 0x4002_0400;
const GPIOC: u32 = 0x4002_0800;
const SYSCFG: u32 = 0x4001_3800;
const EXTI: u32 = 0x4001_3c00;
const USART3: u32 = 0x4000_4800;
const DMA1: u32 = 0x4002_6000;
const RTC: u32 = 0x4000_2800;
const IWDG: u32 = 0x4000_3000;
const FLASH: u32 = 0x4002_3c00;
const BACKUP_SRAM: u32 = 0x4002_4000;

/// A chip on a bench whose time runs at the present HCLK.
struct Rig {
    bench: Bench,
    soc: Soc,
}

impl Rig {
    fn new() -> Self {
        let mut rig = Self { bench: Bench::new(), soc: Soc::new(SocSettings::default()) };
        rig.with(|soc, env| soc.power_on_reset(false, env));
        rig
    }

    fn with<T>(&mut self, act: impl FnOnce(&mut Soc, &mut SocEnv<'_>) -> T) -> T {
        let b = &mut self.bench;
        let mut env = SocEnv {
            now: b.now,
            pc: 0x0802_0000,
            memory: &mut b.memory,
            board: &mut b.board,
            decisions: &mut b.decisions,
            ledger: &mut b.ledger,
        };
        act(&mut self.soc, &mut env)
    }

    fn read(&mut self, address: u32) -> u32 {
        self.with(|soc, env| soc.read(address, 4, env)).unwrap()
    }

    fn write(&mut self, address: u32, value: u32) {
        self.with(|soc, env| soc.write(address, 4, value, env)).unwrap();
    }

    fn set(&mut self, address: u32, bits: u32) {
        let value = self.read(address) | bits;
        self.write(address, value);
    }

    /// Lets time pass, stopping at every wake-up as the machine does.
    fn pass(&mut self, ps: u64) {
        let end_ps = self.bench.now.time_ps + ps;
        while self.bench.now.time_ps < end_ps {
            let ps_per_cycle = PS_PER_S / self.soc.clocks().hclk_hz;
            let wake = self.soc.next_wake();
            let now = self.bench.now;
            let by_cycle = wake.cycle.saturating_sub(now.cycles).saturating_mul(ps_per_cycle);
            let by_time = wake.time_ps.saturating_sub(now.time_ps);
            let step = by_cycle.min(by_time).min(end_ps - now.time_ps);
            let cycles = step.div_ceil(ps_per_cycle).max(1);
            self.bench.now = Now { cycles: now.cycles + cycles, time_ps: now.time_ps + cycles * ps_per_cycle };
            self.with(|soc, env| soc.advance(env));
            assert!(!self.soc.next_wake().is_due(self.bench.now), "nothing is due after advance");
        }
    }

    fn irq(&self, position: u32) -> bool {
        self.soc.irq_levels()[(position / 32) as usize] >> (position % 32) & 1 != 0
    }

    fn reported(&self, what: &str) -> bool {
        self.bench.ledger.entries().contains_key(what)
    }
}

#[test]
fn an_unclocked_peripheral_reads_zero_ignores_writes_and_is_noted() {
    let mut rig = Rig::new();
    rig.write(USART3 + 0x08, 0x104);
    assert_eq!(rig.read(USART3), 0);
    let ledger = &rig.bench.ledger;
    assert!(["unclocked write USART3", "unclocked read USART3"].iter().all(|what| ledger.notes().contains_key(*what)));
    assert!(ledger.entries().is_empty(), "what hardware does too is no gap in the model");
    rig.set(RCC + 0x40, 1 << 18);
    assert_eq!((rig.read(USART3), rig.read(USART3 + 0x08)), (0xc0, 0));
    rig.write(USART3 + 0x08, 0x104);
    assert_eq!(rig.read(USART3 + 0x08), 0x104);
    // The peripheral's reset bit holds it in reset.
    rig.set(RCC + 0x20, 1 << 18);
    rig.write(RCC + 0x20, 0);
    assert_eq!(rig.read(USART3 + 0x08), 0);
}

#[test]
fn reserved_addresses_fault_and_a_null_pointer_write_only_flags() {
    let mut rig = Rig::new();
    for address in [0x4000_2400, 0x4002_2400, 0x5006_0c00, 0x6000_0000] {
        let read = rig.with(|soc, env| soc.read(address, 4, env));
        let write = rig.with(|soc, env| soc.write(address, 4, 0, env));
        assert_eq!((read, write), (Err(BusError::Reserved { address }), Err(BusError::Reserved { address })));
    }
    // An unset GPIO pointer: MODER at 0, PUPDR at 0xC, AFRH at 0x24.
    for address in [0x0, 0xc, 0x24] {
        rig.write(address, 0);
    }
    assert!(rig.bench.memory.flash.iter().all(|byte| *byte == 0xff));
    assert_eq!(rig.read(FLASH + 0x0c), 0x80, "PGSERR");
    assert_eq!(rig.with(|soc, env| soc.read(0x1fff_7a22, 2, env)), Ok(1024));
    let loader = rig.with(|soc, env| soc.read(0x1fff_0000, 4, env));
    assert_eq!(loader, Err(BusError::SystemMemory { address: 0x1fff_0000 }));
    assert_eq!(rig.with(|soc, env| soc.read(RCC, 3, env)), Err(BusError::Size { address: RCC, size: 3 }));
}

#[test]
fn narrow_and_unaligned_accesses() {
    let mut rig = Rig::new();
    rig.set(RCC + 0x30, 1 << 18 | 1 << 2);
    rig.set(RCC + 0x40, 1 << 28);
    rig.set(PWR, 1 << 8);
    rig.write(BACKUP_SRAM, 0x4433_2211);
    rig.write(BACKUP_SRAM + 4, 0x8877_6655);
    for offset in 0..=4 {
        let word = rig.with(|soc, env| soc.read(BACKUP_SRAM + offset, 4, env)).unwrap();
        assert_eq!(word, (0x8877_6655_4433_2211u64 >> (offset * 8)) as u32);
        let half = rig.with(|soc, env| soc.read(BACKUP_SRAM + offset, 2, env)).unwrap();
        assert_eq!(half, word & 0xffff);
    }
    rig.with(|soc, env| soc.write(BACKUP_SRAM + 1, 4, 0xdead_beef, env)).unwrap();
    assert_eq!((rig.read(BACKUP_SRAM), rig.read(BACKUP_SRAM + 4)), (0xadbe_ef11, 0x8877_66de));
    // AHB: a byte store to BSRR sets its own pins only. APB: it is duplicated.
    rig.with(|soc, env| soc.write(GPIOC + 0x19, 1, 0x01, env)).unwrap();
    assert_eq!(rig.read(GPIOC + 0x14), 0x100);
    rig.set(RCC + 0x40, 1 << 18);
    rig.with(|soc, env| soc.write(USART3 + 0x08, 1, 0x12, env)).unwrap();
    assert_eq!(rig.read(USART3 + 0x08), 0x1212);
}

#[test]
fn the_mode_button_reaches_the_nvic_through_syscfg_and_exti() {
    let mut rig = Rig::new();
    rig.set(RCC + 0x30, 1 << 2);
    rig.set(RCC + 0x44, 1 << 14);
    rig.write(GPIOC + 0x0c, 1 << 14);
    rig.write(EXTI, 1 << 7);
    rig.write(EXTI + 0x0c, 1 << 7);
    rig.write(SYSCFG + 0x0c, 0x2000);
    assert!(!rig.irq(23));
    let button = Pin::new(Port::C, 7);
    rig.with(|soc, env| soc.drive_pin(button, Some(false), env));
    assert!(rig.irq(23) && !rig.soc.pin_level(button));
    rig.write(EXTI + 0x14, 1 << 7);
    assert!(!rig.irq(23));
    rig.with(|soc, env| soc.drive_pin(button, None, env));
    assert!(!rig.irq(23) && rig.soc.pin_level(button), "rising edge not selected, pulled up");
}

/// USART3 at 115200 (16 MHz / 139) with its pins, as the modem driver sets it up.
fn usart3() -> Rig {
    let mut rig = Rig::new();
    rig.set(RCC + 0x30, 1 << 21 | 1 << 1);
    rig.set(RCC + 0x40, 1 << 18);
    // PB10, PB11, PB13, PB14: AF7.
    rig.write(GPIOB, 0x28a0_0280);
    rig.write(GPIOB + 0x24, 0x0770_7700);
    rig.write(USART3 + 0x08, 139);
    rig.write(USART3 + 0x14, 0x300);
    rig.write(USART3 + 0x0c, 0x202c);
    // The idle frame.
    rig.pass(PS_PER_MS);
    rig
}

#[test]
fn a_byte_goes_out_at_the_baud_rate_and_one_comes_in_with_an_interrupt() {
    let mut rig = usart3();
    rig.write(USART3 + 0x04, 0x41);
    rig.pass(86 * PS_PER_US);
    assert!(rig.bench.board.sent.is_empty(), "ten bits take 86.9 us");
    rig.pass(12 * PS_PER_US);
    let (usart, frame, _) = rig.bench.board.sent[0];
    assert_eq!((usart, frame.data), (3, 0x41));
    assert!(!rig.irq(39));
    rig.with(|soc, env| soc.uart_receive(3, UartFrame::byte(0x55, frame.bit_ps), env));
    assert!(rig.irq(39));
    assert_eq!(rig.read(USART3 + 0x04), 0x55);
    assert!(!rig.irq(39));
}

#[test]
fn the_rts_pin_shows_the_usart_s_rts_until_the_firmware_takes_it_over() {
    let mut rig = usart3();
    let rts = Pin::new(Port::B, 14);
    assert_eq!(rig.soc.pin_driven(rts), Some(false), "ready to receive");
    assert_eq!(rig.soc.pin_driven(Pin::new(Port::B, 10)), Some(true), "TX idles high");
    assert_eq!(rig.soc.pin_driven(Pin::new(Port::B, 11)), None, "RX is an input");
    rig.with(|soc, env| soc.uart_receive(3, UartFrame::byte(0, 8_687_500), env));
    assert_eq!(rig.soc.pin_driven(rts), Some(true), "a byte waits");
    rig.read(USART3 + 0x04);
    assert_eq!(rig.soc.pin_driven(rts), Some(false));
    // The firmware's pause: the pin becomes an output, high.
    rig.write(GPIOB + 0x18, 1 << 14);
    rig.write(GPIOB, 0x18a0_0280);
    assert_eq!(rig.soc.pin_driven(rts), Some(true));
    let told = rig.bench.board.pins.iter().rev().find(|(pin, _, _)| *pin == rts);
    assert_eq!(told.map(|(_, level, _)| *level), Some(Some(true)));
}

#[test]
fn dma_sends_a_buffer_through_the_usart_and_interrupts_at_its_end() {
    let mut rig = usart3();
    let text = b"AT+CGMR\r\n";
    rig.bench.memory.sram[0x100..][..text.len()].copy_from_slice(text);
    // DMA1 stream 3 channel 4 is USART3_TX.
    let stream = DMA1 + 0x10 + 3 * 0x18;
    rig.write(stream + 0x04, text.len() as u32);
    rig.write(stream + 0x08, USART3 + 0x04);
    rig.write(stream + 0x0c, 0x2000_0100);
    rig.write(stream, 4 << 25 | 1 << 10 | 1 << 6 | 1 << 4 | 1);
    assert_eq!(rig.read(stream + 0x04), text.len() as u32, "no request yet");
    rig.set(USART3 + 0x14, 1 << 7);
    rig.pass(2 * PS_PER_MS);
    let sent: Vec<u8> = rig.bench.board.sent.iter().map(|(_, frame, _)| frame.data as u8).collect();
    assert_eq!(sent, text);
    assert!(rig.irq(14), "DMA1 stream 3");
    rig.write(DMA1 + 0x08, 1 << 27);
    assert!(!rig.irq(14));
}

#[test]
fn dma_receives_from_the_usart() {
    let mut rig = usart3();
    // DMA1 stream 1 channel 4 is USART3_RX.
    let stream = DMA1 + 0x10 + 0x18;
    rig.write(stream + 0x04, 4);
    rig.write(stream + 0x08, USART3 + 0x04);
    rig.write(stream + 0x0c, 0x2000_0200);
    rig.write(stream, 4 << 25 | 1 << 10 | 1 << 8 | 1);
    rig.set(USART3 + 0x14, 1 << 6);
    for byte in *b"OK\r\n!" {
        rig.pass(100 * PS_PER_US);
        rig.with(|soc, env| soc.uart_receive(3, UartFrame::byte(byte, 8_687_500), env));
    }
    assert_eq!(&rig.bench.memory.sram[0x200..][..4], b"!K\r\n", "circular: the fifth byte is at the start");
}

#[test]
fn the_watchdog_asks_for_a_reset_that_keeps_the_backup_domain() {
    let mut rig = Rig::new();
    rig.set(RCC + 0x40, 1 << 28);
    rig.set(RCC + 0x30, 1 << 18 | 1 << 2);
    rig.set(PWR, 1 << 8);
    rig.write(RTC + 0x54, 0x1234_5678);
    rig.write(BACKUP_SRAM, 0xcafe_f00d);
    rig.write(RCC + 0x70, 0x8101);
    rig.write(GPIOC, 1);
    rig.set(RCC + 0x74, 1 << 24);
    rig.write(IWDG, 0xcccc);
    assert_eq!(rig.read(RCC + 0x74) & 2, 2, "the watchdog keeps LSI on");
    rig.pass(PS_PER_S);
    assert_eq!(rig.soc.take_reset_request(), Some(ResetCause::IndependentWatchdog));
    rig.with(|soc, env| soc.system_reset(ResetCause::IndependentWatchdog, env));
    assert_eq!(rig.read(RCC + 0x74), 1 << 29 | 1 << 26);
    assert_eq!(rig.read(RCC + 0x70) & 0x8101, 0x8101);
    assert_eq!(rig.soc.pin_driven(Pin::new(Port::C, 0)), None);
    rig.set(RCC + 0x40, 1 << 28);
    rig.set(RCC + 0x30, 1 << 18);
    assert_eq!((rig.read(RTC + 0x54), rig.read(BACKUP_SRAM)), (0x1234_5678, 0xcafe_f00d));
    rig.write(RTC + 0x54, 0);
    assert_eq!(rig.read(RTC + 0x54), 0x1234_5678, "DBP is clear again");
    rig.pass(10 * PS_PER_S);
    assert_eq!(rig.soc.take_reset_request(), None, "the watchdog is off after reset");
    rig.with(|soc, env| soc.power_on_reset(false, env));
    assert_eq!((rig.read(RCC + 0x74), rig.read(RCC + 0x70), rig.read(RTC + 0x54)), (0x0e00_0000, 0, 0));
}

#[test]
fn clocks_follow_the_rcc_and_the_running_devices_hear_of_it() {
    let mut rig = Rig::new();
    rig.write(FLASH, 0x703);
    rig.set(RCC, 1 << 16);
    rig.pass(2 * PS_PER_MS);
    rig.write(RCC + 0x04, 0x0540_3c1a);
    rig.write(RCC + 0x08, 0x9400);
    rig.set(RCC, 1 << 24);
    rig.pass(PS_PER_MS);
    assert_eq!(rig.soc.clocks().hclk_hz, 16_000_000);
    rig.write(RCC + 0x08, 0x9402);
    assert_eq!(rig.soc.clocks().hclk_hz, 120_000_000);
    assert_eq!(rig.soc.flash_latency(), 3);
    // Stop mode's wake-up is back on HSI.
    rig.with(|soc, env| soc.wake_from_stop(env));
    assert_eq!(rig.soc.clocks().hclk_hz, 16_000_000);
}

#[test]
fn what_is_not_modelled_is_named_in_the_ledger() {
    let mut rig = Rig::new();
    rig.set(RCC + 0x44, 1 << 11 | 1 << 8);
    rig.write(0x4001_2c00, 0x3);
    assert_eq!(rig.read(0x4001_2c00), 0x3);
    rig.read(0x4001_204c);
    rig.write(0x4000_6400, 0);
    for name in ["SDIO write POWER", "SDIO read POWER", "ADC read ADC1_DR"] {
        assert!(rig.reported(name), "{name}: {:?}", rig.bench.ledger.entries());
    }
    assert!(rig.bench.ledger.notes().contains_key("unclocked write CAN1"));
}

#[test]
fn bit_band_aliases_lead_to_their_bits() {
    // PWR_CR.DBP and RCC_BDCR.RTCEN, as genuine firmware addresses them.
    assert_eq!(bitband_target(0x420e_0020), Some((0x4000_7001, 0)));
    assert_eq!(bitband_target(0x4247_0e3c), Some((0x4002_3871, 7)));
    assert_eq!(bitband_target(0x2200_0000), Some((0x2000_0000, 0)));
    assert_eq!(bitband_target(0x23ff_fffc), Some((0x200f_ffff, 7)));
    for address in [0x2100_0000, 0x2400_0000, 0x41ff_ffff, 0x4400_0000, u32::MAX] {
        assert_eq!(bitband_target(address), None);
    }
}

#[test]
fn a_bit_band_store_changes_its_bit_and_no_other() {
    let mut rig = Rig::new();
    rig.set(RCC + 0x40, 1 << 28);
    // PWR_CR.DBP is bit 8. A byte store would be duplicated over the word by the APB bridge; a word alias is not.
    let dbp = 0x4200_0000 + (PWR - 0x4000_0000) * 32 + 8 * 4;
    assert_eq!(rig.with(|soc, env| soc.bitband_write(dbp, 4, 1, env)), Ok(()));
    assert_eq!(rig.read(PWR), 1 << 8);
    assert_eq!(rig.with(|soc, env| soc.bitband_read(dbp, 4, env)), Ok(1));
    assert_eq!(rig.with(|soc, env| soc.bitband_read(dbp + 4, 4, env)), Ok(0));
    assert_eq!(rig.with(|soc, env| soc.bitband_write(dbp, 4, 2, env)), Ok(()));
    assert_eq!(rig.read(PWR), 0, "only bit 0 of the value counts");
    let reserved = rig.with(|soc, env| soc.bitband_read(0x4200_0000 + 0x7800 * 32, 4, env));
    assert_eq!(reserved, Err(BusError::Reserved { address: 0x4000_7800 }));
}

const TIM2: u32 = 0x4000_0000;
const TIM3: u32 = 0x4000_0400;
const GPIOA: u32 = 0x4002_0000;

#[test]
fn a_pwm_channel_on_its_pin_has_its_duty() {
    let mut rig = Rig::new();
    rig.set(RCC + 0x30, 1);
    rig.set(RCC + 0x40, 1);
    let red = Pin::new(Port::A, 1);
    assert_eq!(rig.soc.pin_high_share(red), None);
    // TIM2 channel 2 in PWM mode 1 on PA1 (AF1): a quarter.
    rig.write(GPIOA, 0xa800_0008);
    rig.write(GPIOA + 0x20, 0x10);
    rig.write(TIM2 + 0x2c, 9999);
    rig.write(TIM2 + 0x18, 0x6800);
    rig.write(TIM2 + 0x38, 2500);
    rig.write(TIM2 + 0x20, 0x10);
    rig.write(TIM2 + 0x14, 1);
    rig.write(TIM2, 0x81);
    assert_eq!(rig.soc.pin_high_share(red), Some((2500, 10_000)));
    rig.write(GPIOA, 0xa800_0004);
    assert_eq!(rig.soc.pin_high_share(red), Some((0, 1)), "an output now");
}

#[test]
fn an_edge_on_a_pin_is_captured_by_its_timer() {
    let mut rig = Rig::new();
    rig.set(RCC + 0x30, 1);
    rig.set(RCC + 0x40, 2);
    // TIM3 channel 1 captures rising edges of PA6 (AF2), with interrupt.
    rig.write(GPIOA, 0xa800_2000);
    rig.write(GPIOA + 0x20, 0x0200_0000);
    rig.write(TIM3 + 0x18, 1);
    rig.write(TIM3 + 0x20, 1);
    rig.write(TIM3 + 0x0c, 2);
    rig.write(TIM3, 1);
    rig.pass(PS_PER_MS);
    rig.with(|soc, env| soc.drive_pin(Pin::new(Port::A, 6), Some(true), env));
    assert!(rig.irq(29));
    let count = rig.read(TIM3 + 0x34);
    assert!((15_990..=16_010).contains(&count), "1 ms at 16 MHz: {count}");
    assert!(!rig.irq(29), "reading CCR1 clears CC1IF");
}

#[test]
fn a_timer_s_update_triggers_the_timer_that_listens_to_it() {
    let mut rig = Rig::new();
    rig.set(RCC + 0x40, 3);
    // TIM3 counts TIM2's updates (ITR1, external clock mode 1).
    rig.write(TIM3 + 0x08, 1 << 4 | 7);
    rig.write(TIM3, 1);
    rig.write(TIM2 + 0x2c, 15_999);
    rig.write(TIM2 + 0x04, 2 << 4);
    rig.write(TIM2 + 0x0c, 1);
    rig.write(TIM2, 1);
    rig.pass(10 * PS_PER_MS + PS_PER_US);
    assert_eq!(rig.read(TIM3 + 0x24), 10);
}

#[test]
fn a_timer_s_dma_request_moves_one_item_per_update() {
    let mut rig = Rig::new();
    rig.set(RCC + 0x30, 1 << 21 | 1 << 2);
    rig.set(RCC + 0x40, 1);
    rig.write(GPIOC, 0x5555_5555);
    for (i, value) in [0x1111u16, 0x2222, 0x4444].into_iter().enumerate() {
        rig.bench.memory.sram[i * 2..][..2].copy_from_slice(&value.to_le_bytes());
    }
    // TIM2_UP: DMA1 stream 1 channel 3.
    let stream = DMA1 + 0x10 + 0x18;
    rig.write(stream + 0x04, 3);
    rig.write(stream + 0x08, GPIOC + 0x14);
    rig.write(stream + 0x0c, 0x2000_0000);
    rig.write(stream, 3 << 25 | 1 << 13 | 1 << 11 | 1 << 10 | 1 << 6 | 1);
    rig.write(TIM2 + 0x2c, 15_999);
    rig.write(TIM2 + 0x0c, 1 << 8);
    rig.write(TIM2, 1);
    let mut seen = Vec::new();
    for _ in 0..5 {
        rig.pass(PS_PER_MS);
        seen.push((rig.read(GPIOC + 0x14), rig.read(stream + 0x04)));
    }
    assert_eq!(seen, [(0x1111, 2), (0x2222, 1), (0x4444, 0), (0x4444, 0), (0x4444, 0)]);
}

#[test]
fn a_gated_timer_stands_still() {
    let mut rig = Rig::new();
    rig.set(RCC + 0x40, 1);
    rig.write(TIM2, 1);
    rig.pass(PS_PER_MS);
    rig.write(RCC + 0x40, 0);
    rig.pass(PS_PER_MS);
    rig.write(RCC + 0x40, 1);
    let count = rig.read(TIM2 + 0x24);
    assert!((15_990..=16_010).contains(&count), "{count}");
}

#[test]
fn a_restored_chip_goes_on_as_the_one_it_was_taken_from() {
    let mut a = usart3();
    a.write(USART3 + 0x04, 0x41);
    a.pass(30 * PS_PER_US);
    let bytes = postcard::to_stdvec(&a.soc).unwrap();
    let mut b = usart3();
    b.soc = postcard::from_bytes(&bytes).unwrap();
    b.bench.now = a.bench.now;
    b.bench.decisions = a.bench.decisions.clone();
    for rig in [&mut a, &mut b] {
        rig.pass(PS_PER_MS);
        rig.set(RCC, 1 << 16);
        rig.pass(3 * PS_PER_MS);
    }
    assert_eq!(a.bench.board.sent, b.bench.board.sent);
    assert_eq!(postcard::to_stdvec(&a.soc).unwrap(), postcard::to_stdvec(&b.soc).unwrap());
}

fn any_address() -> impl Strategy<Value = u32> {
    prop_oneof![
        (0..Id::COUNT, 0u32..0x80).prop_map(|(i, offset)| PLACES[i].base + offset),
        (0..Id::COUNT, any::<u32>()).prop_map(|(i, offset)| PLACES[i].base + offset % PLACES[i].size),
        any::<u32>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_access_panics_and_no_event_stays_due(
        accesses in proptest::collection::vec(
            (any_address(), 0u32..6, any::<u32>(), any::<bool>(), 0u64..50_000_000_000), 1..80)
    ) {
        let mut rig = Rig::new();
        for offset in [0x30, 0x34, 0x38, 0x40, 0x44] {
            rig.write(RCC + offset, u32::MAX);
        }
        for (address, size, value, write, pass_ps) in accesses {
            let fits = !(0x2000_0000..0x4000_0000).contains(&address);
            rig.with(|soc, env| {
                if write && fits {
                    let _ = soc.write(address, size, value, env);
                } else {
                    let _ = soc.read(address, size, env);
                }
            });
            let now = rig.bench.now;
            rig.bench.now = Now { cycles: now.cycles + pass_ps / 62_500, time_ps: now.time_ps + pass_ps };
            rig.with(|soc, env| soc.advance(env));
            prop_assert!(!rig.soc.next_wake().is_due(rig.bench.now));
            prop_assert!(!rig.bench.ledger.entries().keys().any(|name| name.contains("stuck")));
            if let Some(cause) = rig.soc.take_reset_request() {
                rig.with(|soc, env| soc.system_reset(cause, env));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The short cut for polled registers: where it answers, a read answers the same and leaves the chip as it was.
    #[test]
    fn a_quiet_read_is_a_read_that_changes_nothing(
        actions in proptest::collection::vec((0..6u8, 0..0x24u32, any::<u32>()), 1..60),
    ) {
        let mut rig = Rig::new();
        rig.set(RCC + 0x30, 0x6);
        rig.set(RCC + 0x40, 1 << 18);
        for (kind, word, value) in actions {
            match kind {
                0 => rig.write(USART3 + word % 7 * 4, value & 0xffff),
                1 => rig.write(GPIOB + word % 10 * 4, value),
                2 => rig.write(RCC + word * 4, value),
                3 => rig.with(|soc, env| soc.uart_receive(3, UartFrame::byte(value as u8, PS_PER_US), env)),
                4 => {
                    rig.read(USART3 + word % 2 * 4);
                }
                _ => rig.pass(u64::from(value % 200) * PS_PER_US),
            }
            if rig.soc.next_wake().is_due(rig.bench.now) {
                rig.with(|soc, env| soc.advance(env));
            }
            let words = (0..7).map(|i| USART3 + 4 * i).chain((0..10).map(|i| GPIOB + 4 * i));
            for address in words.chain((0..0x24).map(|i| RCC + 4 * i)) {
                if let Some(quiet) = rig.soc.quiet_read(address, 4) {
                    let before = postcard::to_stdvec(&rig.soc).unwrap();
                    prop_assert_eq!(rig.read(address), quiet, "{:#010x}", address);
                    prop_assert_eq!(postcard::to_stdvec(&rig.soc).unwrap(), before, "{:#010x}", address);
                }
            }
        }
        prop_assert_eq!(rig.soc.quiet_read(USART3 + 4, 4), None, "reading data is never quiet");
    }
}
