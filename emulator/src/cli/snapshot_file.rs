//! A machine's state in a file: magic, version, checksum, and the snapshot in postcard's format.

use std::path::Path;

use lockstep::Snapshot;

use super::CliError;
use super::dct::write_whole;
use lockstep::setup::files::{Disk, Files as _};

const MAGIC: [u8; 8] = *b"LKSTSNAP";
/// Counted up whenever the layout of a snapshot changes.
const VERSION: u32 = 4;
const HEADER_LENGTH: usize = 8 + 4 + 32;

/// Writes a snapshot.
pub fn write(path: &Path, snapshot: &Snapshot) -> Result<(), CliError> {
    let body = snapshot.to_bytes().map_err(|error| CliError::file(path, error.to_string()))?;
    let mut bytes = Vec::with_capacity(HEADER_LENGTH + body.len());
    bytes.extend(MAGIC);
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend(blake3::hash(&body).as_bytes());
    bytes.extend(body);
    write_whole(path, &bytes)
}

/// Reads a snapshot.
pub fn read(path: &Path) -> Result<Snapshot, CliError> {
    let bytes = Disk.read(path)?;
    parse(&bytes).map_err(|reason| CliError::file(path, reason))
}

fn parse(bytes: &[u8]) -> Result<Snapshot, String> {
    let rest = bytes.strip_prefix(&MAGIC).ok_or("not a snapshot: it does not begin with LKSTSNAP")?;
    let (version, rest) = rest.split_first_chunk::<4>().ok_or("the snapshot is cut short in its header")?;
    let version = u32::from_le_bytes(*version);
    if version != VERSION {
        return Err(format!("snapshot version {version}, this lockstep reads {VERSION}; make it again with this one"));
    }
    let (hash, body) = rest.split_first_chunk::<32>().ok_or("the snapshot is cut short in its header")?;
    if blake3::hash(body).as_bytes() != hash {
        return Err("the snapshot's checksum is wrong: it is cut short or damaged; make it again".to_owned());
    }
    Snapshot::from_bytes(body).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_snapshot_is_named() {
        let error = |bytes: &[u8]| parse(bytes).unwrap_err();
        assert!(error(b"").contains("not a snapshot"));
        assert!(error(b"LKSTSNAP").contains("cut short"));
        assert!(error(b"LKSTSNAP\x09\0\0\0").contains("version 9"));
        let mut bytes = MAGIC.to_vec();
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend([0; 32]);
        bytes.extend(b"body");
        assert!(error(&bytes).contains("checksum"));
        bytes[12..44].copy_from_slice(blake3::hash(b"body").as_bytes());
        assert!(error(&bytes).contains("another build"));
    }

    proptest::proptest! {
        #[test]
        fn hostile_bodies_do_not_panic(body: Vec<u8>) {
            let mut bytes = MAGIC.to_vec();
            bytes.extend(VERSION.to_le_bytes());
            bytes.extend(blake3::hash(&body).as_bytes());
            bytes.extend(&body);
            let _ = parse(&bytes);
        }
    }
}
