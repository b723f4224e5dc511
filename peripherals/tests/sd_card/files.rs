//! Raw images with a partition and a FAT file system, by Debian's tools.

use std::io::Write;
use std::path::Path;
use std::process::Command;

/// The partition begins here, as on cards that are bought: 4 MiB.
pub const START_BLOCK: u32 = 8192;
pub const START: usize = START_BLOCK as usize * 512;

/// Says that a test is skipped, and gives `true`, if the tools are not there.
pub fn tools_are_missing() -> bool {
    let is_missing =
        ["/usr/sbin/mkfs.vfat", "/usr/sbin/fsck.vfat", "/usr/bin/mcopy"].iter().any(|t| !Path::new(t).exists());
    if is_missing {
        let text = "SKIPPED (no dosfstools or mtools: ./setup guest installs them): files on an SD card";
        let _ = writeln!(std::io::stderr(), "{text}");
    }
    is_missing
}

fn run(program: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(program).args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code(), text)
}

/// A card of `mib` MiB with one partition.
pub fn formatted(mib: usize, folder: &Path) -> Vec<u8> {
    let path = folder.join("partition");
    let length = (mib << 20) - START;
    std::fs::write(&path, vec![0; length]).unwrap();
    let made = run("/usr/sbin/mkfs.vfat", &["-F", "16", "-n", "CARD", path.to_str().unwrap()]);
    assert_eq!(made.0, Some(0), "{}", made.1);
    let mut card = vec![0; START];
    let blocks = (length / 512) as u32;
    card[446..462].copy_from_slice(
        &[&[0, 0xfe, 0xff, 0xff, 0x0e, 0xfe, 0xff, 0xff][..], &START_BLOCK.to_le_bytes(), &blocks.to_le_bytes()]
            .concat(),
    );
    card[510..512].copy_from_slice(&[0x55, 0xaa]);
    card.extend(std::fs::read(&path).unwrap());
    card
}

/// What fsck says of the partition: whether it is clean, and its words.
pub fn check(card: &[u8], folder: &Path) -> (bool, String) {
    let path = folder.join("partition");
    std::fs::write(&path, &card[START..]).unwrap();
    let (code, text) = run("/usr/sbin/fsck.vfat", &["-n", path.to_str().unwrap()]);
    (code == Some(0), text)
}

/// The partition after fsck has mended what it finds; what it says of it then.
pub fn mend(card: &[u8], folder: &Path) -> (bool, String) {
    let path = folder.join("partition");
    std::fs::write(&path, &card[START..]).unwrap();
    let mended = run("/usr/sbin/fsck.vfat", &["-a", path.to_str().unwrap()]);
    let (code, text) = run("/usr/sbin/fsck.vfat", &["-n", path.to_str().unwrap()]);
    (code == Some(0), mended.1 + &text)
}

/// A file of the partition that was checked or mended last.
pub fn read(name: &str, folder: &Path) -> Option<Vec<u8>> {
    let (path, out) = (folder.join("partition"), folder.join("out"));
    let _ = std::fs::remove_file(&out);
    let source = format!("::{name}");
    let (code, _) = run("mcopy", &["-n", "-i", path.to_str().unwrap(), &source, out.to_str().unwrap()]);
    (code == Some(0)).then(|| std::fs::read(&out).unwrap())
}

/// Puts a file on a card.
pub fn put(card: &mut Vec<u8>, name: &str, content: &[u8], folder: &Path) {
    let (path, source) = (folder.join("partition"), folder.join("in"));
    std::fs::write(&path, &card[START..]).unwrap();
    std::fs::write(&source, content).unwrap();
    let target = format!("::{name}");
    let (code, text) = run("mcopy", &["-o", "-i", path.to_str().unwrap(), source.to_str().unwrap(), &target]);
    assert_eq!(code, Some(0), "{text}");
    card.truncate(START);
    card.extend(std::fs::read(&path).unwrap());
}
