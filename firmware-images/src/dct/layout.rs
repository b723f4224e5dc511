//! The layout of the device configuration table: the specification that building and reading follow.
//!
//! Names and offsets from the public header `platform/MCU/STM32F2xx/SPARK_Firmware_Driver/inc/dct.h` of 0.5.2 and 2.2.0.
//! For 0.5.2 the table ends at offset 4258, and `ota_update_flag`, `feature_flags` and all from `device_id` on are
//! reserved; where both versions know a field they agree.

/// One field of the table's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Name.
    pub name: &'static str,
    /// Offset in bytes from the start of the data (which starts 8 bytes into the sector).
    pub offset: usize,
    /// Size in bytes.
    pub size: usize,
}

macro_rules! layout {
    ($($constant:ident $name:literal $offset:literal $size:literal;)*) => {
        $(#[doc = concat!("`", $name, "`")] pub const $constant: Field = Field { name: $name, offset: $offset, size: $size };)*
        /// All fields in order of offset.
        pub const FIELDS: &[Field] = &[$($constant),*];
    };
}

layout! {
    FLAGS_HEADER "system_flags.header" 0 4;
    BOOTLOADER_VERSION "system_flags.bootloader_version" 4 2;
    NETWORK_RESET "system_flags.network_reset" 6 2;
    OTA_UPDATE "system_flags.ota_update" 8 2;
    OTA_FLASHED_STATUS "system_flags.ota_flashed_status" 10 2;
    FACTORY_RESET "system_flags.factory_reset" 12 2;
    WATCHDOG_ENABLE "system_flags.watchdog_enable" 14 2;
    DFU_ON_NO_FIRMWARE "system_flags.dfu_on_no_firmware" 16 1;
    FACTORY_RESET_DONE "system_flags.factory_reset_done" 17 1;
    STARTUP_MODE "system_flags.startup_mode" 18 1;
    FEATURES_ENABLED "system_flags.features_enabled" 19 1;
    RESET_CAUSE "system_flags.reset_cause" 20 4;
    FLAGS_RESERVED "system_flags.reserved" 24 8;
    VERSION "version" 32 2;
    TCP_DEVICE_PRIVATE_KEY "tcp_device_private_key" 34 1216;
    TCP_DEVICE_PUBLIC_KEY "tcp_device_public_key" 1250 384;
    IP_CONFIG "ip_config" 1634 24;
    UNUSED "unused" 1658 95;
    OTA_UPDATE_FLAG "ota_update_flag" 1753 1;
    FEATURE_FLAGS "feature_flags" 1754 4;
    COUNTRY_CODE "country_code" 1758 4;
    CLAIM_CODE "claim_code" 1762 63;
    CLAIMED "claimed" 1825 1;
    SSID_PREFIX "ssid_prefix" 1826 26;
    DEVICE_CODE "device_code" 1852 6;
    VERSION_STRING "version_string" 1858 32;
    DNS_RESOLVE "dns_resolve" 1890 128;
    RESERVED1 "reserved1" 2018 64;
    TCP_SERVER_PUBLIC_KEY "tcp_server_public_key" 2082 384;
    TCP_SERVER_ADDRESS "tcp_server_address" 2466 384;
    PADDING "padding" 2850 2;
    UPDATE_SLOTS "update_slots" 2852 100;
    PRODUCT_STORE "product_store" 2952 24;
    ANTENNA "antenna" 2976 1;
    CLOUD_TRANSPORT "cloud_transport" 2977 1;
    DEVICE_PUBLIC_KEY "device_public_key" 2978 128;
    DEVICE_PRIVATE_KEY "device_private_key" 3106 192;
    SERVER_PUBLIC_KEY "server_public_key" 3298 192;
    SERVER_ADDRESS "server_address" 3490 128;
    DEVICE_ID "device_id" 3618 12;
    RADIO_FLAGS "radio_flags" 3630 1;
    MODE_BUTTON_MIRROR "mode_button_mirror" 3631 32;
    LED_MIRROR "led_mirror" 3663 96;
    LED_THEME "led_theme" 3759 64;
    EAP_CONFIG "eap_config" 3823 4296;
    DEVICE_SECRET "device_secret" 8119 15;
    POWER_CONFIG "power_config" 8134 32;
    RESERVED2 "reserved2" 8166 225;
}

/// The field of this name.
pub fn field(name: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|field| field.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_adjoin_and_end_where_the_vendor_says() {
        for pair in FIELDS.windows(2) {
            assert_eq!(pair[0].offset + pair[0].size, pair[1].offset, "{} to {}", pair[0].name, pair[1].name);
        }
        let last = FIELDS.last().unwrap();
        assert_eq!(last.offset + last.size, 8391);
    }
}
