//! What is refused, in which words, and that it changes nothing.

use std::path::PathBuf;

use lockstep_images::sd_image::{FatKind, SdImageError, Volume, create, put};

use super::common::{Desk, card, get, noise, tree};

#[track_caller]
fn refused<T>(result: Result<T, SdImageError>, words: &[&str]) {
    let error = result.err().expect("was not refused").to_string();
    for word in words {
        assert!(error.contains(word), "no {word:?} in: {error}");
    }
}

#[test]
fn the_same_options_give_the_same_bytes() {
    let desk = Desk::new();
    let other = desk.path("other.img");
    let file = desk.file("file.txt", b"text");
    for kind in [FatKind::Fat12, FatKind::Fat16, FatKind::Fat32] {
        let mut options = card("64M", Some(kind));
        options.label = Some("same".parse().unwrap());
        for image in [&desk.image(), &other] {
            create(image, &options, true).unwrap();
            put(image, std::slice::from_ref(&file), "/in/a folder").unwrap();
        }
        assert!(std::fs::read(desk.image()).unwrap() == std::fs::read(&other).unwrap());
        options.volume_id = 1;
        create(&other, &options, true).unwrap();
        put(&other, std::slice::from_ref(&file), "/in/a folder").unwrap();
        assert!(std::fs::read(desk.image()).unwrap() != std::fs::read(&other).unwrap());
    }
}

#[test]
fn an_image_is_not_written_over_by_mistake() {
    let desk = Desk::new();
    desk.file("card.img", b"precious");
    refused(create(&desk.image(), &card("8M", None), false), &["card.img", "--force"]);
    assert_eq!(std::fs::read(desk.image()).unwrap(), b"precious");
    create(&desk.image(), &card("8M", None), true).unwrap();
    assert_eq!(tree(&desk.image()).len(), 0);
    assert_eq!(desk.names(), ["card.img"]);
}

#[test]
fn sizes_and_kinds_must_fit() {
    let desk = Desk::new();
    let kinds =
        [("8G", FatKind::Fat16, "2047 MiB"), ("256M", FatKind::Fat12, "127 MiB"), ("16M", FatKind::Fat32, "33 MiB")];
    for (size, kind, word) in kinds {
        refused(create(&desk.image(), &card(size, Some(kind)), false), &[word, "--fat", "--size"]);
    }
    refused(create(&desk.image(), &card("4M", None), false), &["4608K", "--no-partition-table"]);
    refused("a name too long".parse::<lockstep_images::sd_image::Label>(), &["1 to 11"]);
    refused(create(&desk.path("no/folder.img"), &card("8M", None), false), &["folder.img"]);
    assert!(desk.names().is_empty());
}

#[test]
fn what_is_no_image_is_named() {
    let desk = Desk::new();
    refused(Volume::open(&desk.image()), &["card.img", "No such file"]);
    refused(Volume::open(&desk.path("")), &["is a folder"]);
    refused(Volume::open("/dev/zero".as_ref()), &["/dev/zero: is no regular file"]);
    let looked = |bytes: &[u8]| Volume::open(&desk.file("card.img", bytes));
    refused(looked(b""), &["0 bytes"]);
    refused(looked(&[0; 4096]), &["55 AA", "lockstep sd create"]);
    let mut block = [0; 4096];
    (block[510], block[511]) = (0x55, 0xaa);
    refused(looked(&block), &["bytes per sector"]);
    block[450] = 0x83;
    refused(looked(&block), &["no partition of a FAT type", "0x83"]);
    block[450] = 0x0c;
    refused(looked(&block), &["partition 1", "does not lie in the image"]);
    // A whole image, and less and less of it.
    create(&desk.image(), &card("64M", Some(FatKind::Fat32)), true).unwrap();
    let whole = std::fs::read(desk.image()).unwrap();
    refused(looked(&whole[..whole.len() - 512]), &["partition 1", "cut short"]);
    refused(looked(&whole[4 << 20..whole.len() - 512]), &["cut short"]);
    refused(looked(&whole[..1000]), &["cut short"]);
    let mut other = whole.clone();
    other[(4 << 20) + 13] = 3;
    refused(looked(&other), &["partition 1", "sectors per cluster", "offset 13"]);
}

#[test]
fn paths_are_looked_at() {
    let desk = Desk::new();
    create(&desk.image(), &card("8M", None), false).unwrap();
    let file = desk.file("file.txt", b"text");
    put(&desk.image(), std::slice::from_ref(&file), "/folder").unwrap();
    assert_eq!(get(&desk.image(), "FOLDER//File.TXT").unwrap(), b"text");
    refused(get(&desk.image(), "/none"), &["has no /none", "ls -r"]);
    refused(get(&desk.image(), "/folder"), &["is a folder"]);
    refused(get(&desk.image(), "/"), &["is a folder"]);
    refused(get(&desk.image(), "/folder/file.txt/x"), &["/folder/file.txt is a file"]);
    refused(get(&desk.image(), "/folder/../x"), &["from the root"]);
}

#[test]
fn a_put_that_fails_changes_nothing() {
    let desk = Desk::new();
    create(&desk.image(), &card("8M", None), false).unwrap();
    let file = desk.file("file.txt", b"text");
    put(&desk.image(), std::slice::from_ref(&file), "/folder").unwrap();
    let before = std::fs::read(desk.image()).unwrap();
    let other = desk.file("other.txt", b"other");
    let cases: [(PathBuf, &str, &[&str]); 10] = [
        (desk.path("none"), "/", &["none", "No such file"]),
        (file.clone(), "/folder/file.txt", &["/folder/file.txt: a file of this name is there"]),
        (desk.file("folder", b""), "/", &["/folder: a folder of this name is there"]),
        (desk.file("large", &noise(5 << 20, 1)), "/", &["/large does not fit", "bytes were free"]),
        (desk.file("what?.txt", b""), "/", &["what?.txt", "'?'", "rename"]),
        (desk.file("dot.", b""), "/", &["dot.", "blank or a dot"]),
        (file.clone(), "/a/../b", &["/a/../b", "dot"]),
        (file.clone(), "/a:b", &["':'"]),
        (desk.file(&"é".repeat(127), b"").to_path_buf(), &"x".repeat(256), &["at most 255 bytes"]),
        (desk.file("two/a.txt", b"").parent().unwrap().to_path_buf(), "/", &["would be /two/", "rename one"]),
    ];
    desk.file("two/A.txt", b"");
    for (source, to, words) in cases {
        refused(put(&desk.image(), &[other.clone(), source], to), words);
        assert!(std::fs::read(desk.image()).unwrap() == before);
    }
    std::os::unix::fs::symlink(desk.path("two"), desk.path("two/loop")).unwrap();
    std::fs::remove_file(desk.path("two/A.txt")).unwrap();
    refused(put(&desk.image(), &[desk.path("two")], "/"), &["two/loop", "symbolic link"]);
    let names = desk.names();
    assert!(names.iter().all(|name| !name.starts_with(".tmp")), "{names:?}");
    assert!(std::fs::read(desk.image()).unwrap() == before);
}

#[test]
fn a_full_root_folder_is_said() {
    let desk = Desk::new();
    create(&desk.image(), &card("8M", None), false).unwrap();
    let files: Vec<PathBuf> = (0..300).map(|i| desk.file(&format!("{i}.txt"), b"")).collect();
    refused(put(&desk.image(), &files, "/"), &["the root folder is full", "--to"]);
    assert_eq!(tree(&desk.image()).len(), 0);
    put(&desk.image(), &files, "/folder").unwrap();
    assert_eq!(tree(&desk.image()).len(), 301);
}

/// Mode and link of the image survive.
#[test]
fn an_image_stays_where_and_what_it_is() {
    use std::os::unix::fs::PermissionsExt;
    let desk = Desk::new();
    create(&desk.image(), &card("8M", None), false).unwrap();
    std::fs::set_permissions(desk.image(), std::fs::Permissions::from_mode(0o640)).unwrap();
    let link = desk.path("link.img");
    std::os::unix::fs::symlink("card.img", &link).unwrap();
    put(&link, &[desk.file("file.txt", b"text")], "/").unwrap();
    assert!(link.is_symlink());
    assert_eq!(std::fs::metadata(desk.image()).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(get(&desk.image(), "/file.txt").unwrap(), b"text");
}
