//! What a word does that was shifted: CRC (RM0033 25.3.6), the Rx buffer and its overrun.

use super::Spi;
use super::table::{CR1, CRCPR, RXCRCR, SR, TXCRCR, cr1, sr};

impl Spi {
    /// A word was sent, received or both. Of the CRC phase no CRC is taken: what came is compared.
    pub(super) fn word_done(
        &mut self,
        sent: Option<u16>,
        received: Option<u16>,
        is_crc: bool,
        bits: u8,
        lsb_first: bool,
    ) {
        if self.has(CR1, cr1::CRCEN) {
            for (register, word) in [(TXCRCR, sent), (RXCRCR, received)] {
                let Some(word) = word else { continue };
                if !is_crc {
                    let polynomial = self.regs[CRCPR] as u16;
                    self.regs[register] = crc(self.regs[register] as u16, word, bits, lsb_first, polynomial).into();
                } else if register == RXCRCR && self.regs[RXCRCR] != word.into() {
                    self.regs[SR] |= sr::CRCERR;
                }
            }
        }
        let Some(word) = received else { return };
        if self.has(SR, sr::RXNE) {
            // The word that waits is kept and the new one lost (25.3.10).
            self.regs[SR] |= sr::OVR;
            self.data_read = false;
            return;
        }
        self.received = word;
        self.regs[SR] |= sr::RXNE;
    }
}

/// The CRC over one more word, bit by bit in their order on the wire: 8 bits wide for 8-bit frames, 16 for 16.
fn crc(start: u16, word: u16, bits: u8, lsb_first: bool, polynomial: u16) -> u16 {
    let top = bits.clamp(1, 16) - 1;
    let mask = u16::MAX >> (15 - top);
    (0..=top).fold(start & mask, |crc, index| {
        let bit = word >> if lsb_first { index } else { top - index } & 1;
        let feedback = crc >> top & 1 != bit;
        (crc << 1 ^ if feedback { polynomial } else { 0 }) & mask
    })
}

#[cfg(test)]
mod tests {
    use super::crc;

    #[test]
    fn crcs_agree_with_published_check_values() {
        // CRC-8 (SMBus) and CRC-16/XMODEM of "123456789". A zero before it changes nothing and makes it whole words.
        let by_bytes = b"123456789".iter().fold(0, |sum, byte| crc(sum, u16::from(*byte), 8, false, 0x07));
        assert_eq!(by_bytes, 0xf4);
        let by_words = b"\x00123456789"
            .chunks(2)
            .fold(0, |sum, pair| crc(sum, u16::from(pair[0]) << 8 | u16::from(pair[1]), 16, false, 0x1021));
        assert_eq!(by_words, 0x31c3);
    }

    #[test]
    fn a_crc_by_hand() {
        // x^8 + x^2 + x + 1, one bit: 0x01 goes in last, so that only the polynomial remains.
        assert_eq!(crc(0, 0x01, 8, false, 0x07), 0x07);
        assert_eq!(crc(0, 0x80, 8, true, 0x07), 0x07, "the same bit on the wire");
        // 0x02 is one shift more; the register of a further zero word shifts eight times.
        assert_eq!(crc(0, 0x02, 8, false, 0x07), 0x0e);
        assert_eq!(crc(0, 0x0001, 16, false, 0x1021), 0x1021);
    }
}
