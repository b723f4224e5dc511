//! The checksums of the SD bus (Physical Layer Simplified Specification 4.5).

/// CRC7 of a command, a response or a register: x^7 + x^3 + 1, most significant bit first, starting from 0.
pub fn crc7(bytes: &[u8]) -> u8 {
    let crc = bytes.iter().fold(0u8, |crc, byte| {
        (0..8).fold(crc ^ byte, |crc, _| if crc & 0x80 != 0 { crc << 1 ^ 0x12 } else { crc << 1 })
    });
    crc >> 1
}

/// CRC16 of a data block: x^16 + x^12 + x^5 + 1, most significant bit first, starting from 0.
pub fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0u16, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| if crc & 0x8000 != 0 { crc << 1 ^ 0x1021 } else { crc << 1 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of 4.5: CMD0, CMD17 with argument 0, the response to CMD17; 512 bytes of 0xFF.
    #[test]
    fn the_examples_of_the_specification() {
        assert_eq!(crc7(&[0x40, 0, 0, 0, 0]), 0b100_1010);
        assert_eq!(crc7(&[0x51, 0, 0, 0, 0]), 0b010_1010);
        assert_eq!(crc7(&[0x11, 0, 0, 0x09, 0]), 0b011_0011);
        assert_eq!(crc16(&[0xff; 512]), 0x7fa1);
    }

    #[test]
    fn published_check_values() {
        assert_eq!(crc7(b"123456789"), 0x75);
        assert_eq!(crc16(b"123456789"), 0x31c3);
    }
}
