// SPDX-License-Identifier: GPL-2.0

//! Memory that a device reaches, by addresses that cannot be made up.
//!
//! C headers: [`include/linux/dma-mapping.h`](srctree/include/linux/dma-mapping.h),
//! [`include/linux/blk-mq-dma.h`](srctree/include/linux/blk-mq-dma.h).
//!
//! A [`DmaAddr`] comes from [`Coherent`] memory or from a request that a
//! [`RequestMapper`] has mapped, and from nowhere else. What a request has mapped
//! is a [`Mapping`], which travels with it into the slot of its tag and is released
//! when the request has been taken back: after its completion was read, or with a
//! [`DmaStopped`].

pub(crate) mod addr;
pub(crate) mod coherent;
#[cfg(CONFIG_RNVME_KUNIT_TEST)]
#[path = "../tests/kunit/prp.rs"]
mod kunit_prp;
pub(crate) mod lists;
pub(crate) mod mapper;
pub(crate) mod pool;
pub(crate) mod prp;
pub(crate) mod stopped;

pub(crate) use self::{
    addr::DmaAddr,
    coherent::Coherent,
    mapper::{
        MapError,
        Mapping,
        RequestMapper, //
    },
    stopped::DmaStopped, //
};
