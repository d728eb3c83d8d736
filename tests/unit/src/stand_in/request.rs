// SPDX-License-Identifier: GPL-2.0

//! Stands for `mq/request.rs`: requests that are counted, and end when they are dropped.

use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ptr::NonNull, //
};
use std::{
    cell::Cell,
    rc::Rc, //
};

use super::{
    Operations,
    Queue, //
};
use crate::bindings;

macro_rules! owner {
    ($(#[$attribute:meta])* $name:ident) => {
        $(#[$attribute])*
        pub(crate) struct $name<T: Operations>(NonNull<bindings::request>, PhantomData<T>);

        impl<T: Operations> $name<T> {
            fn get(&self) -> &bindings::request {
                // SAFETY: Live as long as this value, which owns it.
                unsafe { self.0.as_ref() }
            }

            pub(crate) fn queue(&self) -> &Queue<T> {
                // SAFETY: By the requirement of `Request::new`.
                unsafe { &*self.get().queue.cast() }
            }

            pub(crate) fn tag(&self) -> usize {
                self.get().tag
            }

            pub(crate) fn serial(&self) -> u64 {
                self.get().serial
            }
        }

        impl<T: Operations> Drop for $name<T> {
            fn drop(&mut self) {
                // SAFETY: From `Request::new`, and given to nobody else.
                let rq = unsafe { Box::from_raw(self.0.as_ptr()) };
                rq.live.set(rq.live.get() - 1);
            }
        }
    };
}

owner! {
    /// A request that was started.
    Request
}

owner! {
    /// A request that was taken out of its slot.
    Completed
}

impl<T: Operations> Request<T> {
    /// A new request, one more of `live`.
    ///
    /// # Safety
    ///
    /// `queue` lives as long as the request.
    pub(crate) unsafe fn new(
        queue: &Queue<T>,
        tag: usize,
        serial: u64,
        live: &Rc<Cell<usize>>,
    ) -> Self {
        live.set(live.get() + 1);
        let rq = Box::new(bindings::request {
            tag,
            serial,
            queue: std::ptr::from_ref(queue).cast(),
            live: live.clone(),
            hides: Cell::new(0),
        });
        Self(NonNull::from(Box::leak(rq)), PhantomData)
    }

    /// The next so many of its completions count for nothing.
    pub(crate) fn hide(&self, completions: usize) {
        self.get().hides.set(completions);
    }

    pub(super) fn as_raw(&self) -> *mut bindings::request {
        self.0.as_ptr()
    }

    pub(super) fn into_raw(self) -> NonNull<bindings::request> {
        ManuallyDrop::new(self).0
    }
}

impl<T: Operations> Completed<T> {
    /// # Safety
    ///
    /// `rq` was given up by [`Request::into_raw`], and nobody else has it.
    pub(super) unsafe fn from_raw(rq: NonNull<bindings::request>) -> Self {
        Self(rq, PhantomData)
    }

    /// Ends the request, and returns what was mapped for it.
    pub(crate) fn end(self) -> Option<T::Mapping> {
        // SAFETY: The request was taken out just once, as it is a value.
        unsafe { self.queue().slots().take_mapping(self.tag()) }
    }
}
