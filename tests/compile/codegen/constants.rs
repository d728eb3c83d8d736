// SPDX-License-Identifier: GPL-2.0

//! Constants that are checked where a generic function is used.

/// The request data have more bytes than the driver says.
mod budget {
    use crate::mq::TagSet;

    driver! {
        RequestData = [u64; 5];
        //= budget = 40;
        budget = 32; //~ E0080: the request data exceed the stated budget
    }

    #[no_mangle]
    fn compile_budget(config: crate::mq::TagSetConfig) -> kernel::error::Result {
        TagSet::<Driver>::new(config, [], ()).map(|_| ())
    }
}

/// The request data want more alignment than what they follow has.
mod alignment {
    use crate::mq::TagSet;

    #[derive(Default)]
    //= #[repr(align(8))]
    #[repr(align(64))] //~ E0080: the request data follow the request, at its alignment
    pub(crate) struct Wide;

    driver! {
        RequestData = Wide;
    }

    #[no_mangle]
    fn compile_alignment(config: crate::mq::TagSetConfig) -> kernel::error::Result {
        TagSet::<Driver>::new(config, [], ()).map(|_| ())
    }
}

/// The driver reads behind what the device wrote.
mod load {
    use crate::dma::Coherent;

    /// Two words.
    #[derive(zerocopy_derive::FromBytes)]
    pub(crate) struct Entry(u64, u64);

    #[no_mangle]
    fn compile_load(memory: &Coherent<Entry>) -> Option<u64> {
        //= memory.load_acquire::<1>(0)
        memory.load_acquire::<2>(0) //~ E0080: the load stays inside of the value
    }
}

/// No disk has such blocks.
mod block_size {
    use crate::mq::BlockSize;

    #[no_mangle]
    fn compile_block_size() -> u32 {
        //= BlockSize::of::<4096>().bytes()
        BlockSize::of::<1000>().bytes() //~ E0080: BlockSize::of::<1000>
    }
}

/// The block layer counts in sectors.
mod small_block_size {
    use crate::mq::BlockSize;

    #[no_mangle]
    fn compile_small_block_size() -> u32 {
        //= BlockSize::of::<512>().bytes()
        BlockSize::of::<256>().bytes() //~ E0080: BlockSize::of::<256>
    }
}

/// A boundary is a mask in C.
mod boundary {
    use crate::mq::PowerOfTwo;

    #[no_mangle]
    fn compile_boundary() -> u64 {
        //= PowerOfTwo::of::<65536>().bytes()
        PowerOfTwo::of::<65535>().bytes() //~ E0080: PowerOfTwo::of::<65535>
    }
}
