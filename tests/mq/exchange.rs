// SPDX-License-Identifier: GPL-2.0

//! The driver's own command, as the disk serves it: it fills memory with a pattern, or looks
//! whether the pattern is there.

#![forbid(unsafe_code)]

use crate::{
    mq::{
        RequestInfo,
        Segments, //
    },
    operations::Ram,
};

/// Memory is copied in pieces of as many bytes, which fit on the stack.
const PIECE: usize = 64;

/// What the data have `at` bytes from their start. Pages differ, and so do their parts.
pub(crate) fn data_byte(at: usize) -> u8 {
    // CAST: the low byte is meant.
    (at ^ (at >> 8)) as u8
}

/// What the metadata have there.
fn metadata_byte(at: usize) -> u8 {
    !data_byte(at)
}

/// Fills the memory of a command that takes data from the disk, and looks at that of one that
/// carries data to it. True if all of it could be filled, or was as it should be.
pub(crate) fn serve(rq: &RequestInfo<Ram>) -> bool {
    let is_write = rq.is_write();
    let data = pass(rq.data_segments(), is_write, data_byte);
    let metadata = pass(rq.integrity_segments(), is_write, metadata_byte);
    // CAST: widening.
    data == Some(rq.len() as usize) && metadata.is_some_and(|len| (len != 0) == rq.has_integrity())
}

/// Goes over all pieces of memory; returns how many bytes there were, or nothing if some were
/// wrong.
fn pass(segments: Segments<'_>, is_write: bool, byte: fn(usize) -> u8) -> Option<usize> {
    let mut at = 0usize;
    // CAST: a small constant.
    for piece in segments.flat_map(|segment| segment.pieces(PIECE as u32)) {
        let (mut wanted, mut found) = ([0; PIECE], [0; PIECE]);
        let wanted = wanted.get_mut(..piece.len())?;
        for place in wanted.iter_mut() {
            *place = byte(at);
            at = at.wrapping_add(1);
        }
        if is_write {
            let found = found.get_mut(..piece.len())?;
            piece.read(found).ok()?;
            if found != wanted {
                return None;
            }
        } else {
            piece.write(wanted).ok()?;
        }
    }
    Some(at)
}
