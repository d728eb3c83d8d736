// SPDX-License-Identifier: GPL-2.0

//! Character devices: one node in `/dev` and one device in a class each.

use super::{
    attribute::{
        AttributeGroups,
        OfDevice, //
    },
    device::{
        as_raw,
        ClassDeviceRef, //
    },
    globals::Globals,
    uring_cmd::FixedBuffer,
};
use crate::bindings;
use core::{
    marker::PhantomData,
    ptr::{
        self,
        NonNull, //
    }, //
};
use kernel::{
    error::{
        from_result,
        to_result,
        VTABLE_DEFAULT_ERROR, //
    },
    fmt,
    prelude::*,
    str::CString,
    sync::{
        Arc,
        ArcBorrow, //
    },
};

/// What a character device answers to those who have it open
/// (`struct file_operations`).
#[vtable]
pub(crate) trait CharDevice: Send + Sync + Sized + 'static {
    /// An ioctl. May sleep. `cmd` and `arg` are the user's. It may be called after
    /// the node was removed, by those who still have it open.
    ///
    /// # Errors
    ///
    /// `ENOTTY` for one that the driver does not know.
    fn ioctl(this: ArcBorrow<'_, Self>, cmd: u32, arg: usize) -> Result<isize>;

    /// A command of io_uring: its operation, the 16 bytes that go with it, and the buffer that
    /// it names. May sleep: a ring that must not has a thread of its own do this. Without it,
    /// `EOPNOTSUPP`.
    ///
    /// # Errors
    ///
    /// What the program is to get.
    fn uring_cmd(
        _this: ArcBorrow<'_, Self>,
        _op: u32,
        _payload: [u64; 2],
        _buffer: Option<FixedBuffer<'_>>,
    ) -> Result<i32> {
        kernel::build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Refuses to be opened, with an error, when it returns one.
    fn open(&self) -> Result {
        Ok(())
    }
}

/// The numbers that the nodes of a driver have.
///
/// # Invariants
///
/// `first` is the start of a region of `COUNT` numbers that is ours.
pub(crate) struct Region {
    first: bindings::dev_t,
}

impl Region {
    /// How many nodes there can be.
    const COUNT: u32 = 1 << 16;

    /// Reserves the numbers. May sleep.
    pub(crate) fn new(name: &'static CStr) -> Result<Self> {
        let mut first = 0;
        // SAFETY: `first` is valid for writes, the name is static.
        to_result(unsafe {
            bindings::alloc_chrdev_region(&mut first, 0, Self::COUNT, name.as_char_ptr())
        })?;
        // INVARIANT: reserved just now.
        Ok(Self { first })
    }

    fn number(&self, minor: u32) -> Result<bindings::dev_t> {
        if minor >= Self::COUNT {
            return Err(ENOSPC);
        }
        self.first.checked_add(minor).ok_or(ENOSPC)
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: ours by the type invariant; no node is left, as each is removed
        // before the driver is unregistered.
        unsafe { bindings::unregister_chrdev_region(self.first, Self::COUNT) };
    }
}

/// The node and the device, in one allocation that the device's release frees.
#[repr(C)]
struct Inner<T: CharDevice> {
    dev: bindings::device,
    cdev: bindings::cdev,
    data: Arc<T>,
    /// The class and the number are used as long as the device is there.
    _globals: Arc<Globals>,
}

/// A character device that is there until this value is dropped; those who have
/// it open keep its data.
///
/// # Invariants
///
/// `inner` is live; its device and node were added.
pub(crate) struct Registration<T: CharDevice>(NonNull<Inner<T>>);

// SAFETY: a device may be removed from any thread; the data are `Send` and `Sync`.
unsafe impl<T: CharDevice> Send for Registration<T> {}
// SAFETY: as above.
unsafe impl<T: CharDevice> Sync for Registration<T> {}

impl<T: CharDevice> Registration<T> {
    /// Makes `/dev/NAME` and its device, a child of `parent`. May sleep.
    ///
    /// # Errors
    ///
    /// `EEXIST` if the name is taken, `ENOSPC` if there are too many, `ENOMEM`.
    pub(crate) fn new(
        name: fmt::Arguments<'_>,
        globals: Arc<Globals>,
        parent: &kernel::device::Device,
        minor: u32,
        groups: &'static AttributeGroups<OfDevice, T>,
        data: Arc<T>,
    ) -> Result<Self> {
        let name = CString::try_from_fmt(name)?;
        let number = globals.region.number(minor)?;
        let class = globals.class.as_raw();
        let inner = KBox::new(
            Inner {
                dev: pin_init::zeroed(),
                cdev: pin_init::zeroed(),
                data,
                _globals: globals,
            },
            GFP_KERNEL,
        )?;
        let inner = NonNull::from(KBox::leak(inner));
        let raw = inner.as_ptr();
        // SAFETY: nobody else knows of the allocation. From `device_initialize` on it
        // is freed by `release`, with the last reference to the device.
        unsafe {
            let dev = &raw mut (*raw).dev;
            bindings::device_initialize(dev);
            (*dev).class = class;
            (*dev).parent = as_raw(parent);
            (*dev).devt = number;
            (*dev).groups = groups.as_raw();
            (*dev).release = Some(Vtable::<T>::release);
            bindings::dev_set_drvdata(dev, Arc::as_ptr(&(*raw).data).cast_mut().cast());
            bindings::cdev_init(&raw mut (*raw).cdev, Vtable::<T>::fops());
            (*raw).cdev.owner = kernel::module::this_module::<T::OwnerModule>().as_ptr();
        }
        // SAFETY: initialised above; `%s` takes one string.
        let result = to_result(unsafe {
            bindings::dev_set_name(&raw mut (*raw).dev, c"%s".as_char_ptr(), name.as_char_ptr())
        })
        .and_then(|()| {
            // SAFETY: both are initialised, and not yet added.
            to_result(unsafe {
                bindings::cdev_device_add(&raw mut (*raw).cdev, &raw mut (*raw).dev)
            })
        });
        if let Err(error) = result {
            // SAFETY: the reference of `device_initialize`; not used after this.
            unsafe { bindings::put_device(&raw mut (*raw).dev) };
            return Err(error);
        }
        // INVARIANT: added just now.
        Ok(Self(inner))
    }

    /// The device, for those who hang something below it.
    pub(crate) fn device(&self) -> ClassDeviceRef {
        // SAFETY: live by the type invariant; the device is the first field.
        unsafe { ClassDeviceRef::new(self.0.cast()) }
    }

    /// Tells user space that something about the device changed (`kobject_uevent_env`,
    /// `KOBJ_CHANGE`), with `variable` (`NAME=value`) in the message. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, or what sending meets.
    pub(crate) fn notify(&self, variable: &CStr) -> Result {
        let mut variables = [variable.as_char_ptr().cast_mut(), ptr::null_mut()];
        // The device is the first field.
        let device = self.0.cast::<bindings::device>().as_ptr();
        // SAFETY: the device is live and added by the type invariant, and so are all above it,
        // until this value goes. The texts are copied during the call, and not written; a null
        // pointer ends them.
        to_result(unsafe {
            bindings::kobject_uevent_env(
                &raw mut (*device).kobj,
                bindings::kobject_action_KOBJ_CHANGE,
                variables.as_mut_ptr(),
            )
        })
    }
}

impl<T: CharDevice> Drop for Registration<T> {
    fn drop(&mut self) {
        let raw = self.0.as_ptr();
        // SAFETY: added, by the type invariant; this is the reference that
        // `device_initialize` gave, and it is not used after this.
        unsafe {
            bindings::cdev_device_del(&raw mut (*raw).cdev, &raw mut (*raw).dev);
            bindings::put_device(&raw mut (*raw).dev);
        }
    }
}

/// The functions that C calls.
struct Vtable<T: CharDevice>(PhantomData<T>);

impl<T: CharDevice> Vtable<T> {
    fn fops() -> &'static bindings::file_operations {
        const {
            &bindings::file_operations {
                owner: kernel::module::this_module::<T::OwnerModule>().as_ptr(),
                open: Some(Self::open),
                unlocked_ioctl: Some(Self::ioctl),
                // The structures of our ioctls are the same for 32-bit programs.
                compat_ioctl: Some(Self::ioctl),
                uring_cmd: if T::HAS_URING_CMD {
                    Some(Self::uring_cmd)
                } else {
                    None
                },
                ..pin_init::zeroed()
            }
        }
    }

    /// # Safety
    ///
    /// `inode` is that of a node of `T`, which stays while the file is open; `file`
    /// is being opened.
    unsafe extern "C" fn open(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: by this function's requirements the node lies in an `Inner<T>`.
        let inner =
            unsafe { kernel::container_of!(bindings::rnvme_inode_cdev(inode), Inner<T>, cdev) };
        // SAFETY: the open file keeps the node, the node its parent device, and that
        // the allocation.
        let data: &Arc<T> = unsafe { &(*inner).data };
        // SAFETY: the file is ours to fill in.
        unsafe { (*file).private_data = Arc::as_ptr(data).cast_mut().cast() };
        match data.open() {
            Ok(()) => 0,
            Err(error) => error.to_errno(),
        }
    }

    /// # Safety
    ///
    /// `file` is open for the duration of the call, and of `T`.
    unsafe extern "C" fn ioctl(file: *mut bindings::file, cmd: c_uint, arg: c_ulong) -> c_long {
        // SAFETY: the pointer of an `Arc`, set by `open` and kept as said there.
        let data = unsafe { ArcBorrow::from_raw((*file).private_data.cast::<T>()) };
        match T::ioctl(data, cmd, arg) {
            Ok(value) => value,
            // CAST: widening.
            Err(error) => error.to_errno() as c_long,
        }
    }

    /// # Safety
    ///
    /// `cmd` is issued with `flags` on an open file of `T`, and live for the duration of the
    /// call.
    unsafe extern "C" fn uring_cmd(cmd: *mut bindings::io_uring_cmd, flags: c_uint) -> c_int {
        if flags & bindings::RNVME_URING_NONBLOCK != 0 {
            // It comes again, from a thread that may sleep.
            return EAGAIN.to_errno();
        }
        let mut order: bindings::rnvme_uring_order = pin_init::zeroed();
        // SAFETY: by this function's requirements; `order` is valid for writes.
        unsafe { bindings::rnvme_uring_cmd_read(cmd, &mut order) };
        // SAFETY: the pointer of an `Arc`, set by `open` and kept as said there.
        let data = unsafe { ArcBorrow::from_raw((*order.file).private_data.cast::<T>()) };
        let buffer = NonNull::new(cmd)
            .filter(|_| order.fixed)
            // SAFETY: by this function's requirements; io_uring completes it after the call.
            .map(|cmd| unsafe { FixedBuffer::new(cmd, flags) });
        from_result(|| T::uring_cmd(data, order.op, order.payload, buffer))
    }

    /// # Safety
    ///
    /// `dev` lies in an `Inner<T>` to which nobody holds a reference any more.
    unsafe extern "C" fn release(dev: *mut bindings::device) {
        // SAFETY: `dev` is the first field of an allocation that `new()` leaked.
        drop(unsafe { KBox::from_raw(dev.cast::<Inner<T>>()) });
    }
}
