//! Somebody else's driver (embedded-sdmmc, through embedded-hal) on our card, and somebody else's tools on what it left.

mod files;
mod wires;

use std::collections::BTreeMap;
use std::sync::Arc;

use embedded_sdmmc::sdcard::spi::AcquireOpts;
use embedded_sdmmc::{BlockDevice, Mode, SdCard, TimeSource, Timestamp, VolumeIdx, VolumeManager};
use lockstep_peripherals::board::sd_card::{Interrupted, SdConfig, SdFault, SdImage};
use lockstep_traces::Decisions;

use wires::Wires;

struct Noon;

impl TimeSource for Noon {
    fn get_timestamp(&self) -> Timestamp {
        Timestamp::from_calendar(2026, 11, 27, 12, 0, 0).unwrap()
    }
}

type Driver = SdCard<Wires, Wires>;
type Error = embedded_sdmmc::Error<embedded_sdmmc::SdCardError>;

fn driver(wires: &Wires, use_crc: bool) -> Driver {
    wires.power_up();
    let options = AcquireOpts { use_crc, acquire_retries: 50 };
    SdCard::new_with_options(wires.clone(), wires.clone(), options)
}

fn image(card: &[u8]) -> Arc<SdImage> {
    Arc::new(SdImage::read(card, card.len() as u64).unwrap())
}

fn write(volume: &VolumeManager<Driver, Noon>, name: &str, mode: Mode, content: &[u8]) -> Result<(), Error> {
    let volume = volume.open_volume(VolumeIdx(0))?;
    let root = volume.open_root_dir()?;
    let file = root.open_file_in_dir(name, mode)?;
    file.write(content)?;
    file.close()
}

fn read(volume: &VolumeManager<Driver, Noon>, name: &str) -> Result<Vec<u8>, Error> {
    let volume = volume.open_volume(VolumeIdx(0))?;
    let root = volume.open_root_dir()?;
    let file = root.open_file_in_dir(name, Mode::ReadOnly)?;
    let mut content = vec![0; file.length() as usize];
    let mut length = 0;
    while length < content.len() {
        length += file.read(&mut content[length..])?;
    }
    Ok(content)
}

fn delete(volume: &VolumeManager<Driver, Noon>, name: &str) -> Result<(), Error> {
    let volume = volume.open_volume(VolumeIdx(0))?;
    volume.open_root_dir()?.delete_entry_in_dir(name)
}

fn bytes(length: usize, seed: u64) -> Vec<u8> {
    (0..length as u64).map(|i| (i.wrapping_mul(i ^ seed).wrapping_add(seed) >> 3) as u8).collect()
}

#[test]
fn sizes_and_kinds_of_card() {
    for (blocks, is_version_1) in [(131_072, true), (131_072, false), (4 << 20, false), (8 << 20, false)] {
        let config = SdConfig { is_version_1, ..SdConfig::default() };
        let wires = Wires::new(config, Arc::new(SdImage::empty(blocks).unwrap()), 1);
        let card = driver(&wires, true);
        assert_eq!(card.num_bytes().unwrap(), u64::from(blocks) * 512);
        let expected = match (is_version_1, blocks > 4 << 20) {
            (true, _) => embedded_sdmmc::embedded_sdmmc_types::sdcard::CardType::SD1,
            (false, false) => embedded_sdmmc::embedded_sdmmc_types::sdcard::CardType::SD2,
            (false, true) => embedded_sdmmc::embedded_sdmmc_types::sdcard::CardType::SdhcSdxc,
        };
        assert_eq!(card.get_card_type(), Some(expected));
        assert!(card.erase_single_block_enabled().unwrap());
        let mut many: Vec<embedded_sdmmc::Block> = vec![embedded_sdmmc::Block::new(); 5];
        many.iter_mut().zip(1..).for_each(|(block, fill)| block.contents = [fill; 512]);
        let last = embedded_sdmmc::BlockIdx(blocks - 5);
        card.write(&many, last).unwrap();
        let mut found = vec![embedded_sdmmc::Block::new(); 5];
        card.read(&mut found, last).unwrap();
        assert!(found.iter().zip(1..).all(|(block, fill)| block.contents == [fill; 512]));
    }
}

#[test]
fn files_both_ways_with_crc_on_and_off() {
    if files::tools_are_missing() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut card = files::formatted(16, folder.path());
    files::put(&mut card, "GIVEN.BIN", &bytes(70_001, 1), folder.path());
    for use_crc in [true, false] {
        let wires = Wires::new(SdConfig::default(), image(&card), 1);
        let volume = VolumeManager::new(driver(&wires, use_crc), Noon);
        assert_eq!(read(&volume, "GIVEN.BIN").unwrap(), bytes(70_001, 1));
        write(&volume, "OURS.BIN", Mode::ReadWriteCreate, &bytes(100_123, 2)).unwrap();
        write(&volume, "OURS.BIN", Mode::ReadWriteAppend, &bytes(17, 3)).unwrap();
        assert_eq!(read(&volume, "OURS.BIN").unwrap(), [bytes(100_123, 2), bytes(17, 3)].concat());
        let (is_clean, text) = files::check(&wires.content(), folder.path());
        assert!(is_clean, "{text}");
        assert_eq!(files::read("OURS.BIN", folder.path()).unwrap(), [bytes(100_123, 2), bytes(17, 3)].concat());
        assert_eq!(files::read("GIVEN.BIN", folder.path()).unwrap(), bytes(70_001, 1));
    }
}

#[test]
fn the_driver_sees_wrong_bits_and_unreadable_blocks() {
    let wires = Wires::new(SdConfig::default(), Arc::new(SdImage::empty(131_072).unwrap()), 1);
    let card = driver(&wires, true);
    card.num_bytes().unwrap();
    let mut one = [embedded_sdmmc::Block::new()];
    let at = embedded_sdmmc::BlockIdx(9);
    wires.0.borrow_mut().card.set_fault(SdFault::Unreadable { block: 9 });
    assert!(matches!(card.read(&mut one, at), Err(embedded_sdmmc::SdCardError::ReadError)));
    wires.0.borrow_mut().card.set_fault(SdFault::WriteErrors { block_ppm: 1_000_000 });
    assert!(matches!(card.write(&one, at), Err(embedded_sdmmc::SdCardError::WriteError)));
    wires.0.borrow_mut().card.set_fault(SdFault::ReadErrors { block_ppm: 1_000_000 });
    let found = card.read(&mut one, embedded_sdmmc::BlockIdx(3));
    assert!(matches!(found, Err(embedded_sdmmc::SdCardError::CrcError(..))), "{found:?}");
}

/// A thousand operations on files, a fifth of them cut short by a loss of power. What was on the card and not being
/// changed is there afterwards, byte for byte, for the driver and for others.
#[test]
fn no_file_is_lost_but_the_one_that_is_written() {
    const OPERATIONS: u32 = 1_000;
    if files::tools_are_missing() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // A block that nobody can read would take the entries of other files with it, on a real card too.
    let config = SdConfig { interrupted: Interrupted::Mixed, ..SdConfig::default() };
    let wires = Wires::new(config, image(&files::formatted(16, folder.path())), 7);
    let mut volume = VolumeManager::new(driver(&wires, true), Noon);
    let mut committed: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut random = Decisions::new(11);
    let mut draw = |what: &str, low, high| random.draw(0, "test", what, low, high);
    let (mut cuts, mut checks) = (0, 0);
    for number in 0..OPERATIONS {
        let name = format!("F{}.DAT", draw("file", 0, 11));
        let content = bytes(draw("length", 0, 6_000) as usize, number.into());
        let what = draw("what", 0, 9);
        if draw("cut", 0, 4) == 0 {
            wires.0.borrow_mut().cut_after = Some(draw("after", 1, 20_000));
        }
        let (result, then) = match what {
            0..=3 => (write(&volume, &name, Mode::ReadWriteCreateOrTruncate, &content), Some(content)),
            4..=6 => {
                let grown = [committed.get(&name).cloned().unwrap_or_default(), content.clone()].concat();
                (write(&volume, &name, Mode::ReadWriteCreateOrAppend, &content), Some(grown))
            }
            7 if committed.contains_key(&name) => (delete(&volume, &name), None),
            _ => (committed.keys().try_for_each(|name| read(&volume, name).map(drop)), committed.get(&name).cloned()),
        };
        let is_cut = result.is_err();
        match (is_cut, then) {
            (false, Some(content)) if what < 7 => drop(committed.insert(name.clone(), content)),
            (false, None) if what == 7 => drop(committed.remove(&name)),
            _ => {}
        }
        wires.0.borrow_mut().cut_after = None;
        if is_cut {
            cuts += 1;
            volume = VolumeManager::new(driver(&wires, true), Noon);
            if what <= 7 {
                // What became of this one is open; it goes, so that the next operation begins from something known.
                committed.remove(&name);
                let card = wires.content();
                let (is_clean, text) = files::mend(&card, folder.path());
                assert!(is_clean, "operation {number}: {text}");
                checks += 1;
                for (name, content) in &committed {
                    let found = files::read(name, folder.path());
                    assert!(found.as_ref() == Some(content), "operation {number}: {name} is not what it was: {text}");
                    assert!(read(&volume, name).unwrap() == *content, "operation {number}: {name} for the driver");
                }
                // On with the card as it was mended, as its owner would.
                let mended = std::fs::read(folder.path().join("partition")).unwrap();
                let card = [&card[..files::START], &mended].concat();
                let mut rig = wires.0.borrow_mut();
                rig.card = lockstep_peripherals::board::sd_card::SdCard::new(
                    SdConfig { interrupted: Interrupted::Mixed, ..SdConfig::default() },
                    image(&card),
                );
                drop(rig);
                volume = VolumeManager::new(driver(&wires, true), Noon);
                let _ = delete(&volume, &name);
            }
        }
    }
    println!("{OPERATIONS} operations, {cuts} cut short, {checks} of them while writing");
    assert!(cuts > 100 && checks > 50, "{cuts} cuts, {checks} checks");
    let (is_clean, text) = files::check(&wires.content(), folder.path());
    assert!(is_clean, "{text}");
    for (name, content) in &committed {
        assert!(files::read(name, folder.path()).as_ref() == Some(content), "{name}");
    }
}
