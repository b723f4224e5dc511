//! What is to be put into an image: files and folders of the host, and their paths in the image.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::error::SdImageError;

/// FAT has 32 bits for the length of a file.
const MAX_FILE_BYTES: u64 = u32::MAX as u64;
/// Folders inside folders, on the host.
const MAX_DEPTH: usize = 64;
/// What a name may have beside letters, digits and what is not ASCII.
const PUNCTUATION: &str = "$%'-_@~`!(){}. +,;=[]^#&";

/// Something to put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Where it goes, without a `/` in front.
    pub path: String,
    /// The file, or `None` for a folder.
    pub file: Option<PathBuf>,
}

/// Lists what to put, folders before what is in them, in the order of names.
#[derive(Debug, Default)]
pub struct Sources {
    list: Vec<Source>,
    /// Where each one comes from, by its path in upper case, which is one with the same path in lower case.
    origins: BTreeMap<String, PathBuf>,
}

impl Sources {
    /// These files and folders, into the folder `to` of the image.
    pub fn collect(paths: &[PathBuf], to: &str) -> Result<Vec<Source>, SdImageError> {
        let mut sources = Self::default();
        let mut folder = String::new();
        for name in to.split('/').filter(|name| !name.is_empty()) {
            check_name(name, to)?;
            folder = join(&folder, name);
            sources.list.push(Source { path: folder.clone(), file: None });
        }
        for path in paths {
            // `..` and `.` have no name, but the folders that they mean do.
            let named = if path.file_name().is_some() { Ok(path.clone()) } else { fs::canonicalize(path) };
            let named = named.map_err(SdImageError::io(path))?;
            let name = named.file_name().ok_or_else(|| refuse(path, "has no name: name what is in it"))?;
            let name = name.to_str().ok_or_else(|| refuse(path, NOT_UTF8))?;
            sources.add(path, &folder, name, 0)?;
        }
        Ok(sources.list)
    }

    fn add(&mut self, source: &Path, folder: &str, name: &str, depth: usize) -> Result<(), SdImageError> {
        let path = join(folder, name);
        check_name(name, &path)?;
        let about = fs::metadata(source).map_err(SdImageError::io(source))?;
        if let Some(other) = self.origins.insert(path.to_uppercase(), source.to_owned()) {
            let reason = format!("would be /{path}, as {} would: rename one of them", other.display());
            return Err(refuse(source, &reason));
        }
        if about.is_file() {
            if about.len() > MAX_FILE_BYTES {
                return Err(refuse(source, "is too large: a file in FAT has less than 4 GiB"));
            }
            self.list.push(Source { path, file: Some(source.to_owned()) });
            return Ok(());
        }
        if !about.is_dir() {
            return Err(refuse(source, "is neither a file nor a folder"));
        }
        // A link inside a folder may lead back to it.
        if depth > 0 && source.is_symlink() {
            return Err(refuse(source, "is a symbolic link to a folder: name the folder itself"));
        }
        if depth == MAX_DEPTH {
            return Err(refuse(source, "is a folder inside too many folders"));
        }
        self.list.push(Source { path: path.clone(), file: None });
        let mut names = Vec::new();
        for entry in fs::read_dir(source).map_err(SdImageError::io(source))? {
            let entry = entry.map_err(SdImageError::io(source))?;
            names.push(entry.file_name().into_string().map_err(|_| refuse(&entry.path(), NOT_UTF8))?);
        }
        names.sort();
        for name in names {
            self.add(&source.join(&name), &path, &name, depth + 1)?;
        }
        Ok(())
    }
}

const NOT_UTF8: &str = "has a name that is not UTF-8: rename it";

fn refuse(path: &Path, reason: &str) -> SdImageError {
    SdImageError::Source { path: path.to_owned(), reason: reason.to_owned() }
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// Whether FAT can have this name, and other systems read it.
fn check_name(name: &str, path: &str) -> Result<(), SdImageError> {
    let error = |reason: String| Err(SdImageError::Name { path: path.to_owned(), reason });
    let is_good = |c: char| {
        let is_plane_0 = ('\u{a0}'..='\u{ffff}').contains(&c);
        c.is_ascii_alphanumeric() || PUNCTUATION.contains(c) || is_plane_0
    };
    if let Some(c) = name.chars().find(|c| !is_good(*c)) {
        return error(format!("a name in FAT cannot have {c:?}; rename it"));
    }
    // A device name or drive is nobody's trouble here; these are.
    if name.ends_with(['.', ' ']) || name.starts_with(' ') {
        return error(
            "a name in FAT does not begin with a blank and does not end with a blank or a dot; rename it".into(),
        );
    }
    // The limit of FAT is 255 units of UTF-16, that of `fatfs` 255 bytes.
    if name.len() > 255 {
        return error("a name has at most 255 bytes; rename it".into());
    }
    Ok(())
}
