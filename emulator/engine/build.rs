//! Builds the patched Unicorn: finds the sources of `unicorn-engine-sys` among cargo's packages, copies them to
//! OUT_DIR, applies our patch, adds our own C files, and compiles the ARM target as a static library.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const VERSION: &str = "2.1.5";
const PATCH: &str = "unicorn-2.1.5-exact.patch";
const OWN_SOURCES: [(&str, &str); 3] = [
    ("m3_cycles.h", "qemu/target/arm/m3_cycles.h"),
    ("lockstep_exact.h", "qemu/include/lockstep_exact.h"),
    ("lockstep_exact.c.inc", "qemu/accel/tcg/lockstep_exact.c.inc"),
];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={PATCH}");
    println!("cargo:rerun-if-changed=csrc");
    if let Err(message) = build() {
        // A panic here is cargo's way of showing a build script's message.
        eprintln!("\nlockstep-engine: {message}\n");
        std::process::exit(1);
    }
}

fn build() -> Result<(), String> {
    if Command::new("cmake").arg("--version").output().is_err() {
        return Err("cmake was not found; install it (Debian: apt-get install cmake) and build again".into());
    }
    let here = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(variable("OUT_DIR")?);
    let pristine = unicorn_sources()?;
    let work = out.join("unicorn");
    if work.exists() {
        fs::remove_dir_all(&work).map_err(|e| format!("cannot remove {}: {e}", work.display()))?;
    }
    copy_tree(&pristine, &work)?;
    apply(&here.join(PATCH), &work)?;
    for (name, to) in OWN_SOURCES {
        let from = here.join("csrc").join(name);
        fs::copy(&from, work.join(to)).map_err(|e| format!("cannot copy {}: {e}", from.display()))?;
    }
    let built = cmake::Config::new(&work)
        .profile("Release")
        .define("UNICORN_ARCH", "arm")
        .define("BUILD_SHARED_LIBS", "OFF")
        .define("UNICORN_BUILD_TESTS", "OFF")
        .define("UNICORN_INSTALL", "ON")
        .build();
    for lib in ["lib", "lib64"] {
        println!("cargo:rustc-link-search=native={}", built.join(lib).display());
    }
    println!("cargo:rustc-link-lib=pthread");
    println!("cargo:rustc-link-lib=m");
    Ok(())
}

fn variable(name: &str) -> Result<String, String> {
    std::env::var(name).map_err(|e| format!("{name}: {e}; run this through cargo"))
}

/// Where cargo keeps the sources of `unicorn-engine-sys`, which must be exactly the version the patch is for.
///
/// The registry's folder is looked at first: `cargo metadata` wants every package of the workspace downloaded, also
/// those that this build does not need, and fails without a network. It serves vendored sources.
fn unicorn_sources() -> Result<PathBuf, String> {
    let home = std::env::var("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|_| std::env::var("HOME").map(|home| Path::new(&home).join(".cargo")))
        .map_err(|_| "neither CARGO_HOME nor HOME is set")?;
    let registries = fs::read_dir(home.join("registry/src")).into_iter().flatten().flatten();
    for registry in registries {
        let folder = registry.path().join(format!("unicorn-engine-sys-{VERSION}"));
        if folder.join("CMakeLists.txt").is_file() {
            return Ok(folder);
        }
    }
    let output = Command::new(variable("CARGO")?)
        .args(["metadata", "--format-version=1", "--filter-platform", &variable("TARGET")?])
        .output()
        .map_err(|e| format!("cannot run cargo metadata: {e}"))?;
    if !output.status.success() {
        return Err(format!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).map_err(|e| format!("cargo metadata is not JSON: {e}"))?;
    let packages = metadata["packages"].as_array().ok_or("cargo metadata lists no packages")?;
    let package = packages
        .iter()
        .find(|p| p["name"] == "unicorn-engine-sys")
        .ok_or("unicorn-engine-sys is not among the dependencies")?;
    if package["version"] != VERSION {
        return Err(format!("{PATCH} is for unicorn-engine-sys {VERSION}, cargo chose {}", package["version"]));
    }
    let manifest = package["manifest_path"].as_str().ok_or("unicorn-engine-sys has no manifest path")?;
    Ok(Path::new(manifest).parent().ok_or("unicorn-engine-sys has no folder")?.to_path_buf())
}

fn copy_tree(from: &Path, to: &Path) -> Result<(), String> {
    fs::create_dir_all(to).map_err(|e| format!("cannot create {}: {e}", to.display()))?;
    for entry in fs::read_dir(from).map_err(|e| format!("cannot read {}: {e}", from.display()))? {
        let entry = entry.map_err(|e| format!("cannot read {}: {e}", from.display()))?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type().map_err(|e| format!("{}: {e}", entry.path().display()))?;
        if kind.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            // Written rather than copied: the registry's files may be read-only, and the patch must change them.
            let bytes = fs::read(entry.path()).map_err(|e| format!("cannot read {}: {e}", entry.path().display()))?;
            fs::write(&target, bytes).map_err(|e| format!("cannot write {}: {e}", target.display()))?;
        }
    }
    Ok(())
}

/// Applies a unified diff of several files (`--- a/x`, `+++ b/x`).
fn apply(patch: &Path, root: &Path) -> Result<(), String> {
    let text = fs::read_to_string(patch).map_err(|e| format!("cannot read {}: {e}", patch.display()))?;
    let mut starts: Vec<usize> = text.match_indices("\n--- a/").map(|(at, _)| at + 1).collect();
    if text.starts_with("--- a/") {
        starts.insert(0, 0);
    }
    starts.push(text.len());
    for pair in starts.windows(2) {
        let part = &text[pair[0]..pair[1]];
        let name = part.lines().next().and_then(|l| l.strip_prefix("--- a/")).unwrap_or_default();
        let parsed = diffy::Patch::from_str(part).map_err(|e| format!("{PATCH}, {name}: {e}"))?;
        let file = root.join(name);
        let old = fs::read_to_string(&file).map_err(|e| format!("cannot read {}: {e}", file.display()))?;
        let new = diffy::apply(&old, &parsed)
            .map_err(|e| format!("{PATCH} does not fit {name} of unicorn-engine-sys {VERSION}: {e}"))?;
        fs::write(&file, new).map_err(|e| format!("cannot write {}: {e}", file.display()))?;
    }
    Ok(())
}
