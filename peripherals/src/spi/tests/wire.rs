use super::*;
use crate::spi::SpiEdge;

const ALL_MODES: [(bool, bool); 4] = [(false, false), (false, true), (true, false), (true, true)];

#[test]
fn edges_are_those_of_the_four_modes() {
    // 25.3.1, figure of the data clock timing.
    for (cpol, cpha) in ALL_MODES {
        let frame = SpiFrame { cpol, cpha, ..SpiFrame::byte(0b1011_0010, 1000, 5000) };
        let edges: Vec<SpiEdge> = frame.edges().collect();
        assert_eq!(edges.len(), 16);
        for (number, edge) in edges.iter().enumerate() {
            let second = number % 2 == 1;
            assert_eq!(edge.sck, if second { cpol } else { !cpol }, "idle is {cpol}");
            assert_eq!(edge.samples, second == cpha);
            let halves = number as u64 + u64::from(!cpha);
            assert_eq!(edge.time_ps, 5000 + 500 * halves);
        }
        let sampled = edges.iter().filter(|edge| edge.samples).fold(0, |word, edge| word << 1 | u16::from(edge.mosi));
        assert_eq!(sampled, 0b1011_0010);
        let last = edges.iter().rfind(|edge| edge.samples).unwrap();
        assert_eq!(last.time_ps, 5000 + 7500, "half a period before the end");
    }
}

/// A part with a shift register, as data sheets draw them: samples and shifts on its own edges.
struct Part {
    cpol: bool,
    cpha: bool,
    out: u16,
    input: u16,
}

impl Part {
    fn clocked_by(&mut self, frame: &SpiFrame) -> u16 {
        let top = |out: u16| out & 0x80 != 0;
        // Without CPHA the first bit is there before the clock.
        let mut level = !self.cpha && top(self.out);
        if !self.cpha {
            self.out <<= 1;
        }
        frame.exchange(level, |edge| {
            if (edge.sck != self.cpol) != self.cpha {
                self.input = self.input << 1 | u16::from(edge.mosi);
            } else {
                level = top(self.out);
                self.out <<= 1;
            }
            level
        })
    }
}

#[test]
fn a_part_in_the_master_s_mode_exchanges_bytes() {
    for (cpol, cpha) in ALL_MODES {
        let mut part = Part { cpol, cpha, out: 0xa6, input: 0 };
        let frame = SpiFrame { cpol, cpha, ..SpiFrame::byte(0x3b, BIT_PS, 0) };
        assert_eq!(part.clocked_by(&frame), 0xa6);
        assert_eq!(part.input, 0x3b);
    }
}

#[test]
fn a_part_in_mode_0_under_a_master_in_mode_1_is_off_by_a_bit() {
    let mut part = Part { cpol: false, cpha: false, out: 0b1010_0110, input: 0 };
    let frame = SpiFrame { cpha: true, mosi_before: true, ..SpiFrame::byte(0b0011_1011, BIT_PS, 0) };
    // It shifts at the falling edges at which the master samples, just after it: the master still sees each bit.
    assert_eq!(part.clocked_by(&frame), 0b1010_0110);
    assert_eq!(part.input, 0b1001_1101);
}

#[test]
fn a_part_with_the_other_bit_order_sees_the_byte_mirrored() {
    let mut part = Part { cpol: false, cpha: false, out: 0b1010_0110, input: 0 };
    let frame = SpiFrame { lsb_first: true, ..SpiFrame::byte(0b0011_1010, BIT_PS, 0) };
    assert_eq!(part.clocked_by(&frame), 0b0110_0101);
    assert_eq!(part.input, 0b0101_1100);
}

#[test]
fn mosi_holds_its_last_bit_and_is_high_when_not_driven() {
    let frame = SpiFrame::byte(0x80, BIT_PS, 0);
    assert!(!frame.mosi_after());
    assert!(SpiFrame { lsb_first: true, ..frame }.mosi_after());
    let open = SpiFrame { mosi: None, mosi_before: true, ..frame };
    assert!(open.mosi_after() && open.edges().all(|edge| edge.mosi));
    let mut rig = Rig::master(cr1::CPHA);
    for word in [0xfe, 0x01, 0x00] {
        rig.set(DR, word);
        rig.after(FRAME);
    }
    let before: Vec<_> = rig.bench.board.spi.iter().map(|(_, frame, _)| frame.mosi_before).collect();
    assert_eq!(before, [false, false, true]);
}
