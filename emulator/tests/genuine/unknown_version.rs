//! Firmware that no catalogue knows: users bring their own files. Here they are the vendor's under other names and with
//! other version numbers in them, so nothing can go by a name or a version.

use lockstep::scenario::Scenario;
use lockstep::session::{Session, Started};
use lockstep::setup::files::Folder;
use lockstep_images::module::{find_info, seal};

use crate::vendor::vendor_set;

/// Offset of the version in the head of a module.
const VERSION: usize = 10;
/// Added to each version: dependencies ask for at least some version.
const NEWER: u16 = 50;
const PS_PER_S: u64 = 1_000_000_000_000;

/// An update over the air of our application on files of nobody.
fn updates(like: &str) {
    let Some(set) = vendor_set(like, "firmware of unknown versions") else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut names = Vec::new();
    for (number, image) in set.images.iter().enumerate() {
        let mut bytes = image.segments[0].bytes.clone();
        // The vendor's own application makes room for ours.
        if image.segments[0].address >= 0x0808_0000 {
            continue;
        }
        let (offset, info) = find_info(&bytes).unwrap();
        let version = (info.version + NEWER).to_le_bytes();
        bytes[offset as usize + VERSION..][..2].copy_from_slice(&version);
        bytes.truncate(info.length() as usize + 4);
        seal(&mut bytes).unwrap();
        let name = format!("build-{number}.bin");
        std::fs::write(folder.path().join(&name), bytes).unwrap();
        names.push(format!("\"{name}\""));
    }
    std::fs::write(folder.path().join("app.bin"), include_bytes!("../../../firmware-images/built/app.bin")).unwrap();
    let text = format!(
        r#"
for = "120s"
[device]
images = [{}]
app = "app.bin"
app_set = {{ mode = "echo", system_thread = false }}
[[image]]
name = "new.bin"
app = "app.bin"
set = {{ version = 2 }}
[[step]]
when = "tcp connected"
after = "2s"
do = "ota new.bin"
[[expect]]
that = "serial 'lockstep-app 2 '"
"#,
        names.join(", ")
    );
    let scenario = Scenario::parse(&text).unwrap();
    let Started { mut session, .. } = Session::start(&scenario, 1, None, &mut Folder::new(folder.path())).unwrap();
    while !session.judge().is_met() && session.machine.now().time_ps < scenario.for_ps {
        session.run_until_ps(session.machine.now().time_ps + PS_PER_S).unwrap();
    }
    assert_eq!(session.judge().failures(scenario.for_ps, true), [], "{like}");
    assert!(!session.findings().iter().any(|finding| finding.kind.is_failure()), "{like}: {:?}", session.findings());
}

#[test]
fn files_of_unknown_versions_connect_and_update_like_2_2_0() {
    updates("2.2.0");
}

#[test]
fn files_of_unknown_versions_connect_and_update_like_0_5_2() {
    updates("0.5.2");
}
