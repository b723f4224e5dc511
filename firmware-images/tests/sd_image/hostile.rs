//! Whatever is in an image: no panic, no end that does not come, and nothing broken put in its place.

use std::io::Cursor;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::mpsc;
use std::time::Duration;

use lockstep_images::sd_image::{FatKind, SdImageError, Volume, create, put};
use proptest::prelude::*;

use super::common::{Desk, card, get, noise, tree};

/// A case takes milliseconds.
const LIMIT: Duration = Duration::from_secs(60);

/// Small images of each kind with some files, without a partition table.
fn good_images() -> &'static [Vec<u8>] {
    static IMAGES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    IMAGES.get_or_init(|| {
        let cards = [("512K", FatKind::Fat12), ("3M", FatKind::Fat16), ("33M", FatKind::Fat32)];
        cards.into_iter().map(|(size, kind)| good_image(size, kind)).collect()
    })
}

fn good_image(size: &str, kind: FatKind) -> Vec<u8> {
    let desk = Desk::new();
    let mut options = card(size, Some(kind));
    options.has_partition_table = false;
    create(&desk.image(), &options, false).unwrap();
    for (name, bytes) in [("in/a/long name of a file.txt", 3000), ("in/a/b/c.txt", 700), ("in/d.bin", 20_000)] {
        desk.file(name, &noise(bytes, bytes as u64));
    }
    put(&desk.image(), &[desk.path("in")], "/").unwrap();
    std::fs::read(desk.image()).unwrap()
}

/// Does it in a thread of its own, and fails if it does not end.
fn within_limit<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        let _ = sender.send(work());
    });
    match receiver.recv_timeout(LIMIT) {
        Ok(done) => done,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("no end after {LIMIT:?}"),
        Err(mpsc::RecvTimeoutError::Disconnected) => match thread.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(()) => unreachable!(),
        },
    }
}

/// Everything that reads.
fn read_all(bytes: Vec<u8>) {
    within_limit(move || {
        let length = bytes.len() as u64;
        let Ok(mut volume) = Volume::new(Cursor::new(bytes), Path::new("card.img"), length) else { return };
        let _ = volume.check();
        let _ = volume.free_bytes();
        let mut paths = vec!["/in/a/long name of a file.txt".to_owned()];
        for is_recursive in [false, true] {
            let _ = volume.list("/", is_recursive, |entry| {
                paths.push(entry.path.clone());
                Ok::<(), SdImageError>(())
            });
        }
        paths.truncate(200);
        for path in paths {
            let mut read = 0;
            let done = volume.read(&path, |bytes| {
                read += bytes.len() as u64;
                Ok::<(), SdImageError>(())
            });
            assert!(read <= length);
            assert!(done.is_err() || done.is_ok_and(|bytes| bytes == read));
        }
    });
}

/// Puts files into an image that may be damaged: it is refused, or what comes out is whole.
fn put_into(bytes: Vec<u8>) {
    within_limit(move || {
        let desk = Desk::new();
        let image = desk.sparse_file("card.img", &bytes);
        desk.file("in/d.bin", &noise(30_000, 9));
        desk.file("in/new folder/e.bin", &noise(2_000, 9));
        match put(&image, &[desk.path("in")], "/") {
            Ok(_) => {
                Volume::open(&image).unwrap().check().unwrap();
                assert!(tree(&image).len() >= 3);
            }
            Err(_) => assert!(std::fs::read(&image).unwrap() == bytes),
        }
    });
}

/// Where the numbers of an image are: boot sector and FSInfo, begin of the tables, folders. `place` chooses one.
fn interesting(bytes: &[u8], place: u32) -> usize {
    let half = |at: usize| usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
    let table = half(14) * 512;
    let table_sectors = if half(22) != 0 { half(22) } else { half(36) };
    let folders = table + 2 * table_sectors * 512;
    let offset = place as usize / 4;
    match place % 4 {
        0 => offset % 64,
        1 => table + offset % 200,
        2 => folders + offset % 2_048,
        _ => folders + 32 * 512 + offset % 40_000,
    }
    .min(bytes.len() - 1)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes(mut bytes in proptest::collection::vec(any::<u8>(), 0..8_192), is_signed: bool) {
        if is_signed && bytes.len() >= 512 {
            (bytes[510], bytes[511]) = (0x55, 0xaa);
        }
        read_all(bytes);
    }

    #[test]
    fn a_good_begin_and_arbitrary_bytes(which in 0usize..3, sectors in proptest::collection::vec(any::<[u8; 32]>(), 1..100)) {
        let mut image = good_images()[which].clone();
        let start = interesting(&image, 1);
        for (i, bytes) in sectors.iter().enumerate() {
            image[start + i * 32..][..32].copy_from_slice(bytes);
        }
        read_all(image.clone());
        put_into(image);
    }

    #[test]
    fn flipped_bits(which in 0usize..3, flips in proptest::collection::vec((any::<u32>(), 0u8..8), 1..12)) {
        let mut image = good_images()[which].clone();
        for (place, bit) in flips {
            let at = interesting(&image, place);
            image[at] ^= 1 << bit;
        }
        read_all(image.clone());
        put_into(image);
    }

    #[test]
    fn bytes_written_over(which in 0usize..3, writes in proptest::collection::vec((any::<u32>(), any::<u8>()), 1..6)) {
        let mut image = good_images()[which].clone();
        for (place, byte) in writes {
            let at = interesting(&image, place);
            image[at] = byte;
        }
        read_all(image.clone());
        put_into(image);
    }

    #[test]
    fn cut_short(which in 0usize..3, bytes: usize) {
        let image = &good_images()[which];
        read_all(image[..bytes % image.len()].to_vec());
    }
}

/// Chains that `fatfs` would follow for ever, or out of the file system.
#[test]
fn cycles_and_strangers_are_named() {
    for (which, entry_bytes) in [(1, 2), (2, 4)] {
        let good = &good_images()[which];
        let half = |at: usize| usize::from(u16::from_le_bytes([good[at], good[at + 1]]));
        let table = half(14) * 512;
        // Of each cluster that is in use.
        let used: Vec<usize> = (2..200).filter(|i| good[table + i * entry_bytes] != 0).collect();
        assert!(used.len() > 10, "{used:?}");
        for cluster in used {
            for value in [0, 1, cluster, 2, 3, 0xfff0] {
                let mut image = good.clone();
                let bytes = (value as u32).to_le_bytes();
                let old = image[table + cluster * entry_bytes..][..entry_bytes].to_vec();
                if old == bytes[..entry_bytes] {
                    continue;
                }
                image[table + cluster * entry_bytes..][..entry_bytes].copy_from_slice(&bytes[..entry_bytes]);
                read_all(image.clone());
                let length = image.len() as u64;
                let mut volume = Volume::new(Cursor::new(image), Path::new("card.img"), length).unwrap();
                let error = volume.check().expect_err("a damaged chain").to_string();
                assert!(error.contains("cluster") && error.contains("fsck.vfat"), "{error}");
            }
        }
    }
}

/// One file lost its chain, as by a loss of power: the others are read, and nothing is put.
#[test]
fn what_is_whole_is_read_of_a_damaged_image() {
    let desk = Desk::new();
    let mut bytes = good_images()[1].clone();
    let half = |bytes: &[u8], at: usize| usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
    let (table, root) = (half(&bytes, 14) * 512, (half(&bytes, 14) + 2 * half(&bytes, 22)) * 512);
    let d_bin = bytes.windows(11).position(|name| name == b"D       BIN").unwrap();
    assert!(d_bin > root);
    let cluster = half(&bytes, d_bin + 26);
    bytes[table + 2 * cluster..][..2].fill(0);
    let image = desk.file("card.img", &bytes);
    assert_eq!(tree(&image).len(), 6);
    assert_eq!(get(&image, "/in/a/b/c.txt").unwrap(), noise(700, 700));
    let reason = format!("/in/d.bin: its cluster {cluster} is marked as free; repair a copy of it with fsck.vfat");
    for error in [get(&image, "/in/d.bin").map(|_| ()), put(&image, &[desk.file("x", b"")], "/").map(|_| ())] {
        let error = error.unwrap_err().to_string();
        assert!(error.contains(&reason), "{error}");
    }
}
