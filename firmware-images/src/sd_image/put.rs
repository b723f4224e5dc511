//! Files into an image, by `fatfs`.
//!
//! `fatfs` 0.3.6 believes what it reads. On a damaged image it follows a cycle of clusters for ever, and takes clusters
//! that are not there: a panic in a debug build, an entry written to a wrong place in a release build. So it is given
//! nothing but an image whose numbers [`Geometry`] and whose chains [`Volume::check`] have found good, and what it made
//! of it is checked too. What is not guarded: the free count of FSInfo, which `fatfs` believes and counts on from (it says
//! nothing about where files go), and chains that no file has, which stay as they are.
//!
//! [`Geometry`]: super::geometry::Geometry

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::error::SdImageError;
use super::partition::Place;
use super::replacement::Replacement;
use super::sources::{Source, Sources};
use super::volume::Volume;
use super::window::Window;

/// 1980-01-01, FAT's first day, as entries have it: what devices without a clock write. A fixed time gives the same
/// image on every day.
pub(super) const DATE: u16 = 0x0021;
/// Bytes copied at once.
const PIECE_BYTES: usize = 1 << 16;

/// What was put.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Put {
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Room for files that is left.
    pub free_bytes: u64,
}

#[derive(Debug)]
struct FixedTime;

impl fatfs::TimeProvider for FixedTime {
    fn get_current_date(&self) -> fatfs::Date {
        fatfs::Date { year: 1980, month: 1, day: 1 }
    }

    fn get_current_date_time(&self) -> fatfs::DateTime {
        let time = fatfs::Time { hour: 0, min: 0, sec: 0, millis: 0 };
        fatfs::DateTime { date: self.get_current_date(), time }
    }
}

/// How `fatfs` opens our file systems.
pub(super) fn options() -> fatfs::FsOptions {
    fatfs::FsOptions::new().time_provider(&FixedTime)
}

/// Puts files, and folders with all that is in them, into the folder `to` of an image, which is made if there is none.
/// Files that are there already are replaced. The image changes at once, or stays as it is.
pub fn put(image: &Path, files: &[PathBuf], to: &str) -> Result<Put, SdImageError> {
    let mut before = Volume::open(image)?;
    before.check()?;
    let sources = Sources::collect(files, to)?;
    let (place, free_bytes) = (before.place, before.free_bytes()?);
    drop(before);
    let copy = Replacement::copy_of(image)?;
    let mut done = write(copy.file(), place, image, &sources, free_bytes)?;
    let bytes = copy.file().metadata().map_err(SdImageError::io(image))?.len();
    // What is not whole does not get into the image's place.
    let mut after = Volume::new(copy.file(), image, bytes)?;
    for folder in sources.iter().filter(|source| source.file.is_none()) {
        after.repair_dots(&folder.path)?;
    }
    after.check()?;
    done.free_bytes = after.free_bytes()?;
    drop(after);
    copy.finish(true)?;
    Ok(done)
}

fn write<T: Read + Write + Seek>(
    card: T,
    place: Place,
    image: &Path,
    sources: &[Source],
    free_bytes: u64,
) -> Result<Put, SdImageError> {
    let window = Window::new(card, place.start, place.length);
    let because = |path: &str, error: io::Error| because(image, path, free_bytes, error);
    let volume = fatfs::FileSystem::new(window, options()).map_err(|error| because("/", error))?;
    let mut done = Put::default();
    let mut piece = vec![0; PIECE_BYTES];
    for Source { path, file } in sources {
        let root = volume.root_dir();
        let Some(file) = file else {
            root.create_dir(path).map_err(|error| because(path, error))?;
            continue;
        };
        let mut from = File::open(file).map_err(SdImageError::io(file))?;
        let mut to = root.create_file(path).map_err(|error| because(path, error))?;
        to.truncate().map_err(|error| because(path, error))?;
        loop {
            let bytes = from.read(&mut piece).map_err(SdImageError::io(file))?;
            if bytes == 0 {
                break;
            }
            to.write_all(&piece[..bytes]).map_err(|error| because(path, error))?;
            done.bytes += bytes as u64;
        }
        to.flush().map_err(|error| because(path, error))?;
        done.files += 1;
    }
    volume.unmount().map_err(|error| because("/", error))?;
    Ok(done)
}

/// `fatfs` says what is wrong in words only.
fn because(image: &Path, path: &str, free_bytes: u64, error: io::Error) -> SdImageError {
    let (image, path) = (image.to_owned(), format!("/{}", path.trim_start_matches('/')));
    // The host's file system has no room, or fails.
    if error.raw_os_error().is_some() {
        return SdImageError::Io { path: image, source: error };
    }
    let reason = match error.to_string().as_str() {
        "No space left on device" => return SdImageError::Full { image, path, free_bytes },
        "Is a directory" => "a folder of this name is there".to_owned(),
        "Not a directory" => "a file of this name is there, or of a folder above it".to_owned(),
        _ if error.kind() == io::ErrorKind::WriteZero => {
            "the root folder is full, it has 512 entries in most images, of which a long name takes several; put it into a folder, with --to".to_owned()
        }
        other => other.to_owned(),
    };
    SdImageError::Write { image, path, reason }
}
