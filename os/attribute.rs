// SPDX-License-Identifier: GPL-2.0

//! Attributes in sysfs: files with one value each.
//!
//! A driver writes four statics, each made from the one before: the attributes, a
//! list of them, a group, and the list of groups. None needs unsafe code there.

use crate::bindings;
use core::{
    fmt::Write,
    marker::PhantomData,
    ptr, //
};
use kernel::{
    fmt,
    prelude::*,
    sync::ArcBorrow, //
};

/// Where the data of an attribute are found, given the `struct device`.
///
/// # Safety
///
/// `data` returns the pointer of an `Arc` (`Arc::as_ptr`) that nobody drops for the
/// duration of a `show` or `store` call.
pub(crate) unsafe trait Owner {
    /// What `dev` carries.
    ///
    /// # Safety
    ///
    /// `dev` is a device of the kind that the type is named after, live for the duration of the
    /// call, with its data set.
    unsafe fn data(dev: *mut bindings::device) -> *const c_void;
}

/// The device of a class, with driver data (see [`super::chrdev`]).
pub(crate) enum OfDevice {}

// SAFETY: the driver data are set before the attributes appear, and stay until
// the device is released, which waits for running `show` calls.
unsafe impl Owner for OfDevice {
    unsafe fn data(dev: *mut bindings::device) -> *const c_void {
        // SAFETY: live by this function's requirements.
        unsafe { bindings::dev_get_drvdata(dev) }
    }
}

/// The device of a disk (see [`crate::mq::GenDisk`]).
pub(crate) enum OfDisk {}

// SAFETY: `private_data` is set before the disk is added, and stays until the disk
// is freed, which is after its attributes are gone.
unsafe impl Owner for OfDisk {
    unsafe fn data(dev: *mut bindings::device) -> *const c_void {
        // SAFETY: by this function's requirements the live device of a disk.
        unsafe { (*bindings::rnvme_dev_to_disk(dev)).private_data }
    }
}

/// Writes the value of an attribute.
pub(crate) type Show<T> = fn(&T, &mut Buffer<'_>) -> Result;

/// Takes what the user wrote to an attribute, without the end of the line.
pub(crate) type Store<T> = fn(ArcBorrow<'_, T>, &[u8]) -> Result;

/// Says whether an attribute shall appear.
pub(crate) type IsVisible<T> = fn(&T) -> bool;

/// One attribute of a `T`.
#[repr(C)]
pub(crate) struct Attribute<O: Owner, T: 'static> {
    raw: bindings::device_attribute,
    show: Option<Show<T>>,
    store: Option<Store<T>>,
    is_visible: Option<IsVisible<T>>,
    _owner: PhantomData<O>,
}

// SAFETY: never written after it was made; the kernel reads it only.
unsafe impl<O: Owner, T> Sync for Attribute<O, T> {}

impl<O: Owner, T> Attribute<O, T> {
    /// An attribute that everybody may read.
    pub(crate) const fn new(name: &'static CStr, show: Show<T>) -> Self {
        let mut this = Self::named(name);
        this.raw.attr.mode = 0o444;
        this.raw.__bindgen_anon_1.show = Some(Self::show);
        this.show = Some(show);
        this
    }

    /// An attribute that the administrator may write, and nobody can read.
    pub(crate) const fn write_only(name: &'static CStr, store: Store<T>) -> Self {
        let mut this = Self::named(name);
        this.raw.attr.mode = 0o200;
        this.raw.__bindgen_anon_2.store = Some(Self::store);
        this.store = Some(store);
        this
    }

    const fn named(name: &'static CStr) -> Self {
        let mut raw: bindings::device_attribute = pin_init::zeroed();
        raw.attr.name = kernel::str::as_char_ptr_in_const_context(name);
        Self {
            raw,
            show: None,
            store: None,
            is_visible: None,
            _owner: PhantomData,
        }
    }

    /// The same, but it appears only where `is_visible` says so.
    pub(crate) const fn only_if(mut self, is_visible: IsVisible<T>) -> Self {
        self.is_visible = Some(is_visible);
        self
    }

    /// # Safety
    ///
    /// `kobj` is that of a device whose data are a `T`, and `attr` lies in an
    /// attribute of this type.
    unsafe extern "C" fn mode(
        kobj: *mut bindings::kobject,
        attr: *mut bindings::attribute,
        _index: c_int,
    ) -> bindings::umode_t {
        // SAFETY: `attr` is the first field of `raw`, which is the first of ours.
        let this = unsafe { &*attr.cast::<Self>() };
        // SAFETY: by this function's requirements `kobj` is embedded in a device.
        let dev = unsafe { kernel::container_of!(kobj, bindings::device, kobj) };
        // SAFETY: by this function's requirements and those of `Owner`.
        let data = unsafe { &*O::data(dev).cast::<T>() };
        match this.is_visible {
            Some(is_visible) if !is_visible(data) => 0,
            _ => this.raw.attr.mode,
        }
    }

    /// # Safety
    ///
    /// `dev` is a live device whose data are a `T`, `attr` is the first field of an
    /// attribute of this type, and `buf` has one page, for the duration of the call.
    unsafe extern "C" fn show(
        dev: *mut bindings::device,
        attr: *mut bindings::device_attribute,
        buf: *mut c_char,
    ) -> isize {
        // SAFETY: `raw` is the first field of a `repr(C)` structure.
        let this = unsafe { &*attr.cast::<Self>() };
        // SAFETY: by this function's requirements and those of `Owner`.
        let data = unsafe { &*O::data(dev).cast::<T>() };
        // SAFETY: sysfs hands over a page of its own.
        let page = unsafe { core::slice::from_raw_parts_mut(buf, kernel::page::PAGE_SIZE) };
        let mut buffer = Buffer { page, len: 0 };
        let result = match this.show {
            Some(show) => show(data, &mut buffer),
            None => Err(EIO),
        };
        match result {
            // CAST: at most a page.
            Ok(()) => buffer.len as isize,
            // CAST: widening.
            Err(error) => error.to_errno() as isize,
        }
    }

    /// # Safety
    ///
    /// `dev` is a live device whose data are a `T`, `attr` is the first field of an
    /// attribute of this type, and `buf` has `len` bytes, for the duration of the call.
    unsafe extern "C" fn store(
        dev: *mut bindings::device,
        attr: *mut bindings::device_attribute,
        buf: *const c_char,
        len: usize,
    ) -> isize {
        // SAFETY: `raw` is the first field of a `repr(C)` structure.
        let this = unsafe { &*attr.cast::<Self>() };
        // SAFETY: by this function's requirements and those of `Owner`, for the
        // duration of the call.
        let data = unsafe { ArcBorrow::from_raw(O::data(dev).cast::<T>()) };
        // SAFETY: by this function's requirements.
        let text = unsafe { core::slice::from_raw_parts(buf.cast::<u8>(), len) };
        let result = match this.store {
            Some(store) => store(data, text.strip_suffix(b"\n").unwrap_or(text)),
            None => Err(EIO),
        };
        match result {
            // CAST: at most a page.
            Ok(()) => len as isize,
            // CAST: widening.
            Err(error) => error.to_errno() as isize,
        }
    }
}

/// The page that an attribute is written to.
pub(crate) struct Buffer<'a> {
    page: &'a mut [c_char],
    len: usize,
}

impl Write for Buffer<'_> {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        let end = self.len.checked_add(text.len()).ok_or(core::fmt::Error)?;
        let room = self.page.get_mut(self.len..end).ok_or(core::fmt::Error)?;
        for (to, from) in room.iter_mut().zip(text.bytes()) {
            *to = c_char::from_ne_bytes([from]);
        }
        self.len = end;
        Ok(())
    }
}

impl Buffer<'_> {
    /// Writes one line.
    ///
    /// # Errors
    ///
    /// `EOVERFLOW` if it does not fit in a page.
    pub(crate) fn line(&mut self, args: fmt::Arguments<'_>) -> Result {
        self.write_fmt(args)
            .and_then(|()| self.write_char('\n'))
            .map_err(|_| EOVERFLOW)
    }
}

/// A list of `N - 1` attributes, as C wants it: ended by a null pointer.
#[repr(transparent)]
pub(crate) struct AttributeList<O: Owner, T: 'static, const N: usize>(
    [*mut bindings::attribute; N],
    PhantomData<(O, T)>,
);

// SAFETY: never written after it was made; the kernel reads it only.
unsafe impl<O: Owner, T, const N: usize> Sync for AttributeList<O, T, N> {}

impl<O: Owner, T, const N: usize> AttributeList<O, T, N> {
    /// The list of all of `attributes`, one fewer than `N`.
    pub(crate) const fn new<const M: usize>(attributes: &'static [Attribute<O, T>; M]) -> Self {
        const { assert!(M + 1 == N, "the list has one entry more, for its end") };
        let mut list = [ptr::null_mut(); N];
        let mut i = 0;
        while i < M {
            list[i] = (&raw const attributes[i].raw.attr).cast_mut();
            i += 1;
        }
        Self(list, PhantomData)
    }
}

/// A group of attributes: a folder, or the folder of the device itself.
#[repr(C)]
pub(crate) struct AttributeGroup<O: Owner, T: 'static> {
    raw: bindings::attribute_group,
    _types: PhantomData<(O, T)>,
}

// SAFETY: never written after it was made; the kernel reads it only.
unsafe impl<O: Owner, T> Sync for AttributeGroup<O, T> {}

impl<O: Owner, T> AttributeGroup<O, T> {
    /// The attributes of `list`, in the folder of the device itself.
    pub(crate) const fn new<const N: usize>(list: &'static AttributeList<O, T, N>) -> Self {
        let mut raw: bindings::attribute_group = pin_init::zeroed();
        raw.__bindgen_anon_1.is_visible = Some(Attribute::<O, T>::mode);
        raw.__bindgen_anon_2.attrs = list.0.as_ptr().cast_mut();
        Self {
            raw,
            _types: PhantomData,
        }
    }
}

/// The groups of a device that carries a `T`: one.
#[repr(transparent)]
pub(crate) struct AttributeGroups<O: Owner, T: 'static>(
    [*const bindings::attribute_group; 2],
    PhantomData<(O, T)>,
);

// SAFETY: never written after it was made; the kernel reads it only.
unsafe impl<O: Owner, T> Sync for AttributeGroups<O, T> {}

impl<O: Owner, T> AttributeGroups<O, T> {
    /// The list with one group.
    pub(crate) const fn new(group: &'static AttributeGroup<O, T>) -> Self {
        Self([&raw const group.raw, ptr::null()], PhantomData)
    }

    /// For the calls that add them to a device.
    pub(crate) fn as_raw(&'static self) -> *mut *const bindings::attribute_group {
        self.0.as_ptr().cast_mut()
    }
}
