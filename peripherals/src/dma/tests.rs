//! What software and a peripheral see of a stream.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::table::flag;
use super::{Dma, DmaBus, Served};
use crate::device::{Cx, Device, Memory};
use crate::testing::Bench;

const PORT: u32 = 0x4000_4804;
const A: u32 = 0x2000_0100;
const B: u32 = 0x2000_0200;
const EN: u32 = 1;
const TO_PERIPHERAL: u32 = 1 << 6;
const COPY: u32 = 2 << 6;
const CIRC: u32 = 1 << 8;
const PINC: u32 = 1 << 9;
const MINC: u32 = 1 << 10;

/// A peripheral with one data register.
#[derive(Default)]
struct Port {
    input: VecDeque<u32>,
    output: Vec<(u32, u32)>,
}

impl DmaBus for Port {
    fn read(&mut self, address: u32, _size: u32, _cx: &mut Cx<'_>) -> Option<u32> {
        (address == PORT).then(|| self.input.pop_front().unwrap_or(0))
    }
    fn write(&mut self, address: u32, size: u32, value: u32, _cx: &mut Cx<'_>) -> bool {
        self.output.push((size, value));
        address == PORT
    }
}

struct Rig {
    bench: Bench,
    dma: Dma,
    port: Port,
}

impl Rig {
    fn new(number: u8) -> Self {
        Self { bench: Bench::new(), dma: Dma::new(number), port: Port::default() }
    }

    fn set(&mut self, offset: u32, value: u32) {
        self.dma.write(offset, value, u32::MAX, &mut self.bench.cx());
    }

    fn get(&mut self, offset: u32) -> u32 {
        self.dma.read(offset, &mut self.bench.cx())
    }

    /// Sets up and enables a stream.
    fn stream(&mut self, stream: u32, control: u32, fifo: u32, count: u32, peripheral: u32, memory: u32) {
        let base = 0x10 + 0x18 * stream;
        self.set(base + 0x04, count);
        self.set(base + 0x08, peripheral);
        self.set(base + 0x0c, memory);
        self.set(base + 0x10, B);
        self.set(base + 0x14, fifo);
        self.set(base, control | EN);
    }

    fn request(&mut self, requests: [u8; 8]) -> Option<Served> {
        self.dma.service(&requests, &mut self.port, &mut self.bench.cx())
    }

    fn request_stream(&mut self, stream: usize) -> bool {
        let mut requests = [0; 8];
        requests[stream] = 1;
        self.request(requests).is_some()
    }

    fn memory(&mut self, address: u32, length: usize) -> Vec<u8> {
        let start = (address - 0x2000_0000) as usize;
        self.bench.memory.sram[start..start + length].to_vec()
    }

    fn flags(&mut self) -> u32 {
        self.get(0) & 0x3f
    }
}

#[test]
fn bytes_come_in_one_a_request_with_half_and_complete() {
    let mut rig = Rig::new(1);
    rig.port.input = (1..=4).collect();
    rig.stream(0, MINC | 1 << 3 | 1 << 4, 0, 4, PORT, A);
    assert_eq!(rig.request([0b10, 1, 0, 0, 0, 0, 0, 0]), None, "another channel and another stream");
    assert!(rig.request_stream(0));
    assert_eq!((rig.get(0x14), rig.flags()), (3, 0));
    assert!(rig.request_stream(0));
    assert_eq!((rig.flags(), rig.dma.irq_lines()), (flag::HTIF, 1));
    rig.set(0x08, 0x3f);
    assert_eq!((rig.flags(), rig.dma.irq_lines()), (0, 0));
    assert!(rig.request_stream(0));
    assert!(rig.request_stream(0));
    assert_eq!(rig.flags(), flag::TCIF);
    assert_eq!(rig.memory(A, 5), [1, 2, 3, 4, 0]);
    assert_eq!(rig.get(0x10) & EN, 0, "a normal stream turns itself off");
    assert!(!rig.request_stream(0));
    rig.set(0x10, rig.dma.reg(0, 0) | EN);
    assert_eq!(rig.get(0x14), 4, "enabling again at zero reloads the count");
}

#[test]
fn words_go_out_to_the_peripheral_as_bytes() {
    let mut rig = Rig::new(2);
    rig.bench.memory.write(A, 4, 0x4433_2211);
    rig.bench.memory.write(A + 4, 4, 0x8877_6655);
    rig.stream(7, TO_PERIPHERAL | MINC | 2 << 13, 0b111, 8, PORT, A);
    for _ in 0..8 {
        assert!(rig.request_stream(7));
    }
    assert!(!rig.request_stream(7));
    let bytes: Vec<_> = rig.port.output.iter().map(|(size, value)| (*size, *value)).collect();
    assert_eq!(bytes, [0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88].map(|byte| (1, byte)));
    assert_eq!(rig.get(4), (flag::HTIF | flag::TCIF) << 22);
}

#[test]
fn memory_is_read_ahead_of_the_requests() {
    let mut rig = Rig::new(1);
    rig.bench.memory.write(A, 4, 0x0403_0201);
    rig.stream(0, TO_PERIPHERAL | MINC, 0, 4, PORT, A);
    assert_eq!(rig.request([0; 8]), None);
    rig.bench.memory.write(A, 4, 0x0807_0605);
    for _ in 0..4 {
        rig.request_stream(0);
    }
    let bytes: Vec<_> = rig.port.output.iter().map(|(_, value)| *value).collect();
    assert_eq!(bytes, [1, 6, 7, 8], "direct mode holds one item");
}

#[test]
fn the_fifo_packs_and_waits_for_its_threshold() {
    let mut rig = Rig::new(1);
    rig.port.input = (1..=10).collect();
    // Bytes to words, threshold 8 bytes.
    rig.stream(2, MINC | 2 << 13, 0b101, 10, PORT, A);
    let status = |rig: &mut Rig| rig.get(0x10 + 0x18 * 2 + 0x14) >> 3 & 7;
    assert_eq!(status(&mut rig), 4);
    for _ in 0..7 {
        rig.request_stream(2);
    }
    assert_eq!(rig.memory(A, 4), [0; 4]);
    assert_eq!(status(&mut rig), 1);
    rig.request_stream(2);
    assert_eq!(rig.memory(A, 8), [1, 2, 3, 4, 5, 6, 7, 8]);
    rig.request_stream(2);
    rig.request_stream(2);
    assert_eq!(rig.memory(A, 12), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0, 0], "the end flushes what is left");
}

#[test]
fn clearing_en_flushes_and_sets_tcif() {
    let mut rig = Rig::new(1);
    rig.port.input = (1..=3).collect();
    rig.stream(0, MINC, 0b111, 100, PORT, A);
    for _ in 0..3 {
        rig.request_stream(0);
    }
    rig.set(0x10, MINC);
    assert_eq!(rig.flags(), flag::TCIF);
    assert_eq!(rig.memory(A, 4), [1, 2, 3, 0]);
    assert_eq!(rig.get(0x14), 97);
}

#[test]
fn circular_mode_starts_over() {
    let mut rig = Rig::new(1);
    rig.port.input = (1..=5).collect();
    rig.stream(0, MINC | CIRC, 0, 3, PORT, A);
    for _ in 0..5 {
        assert!(rig.request_stream(0));
    }
    assert_eq!(rig.memory(A, 4), [4, 5, 3, 0]);
    assert_eq!(rig.get(0x14), 1);
}

#[test]
fn double_buffer_mode_swaps_and_guards_the_buffer_in_use() {
    let mut rig = Rig::new(1);
    rig.port.input = (1..=4).collect();
    rig.stream(0, MINC | 1 << 18, 0, 2, PORT, A);
    for _ in 0..2 {
        rig.request_stream(0);
    }
    assert_ne!(rig.get(0x10) & 1 << 19, 0, "CT tells that buffer 1 is in use");
    rig.set(0x1c, A + 0x40);
    for _ in 0..2 {
        rig.request_stream(0);
    }
    assert_eq!((rig.memory(A, 2), rig.memory(B, 2)), (vec![1, 2], vec![3, 4]));
    rig.request_stream(0);
    rig.set(0x20, A);
    assert_eq!(rig.get(0x10) & EN, EN);
    rig.set(0x1c, A);
    assert_ne!(rig.flags() & flag::TEIF, 0);
    assert_eq!(rig.get(0x10) & EN, 0);
}

#[test]
fn memory_to_memory_runs_by_itself_on_dma2_only() {
    let mut rig = Rig::new(2);
    for i in 0..8 {
        rig.bench.memory.write(A + i, 1, i + 1);
    }
    rig.stream(0, COPY | PINC | MINC | 2 << 11 | 1 << 13, 0b011, 2, A, B);
    assert_ne!(rig.get(0x24) & 1 << 2, 0, "direct mode is off");
    while rig.request([0; 8]).is_some() {}
    assert_eq!(rig.memory(B, 9), [1, 2, 3, 4, 5, 6, 7, 8, 0]);
    let mut rig = Rig::new(1);
    rig.stream(0, COPY | PINC | MINC, 0, 2, A, B);
    assert_eq!(rig.request([0xff; 8]), None);
    assert_eq!(rig.bench.ledger.entries().len(), 1);
}

#[test]
fn the_higher_priority_and_then_the_lower_number_comes_first() {
    let mut rig = Rig::new(1);
    for (stream, priority) in [(1, 0), (3, 2), (4, 2)] {
        rig.stream(stream, priority << 16, 0, 1, PORT, A);
    }
    let order: Vec<_> = std::iter::from_fn(|| rig.request([1; 8])).map(|served| served.stream).collect();
    assert_eq!(order, [3, 4, 1]);
}

#[test]
fn a_bus_error_turns_the_stream_off() {
    let mut rig = Rig::new(1);
    rig.stream(0, MINC | 1 << 2, 0, 4, 0x5fff_0000, A);
    assert!(rig.request_stream(0));
    assert_eq!((rig.flags(), rig.dma.irq_lines(), rig.get(0x10) & EN), (flag::TEIF, 1, 0));
}

#[test]
fn a_burst_that_does_not_fit_the_threshold_is_a_fifo_error() {
    let mut rig = Rig::new(1);
    // Bursts of four words, threshold half.
    rig.stream(0, MINC | 2 << 13 | 1 << 23, 0b1000_0101, 4, PORT, A);
    assert_eq!((rig.flags(), rig.dma.irq_lines(), rig.get(0x10) & EN), (flag::FEIF, 1, 0));
}

#[test]
fn a_peripheral_burst_moves_four_items_a_request() {
    let mut rig = Rig::new(1);
    rig.port.input = (1..=8).collect();
    rig.stream(0, MINC | 1 << 21, 0b111, 8, PORT, A);
    rig.request_stream(0);
    assert_eq!(rig.get(0x14), 4);
}

#[test]
fn settings_are_protected_while_enabled() {
    let mut rig = Rig::new(1);
    rig.stream(0, MINC, 0, 4, PORT, A);
    rig.set(0x10, 0x0fef_ffff);
    assert_eq!(rig.get(0x10), MINC | 0x1f);
    for offset in [0x14, 0x18, 0x1c, 0x20] {
        let before = rig.get(offset);
        rig.set(offset, 0x99);
        assert_eq!(rig.get(offset), before);
    }
}

#[test]
fn the_peripheral_may_end_the_flow() {
    let mut rig = Rig::new(2);
    rig.port.input = (1..=3).collect();
    rig.stream(3, MINC | 1 << 5 | CIRC, 0b111, 7, PORT, A);
    assert_eq!(rig.get(0x10 + 0x18 * 3 + 4), 0xffff);
    for _ in 0..3 {
        rig.request_stream(3);
    }
    rig.dma.flow_ended(3, &mut rig.bench.cx());
    assert_eq!(rig.memory(A, 4), [1, 2, 3, 0]);
    assert_eq!(rig.get(0) >> 22, flag::TCIF);
}

proptest! {
    /// Whatever the widths, bursts and thresholds, the bytes arrive in order and nothing else is touched.
    #[test]
    fn a_copy_copies(psize in 0u32..3, msize in 0u32..3, pburst in 0u32..4, mburst in 0u32..4, fth in 0u32..4, count in 1u32..40) {
        let mut rig = Rig::new(2);
        for i in 0..160 {
            rig.bench.memory.write(A + i, 1, i + 1);
        }
        let target = 0x2000_0800;
        rig.stream(0, COPY | PINC | MINC | psize << 11 | msize << 13 | pburst << 21 | mburst << 23, fth, count, A, target);
        while rig.request([0; 8]).is_some() {}
        let bytes = (count << psize) as usize;
        if rig.flags() & flag::FEIF != 0 {
            prop_assert_ne!(mburst, 0);
        } else {
            let source = rig.memory(A, bytes);
            prop_assert_eq!(rig.memory(target, bytes), source);
            prop_assert_eq!(rig.memory(target + bytes as u32, 8), [0; 8]);
            prop_assert_eq!(rig.flags(), flag::HTIF | flag::TCIF);
        }
    }

    /// Memory to peripheral, whatever the widths: the port sees the memory's bytes in order.
    #[test]
    fn output_is_the_memory_in_order(psize in 0u32..3, msize in 0u32..3, pburst in 0u32..2, fifo in 0u32..8, count in 1u32..40) {
        let mut rig = Rig::new(1);
        for i in 0..160 {
            rig.bench.memory.write(A + i, 1, i + 1);
        }
        rig.stream(0, TO_PERIPHERAL | MINC | psize << 11 | msize << 13 | pburst << 21, fifo, count, PORT, A);
        while rig.request_stream(0) {}
        let bytes: Vec<u8> = rig.port.output.iter()
            .flat_map(|(size, value)| value.to_le_bytes().into_iter().take(*size as usize)).collect();
        prop_assert_eq!(bytes, rig.memory(A, (count << psize) as usize));
    }

    /// No sequence of writes and requests panics, and a stream that is off does nothing.
    #[test]
    fn any_register_values_are_survived(writes in prop::collection::vec((0u32..0x34, any::<u32>(), any::<[u8; 8]>()), 0..60)) {
        let mut rig = Rig::new(2);
        for (word, value, requests) in writes {
            let old = rig.get(word * 4);
            rig.set(word * 4, value);
            rig.set(word * 4, value & 0xffff | 0x2000_0000);
            for _ in 0..8 {
                rig.request(requests);
            }
            let _ = (old, rig.dma.irq_lines());
        }
        for stream in 0..8 {
            rig.set(0x10 + 0x18 * stream, 0);
        }
        prop_assert!(!rig.dma.is_active());
        prop_assert_eq!(rig.request([0xff; 8]), None);
    }
}
