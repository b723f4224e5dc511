use proptest::prelude::*;

use super::*;

const APP: &[u8] = include_bytes!("../../built/app.bin");

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
fn the_settings_fill_the_block_and_do_not_overlap() {
    let mut next = 10;
    for setting in SETTINGS {
        assert_eq!(setting.offset, next, "{}", setting.key);
        next = setting.offset + (setting.encode)(&AppConfig::default()).len();
    }
    assert_eq!(next, CONFIG_LENGTH);
}

#[test]
fn what_is_not_our_application_is_refused() {
    assert!(matches!(read(&[0; 400]), Err(AppConfigError::NotOurApplication)));
    assert!(matches!(read(&APP[..0x50]), Err(AppConfigError::NotOurApplication)));
    let cut = configure(&APP[..0x200], &AppConfig::default());
    assert!(matches!(cut, Err(AppConfigError::Module(_))), "{cut:?}");
}

#[test]
fn what_the_application_cannot_follow_is_refused() {
    let slow = configure(APP, &AppConfig { baud: 10, ..AppConfig::default() }).unwrap_err();
    assert_eq!(slow.to_string(), "baud=10: it takes 1200 to 3750000");
    let mut config = AppConfig::default();
    assert_eq!(config.set("mode", "mqt").unwrap_err().to_string(), "mode=mqt: it takes blink, echo or mqtt");
    assert_eq!(config.set("mqtt_qos", "2").unwrap_err().to_string(), "mqtt_qos=2: it takes 0 or 1");
    assert!(matches!(config.set("qos", "1"), Err(AppConfigError::Key { .. })));
    assert!(config.set("mqtt_client_id", &"x".repeat(24)).is_err());
    assert_eq!(config, AppConfig::default(), "and nothing has changed");
    let mut image = APP.to_vec();
    image[CONFIG_OFFSET + 26] = 9;
    assert_eq!(read(&image).unwrap_err().to_string(), "mode=09: it takes blink, echo or mqtt");
}

#[test]
fn every_setting_takes_back_what_it_shows() {
    for setting in SETTINGS {
        let mut config = AppConfig::default();
        config.set(setting.key, &setting.show(&AppConfig::default())).unwrap();
        assert_eq!(config, AppConfig::default(), "{}", setting.key);
        assert!(config.set(setting.key, "\u{1}").is_err(), "{} takes anything", setting.key);
    }
}

#[test]
fn a_padded_image_is_a_valid_module_of_that_length_with_the_same_settings() {
    let config = AppConfig { version: 7, mode: Mode::Mqtt, ..AppConfig::default() };
    let image = configure(APP, &config).unwrap();
    for length in [APP.len(), APP.len() + 4, 100_000, IMAGE_BYTES_MAX] {
        let padded = pad(&image, length).unwrap();
        assert_eq!(padded.len(), length);
        let module = module::parse(&padded).unwrap();
        assert!(module.crc_valid() && module.sha256_valid == Some(true) && module.trailing_bytes == 0);
        assert_eq!(module.info.length() as usize, length);
        assert_eq!(read(&padded).unwrap(), config);
        assert_eq!(pad(&image, length).unwrap(), padded, "the same each time");
        assert_eq!(configure(&padded, &config).unwrap(), padded, "settings can still be changed");
    }
    for length in [APP.len() - 4, APP.len() + 2, IMAGE_BYTES_MAX + 4] {
        assert!(matches!(pad(&image, length), Err(AppConfigError::ImageBytes { .. })), "{length}");
    }
    assert!(pad(&image[..image.len() - 1], 100_000).is_err());
}

proptest! {
    #[test]
    fn settings_are_read_back_and_the_module_stays_valid(
        flags: [bool; 4], mode in 0usize..4, period_ms in 2u32..100_000, baud in 1200u32..3_000_000, port in 1u16..,
        version: u16, fault in 0usize..14, fault_at_ms in 0u32..100_000, address: [u8; 4], topic in "[ -~]{0,31}", client in "[ -~]{0,23}"
    ) {
        let modes = [SystemMode::Default, SystemMode::Automatic, SystemMode::SemiAutomatic, SystemMode::Manual];
        let words = FAULTS.split([',', ' ']).filter(|word| !word.is_empty() && *word != "or");
        let faults: Vec<FaultKind> = words.map(|word| Value::parse(word).unwrap()).collect();
        let config = AppConfig {
            system_thread: flags[0],
            poll_available: flags[1],
            close_on_update: flags[2],
            log_pending: flags[3],
            system_mode: modes[mode],
            period_ms,
            baud,
            version,
            fault: faults[fault],
            fault_at_ms,
            server_address: address.into(),
            server_port: port,
            mqtt_topic: Text::new(&topic).unwrap(),
            mqtt_client_id: Text::new(&client).unwrap(),
            ..AppConfig::default()
        };
        let image = configure(APP, &config).unwrap();
        prop_assert_eq!(read(&image).unwrap(), config);
        prop_assert!(module::parse(&image).unwrap().crc_valid());
        prop_assert_eq!(image.len(), APP.len());
    }

    #[test]
    fn any_bytes_give_an_answer(mut image in prop::collection::vec(any::<u8>(), 0..400), ours: bool, length: usize) {
        if ours {
            let _ = put(&mut image, CONFIG_OFFSET, &CONFIG_MAGIC);
            let _ = put(&mut image, CONFIG_OFFSET + 8, &(CONFIG_LENGTH as u16).to_le_bytes());
        }
        let _ = read(&image);
        let _ = configure(&image, &AppConfig::default());
        let _ = pad(&image, length);
    }
}
