// SPDX-License-Identifier: GPL-2.0

//! A driver that does nothing, with the types that a case is about.

/// Makes a type `Driver`, and with it the data that it names, `()` for those it does not.
macro_rules! driver {
    (
        $(TagSetData = $tag_set_data:ty;)?
        $(Queue = $queue:ty;)?
        $(HwCtxData = $hw_ctx_data:ty;)?
        $(QueueData = $queue_data:ty;)?
        $(RequestData = $request_data:ty;)?
        $(Mapping = $mapping:ty;)?
        $(budget = $budget:expr;)?
    ) => {
        struct Driver;

        struct Entry;

        impl crate::mq::Completion for Entry {
            fn cid(&self) -> crate::mq::Cid {
                crate::mq::Cid::from_bits(0)
            }
        }

        struct Stopped;

        impl crate::mq::StopProof<Driver> for Stopped {
            fn covers(&self, _queue: &<Driver as crate::mq::Operations>::Queue) -> bool {
                true
            }
        }

        #[kernel::macros::vtable]
        impl crate::mq::Operations for Driver {
            type TagSetData = driver!(@type $($tag_set_data)?);
            type Queue = driver!(@type $($queue)?);
            type HwCtxData = driver!(@type $($hw_ctx_data)?);
            type QueueData = driver!(@type $($queue_data)?);
            type RequestData = driver!(@type $($request_data)?);
            type Mapping = driver!(@type $($mapping)?);
            type Completion<'a> = Entry;
            type DmaStopped = Stopped;
            const REQUEST_DATA_BUDGET: usize = driver!(@budget $($budget)?);

            fn queue_rq(
                _hctx: crate::mq::HwCtx<'_, Self>,
                _data: &Self::QueueData,
                rq: crate::mq::IdleRequest<Self>,
                _last: bool,
            ) -> Result<(), crate::mq::Refused<Self>> {
                rq.end(crate::mq::BlkStatus::NotSupported);
                Ok(())
            }

            fn complete(rq: crate::mq::Completed<Self>) {
                rq.end_ok();
            }

            fn release(_queue: &crate::mq::Queue<Self>, _mapping: Self::Mapping) {}

            fn timeout(
                _queue: &crate::mq::Queue<Self>,
                _data: &Self::QueueData,
                _rq: crate::mq::Expired<'_, Self>,
            ) -> crate::mq::TimeoutAction {
                crate::mq::TimeoutAction::ResetTimer
            }

            fn init_hctx(
                _set: &Self::TagSetData,
                _queue: &crate::mq::Queue<Self>,
                _data: &Self::QueueData,
                _numa_node: i32,
            ) -> impl kernel::prelude::PinInit<Self::HwCtxData, kernel::error::Error> {
                Err::<Self::HwCtxData, _>(kernel::prelude::ENOMEM)
            }

            fn init_request(
                _set: &Self::TagSetData,
                _queue: Option<&crate::mq::Queue<Self>>,
                _numa_node: i32,
            ) -> impl kernel::prelude::PinInit<Self::RequestData, kernel::error::Error> {
                Err::<Self::RequestData, _>(kernel::prelude::ENOMEM)
            }
        }
    };
    (@type) => { () };
    (@type $type:ty) => { $type };
    (@budget) => { 64 };
    (@budget $budget:expr) => { $budget };
}
