//! Our images under fsck.vfat and mtools, and theirs read by us.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use lockstep_images::sd_image::{FatKind, create, put};

use super::common::{Desk, card, get, noise, tree};
use super::tools::{PARTITION_START, are_missing, assert_sound, mtools};

const CARDS: [(&str, FatKind); 8] = [
    ("6M", FatKind::Fat12),
    ("8M", FatKind::Fat12),
    ("64M", FatKind::Fat12),
    ("8M", FatKind::Fat16),
    ("64M", FatKind::Fat16),
    ("512M", FatKind::Fat16),
    ("64M", FatKind::Fat32),
    ("512M", FatKind::Fat32),
];

/// Files of all lengths around clusters, in folders, with long names and names beyond ASCII.
fn files(desk: &Desk) -> Vec<(&'static str, Vec<u8>)> {
    let files = [
        ("tree/EMPTY.TXT", 0),
        ("tree/one byte.txt", 1),
        ("tree/a sector.bin", 512),
        ("tree/config.json", 511),
        ("tree/logs/2016/a quite long name of a file that takes several entries.log", 16_384),
        ("tree/logs/2016/a quite long name of a file that takes several pieces.log", 16_385),
        ("tree/logs/Grüße, Ω и ж.txt", 32_769),
        ("tree/logs/large.bin", 300_001),
        ("tree/.hidden", 77),
        ("tree/many.dots.in.it.tar.gz", 99),
    ];
    let files = files.map(|(name, bytes)| (name, noise(bytes, bytes as u64)));
    for (name, bytes) in &files {
        desk.file(name, bytes);
    }
    std::fs::create_dir(desk.path("tree/nothing in here")).unwrap();
    files.into()
}

#[test]
fn new_images_are_sound() {
    if are_missing("new images under fsck.vfat and mdir") {
        return;
    }
    let desk = Desk::new();
    let more = [("4608K", FatKind::Fat12), ("2G", FatKind::Fat16), ("4G", FatKind::Fat32)];
    for (size, kind) in CARDS.into_iter().chain(more) {
        for has_partition_table in [true, false] {
            let mut options = card(size, Some(kind));
            if size == "2G" && !has_partition_table {
                continue; // Too large for FAT16.
            }
            options.has_partition_table = has_partition_table;
            options.label = has_partition_table.then(|| "Lockstep 1".parse().unwrap());
            let created = create(&desk.image(), &options, true).unwrap();
            assert_eq!(created.kind, kind);
            let start = if has_partition_table { PARTITION_START } else { 0 };
            assert_sound(&desk.image(), start);
            let listed = mtools("mdir", &desk.image(), start, &["::"]);
            assert!(listed.contains("No files"), "{size} {kind}: {listed}");
            assert!(listed.contains("1234-5678"), "{size} {kind}: {listed}");
            assert_eq!(listed.contains("LOCKSTEP 1"), has_partition_table, "{size} {kind}: {listed}");
            let about = std::fs::metadata(desk.image()).unwrap();
            assert_eq!(about.len(), options.size.bytes());
            // Boot sectors, tables, root folder.
            assert!(about.blocks() * 512 < 9 << 20, "{size} {kind}: {} blocks", about.blocks());
        }
    }
}

#[test]
fn what_is_put_others_read() {
    if are_missing("files in images, under fsck.vfat and mcopy") {
        return;
    }
    for (size, kind) in CARDS {
        let desk = Desk::new();
        create(&desk.image(), &card(size, Some(kind)), false).unwrap();
        let files = files(&desk);
        // The same again replaces the files; the second time the folder is there.
        for to in ["/", "/to/here", "/to/here"] {
            let done = put(&desk.image(), &[desk.path("tree"), desk.path("tree/EMPTY.TXT")], to).unwrap();
            assert_eq!((done.files, done.bytes), (11, files.iter().map(|(_, bytes)| bytes.len() as u64).sum()));
            assert_sound(&desk.image(), PARTITION_START);
        }
        for folder in ["", "to/here/"] {
            for (name, bytes) in &files {
                let out = desk.path("out");
                let path = format!("::/{folder}{name}");
                mtools("mcopy", &desk.image(), PARTITION_START, &["-n", "-o", &path, out.to_str().unwrap()]);
                assert!(std::fs::read(&out).unwrap() == *bytes, "{size} {kind}: {path}");
                assert!(get(&desk.image(), &format!("/{folder}{name}")).unwrap() == *bytes, "{size} {kind}: {name}");
            }
        }
        let tree = tree(&desk.image());
        // 10 files and 4 folders, twice; EMPTY.TXT twice; /to and /to/here.
        assert_eq!(tree.len(), 32, "{tree:?}");
        assert_eq!(desk.names(), ["card.img", "out", "tree"]);
    }
}

#[test]
fn what_others_write_is_read() {
    if are_missing("files of mcopy, read") {
        return;
    }
    for (size, kind) in CARDS {
        let desk = Desk::new();
        create(&desk.image(), &card(size, Some(kind)), false).unwrap();
        let files = files(&desk);
        let from = desk.path("tree");
        mtools("mcopy", &desk.image(), PARTITION_START, &["-s", "-m", from.to_str().unwrap(), "::/"]);
        for (name, bytes) in &files {
            assert!(get(&desk.image(), name).unwrap() == *bytes, "{size} {kind}: {name}");
        }
        assert_eq!(tree(&desk.image()).len(), 14);
        // And ours into what others have begun.
        let more = desk.file("more.txt", b"more");
        put(&desk.image(), &[more], "/tree/logs").unwrap();
        assert_sound(&desk.image(), PARTITION_START);
        mtools("mdel", &desk.image(), PARTITION_START, &["::/tree/logs/large.bin"]);
        put(&desk.image(), &[desk.path("tree/logs/large.bin")], "/TREE/Logs").unwrap();
        assert_sound(&desk.image(), PARTITION_START);
        assert!(get(&desk.image(), "/tree/LOGS/LARGE.BIN").unwrap() == files[7].1);
    }
}

#[test]
fn images_of_mkfs_are_read_and_written() {
    if are_missing("images of mkfs.vfat") {
        return;
    }
    for bits in ["12", "16", "32"] {
        let desk = Desk::new();
        let image = desk.image();
        std::fs::File::create(&image).unwrap().set_len(64 << 20).unwrap();
        let mut mkfs = std::process::Command::new("mkfs.vfat");
        mkfs.env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin").args(["-F", bits, "-n", "CARD"]).arg(&image);
        assert!(mkfs.output().unwrap().status.success());
        let files = files(&desk);
        put(&image, &[desk.path("tree")], "/").unwrap();
        assert_sound(&image, 0);
        for (name, bytes) in &files {
            assert!(get(&image, name).unwrap() == *bytes, "FAT{bits}: {name}");
        }
    }
}

#[test]
fn a_folder_may_have_a_thousand_files() {
    if are_missing("a thousand files") {
        return;
    }
    for kind in [FatKind::Fat16, FatKind::Fat32] {
        let desk = Desk::new();
        create(&desk.image(), &card("64M", Some(kind)), false).unwrap();
        let names: Vec<String> = (0..1000).map(|i| format!("many/measurement number {i:04}.csv")).collect();
        for name in &names {
            desk.file(name, name.as_bytes());
        }
        put(&desk.image(), &[desk.path("many")], "/").unwrap();
        assert_sound(&desk.image(), PARTITION_START);
        for name in &names {
            assert_eq!(get(&desk.image(), name).unwrap(), name.as_bytes());
        }
        let listed = mtools("mdir", &desk.image(), PARTITION_START, &["-b", "::/many"]);
        assert_eq!(listed.lines().count(), 1000);
    }
}

#[test]
fn a_sparse_image_stays_sparse() {
    let desk = Desk::new();
    create(&desk.image(), &card("32G", None), false).unwrap();
    let files: Vec<PathBuf> = vec![desk.file("one.bin", &noise(100_000, 1)), desk.file("zeros.bin", &[0; 3 << 20])];
    put(&desk.image(), &files, "/").unwrap();
    let about = std::fs::metadata(desk.image()).unwrap();
    assert_eq!(about.len(), 32 << 30);
    assert!(about.blocks() * 512 < 2 << 20, "{} blocks", about.blocks());
    assert!(get(&desk.image(), "/zeros.bin").unwrap() == vec![0; 3 << 20]);
}
