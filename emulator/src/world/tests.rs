//! The wires between the modem and the chip.

use lockstep_modem::Output;
use lockstep_peripherals::Now;

use super::World;
use crate::electron::{DeviceSettings, electron};

const RCC_APB1ENR: u32 = 0x4002_3840;
const USART3_SR: u32 = 0x4000_4800;
const USART3_DR: u32 = 0x4000_4804;
const SR_IDLE: u32 = 1 << 4;
/// A bit at 115,200 bit/s on a clock that is 1 % slow.
const BIT_PS: u64 = 8_767_361;
const CHARACTER_PS: u64 = 10 * BIT_PS;

/// With USART3 at 115,200 bit/s, receiving.
fn world() -> World {
    let mut world = electron(Vec::new(), &DeviceSettings::default()).unwrap().world;
    world.with_soc(Now::default(), 0, |soc, env| {
        for (address, value) in [(RCC_APB1ENR, 1 << 18), (0x4000_4808, 139), (0x4000_480c, 1 << 13 | 1 << 2)] {
            soc.write(address, 4, value, env).unwrap();
        }
    });
    world
}

fn at(world: &mut World, time_ps: u64) -> Now {
    let cycles = world.state.clock.cycle_at(time_ps);
    while world.next_event_cycle() <= cycles {
        world.fire_events(world.next_event_cycle());
    }
    world.state.clock.at(cycles)
}

fn read(world: &mut World, address: u32, now: Now) -> u32 {
    world.with_soc(now, 0, |soc, env| soc.read(address, 4, env)).unwrap()
}

#[test]
fn the_line_is_idle_after_the_modem_s_last_character_and_not_between_two() {
    let mut world = world();
    let mut start_ps = CHARACTER_PS;
    for data in *b"OK" {
        let now = at(&mut world, start_ps);
        world.modem_output(Output::StartBit { time_ps: start_ps }, now);
        start_ps += CHARACTER_PS;
        let now = at(&mut world, start_ps);
        world.modem_output(Output::Byte { data, bit_ps: BIT_PS, end_ps: start_ps }, now);
        assert_eq!(read(&mut world, USART3_SR, now) & SR_IDLE, 0, "idle in the middle of the text");
        assert_eq!(read(&mut world, USART3_DR, now), u32::from(data));
    }
    let now = at(&mut world, start_ps + 2 * CHARACTER_PS);
    assert_ne!(read(&mut world, USART3_SR, now) & SR_IDLE, 0);
}
