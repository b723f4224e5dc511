//! The receiving half: what was received in order and not read yet, what came too early, and the window.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::segment::{Segment, Seq};

/// Pieces kept that came before their turn. What exceeds them is dropped, and comes again.
const EARLY_MAX: usize = 64;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Receiver {
    /// RCV.NXT.
    pub next: Seq,
    /// Right edge of the window that the other end was told.
    told_edge: Seq,
    limit_bytes: usize,
    unread: VecDeque<u8>,
    /// Ascending by distance from `next`.
    early: Vec<(Seq, Vec<u8>)>,
    /// Where the stream ends, once known.
    fin: Option<Seq>,
    /// The FIN has had its turn.
    pub is_finished: bool,
    /// The reader wants nothing more: what arrives is dropped.
    pub is_discarding: bool,
}

impl Receiver {
    pub fn new(limit_bytes: usize) -> Self {
        Self {
            next: Seq::default(),
            told_edge: Seq::default(),
            limit_bytes,
            unread: VecDeque::new(),
            early: Vec::new(),
            fin: None,
            is_finished: false,
            is_discarding: false,
        }
    }

    /// The other end's SYN has this number.
    pub fn begin(&mut self, irs: Seq) {
        self.next = irs + 1;
        self.told_edge = self.next;
    }

    pub fn unread(&self) -> usize {
        self.unread.len()
    }

    /// The window to tell. There is no window scaling.
    pub fn window(&self) -> u16 {
        u16::try_from(self.limit_bytes.saturating_sub(self.unread.len())).unwrap_or(u16::MAX)
    }

    /// The same, and notes that the other end is told.
    pub fn tell_window(&mut self) -> u16 {
        let window = self.window();
        self.told_edge = self.told_edge.later(self.next + u32::from(window));
        window
    }

    /// Whether reading has made enough room to say so (RFC 9293 3.8.6.2.2).
    pub fn has_news(&self, mss: usize) -> bool {
        let edge = self.next + u32::from(self.window());
        let opened = if self.told_edge.is_before(edge) { edge - self.told_edge } else { 0 };
        opened as usize >= mss.min(self.limit_bytes / 2).max(1)
    }

    /// Whether a segment touches the window (RFC 9293 3.10.7.4, first check).
    pub fn accepts(&self, segment: &Segment) -> bool {
        let (window, length) = (u32::from(self.window()), segment.length());
        let is_inside = |at: Seq| at - self.next < window;
        match (length, window) {
            (0, 0) => segment.sequence == self.next,
            (0, _) => is_inside(segment.sequence),
            (_, 0) => false,
            _ => is_inside(segment.sequence) || is_inside(segment.sequence + (length - 1)),
        }
    }

    /// Takes payload and FIN of a segment as far as they fit the window.
    pub fn take(&mut self, segment: &Segment) {
        let edge = self.next + u32::from(self.window());
        let start = segment.sequence + u32::from(segment.flags.syn);
        let skip = if start.is_before(self.next) { (self.next - start) as usize } else { 0 };
        let bytes = segment.payload.get(skip.min(segment.payload.len())..).unwrap_or_default();
        let start = start.later(self.next);
        let room = if start.is_before(edge) { (edge - start) as usize } else { 0 };
        let fits = room >= bytes.len();
        let bytes = bytes.get(..room.min(bytes.len())).unwrap_or_default();
        if segment.flags.fin && fits && self.fin.is_none() {
            self.fin = Some(segment.sequence + (segment.length() - 1));
        }
        if !bytes.is_empty() {
            self.put(start, bytes);
        }
        while let Some(at) = self.early.iter().position(|(at, _)| !self.next.is_before(*at)) {
            let (at, bytes) = self.early.remove(at);
            let known = (self.next - at) as usize;
            let bytes = bytes.get(known.min(bytes.len())..).unwrap_or_default();
            self.append(bytes);
        }
        if self.fin == Some(self.next) && !self.is_finished {
            self.next = self.next + 1;
            self.is_finished = true;
        }
    }

    fn put(&mut self, start: Seq, bytes: &[u8]) {
        if start == self.next {
            return self.append(bytes);
        }
        let end = start + u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let ends = |(at, bytes): &(Seq, Vec<u8>)| (*at, *at + u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        let covers = |outer: (Seq, Seq), inner: (Seq, Seq)| !inner.0.is_before(outer.0) && !outer.1.is_before(inner.1);
        if self.early.iter().any(|piece| covers(ends(piece), (start, end))) {
            return;
        }
        self.early.retain(|piece| !covers((start, end), ends(piece)));
        let kept: usize = self.early.iter().map(|(_, bytes)| bytes.len()).sum();
        if self.early.len() < EARLY_MAX && kept + bytes.len() <= self.limit_bytes {
            let next = self.next;
            let at = self.early.partition_point(|(at, _)| *at - next < start - next);
            self.early.insert(at, (start, bytes.to_vec()));
        }
    }

    fn append(&mut self, bytes: &[u8]) {
        self.next = self.next + u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        if !self.is_discarding {
            self.unread.extend(bytes);
        }
    }

    pub fn read(&mut self, length: usize) -> Vec<u8> {
        let length = length.min(self.unread.len());
        self.unread.drain(..length).collect()
    }

    pub fn discard(&mut self) {
        self.unread.clear();
    }
}
