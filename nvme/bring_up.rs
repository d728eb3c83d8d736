// SPDX-License-Identifier: GPL-2.0

//! Bringing a controller up, to its disks.
//!
//! NVM Express Base Specification 2.0c, 3.5.

use super::{
    admin::Admin,
    controller::Controller,
    hardware::Hardware,
    registers::Registers,
    spec::{
        admin,
        identify_ctrl::ControllerType,
        ids::QueueId,
        regs::Version, //
    },
    state::State,
    sysfs, //
};
use crate::{
    os::chrdev,
    pci::Lease, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

impl Controller {
    /// Goes from nothing to a node and its disks. May sleep.
    pub(super) fn bring_up(self: &Arc<Self>, lease: Lease, registers: Arc<Registers>) -> Result {
        let hardware = Hardware::new(lease.clone(), registers, self)?;
        let admin = hardware.admin(self.clone())?;
        *self.admin.lock() = Some(admin.clone());
        *self.hardware.lock() = Some(hardware);

        let identity = admin
            .query(admin::identify_ctrl())
            .inspect_err(|error| self.complain("Identify Controller", error))?;
        if !identity.has_usual_entry_sizes() {
            self.err(format_args!(
                "queue entries of 64 and 16 bytes are not supported (SQES, CQES)"
            ));
            return Err(ENODEV);
        }
        let kind = identity.controller_type();
        self.identity.populate(identity);
        let has_io = !self.with_hardware(|hw| Ok(hw.registers().cap().admin_only()))?
            && matches!(kind, ControllerType::Io | ControllerType::NotReported);
        if has_io {
            self.ask_command_set(&admin)?;
            self.make_io_queues(&admin)?;
        } else {
            self.say(format_args!(
                "no I/O controller ({kind:?}): admin commands only"
            ));
        }
        self.with_hardware(|hw| self.go_live(hw))?;
        self.make_node(&lease)?;
        self.scan_first();
        self.watch();
        Ok(())
    }

    /// The end of the way up. Under the lock of the hardware, so that who stops a controller
    /// that is coming up, since a command was not completed, does not stop a live one.
    pub(super) fn go_live(&self, hardware: &Hardware) -> Result {
        if !hardware.is_running() {
            return Err(ETIMEDOUT);
        }
        self.change_state(State::Live)
    }

    /// Asks for the limits that the NVM command set adds, if the controller knows them: it
    /// keeps a log of what it was asked in vain.
    fn ask_command_set(&self, admin: &Admin) -> Result {
        let knows = self.version >= Version::V2_0
            || self.with_hardware(|hw| Ok(hw.registers().cap().all_command_sets()))?;
        if !knows {
            return Ok(());
        }
        match admin.query(admin::identify_ctrl_nvm()) {
            Ok(limits) => {
                self.command_set.populate(limits);
            }
            Err(error) => {
                self.complain("Identify Controller for the NVM command set", &error);
            }
        }
        Ok(())
    }

    /// Makes as many I/O queues as the controller lets us have, fewer if it refuses one.
    fn make_io_queues(&self, admin: &Admin) -> Result {
        let wanted = self.with_hardware(|hw| Ok(hw.wanted_io_queues()))?;
        let granted = admin
            .set_queue_count(wanted)
            .inspect_err(|error| self.complain("Set Features, Number of Queues", error))?;
        let mut count = wanted.min(granted);
        // Each round has fewer queues than the one before.
        let made = loop {
            let made = self.with_hardware(|hw| hw.make_io_queues(self, count))?;
            if made < count {
                self.say(format_args!(
                    "interrupts for {made} of {count} I/O queues only: the CPUs share them"
                ));
            }
            match self.create_io_queues(admin, made)? {
                created if created == made => break made,
                0 => return Err(ENODEV),
                created => count = created,
            }
            self.say(format_args!("going on with {count} I/O queues"));
            for id in (1..=count).rev() {
                admin
                    .delete_queue_pair(QueueId::new(u16::try_from(id)?))
                    .inspect_err(|error| self.complain("Delete I/O Queue", error))?;
            }
            self.with_hardware(|hw| {
                hw.drop_io_queues();
                Ok(())
            })?;
        };
        self.say(format_args!(
            "{made} I/O queues of {} entries (asked for {wanted}, granted {granted}), NVMe {}",
            self.with_hardware(|hw| Ok(hw.io_entries()))?,
            self.version
        ));
        Ok(())
    }

    /// Tells the controller of the first `count` I/O queues. Returns how many it took.
    pub(super) fn create_io_queues(&self, admin: &Admin, count: u32) -> Result<u32> {
        for created in 0..count {
            // CAST: widening.
            let index = created as usize;
            let queue = self.with_hardware(|hw| hw.io_queue(index).ok_or(EINVAL))?;
            let refused = admin
                .create_queue_pair(&queue)
                .inspect_err(|error| self.complain("Create I/O Queue", error))?;
            if let Some(status) = refused {
                self.complain("Create I/O Queue", &status);
                return Ok(created);
            }
            self.with_hardware(|hw| {
                hw.open_io_queue(index);
                Ok(())
            })?;
        }
        Ok(count)
    }

    /// Shows the controller in `/dev` and in its class.
    fn make_node(self: &Arc<Self>, lease: &Lease) -> Result {
        let node = chrdev::Registration::new(
            fmt!("{}", *self.name),
            self.globals.clone(),
            lease.device(),
            self.instance.number(),
            &sysfs::CONTROLLER_GROUPS,
            self.clone(),
        )?;
        *self.node.lock() = Some(node);
        Ok(())
    }
}
