// SPDX-License-Identifier: GPL-2.0

//! What the Identify structures mean for the block layer, in bytes.
//!
//! NVM Command Set Specification 1.0c, 5.8.2 (performance hints) and 2.1.4 (atomic writes); NVM
//! Express Base Specification 2.0c, 5.17.2.1 (MDTS).

use super::{
    cap::Cap,
    identify_ctrl::{
        IdentifyCtrl,
        OptionalIo, //
    },
    identify_ctrl_nvm::IdentifyCtrlNvm,
    identify_ns::{
        IdentifyNs,
        UnsupportedFormat, //
    },
    identify_ns_indep::IdentifyNsIndep,
    identify_ns_nvm::IdentifyNsNvm,
    io::MAX_DSM_RANGES,
    lba::{
        BlockCount,
        LbaSize, //
    }, //
};
use crate::dma::prp::PageSize;

/// What is known about a namespace, and about how the host can reach memory.
#[derive(Clone, Copy)]
pub(crate) struct Sources<'a> {
    /// The controller's capabilities.
    pub(crate) cap: Cap,
    /// Identify Controller.
    pub(crate) ctrl: &'a IdentifyCtrl,
    /// Identify Controller for the NVM command set, if the controller has it.
    pub(crate) ctrl_nvm: Option<&'a IdentifyCtrlNvm>,
    /// Identify Namespace.
    pub(crate) ns: &'a IdentifyNs,
    /// Identify Namespace for the NVM command set, if the controller has it.
    pub(crate) ns_nvm: Option<&'a IdentifyNsNvm>,
    /// Identify Namespace for any command set, if the controller has it.
    pub(crate) ns_indep: Option<&'a IdentifyNsIndep>,
    /// The page size that the controller was enabled with (CC.MPS).
    pub(crate) page_size: PageSize,
    /// The most that the host wants to transfer by one command, in bytes: what the lists of a
    /// command can address and what is good for its IOMMU.
    pub(crate) host_max_transfer: u32,
}

/// The properties of a disk, in bytes except where it says otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct BlockLimits {
    /// The size of the disk.
    pub(crate) capacity: u64,
    /// The size of a logical block.
    pub(crate) lba_size: LbaSize,
    /// The largest write that is not torn when power fails, by the hints for performance.
    pub(crate) physical_block_size: u32,
    /// Writes should be a multiple of this.
    pub(crate) io_min: u32,
    /// Writes are best as large as this; 0 if nothing is known.
    pub(crate) io_opt: u32,
    /// The most that a command may transfer.
    pub(crate) max_transfer: u32,
    /// How many segments that may amount to, if each but the first starts at a page of the
    /// controller.
    pub(crate) max_segments: u16,
    /// Requests should not cross a multiple of this, a power of two; 0 if there is none.
    pub(crate) chunk: u32,
    /// How to discard, or `None` if the controller cannot.
    pub(crate) discard: Option<Discard>,
    /// How to write zeroes, or `None` if the controller cannot.
    pub(crate) write_zeroes: Option<WriteZeroes>,
    /// There is a volatile write cache: flushes and FUA have a meaning.
    pub(crate) write_cache: bool,
    /// Which writes are atomic.
    pub(crate) atomic: AtomicWrites,
    /// The namespace is on rotational media.
    pub(crate) rotational: bool,
    /// Nobody can write to the namespace now.
    pub(crate) read_only: bool,
}

/// The limits of Dataset Management.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Discard {
    /// The most that the ranges of a command may amount to, and each of them.
    pub(crate) max_bytes: u64,
    /// The most ranges of a command, 1 to 256.
    pub(crate) max_ranges: u16,
    /// Ranges should be a multiple of this and start at one. Counted from the start of the
    /// namespace: there is no other alignment.
    pub(crate) granularity: u32,
}

/// The limits of Write Zeroes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct WriteZeroes {
    /// The most that a command may name.
    pub(crate) max_bytes: u32,
    /// With DEAC, blocks are deallocated, and read as zeroes.
    pub(crate) deallocate: bool,
}

/// Which writes are never torn, not even when power fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct AtomicWrites {
    /// The most that a write may have.
    pub(crate) max: u32,
    /// Writes of a power of two of at least this size are atomic, if aligned to their size.
    pub(crate) unit_min: u32,
    /// And of at most this size.
    pub(crate) unit_max: u32,
    /// A write across a multiple of this is torn; 0 if there is no such boundary.
    pub(crate) boundary: u32,
}

impl BlockLimits {
    /// Draws the conclusions, unless the namespace is of no use for block I/O.
    pub(crate) fn new(sources: &Sources<'_>) -> Result<Self, UnsupportedFormat> {
        let Sources { ns, ctrl, .. } = *sources;
        let lba_size = ns.format()?.check_block_io()?.lba_size;
        let max_transfer = max_transfer(sources, lba_size);
        let atomic = atomic_writes(ns, lba_size);
        let hints = ns.performance_hints();
        let io_min = if hints.write {
            blocks_to_bytes(lba_size, u32::from(ns.npwg.get()) + 1)
        } else {
            lba_size.bytes()
        };
        // An optimum of one block would be no hint at all: 0 is "not reported", as the devices
        // which have no opinion say.
        let io_opt = match ns.nows.get() {
            nows @ 1.. if hints.write => blocks_to_bytes(lba_size, u32::from(nows) + 1),
            _ => 0,
        };
        let has_no_cache = sources
            .ns_indep
            .is_some_and(IdentifyNsIndep::has_no_write_cache);
        Ok(Self {
            capacity: ns.capacity_bytes(lba_size)?,
            lba_size,
            physical_block_size: previous_power_of_two(io_min.min(atomic.max)),
            io_min,
            io_opt,
            max_transfer,
            max_segments: max_segments(max_transfer, sources.page_size),
            chunk: chunk(ns, lba_size),
            discard: discard(sources, lba_size),
            write_zeroes: write_zeroes(sources, lba_size, max_transfer),
            write_cache: ctrl.has_write_cache() && !has_no_cache,
            atomic,
            rotational: sources.ns_indep.is_some_and(IdentifyNsIndep::is_rotational),
            read_only: ns.is_write_protected(),
        })
    }
}

/// The size of `blocks` blocks, or the largest multiple of a block that fits, should there be
/// nonsense in a field.
fn blocks_to_bytes(lba_size: LbaSize, blocks: u32) -> u32 {
    let bytes = lba_size.bytes_of(u64::from(blocks)).unwrap_or(u64::MAX);
    round_down(bytes, lba_size)
}

/// The largest multiple of a block that is neither above `bytes` nor too large for the type.
fn round_down(bytes: u64, lba_size: LbaSize) -> u32 {
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    bytes & !lba_size.bytes().wrapping_sub(1)
}

/// The largest power of two that is not above `bytes`, which is not 0.
fn previous_power_of_two(bytes: u32) -> u32 {
    match bytes.checked_ilog2() {
        Some(exponent) => 1u32.wrapping_shl(exponent),
        None => 0,
    }
}

/// MDTS, what the host wants, and what NLB can say.
fn max_transfer(sources: &Sources<'_>, lba_size: LbaSize) -> u32 {
    let mdts = sources
        .ctrl
        .max_transfer_bytes(sources.cap.min_page_size())
        .unwrap_or(u64::MAX);
    let nlb = blocks_to_bytes(lba_size, BlockCount::MAX);
    let bytes = mdts
        .min(u64::from(sources.host_max_transfer))
        .min(u64::from(nlb));
    // A page is at least a block, so MDTS is; what the host wants may be less.
    round_down(bytes, lba_size).max(lba_size.bytes())
}

/// A transfer that does not start at a page has one page more than it has full ones.
fn max_segments(max_transfer: u32, page_size: PageSize) -> u16 {
    let pages = max_transfer.div_ceil(page_size.bytes());
    u16::try_from(pages.saturating_add(1)).unwrap_or(u16::MAX)
}

/// NOIOB. The block layer has no use for a boundary that is not a power of two.
fn chunk(ns: &IdentifyNs, lba_size: LbaSize) -> u32 {
    let bytes = blocks_to_bytes(lba_size, u32::from(ns.noiob.get()));
    if bytes.is_power_of_two() {
        bytes
    } else {
        0
    }
}

/// NAWUPF and NABSPF: the units that hold when power fails.
///
/// AWUPF, the controller's, is left alone: it counts in blocks of whichever namespace has the
/// largest ones, and controllers disagree on what that means.
fn atomic_writes(ns: &IdentifyNs, lba_size: LbaSize) -> AtomicWrites {
    let block = lba_size.bytes();
    let one_block = AtomicWrites {
        max: block,
        unit_min: block,
        unit_max: block,
        boundary: 0,
    };
    // A boundary that does not start at block 0 cannot be told to the block layer.
    if !ns.has_atomic_units() || ns.nabo.get() != 0 {
        return one_block;
    }
    let max = blocks_to_bytes(lba_size, u32::from(ns.nawupf.get()) + 1);
    let boundary = match ns.nabspf.get() {
        0 => 0,
        nabspf => blocks_to_bytes(lba_size, u32::from(nabspf) + 1),
    };
    // The block layer wants a power of two that is a multiple of the largest unit.
    if boundary != 0 && !(boundary.is_power_of_two() && boundary >= max) {
        return one_block;
    }
    AtomicWrites {
        max,
        unit_min: block,
        unit_max: previous_power_of_two(max),
        boundary,
    }
}

/// DMRL, DMRSL, DMSL, and the preferred granularity and alignment.
fn discard(sources: &Sources<'_>, lba_size: LbaSize) -> Option<Discard> {
    if !sources.ctrl.has_io(OptionalIo::DatasetManagement) {
        return None;
    }
    let (mut blocks, mut max_ranges) = (u64::from(u32::MAX), MAX_DSM_RANGES as u16);
    if let Some(nvm) = sources.ctrl_nvm {
        // In each of these 0 means that the controller does not say.
        if nvm.dmrsl.get() != 0 {
            blocks = u64::from(nvm.dmrsl.get());
        }
        if nvm.dmsl.get() != 0 {
            blocks = blocks.min(nvm.dmsl.get());
        }
        if nvm.dmrl != 0 {
            max_ranges = u16::from(nvm.dmrl);
        }
    }
    Some(Discard {
        max_bytes: lba_size.bytes_of(blocks).unwrap_or(u64::MAX),
        max_ranges,
        granularity: discard_granularity(sources, lba_size),
    })
}

/// The larger of the preferred granularity and alignment of deallocation.
fn discard_granularity(sources: &Sources<'_>, lba_size: LbaSize) -> u32 {
    let ns = sources.ns;
    let hints = ns.performance_hints();
    let mut blocks = 1;
    if hints.deallocate {
        blocks = u32::from(ns.npdg.get().max(ns.npda.get())) + 1;
    }
    if let (true, Some(nvm)) = (hints.deallocate_large, sources.ns_nvm) {
        // Not 0's based, and 0 if not reported.
        let large = nvm.npdgl.get().max(nvm.npdal.get());
        if large != 0 {
            blocks = large;
        }
    }
    blocks_to_bytes(lba_size, blocks)
}

/// WZSL, or MDTS where the controller does not say.
///
/// By the specification MDTS does not limit commands that transfer nothing. But a controller that
/// does not have WZSL may well write all these zeroes, and longer than a command may take.
fn write_zeroes(
    sources: &Sources<'_>,
    lba_size: LbaSize,
    max_transfer: u32,
) -> Option<WriteZeroes> {
    if !sources.ctrl.has_io(OptionalIo::WriteZeroes) {
        return None;
    }
    let nlb = blocks_to_bytes(lba_size, BlockCount::MAX);
    let max_bytes = sources
        .ctrl_nvm
        .and_then(|nvm| nvm.max_write_zeroes_bytes(sources.cap.min_page_size()))
        .map_or(max_transfer, |bytes| round_down(bytes, lba_size).min(nlb));
    Some(WriteZeroes {
        max_bytes,
        deallocate: sources.ns.zeroes_by_deallocation(),
    })
}
