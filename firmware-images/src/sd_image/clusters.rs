//! A set of clusters.

/// Which clusters have been met.
#[derive(Debug)]
pub struct Clusters {
    words: Vec<u64>,
}

impl Clusters {
    /// None yet, of a file system with this many.
    pub fn new(clusters: u32) -> Self {
        Self { words: vec![0; clusters as usize / 64 + 1] }
    }

    /// Adds a cluster (from 2 on); `false` if it was in already, or is none.
    #[must_use]
    pub fn insert(&mut self, cluster: u32) -> bool {
        let index = cluster.wrapping_sub(2);
        let bit = 1 << (index % 64);
        let Some(word) = self.words.get_mut(index as usize / 64) else { return false };
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }
}
