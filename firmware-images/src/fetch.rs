//! Getting the vendor's images from the npm registry through its ordinary client.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::read::GzDecoder;

use crate::catalogue::{self, PACKAGE, VendorFile};
use crate::set::{cached_path, sha256};

/// No vendor image is larger; a file in a tarball that is, is not one.
const LARGEST_FILE: u64 = 4 << 20;

/// What [`fetch`] is doing, for a progress display.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// All files wanted of this package are there already, with the right SHA-256.
    AlreadyThere {
        /// Version of the package.
        package_version: String,
    },
    /// The client is getting this package: number `number` of `count`.
    Getting {
        /// Version of the package.
        package_version: String,
        /// Which package it is, from 1.
        number: usize,
        /// Number of packages to get.
        count: usize,
    },
    /// A file was verified and stored.
    Stored {
        /// Where.
        path: PathBuf,
    },
}

/// Why images could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Not in the catalogue.
    #[error("no vendor firmware {version:?} in the catalogue; there are {known}", known = known.join(", "))]
    UnknownVersion {
        /// What was asked for.
        version: String,
        /// What there is.
        known: Vec<&'static str>,
    },
    /// The client cannot be started.
    #[error(
        "cannot run `{npm}`: {source}; install Node.js with npm, or import a tarball made elsewhere with `npm pack {PACKAGE}@{package_version}`"
    )]
    NoClient {
        /// The command.
        npm: String,
        /// Version of the package that was wanted.
        package_version: String,
        /// What the system said.
        source: io::Error,
    },
    /// The client said no: no network, most often.
    #[error(
        "`npm pack {PACKAGE}@{package_version}` failed ({status}): {output}; check that the registry can be reached"
    )]
    ClientFailed {
        /// Version of the package.
        package_version: String,
        /// Exit status.
        status: String,
        /// The end of what it wrote.
        output: String,
    },
    /// The client made no tarball.
    #[error("`npm pack {PACKAGE}@{package_version}` ended well but left no tarball; update npm")]
    NoTarball {
        /// Version of the package.
        package_version: String,
    },
    /// The tarball lacks a file.
    #[error("package {PACKAGE}@{package_version} has no {path}: is this the right tarball?")]
    NotInPackage {
        /// Version of the package.
        package_version: String,
        /// Path inside the tarball.
        path: &'static str,
    },
    /// Not the vendor's file.
    #[error(
        "package {PACKAGE}@{package_version}: {path} has SHA-256 {found}, expected {expected}; nothing was stored from this package. The registry gave another file than the one this catalogue was measured on"
    )]
    HashDiffers {
        /// Version of the package.
        package_version: String,
        /// Path inside the tarball.
        path: &'static str,
        /// SHA-256 in the catalogue.
        expected: &'static str,
        /// SHA-256 found.
        found: String,
    },
    /// A damaged tarball.
    #[error("{path}: not a gzip-compressed tarball: {source}; get it again", path = path.display())]
    Tarball {
        /// The tarball.
        path: PathBuf,
        /// What the reader said.
        source: io::Error,
    },
    /// The operating system refused.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// File or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Gets the images of these firmware versions into the folder `dir`; of all versions when `versions` is empty.
///
/// Packages whose files are all there are not asked for again. Each file is verified against the catalogue's SHA-256
/// and appears under its name whole or not at all.
pub fn fetch(dir: &Path, versions: &[&str], progress: &mut dyn FnMut(Progress)) -> Result<(), FetchError> {
    let mut files = Vec::new();
    let all = catalogue::versions();
    for version in if versions.is_empty() { all.as_slice() } else { versions } {
        let set = catalogue::set(version).ok_or_else(|| FetchError::UnknownVersion {
            version: (*version).to_owned(),
            known: catalogue::versions(),
        })?;
        files.extend(set.files.iter().copied());
    }
    fetch_files(OsStr::new("npm"), dir, &files, progress)
}

/// Takes the images of one package from a tarball that `npm pack` made elsewhere.
pub fn import(
    dir: &Path,
    tarball: &Path,
    package_version: &str,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), FetchError> {
    let mut files: Vec<&VendorFile> = Vec::new();
    for file in catalogue::SETS.iter().flat_map(|set| set.files.iter().copied()) {
        if file.package_version == package_version && !files.contains(&file) {
            files.push(file);
        }
    }
    if files.is_empty() {
        let known = catalogue::SETS.iter().flat_map(|set| set.files).map(|file| file.package_version);
        let known: BTreeSet<&str> = known.collect();
        return Err(FetchError::UnknownVersion {
            version: format!("{PACKAGE}@{package_version}"),
            known: known.into_iter().collect(),
        });
    }
    store(dir, tarball, package_version, &files, progress)
}

fn fetch_files(
    npm: &OsStr,
    dir: &Path,
    files: &[&VendorFile],
    progress: &mut dyn FnMut(Progress),
) -> Result<(), FetchError> {
    let mut packages: BTreeMap<&str, Vec<&VendorFile>> = BTreeMap::new();
    for file in files {
        let wanted = packages.entry(file.package_version).or_default();
        if !wanted.contains(file) {
            wanted.push(file);
        }
    }
    packages.retain(|package_version, files| {
        let there = files.iter().all(|file| is_there(dir, file));
        if there {
            progress(Progress::AlreadyThere { package_version: (*package_version).to_owned() });
        }
        !there
    });
    let count = packages.len();
    for (index, (package_version, files)) in packages.iter().enumerate() {
        progress(Progress::Getting { package_version: (*package_version).to_owned(), number: index + 1, count });
        std::fs::create_dir_all(dir).map_err(|source| FetchError::Io { path: dir.to_owned(), source })?;
        // In the folder itself, so that renaming does not cross file systems. Removed when dropped.
        let work = tempfile::Builder::new().prefix(".fetch-").tempdir_in(dir);
        let work = work.map_err(|source| FetchError::Io { path: dir.to_owned(), source })?;
        let tarball = pack(npm, package_version, work.path())?;
        store(dir, &tarball, package_version, files, progress)?;
    }
    Ok(())
}

fn is_there(dir: &Path, file: &VendorFile) -> bool {
    std::fs::read(cached_path(dir, file)).is_ok_and(|bytes| sha256(&bytes) == file.sha256)
}

/// Runs the client in an empty folder and returns the tarball it left there.
fn pack(npm: &OsStr, package_version: &str, work: &Path) -> Result<PathBuf, FetchError> {
    let output = Command::new(npm)
        .args(["pack", "--ignore-scripts", "--loglevel=error", &format!("{PACKAGE}@{package_version}")])
        .current_dir(work)
        .output()
        .map_err(|source| FetchError::NoClient {
            npm: npm.to_string_lossy().into_owned(),
            package_version: package_version.to_owned(),
            source,
        })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        return Err(FetchError::ClientFailed {
            package_version: package_version.to_owned(),
            status: output.status.to_string(),
            // npm's first lines say what happened, the later ones where its log is.
            output: lines.iter().take(6).copied().collect::<Vec<_>>().join(" / "),
        });
    }
    let entries = std::fs::read_dir(work).map_err(|source| FetchError::Io { path: work.to_owned(), source })?;
    entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.extension() == Some(OsStr::new("tgz")))
        .ok_or_else(|| FetchError::NoTarball { package_version: package_version.to_owned() })
}

/// Takes the wanted files out of a tarball, verifies all of them, then stores them one by one.
fn store(
    dir: &Path,
    tarball: &Path,
    package_version: &str,
    files: &[&VendorFile],
    progress: &mut dyn FnMut(Progress),
) -> Result<(), FetchError> {
    let found = extract(tarball, files)?;
    for file in files {
        let not_in_package =
            || FetchError::NotInPackage { package_version: package_version.to_owned(), path: file.path };
        let found = sha256(found.get(file.path).ok_or_else(not_in_package)?);
        if found != file.sha256 {
            return Err(FetchError::HashDiffers {
                package_version: package_version.to_owned(),
                path: file.path,
                expected: file.sha256,
                found,
            });
        }
    }
    for file in files {
        let Some(bytes) = found.get(file.path) else { continue };
        let path = cached_path(dir, file);
        write_whole(&path, bytes).map_err(|source| FetchError::Io { path: path.clone(), source })?;
        progress(Progress::Stored { path });
    }
    Ok(())
}

fn extract(tarball: &Path, files: &[&VendorFile]) -> Result<BTreeMap<&'static str, Vec<u8>>, FetchError> {
    let file = File::open(tarball).map_err(|source| FetchError::Io { path: tarball.to_owned(), source })?;
    let damaged = |source| FetchError::Tarball { path: tarball.to_owned(), source };
    let mut archive = tar::Archive::new(GzDecoder::new(file));
    let mut found = BTreeMap::new();
    for entry in archive.entries().map_err(damaged)? {
        let entry = entry.map_err(damaged)?;
        let path = entry.path_bytes().into_owned();
        let Some(wanted) = files.iter().find(|file| file.path.as_bytes() == path) else { continue };
        let mut bytes = Vec::new();
        entry.take(LARGEST_FILE).read_to_end(&mut bytes).map_err(damaged)?;
        found.insert(wanted.path, bytes);
    }
    Ok(found)
}

/// Writes beside the target and renames, so that a crash leaves the old file or the new one.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::module::ModuleFunction;
    use std::os::unix::fs::PermissionsExt;

    const CONTENTS: &[u8] = b"firmware";
    const FILE: VendorFile = VendorFile {
        package_version: "7.7.7",
        path: "package/updates/a.bin",
        sha256: "",
        function: ModuleFunction::UserPart,
        index: 1,
        module_version: 1,
    };

    /// A stand-in for npm that runs this script.
    fn client(dir: &Path, script: &str) -> PathBuf {
        let path = dir.join("npm");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn tarball(path: &Path, entries: &[(&str, &[u8])]) {
        let file = flate2::write::GzEncoder::new(File::create(path).unwrap(), flate2::Compression::fast());
        let mut archive = tar::Builder::new(file);
        for (name, bytes) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            archive.append_data(&mut header, name, *bytes).unwrap();
        }
        archive.into_inner().unwrap().finish().unwrap();
    }

    fn good() -> VendorFile {
        VendorFile { sha256: Box::leak(sha256(CONTENTS).into_boxed_str()), ..FILE }
    }

    #[test]
    fn a_file_is_stored_once_and_verified() {
        let dir = tempfile::tempdir().unwrap();
        let (file, cache) = (good(), dir.path().join("cache"));
        let made = dir.path().join("made.tgz");
        tarball(&made, &[("package/package.json", b"{}"), (FILE.path, CONTENTS)]);
        let script =
            format!("[ \"$4\" = particle-cli@7.7.7 ] || exit 3\ncp '{}' particle-cli-7.7.7.tgz", made.display());
        let npm = client(dir.path(), &script);
        let mut seen = Vec::new();
        fetch_files(npm.as_os_str(), &cache, &[&file, &file], &mut |p| seen.push(p)).unwrap();
        assert_eq!(std::fs::read(cached_path(&cache, &file)).unwrap(), CONTENTS);
        assert_eq!(seen.len(), 2, "{seen:?}");
        let mut names: Vec<_> = std::fs::read_dir(&cache).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names.pop().unwrap(), "particle-cli-7.7.7");
        assert!(names.is_empty(), "no working folder is left: {names:?}");
        // The second time the client is not needed.
        seen.clear();
        fetch_files(OsStr::new("/nonexistent/npm"), &cache, &[&file], &mut |p| seen.push(p)).unwrap();
        assert_eq!(seen, [Progress::AlreadyThere { package_version: "7.7.7".to_owned() }]);
    }

    #[test]
    fn another_file_under_the_same_name_is_not_stored() {
        let dir = tempfile::tempdir().unwrap();
        let made = dir.path().join("made.tgz");
        tarball(&made, &[(FILE.path, b"something else")]);
        let npm = client(dir.path(), &format!("cp '{}' x.tgz", made.display()));
        let cache = dir.path().join("cache");
        let error = fetch_files(npm.as_os_str(), &cache, &[&good()], &mut |_| {}).unwrap_err();
        assert!(matches!(error, FetchError::HashDiffers { .. }), "{error}");
        assert!(!cached_path(&cache, &FILE).exists());
        tarball(&made, &[("package/other", b"")]);
        let error = fetch_files(npm.as_os_str(), &cache, &[&good()], &mut |_| {}).unwrap_err();
        assert!(matches!(error, FetchError::NotInPackage { .. }), "{error}");
    }

    #[test]
    fn a_client_that_is_missing_offline_or_odd_is_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let run = |npm: &Path| fetch_files(npm.as_os_str(), dir.path(), &[&good()], &mut |_| {}).unwrap_err();
        assert!(matches!(run(Path::new("/nonexistent/npm")), FetchError::NoClient { .. }));
        let error = run(&client(dir.path(), "echo 'npm error code ENOTFOUND' >&2; exit 1")).to_string();
        assert!(error.contains("ENOTFOUND") && error.contains("registry can be reached"), "{error}");
        assert!(matches!(run(&client(dir.path(), "true")), FetchError::NoTarball { .. }));
        assert!(matches!(run(&client(dir.path(), "echo x > a.tgz")), FetchError::Tarball { .. }));
        assert!(matches!(fetch(dir.path(), &["1.2.3"], &mut |_| {}), Err(FetchError::UnknownVersion { .. })));
    }
}
