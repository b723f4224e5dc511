//! The settings inside our own application image (`app/config.h`), so that one build serves every variant.

use crate::bytes::{array_at, put, u16_at, u32_at};
use crate::module::{self, ModuleError};

/// Where the block lies in the image.
pub const CONFIG_OFFSET: usize = 0x40;
/// What the block begins with.
pub const CONFIG_MAGIC: [u8; 8] = *b"LKSTAPP1";
const CONFIG_LENGTH: usize = 24;

/// `SYSTEM_MODE` of the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SystemMode {
    /// The call is not made.
    Default,
    /// The system connects by itself.
    Automatic,
    /// The application says when to connect.
    SemiAutomatic,
    /// The application also runs the cloud's background work.
    Manual,
}

/// How the application shall behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppConfig {
    /// `SYSTEM_THREAD(ENABLED)`.
    pub system_thread: bool,
    /// `SYSTEM_MODE`.
    pub system_mode: SystemMode,
    /// One blink of D7 and one line on Serial1 in milliseconds; at least 2.
    pub period_ms: u32,
    /// Serial1's speed in bits per second; 1200 to 3,750,000.
    pub baud: u32,
    /// Extra work in each pass of `loop()`: about this many microseconds of spinning at 120 MHz. At most 400,000,000.
    pub busy_us: u32,
}

impl Default for AppConfig {
    /// As built: threaded, automatic, one second, 115,200 bit/s.
    fn default() -> Self {
        Self { system_thread: true, system_mode: SystemMode::Automatic, period_ms: 1000, baud: 115_200, busy_us: 0 }
    }
}

/// Why an application image cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum AppConfigError {
    /// Not our application.
    #[error(
        "no configuration block of lockstep-app at offset {CONFIG_OFFSET:#x}: give firmware-images/built/app.bin, \
         unsealed or sealed, as `make` in firmware-images/app leaves it"
    )]
    NotOurApplication,
    /// The block is of another version.
    #[error(
        "the configuration block at {CONFIG_OFFSET:#x} is {found} bytes long, not {CONFIG_LENGTH}: rebuild app.bin"
    )]
    Length {
        /// Its length field.
        found: u16,
    },
    /// A setting that the application cannot follow, or a stored value with no meaning.
    #[error("{field} = {found}: expected {expected}")]
    Value {
        /// Field of [`AppConfig`].
        field: &'static str,
        /// What it says.
        found: u32,
        /// What is allowed.
        expected: &'static str,
    },
    /// The image is not a complete module.
    #[error(transparent)]
    Module(#[from] ModuleError),
}

/// The settings in an application image.
pub fn read(image: &[u8]) -> Result<AppConfig, AppConfigError> {
    if array_at(image, CONFIG_OFFSET) != Some(CONFIG_MAGIC) {
        return Err(AppConfigError::NotOurApplication);
    }
    let missing = AppConfigError::NotOurApplication;
    let at = |offset: usize| u32_at(image, CONFIG_OFFSET + offset);
    let (Some(found), Some([thread, mode]), Some(period_ms), Some(baud), Some(busy_us)) =
        (u16_at(image, CONFIG_OFFSET + 8), array_at(image, CONFIG_OFFSET + 10), at(12), at(16), at(20))
    else {
        return Err(missing);
    };
    if usize::from(found) != CONFIG_LENGTH {
        return Err(AppConfigError::Length { found });
    }
    let value = |field, found: u8, expected| AppConfigError::Value { field, found: found.into(), expected };
    let system_mode = match mode {
        0 => SystemMode::Default,
        1 => SystemMode::Automatic,
        2 => SystemMode::SemiAutomatic,
        3 => SystemMode::Manual,
        other => return Err(value("system_mode", other, "0 to 3")),
    };
    if thread > 1 {
        return Err(value("system_thread", thread, "0 or 1"));
    }
    Ok(AppConfig { system_thread: thread == 1, system_mode, period_ms, baud, busy_us })
}

/// A copy of our application image with these settings, SHA-256 and CRC-32 made anew.
pub fn configure(image: &[u8], config: &AppConfig) -> Result<Vec<u8>, AppConfigError> {
    read(image)?;
    let limits = [
        ("period_ms", config.period_ms, 2, 86_400_000, "2 to 86400000"),
        ("baud", config.baud, 1200, 3_750_000, "1200 to 3750000"),
        ("busy_us", config.busy_us, 0, 400_000_000, "0 to 400000000"),
    ];
    for (field, found, low, high, expected) in limits {
        if !(low..=high).contains(&found) {
            return Err(AppConfigError::Value { field, found, expected });
        }
    }
    let mut block = Vec::with_capacity(CONFIG_LENGTH);
    block.extend(CONFIG_MAGIC);
    block.extend((CONFIG_LENGTH as u16).to_le_bytes());
    block.extend([u8::from(config.system_thread), config.system_mode as u8]);
    for word in [config.period_ms, config.baud, config.busy_us] {
        block.extend(word.to_le_bytes());
    }
    let mut configured = image.to_vec();
    if !put(&mut configured, CONFIG_OFFSET, &block) {
        return Err(AppConfigError::NotOurApplication);
    }
    module::seal(&mut configured)?;
    Ok(configured)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const APP: &[u8] = include_bytes!("../built/app.bin");

    #[test]
    fn the_built_image_is_a_user_part_with_the_default_settings() {
        let module = module::parse(APP).unwrap();
        assert!(module.crc_valid());
        assert_eq!(module.info.start, 0x0808_0000);
        assert_eq!(read(APP).unwrap(), AppConfig::default());
    }

    #[test]
    fn the_same_settings_give_the_same_bytes() {
        // Proves that `seal` and the build's seal.py agree.
        assert_eq!(configure(APP, &AppConfig::default()).unwrap(), APP);
    }

    #[test]
    fn what_is_not_our_application_is_refused() {
        assert!(matches!(read(&[0; 200]), Err(AppConfigError::NotOurApplication)));
        assert!(matches!(read(&APP[..0x50]), Err(AppConfigError::NotOurApplication)));
        let cut = configure(&APP[..0x58], &AppConfig::default());
        assert!(matches!(cut, Err(AppConfigError::Module(_))), "{cut:?}");
        let fast = configure(APP, &AppConfig { baud: 10, ..AppConfig::default() }).unwrap_err();
        assert_eq!(fast.to_string(), "baud = 10: expected 1200 to 3750000");
    }

    proptest! {
        #[test]
        fn settings_are_read_back_and_the_module_stays_valid(
            system_thread: bool, mode in 0usize..4, period_ms in 2u32..100_000, baud in 1200u32..3_000_000, busy_us in 0u32..1000
        ) {
            let modes = [SystemMode::Default, SystemMode::Automatic, SystemMode::SemiAutomatic, SystemMode::Manual];
            let config = AppConfig { system_thread, system_mode: modes[mode], period_ms, baud, busy_us };
            let image = configure(APP, &config).unwrap();
            prop_assert_eq!(read(&image).unwrap(), config);
            prop_assert!(module::parse(&image).unwrap().crc_valid());
            prop_assert_eq!(image.len(), APP.len());
        }

        #[test]
        fn any_bytes_give_an_answer(mut image in prop::collection::vec(any::<u8>(), 0..300), ours: bool) {
            if ours {
                let _ = put(&mut image, CONFIG_OFFSET, &CONFIG_MAGIC);
            }
            let _ = read(&image);
            let _ = configure(&image, &AppConfig::default());
        }
    }
}
