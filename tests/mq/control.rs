// SPDX-License-Identifier: GPL-2.0

//! `/dev/mq_ram`: write commands, one a line; read a report.

#![forbid(unsafe_code)]

use crate::registry::REGISTRY;
use core::fmt::{
    self,
    Write, //
};
use kernel::{
    fs::{
        File,
        Kiocb, //
    },
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    miscdevice::{
        MiscDevice,
        MiscDeviceRegistration, //
    },
    prelude::*, //
};

/// The node while somebody has it open, and the report of that moment.
pub(crate) struct Control {
    report: Text,
}

#[vtable]
impl MiscDevice for Control {
    type Ptr = KBox<Self>;

    fn open(_file: &File, _node: &MiscDeviceRegistration<Self>) -> Result<KBox<Self>> {
        let mut report = Text(KVVec::new());
        REGISTRY.lock().report(&mut report).map_err(|_| ENOMEM)?;
        Ok(KBox::new(Self { report }, GFP_KERNEL)?)
    }

    fn read_iter(mut kiocb: Kiocb<'_, KBox<Self>>, iov: &mut IovIterDest<'_>) -> Result<usize> {
        let this = kiocb.file();
        iov.simple_read_from_buffer(kiocb.ki_pos_mut(), &this.report.0)
    }

    fn write_iter(_kiocb: Kiocb<'_, KBox<Self>>, iov: &mut IovIterSource<'_>) -> Result<usize> {
        let mut bytes = KVVec::new();
        let len = iov.copy_from_iter_vec(&mut bytes, GFP_KERNEL)?;
        let text = core::str::from_utf8(&bytes).map_err(|_| EINVAL)?;
        for line in text.lines() {
            REGISTRY.lock().execute(line)?;
        }
        Ok(len)
    }
}

/// Text that grows.
struct Text(KVVec<u8>);

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0
            .extend_from_slice(text.as_bytes(), GFP_KERNEL)
            .map_err(|_| fmt::Error)
    }
}
