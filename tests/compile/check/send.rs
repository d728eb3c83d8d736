// SPDX-License-Identifier: GPL-2.0

//! What is not Send does not travel with a request, and what is not Sync is not lent to all CPUs.

/// A request starts on one CPU and ends on another, and its data with it.
mod request_data {
    #[derive(Default)]
    pub(crate) struct Shared(Option<core::ptr::NonNull<u8>>);

    driver! {
        //= RequestData = usize;
        RequestData = Shared; //~ E0277: sent between threads
    }
}

/// What is mapped is released on the CPU where the request ends.
mod mapping {
    driver! {
        //= Mapping = usize;
        Mapping = *const u8; //~ E0277: sent between threads
    }
}

/// Each CPU of a hardware queue borrows its data.
mod queue {
    driver! {
        //= Queue = u32;
        Queue = core::cell::Cell<u32>; //~ E0277: shared between threads
    }
}

/// A hardware context is made by one thread and goes with another, and its data with it.
mod hw_ctx_data {
    #[derive(Default)]
    pub(crate) struct Local(Option<core::ptr::NonNull<u8>>);

    // SAFETY: a case, in which nothing is shared.
    unsafe impl Sync for Local {}

    driver! {
        //= HwCtxData = usize;
        HwCtxData = Local; //~ E0277: sent between threads
    }
}

/// Each CPU borrows the data of a hardware context.
mod hw_ctx_data_is_lent {
    driver! {
        //= HwCtxData = u32;
        HwCtxData = core::cell::Cell<u32>; //~ E0277: shared between threads
    }
}

/// Each CPU borrows the data of a disk.
mod queue_data {
    driver! {
        //= QueueData = u32;
        QueueData = core::cell::Cell<u32>; //~ E0277: shared between threads
    }
}

/// Each CPU borrows the data of the tag set.
mod tag_set_data {
    driver! {
        //= TagSetData = u32;
        TagSetData = core::cell::Cell<u32>; //~ E0277: shared between threads
    }
}
