// SPDX-License-Identifier: GPL-2.0

//! What the module has once: its class, its device numbers, its work queues.

use super::{
    chrdev::Region,
    device::Class,
    work::WorkQueue, //
};
use kernel::{
    debugfs::Dir,
    prelude::*,
    sync::{
        global_lock,
        Arc, //
    },
};

/// What the module has once.
pub(crate) struct Globals {
    /// The class of the controllers.
    pub(crate) class: Class,
    /// The numbers of their nodes.
    pub(crate) region: Region,
    /// The folder of the module in debugfs.
    pub(crate) debugfs: Dir,
    /// Where work that must not wait for memory runs.
    pub(crate) work: WorkQueue,
    /// Where work runs that an item of `work` may wait for.
    pub(crate) urgent: WorkQueue,
    /// Where work runs that may wait for items of the others.
    pub(crate) slow: WorkQueue,
}

global_lock! {
    // SAFETY: initialised in `Owner::new`, which the module calls before anything
    // else.
    unsafe(uninit) static GLOBALS: Mutex<Option<Arc<Globals>>> = None;
}

/// Who makes the globals, and takes them away: the module itself.
pub(crate) struct Owner(());

impl Owner {
    /// Makes the globals. May sleep.
    ///
    /// # Safety
    ///
    /// Called once, at module load, before [`get`].
    pub(crate) unsafe fn new(name: &'static CStr) -> Result<Self> {
        // SAFETY: by this function's requirements this is the first use.
        unsafe { GLOBALS.init() };
        let globals = Arc::new(
            Globals {
                class: Class::new(name)?,
                region: Region::new(name)?,
                debugfs: Dir::new(name),
                work: WorkQueue::new(name)?,
                urgent: WorkQueue::with_suffix(name, c"-urgent")?,
                slow: WorkQueue::with_suffix(name, c"-slow")?,
            },
            GFP_KERNEL,
        )?;
        *GLOBALS.lock() = Some(globals);
        Ok(Self(()))
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let globals = GLOBALS.lock().take();
        drop(globals);
    }
}

/// The globals; `None` while the module goes away.
pub(crate) fn get() -> Option<Arc<Globals>> {
    GLOBALS.lock().clone()
}
