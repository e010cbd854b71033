//! Which tasks of a segment are done, failed, or may have begun: three bitmaps.

use fixedbitset::FixedBitSet;
use std::fmt::{self, Write as _};

/// The three bitmaps of a segment. An index is in at most one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    done: Bitmap,
    failed: Bitmap,
    running: Bitmap,
}

impl Progress {
    /// Nothing has begun.
    pub fn none(length: u32) -> Self {
        Self { done: Bitmap::empty(length), failed: Bitmap::empty(length), running: Bitmap::empty(length) }
    }

    /// Reads what [`Bitmap::to_bytes`] wrote for each of the three.
    pub fn from_bytes(length: u32, done: &[u8], failed: &[u8], running: &[u8]) -> Result<Self, Unreadable> {
        let progress = Self {
            done: Bitmap::from_bytes(length, done)?,
            failed: Bitmap::from_bytes(length, failed)?,
            running: Bitmap::from_bytes(length, running)?,
        };
        let Self { done, failed, running } = &progress;
        let disjoint = done.is_disjoint(failed) && done.is_disjoint(running) && failed.is_disjoint(running);
        if disjoint { Ok(progress) } else { Err(Unreadable::Overlap) }
    }

    /// Tasks that completed.
    pub fn done(&self) -> &Bitmap {
        &self.done
    }

    /// Tasks that failed for good.
    pub fn failed(&self) -> &Bitmap {
        &self.failed
    }

    /// Tasks that may have begun and are not settled.
    pub fn running(&self) -> &Bitmap {
        &self.running
    }

    /// How many tasks the segment has.
    pub fn length(&self) -> u32 {
        self.done.length()
    }

    /// Whether every task is done or failed.
    pub fn is_settled(&self) -> bool {
        self.done.count() + self.failed.count() == self.length()
    }

    /// Whether a task has neither begun nor ended.
    pub fn is_idle(&self, offset: u32) -> bool {
        !self.done.contains(offset) && !self.failed.contains(offset) && !self.running.contains(offset)
    }

    /// The task may begin from now on.
    pub fn start(&mut self, offset: u32) {
        self.running.insert(offset);
    }

    /// The task will begin again later, or has been taken from a dead host.
    pub fn put_back(&mut self, offset: u32) {
        self.running.remove(offset);
    }

    /// The task completed.
    pub fn complete(&mut self, offset: u32) {
        self.running.remove(offset);
        self.done.insert(offset);
    }

    /// The task failed for good.
    pub fn fail(&mut self, offset: u32) {
        self.running.remove(offset);
        self.failed.insert(offset);
    }

    /// What the task left could not be kept: it failed, although its call succeeded.
    pub fn refuse(&mut self, offset: u32) {
        self.done.remove(offset);
        self.failed.insert(offset);
    }
}

/// A set of offsets below a fixed length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bitmap(FixedBitSet);

/// Stored progress that cannot be what this program wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// The bitmap has another size than its segment.
    #[error("a bitmap of {bytes} bytes does not fit a segment of {length} tasks")]
    Length {
        /// Bytes found.
        bytes: usize,
        /// Tasks of the segment.
        length: u32,
    },
    /// A bit is set beyond the segment's end.
    #[error("a bitmap names a task beyond its segment's {length} tasks")]
    Beyond {
        /// Tasks of the segment.
        length: u32,
    },
    /// One task is in two states.
    #[error("the bitmaps name one task twice")]
    Overlap,
}

impl Bitmap {
    fn empty(length: u32) -> Self {
        Self(FixedBitSet::with_capacity(length as usize))
    }

    /// Reads what [`Self::to_bytes`] wrote.
    pub fn from_bytes(length: u32, bytes: &[u8]) -> Result<Self, Unreadable> {
        if bytes.is_empty() {
            return Ok(Self::empty(length));
        }
        if bytes.len() != length.div_ceil(8) as usize {
            return Err(Unreadable::Length { bytes: bytes.len(), length });
        }
        let set = (0..bytes.len() * 8).filter(|bit| bytes[bit / 8] & (1 << (bit % 8)) != 0);
        let mut bitmap = Self::empty(length);
        for bit in set {
            if bit >= length as usize {
                return Err(Unreadable::Beyond { length });
            }
            bitmap.0.insert(bit);
        }
        Ok(bitmap)
    }

    /// One bit an offset, lowest first, in `length / 8` bytes rounded up. No bytes at all stand for no bits.
    pub fn to_bytes(&self) -> Vec<u8> {
        if self.0.is_clear() {
            return Vec::new();
        }
        let mut bytes: Vec<u8> = self.0.as_slice().iter().flat_map(|block| block.to_le_bytes()).collect();
        bytes.truncate(self.length().div_ceil(8) as usize);
        bytes
    }

    /// One more than the largest offset it can hold.
    pub fn length(&self) -> u32 {
        u32::try_from(self.0.len()).expect("made from a u32")
    }

    /// How many offsets it holds.
    pub fn count(&self) -> u32 {
        u32::try_from(self.0.count_ones(..)).expect("at most its length, a u32")
    }

    /// Whether it holds this offset.
    pub fn contains(&self, offset: u32) -> bool {
        self.0.contains(offset as usize)
    }

    /// The offsets it holds, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.ones().map(|bit| u32::try_from(bit).expect("below its length, a u32"))
    }

    fn is_disjoint(&self, other: &Self) -> bool {
        self.0.is_disjoint(&other.0)
    }

    fn insert(&mut self, offset: u32) {
        self.0.insert(offset as usize);
    }

    fn remove(&mut self, offset: u32) {
        self.0.set(offset as usize, false);
    }
}

/// Ascending indices, written as ranges while they come: `0-4,7`.
#[derive(Debug, Default)]
pub struct Ranges {
    /// The ranges that nothing can join any more, each with its comma.
    closed: String,
    open: Option<Range>,
}

#[derive(Debug, Clone, Copy)]
struct Range {
    first: u32,
    last: u32,
}

impl Ranges {
    /// Adds an index above all that were added before.
    pub fn push(&mut self, index: u32) {
        match &mut self.open {
            Some(range) if range.last + 1 == index => range.last = index,
            open => {
                if let Some(range) = open.replace(Range { first: index, last: index }) {
                    write!(self.closed, "{range},").expect("writing to a String succeeds");
                }
            }
        }
    }
}

impl fmt::Display for Ranges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.closed)?;
        self.open.map_or(Ok(()), |range| range.fmt(f))
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last { write!(f, "{}", self.first) } else { write!(f, "{}-{}", self.first, self.last) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_join_neighbours() {
        for (indices, text) in [(&[][..], ""), (&[7], "7"), (&[0, 1, 2, 3, 4, 7, 9, 10], "0-4,7,9-10")] {
            let mut ranges = Ranges::default();
            indices.iter().for_each(|index| ranges.push(*index));
            assert_eq!(ranges.to_string(), text);
        }
    }

    #[test]
    fn bytes_come_back_as_the_same_bitmaps() {
        let mut progress = Progress::none(77);
        for offset in 0..77 {
            match offset % 4 {
                0 => progress.complete(offset),
                1 => progress.fail(offset),
                2 => progress.start(offset),
                _ => {}
            }
        }
        let Progress { done, failed, running } = &progress;
        assert_eq!(done.to_bytes().len(), 10);
        let read = Progress::from_bytes(77, &done.to_bytes(), &failed.to_bytes(), &running.to_bytes());
        assert_eq!(read, Ok(progress));
    }

    #[test]
    fn an_empty_bitmap_takes_no_bytes() {
        assert_eq!(Bitmap::empty(4_096).to_bytes(), Vec::<u8>::new());
        assert_eq!(Bitmap::from_bytes(4_096, &[]), Ok(Bitmap::empty(4_096)));
    }

    #[test]
    fn bytes_of_another_program_are_refused() {
        assert_eq!(Bitmap::from_bytes(9, &[1]), Err(Unreadable::Length { bytes: 1, length: 9 }));
        assert_eq!(Bitmap::from_bytes(9, &[0, 2]), Err(Unreadable::Beyond { length: 9 }));
        assert_eq!(Progress::from_bytes(8, &[1], &[1], &[]), Err(Unreadable::Overlap));
    }

    #[test]
    fn a_segment_is_settled_when_each_task_is_done_or_failed() {
        let mut progress = Progress::none(2);
        progress.start(0);
        progress.complete(0);
        assert!(!progress.is_settled());
        progress.start(1);
        progress.fail(1);
        assert!(progress.is_settled());
        assert_eq!(progress.running().count(), 0);
    }
}
