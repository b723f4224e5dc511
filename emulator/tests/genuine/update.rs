//! An update that waits in the staging area: the vendor's boot loader copies it and starts it.

use lockstep_images::dct::{DATA_OFFSET, DctSpec, UpdateSlot, layout};
use lockstep_images::{DCT_SECTORS, FirmwareSet, FlashImage, Image, STAGING_PLACE};

use crate::device::{APP, APP_PLACE, Device, provisioned};
use crate::vendor::vendor_set;

/// Where slot 1 lies in a sector of the configuration table; each has 20 bytes.
const SLOT_1: usize = DATA_OFFSET + layout::UPDATE_SLOTS.offset + 20;

/// What system firmware writes after it has received an application over the air.
fn pending(length: u32) -> DctSpec {
    let slot = UpdateSlot {
        slot: 1,
        magic: None,
        source: STAGING_PLACE,
        destination: APP_PLACE,
        length,
        source_device: 0,
        destination_device: 0,
        flags: 0b1110,
        function: 5,
    };
    DctSpec { update_slots: vec![slot], ..provisioned() }
}

/// The set with the vendor's application, and ours waiting.
fn flash(set: &FirmwareSet, staged: &[u8]) -> FlashImage {
    let mut flash = set.flash().unwrap();
    flash.place(&Image::parse("staged", staged, Some(STAGING_PLACE)).unwrap()).unwrap();
    flash.place_dct("dct", &pending(staged.len() as u32).build(".".as_ref()).unwrap()).unwrap();
    flash
}

fn bytes_at(device: &Device, address: u32, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    assert!(device.machine.world.memory.peek(address, &mut bytes));
    bytes
}

fn copied_and_run(version: &str) {
    let Some(set) = vendor_set(version, "the boot loader copies an update") else { return };
    let mut device = Device::with_flash(flash(&set, APP).into_bytes());
    assert_ne!(bytes_at(&device, APP_PLACE, APP.len()), APP);
    device.run_until_ms(12_000);
    assert!(bytes_at(&device, APP_PLACE, APP.len()) == APP, "copied byte for byte");
    let runs = device.lines.iter().any(|line| line.text.starts_with("lockstep-app 1 loop 1 "));
    assert!(device.lines.len() > 2 && runs, "and it runs");
    // The slot is free again in whichever of the two sectors is valid. (0.5.2 changes the table without its CRC, which
    // is younger than it: `Dct::parse` would refuse that.)
    let sectors = DCT_SECTORS.map(|address| bytes_at(&device, address, 0x4000));
    let slots: Vec<&[u8]> =
        sectors.iter().filter(|s| s[4..8] == *b"\x00\x5e\xa1\xed").map(|s| &s[SLOT_1..][..2]).collect();
    assert!(!slots.is_empty() && slots.iter().all(|magic| **magic != [0xcd, 0xab]), "{slots:02x?}");
    device.assert_healthy();
}

#[test]
fn the_boot_loader_copies_an_update_and_2_2_0_runs_it() {
    copied_and_run("2.2.0");
}

#[test]
fn the_boot_loader_copies_an_update_and_0_5_2_runs_it() {
    copied_and_run("0.5.2");
}

#[test]
fn a_damaged_update_is_not_copied() {
    let Some(set) = vendor_set("2.2.0", "a_damaged_update_is_not_copied") else { return };
    let mut bytes = flash(&set, APP).into_bytes();
    let middle = (STAGING_PLACE - 0x0800_0000) as usize + APP.len() / 2;
    bytes[middle] ^= 1;
    let mut device = Device::with_flash(bytes);
    let before = bytes_at(&device, APP_PLACE, 0x2_0000);
    device.run_until_ms(5_000);
    assert!(bytes_at(&device, APP_PLACE, 0x2_0000) == before, "the application that was there stays");
    assert!(device.lines.is_empty());
    device.assert_healthy();
}
