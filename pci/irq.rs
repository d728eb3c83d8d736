// SPDX-License-Identifier: GPL-2.0

//! Interrupt vectors and their handlers.

use super::Lease;
use crate::{
    bindings,
    mq::atomic::{
        AtomicBool,
        Ordering, //
    },
};
use core::{
    cell::UnsafeCell,
    ops::{
        Deref,
        DerefMut, //
    },
    ptr::{
        self,
        NonNull, //
    },
};
use kernel::{
    error::to_result,
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    },
};

/// The interrupt vectors of a function: MSI-X, else MSI, else the one line.
///
/// # Invariants
///
/// `count` vectors are allocated.
pub(crate) struct Vectors {
    count: u32,
    lease: Lease,
}

impl Vectors {
    /// Allocates up to `max` vectors, at least one. All but the first
    /// `without_affinity` are spread over the CPUs. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOSPC` if there is none at all.
    pub(crate) fn new(lease: Lease, max: u32, without_affinity: u32) -> Result<Arc<Self>> {
        let mut affinity = bindings::irq_affinity {
            pre_vectors: without_affinity,
            ..pin_init::zeroed()
        };
        let spread = max > without_affinity;
        // SAFETY: the function is ours and has no vectors yet; `affinity` is valid
        // for the call.
        let count = unsafe {
            bindings::pci_alloc_irq_vectors_affinity(
                lease.as_raw(),
                1,
                max,
                bindings::PCI_IRQ_ALL_TYPES
                    | if spread {
                        bindings::PCI_IRQ_AFFINITY
                    } else {
                        0
                    },
                if spread {
                    &mut affinity
                } else {
                    ptr::null_mut()
                },
            )
        };
        to_result(count)?;
        // INVARIANT: allocated just now. CAST: not negative.
        Ok(Arc::new(
            Self {
                count: count as u32,
                lease,
            },
            GFP_KERNEL,
        )?)
    }

    /// How many vectors there are.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }
}

impl Drop for Vectors {
    fn drop(&mut self) {
        // SAFETY: allocated by the type invariant; handlers hold a reference to this
        // value, so none is left.
        unsafe { bindings::pci_free_irq_vectors(self.lease.as_raw()) };
    }
}

/// What handles the interrupts of one source.
pub(crate) trait IrqHandler: Send + 'static {
    /// Handles an interrupt. Hard interrupt context, or that of
    /// [`IrqRegistration::with_masked`]. Returns true if the device had sent it.
    fn handle(&mut self) -> bool;
}

/// A handler, and whether it is lent to somebody other than the interrupt core.
///
/// Whoever has the value itself has the handler.
pub(crate) struct HandlerCell<H> {
    lent: AtomicBool,
    handler: UnsafeCell<H>,
}

impl<H: IrqHandler> HandlerCell<H> {
    /// A handler for [`IrqRegistration::new`].
    pub(crate) fn new(handler: H) -> Result<KBox<Self>> {
        Ok(KBox::new(
            Self {
                lent: AtomicBool::new(false),
                handler: UnsafeCell::new(handler),
            },
            GFP_KERNEL,
        )?)
    }
}

impl<H: IrqHandler> Deref for HandlerCell<H> {
    type Target = H;

    fn deref(&self) -> &H {
        // SAFETY: references to a cell are given out by its box only, and a registered one
        // has none; so nobody changes it as long as this one lives.
        unsafe { &*self.handler.get() }
    }
}

impl<H: IrqHandler> DerefMut for HandlerCell<H> {
    fn deref_mut(&mut self) -> &mut H {
        self.handler.get_mut()
    }
}

/// A handler that is called for each interrupt of its vector.
///
/// The interrupt core never runs a handler on two CPUs at once, so it has its
/// state exclusively, without a lock. Others get at the state in
/// [`Self::with_masked`], while the vector is disabled and the handler is marked as lent:
/// there is a boot option (`irqpoll`) by which the core calls handlers of disabled vectors.
///
/// # Invariants
///
/// `cell` is registered, and stays at its place until it is freed; the handler in it is
/// touched by the interrupt core while it is not lent, else by who it is lent to.
pub(crate) struct IrqRegistration<H: IrqHandler> {
    cell: NonNull<HandlerCell<H>>,
    index: u32,
    irq: u32,
    masked: Pin<KBox<Mutex<()>>>,
    vectors: Arc<Vectors>,
}

// SAFETY: a registration may be used and freed from any thread that may sleep, and
// the handler is `Send`.
unsafe impl<H: IrqHandler> Send for IrqRegistration<H> {}
// SAFETY: the shared method takes a lock.
unsafe impl<H: IrqHandler> Sync for IrqRegistration<H> {}

impl<H: IrqHandler> IrqRegistration<H> {
    /// Registers `handler` for vector `index`, shown in `/proc/interrupts` as
    /// `rnvmeNqQ` for `instance` N and `queue` Q. May sleep.
    ///
    /// # Errors
    ///
    /// `EINVAL` if there is no such vector, `ENOMEM`; the handler comes back.
    pub(crate) fn new(
        vectors: Arc<Vectors>,
        index: u32,
        instance: u32,
        queue: u32,
        handler: KBox<HandlerCell<H>>,
    ) -> Result<Self, (Error, KBox<HandlerCell<H>>)> {
        let masked = match KBox::pin_init(new_mutex!(()), GFP_KERNEL) {
            Ok(masked) => masked,
            Err(error) => return Err((error, handler)),
        };
        // SAFETY: the function is ours.
        let irq = unsafe { bindings::pci_irq_vector(vectors.lease.as_raw(), index) };
        if let Err(error) = to_result(irq) {
            return Err((error, handler));
        }
        let cell = NonNull::from(KBox::leak(handler));
        // SAFETY: the vector exists; the handler lives until `into_handler` or `drop`
        // has freed the interrupt. The format takes these two numbers.
        let result = to_result(unsafe {
            bindings::pci_request_irq(
                vectors.lease.as_raw(),
                index,
                Some(Self::callback),
                None,
                cell.as_ptr().cast(),
                c"rnvme%uq%u".as_char_ptr(),
                instance,
                queue,
            )
        });
        if let Err(error) = result {
            // SAFETY: leaked above, and registered with nobody.
            return Err((error, unsafe { KBox::from_raw(cell.as_ptr()) }));
        }
        // INVARIANT: registered just now.
        Ok(Self {
            cell,
            index,
            // CAST: not negative.
            irq: irq as u32,
            masked,
            vectors,
        })
    }

    /// # Safety
    ///
    /// `data` is the cell of a registration.
    unsafe extern "C" fn callback(_irq: c_int, data: *mut c_void) -> bindings::irqreturn_t {
        // SAFETY: by this function's requirements.
        let cell = unsafe { &*data.cast::<HandlerCell<H>>() };
        if cell.lent.load(Ordering::Acquire) {
            return bindings::irqreturn::IRQ_NONE;
        }
        // SAFETY: not lent, and it will not be while this runs, since who lends it waits
        // for that; the interrupt core calls this on one CPU at a time (type invariant).
        let handler = unsafe { &mut *cell.handler.get() };
        if handler.handle() {
            bindings::irqreturn::IRQ_HANDLED
        } else {
            bindings::irqreturn::IRQ_NONE
        }
    }

    /// The index of the vector.
    pub(crate) fn index(&self) -> u32 {
        self.index
    }

    /// Disables the vector, waits until its handlers do not run any more, and lends
    /// the handler to `f`. May sleep.
    pub(crate) fn with_masked<R>(&self, f: impl FnOnce(&mut H) -> R) -> R {
        let _only = self.masked.lock();
        // SAFETY: live by the type invariant; nobody has a mutable reference to it.
        let cell = unsafe { self.cell.as_ref() };
        cell.lent.store(true, Ordering::Relaxed);
        // The call waits for handlers that run already. It and the core's calls of handlers
        // take the same lock, so those that come later see the mark.
        // SAFETY: the interrupt is registered.
        unsafe { bindings::disable_irq(self.irq) };
        // SAFETY: lent to us, so the interrupt core does not touch it, and the lock keeps
        // everybody else out.
        let result = f(unsafe { &mut *cell.handler.get() });
        // Release: what `f` did comes before what a handler does that finds it not lent.
        cell.lent.store(false, Ordering::Release);
        // SAFETY: disabled above.
        unsafe { bindings::enable_irq(self.irq) };
        result
    }

    /// Frees the interrupt, waits until its handlers do not run any more, and gives
    /// the handler back. May sleep.
    pub(crate) fn into_handler(self) -> KBox<HandlerCell<H>> {
        let this = core::mem::ManuallyDrop::new(self);
        // SAFETY: `this` is not used after this, and not dropped.
        let (vectors, masked) = unsafe { (ptr::read(&this.vectors), ptr::read(&this.masked)) };
        drop(masked);
        // SAFETY: registered by the type invariant, freed once.
        unsafe { Self::free(&vectors, this.index, this.cell) }
    }

    /// # Safety
    ///
    /// `cell` is registered for vector `index`, and not used after this.
    unsafe fn free(
        vectors: &Vectors,
        index: u32,
        cell: NonNull<HandlerCell<H>>,
    ) -> KBox<HandlerCell<H>> {
        // SAFETY: by this function's requirements. The call waits for handlers.
        unsafe {
            bindings::pci_free_irq(vectors.lease.as_raw(), index, cell.as_ptr().cast());
            KBox::from_raw(cell.as_ptr())
        }
    }
}

impl<H: IrqHandler> Drop for IrqRegistration<H> {
    fn drop(&mut self) {
        // SAFETY: registered by the type invariant, freed once.
        drop(unsafe { Self::free(&self.vectors, self.index, self.cell) });
    }
}
