// SPDX-License-Identifier: GPL-2.0

//! The identifier of a command: 16 bits of tag and generation.

/// A command identifier: the tag in the low bits, the generation of its slot
/// above.
///
/// A stale identifier, one that names a request which ended before, differs in
/// its generation from the current one until the slot has been reused as often as
/// there are generations: 64 times with 1023 tags, 16 times with 4095.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Cid(u16);

impl Cid {
    /// An identifier as a device gave it back; any value is possible.
    #[inline]
    pub(crate) const fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    /// The 16 bits that go into a command.
    #[inline]
    pub(crate) const fn bits(self) -> u16 {
        self.0
    }
}

/// How the 16 bits of a [`Cid`] are divided on one queue.
///
/// # Invariants
///
/// `tag_bits + generation_bits <= 16`, and `generation_bits <= 6`: that many low
/// bits of a slot's word are free (see [`super::slot`]).
#[derive(Clone, Copy, Debug)]
pub(crate) struct CidLayout {
    tag_bits: u8,
    generation_mask: u8,
}

/// Requests are aligned to a cache line of 64 bytes: 6 bits of each address.
const MAX_GENERATION_BITS: u32 = 6;

impl CidLayout {
    /// The layout for a queue of `depth` tags, 1 to 65536.
    ///
    /// `with_generation` is false for devices that misread the upper bits of an
    /// identifier, of which there are some; stale ones then go unnoticed.
    pub(crate) const fn new(depth: u32, with_generation: bool) -> Self {
        let tag_bits = u32::BITS.wrapping_sub(depth.saturating_sub(1).leading_zeros());
        let tag_bits = if tag_bits > 16 { 16 } else { tag_bits };
        let free = 16u32.wrapping_sub(tag_bits);
        let bits = if !with_generation {
            0
        } else if free < MAX_GENERATION_BITS {
            free
        } else {
            MAX_GENERATION_BITS
        };
        // INVARIANT: `bits` is at most what `tag_bits` leaves, and at most 6.
        // CAST: both are at most 16.
        Self {
            tag_bits: tag_bits as u8,
            generation_mask: 1u8.wrapping_shl(bits).wrapping_sub(1),
        }
    }

    /// How many times a slot can be reused before an old identifier repeats.
    #[cfg(test)]
    pub(crate) const fn generations(self) -> u32 {
        self.generation_mask as u32 + 1
    }

    /// The tag part of `cid`, which may lie beyond the queue's depth.
    #[inline]
    pub(crate) const fn tag(self, cid: Cid) -> usize {
        // CAST: widening.
        (cid.0 as u32 & 1u32.wrapping_shl(self.tag_bits as u32).wrapping_sub(1)) as usize
    }

    /// The generation part of `cid`.
    #[inline]
    pub(crate) const fn generation(self, cid: Cid) -> u64 {
        // CAST: widening.
        (cid.0 as u32).wrapping_shr(self.tag_bits as u32) as u64
    }

    /// The generation that follows `generation`.
    #[inline]
    pub(crate) const fn next(self, generation: u64) -> u64 {
        generation.wrapping_add(1) & self.generation_mask as u64
    }

    /// Puts an identifier together.
    #[inline]
    pub(crate) const fn cid(self, tag: usize, generation: u64) -> Cid {
        // CAST: both parts together have 16 bits by the type invariant, for a
        // `tag` of this queue.
        Cid((tag as u32 | (generation as u32).wrapping_shl(self.tag_bits as u32)) as u16)
    }
}
