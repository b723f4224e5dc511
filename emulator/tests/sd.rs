//! `lockstep sd` as its user meets it: what it prints, exit codes, one clear line for each mistake. What is in the images,
//! and what other programs think of them, is tested with the library (firmware-images/tests/sd_image).

use std::path::Path;
use std::process::{Command, Output};

/// Runs the command; `dir` is the working folder.
fn sd(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lockstep"));
    command.arg("sd").args(arguments).current_dir(dir).env_remove("RUST_LOG").output().unwrap()
}

/// What it prints; it must succeed.
fn done(dir: &Path, arguments: &[&str]) -> String {
    let output = sd(dir, arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty());
    String::from_utf8(output.stdout).unwrap()
}

/// The one line on stderr, with exit code 2.
fn refused(dir: &Path, arguments: &[&str], words: &[&str]) {
    let output = sd(dir, arguments);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
    assert!(error.starts_with("lockstep: ") && error.lines().count() == 1, "{error}");
    assert!(output.stdout.is_empty());
    for word in words {
        assert!(error.contains(word), "{arguments:?}: no {word:?} in {error}");
    }
}

#[test]
fn an_image_is_made_filled_listed_and_read() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let said = done(dir, &["create", "card.img", "--size", "64M", "--label", "trial", "--volume-id", "0000-0001"]);
    assert_eq!(said, "card.img: 67,108,864 bytes, FAT16, clusters of 8,192 bytes, 62,865,408 bytes free\n");
    std::fs::create_dir_all(dir.join("site/logs")).unwrap();
    let content: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    std::fs::write(dir.join("site/logs/a long name.bin"), &content).unwrap();
    std::fs::write(dir.join("config.txt"), "mode=echo\n").unwrap();
    let said = done(dir, &["put", "card.img", "site", "config.txt", "--to", "/data"]);
    assert!(said.starts_with("card.img: put 2 files, 100,010 bytes; "), "{said}");

    assert_eq!(done(dir, &["ls", "card.img"]), "1980-01-01 00:00:00             -  /data/\n");
    let listed = done(dir, &["ls", "-r", "card.img", "/DATA"]);
    let paths: Vec<&str> = listed.lines().map(|line| line[35..].trim()).collect();
    assert_eq!(paths, ["/data/site/", "/data/site/logs/", "/data/site/logs/a long name.bin", "/data/config.txt"]);
    assert!(listed.contains("      100,000  /data/site/logs/a long name.bin"), "{listed}");
    let json = done(dir, &["ls", "--json", "card.img", "/data/config.txt"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["path"], "/data/config.txt");
    assert_eq!(json["short_name"], "CONFIG.TXT");
    assert_eq!((&json["is_folder"], &json["bytes"]), (&false.into(), &10.into()));
    assert_eq!(json["modified"], "1980-01-01 00:00:00");

    assert_eq!(done(dir, &["get", "card.img", "/data/config.txt"]), "mode=echo\n");
    assert_eq!(done(dir, &["get", "card.img", "/data/site/logs/a long name.bin", "-o", "out.bin"]), "");
    assert!(std::fs::read(dir.join("out.bin")).unwrap() == content);
}

#[test]
fn mistakes_are_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    refused(dir, &["create", "card.img"], &["--size"]);
    for size in ["513K", "64", "33G", "1.5M", ""] {
        refused(dir, &["create", "card.img", "--size", size], &["512K up to 2G", "32G"]);
    }
    refused(dir, &["create", "card.img", "--size", "64M", "--fat", "64"], &["12, 16 or 32"]);
    refused(dir, &["create", "card.img", "--size", "64M", "--volume-id", "12"], &["1234-ABCD"]);
    refused(dir, &["create", "card.img", "--size", "64M", "--label", "twelve chars"], &["1 to 11"]);
    refused(dir, &["create", "card.img", "--size", "8M", "--fat", "32"], &["33 MiB", "--size"]);
    done(dir, &["create", "card.img", "--size", "8M"]);
    refused(dir, &["create", "card.img", "--size", "8M"], &["card.img", "--force"]);
    done(dir, &["create", "card.img", "--size", "8M", "--force"]);
    refused(dir, &["put", "card.img"], &["FILE"]);
    refused(dir, &["put", "card.img", "none.txt"], &["none.txt", "No such file"]);
    refused(dir, &["put", "none.img", "card.img"], &["none.img", "No such file"]);
    refused(dir, &["get", "card.img", "/none.txt"], &["card.img", "has no /none.txt", "lockstep sd ls"]);
    std::fs::write(dir.join("file.txt"), "text").unwrap();
    done(dir, &["put", "card.img", "file.txt"]);
    refused(dir, &["get", "card.img", "/file.txt", "-o", "card.img"], &["the image itself"]);
    refused(dir, &["get", "card.img", "/file.txt", "-o", "no/folder"], &["no/folder"]);
    refused(dir, &["ls", "file.txt"], &["file.txt", "less than one block"]);
    refused(dir, &["ls", "."], &["is a folder"]);
    refused(dir, &["lst", "card.img"], &["ls"]);
}
