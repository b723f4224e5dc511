//! Accesses to devices, as the device and the program see them.

use lockstep_engine::{Access, AccessFault, Bus, CoreRegisters, Engine, HostMemory};

const FLASH: u32 = 0x0800_0000;
const DEVICE: u32 = 0x4000_0000;
const VALUE: u32 = 0xdead_c0de;

/// Reads as [`VALUE`] whatever the size, and notes what it was asked.
#[derive(Default)]
struct Device {
    reads: Vec<(u32, u32, u32)>,
    writes: Vec<(u32, u32, u32, u32)>,
}

impl Bus for Device {
    fn read(&mut self, access: &Access) -> Result<u32, AccessFault> {
        self.reads.push((access.pc - FLASH, access.address, access.size));
        Ok(VALUE)
    }
    fn write(&mut self, access: &Access, value: u32) -> Result<(), AccessFault> {
        self.writes.push((access.pc - FLASH, access.address, access.size, value));
        Ok(())
    }
    fn deadline_cycles(&self) -> u64 {
        60
    }
}

#[test]
fn a_narrow_access_moves_only_its_bits() {
    #[rustfmt::skip]
    let program = [
        0x01, 0x78,             // ldrb  r1, [r0]
        0x42, 0x88,             // ldrh  r2, [r0, #2]
        0x03, 0x68,             // ldr   r3, [r0]
        0x90, 0xf9, 0x01, 0x40, // ldrsb.w r4, [r0, #1]
        0xb0, 0xf9, 0x02, 0x50, // ldrsh.w r5, [r0, #2]
        0xc3, 0x70,             // strb  r3, [r0, #3]
        0x43, 0x80,             // strh  r3, [r0, #2]
        0x03, 0x60,             // str   r3, [r0]
        0xfe, 0xe7,             // b .
    ];
    let rom = HostMemory::new(4096);
    assert!(rom.write(0, &program));
    let mut engine = Engine::new().unwrap();
    engine.map_rom(FLASH, &rom).unwrap();
    engine.map_device(DEVICE, 4096).unwrap();
    let mut registers = CoreRegisters { pc: FLASH, thumb: true, exclusive_address: u64::MAX, ..Default::default() };
    registers.r[0] = DEVICE;
    engine.set_registers(&registers);
    let mut device = Device::default();
    engine.run(&mut device, 0, 0).unwrap();
    assert_eq!(engine.registers().r[1..6], [0xde, 0xc0de, VALUE, 0xffff_ffde, 0xffff_c0de]);
    let reads = [(0, 0, 1), (2, 2, 2), (4, 0, 4), (6, 1, 1), (10, 2, 2)];
    assert_eq!(device.reads, reads.map(|(pc, offset, size)| (pc, DEVICE + offset, size)));
    let writes = [(14, 3, 1, 0xde), (16, 2, 2, 0xc0de), (18, 0, 4, VALUE)];
    assert_eq!(device.writes, writes.map(|(pc, offset, size, value)| (pc, DEVICE + offset, size, value)));
}
