// SPDX-License-Identifier: GPL-2.0

//! All devices and disks, by name, and the commands that make and remove them.

#![forbid(unsafe_code)]

use crate::{
    config::{
        DeviceConfig,
        DiskConfig,
        LeastMode,
        Name,
        Value, //
    },
    device::{
        self,
        Device,
        Shared, //
    },
    disk::RamDisk,
    mq::{
        BlkStatus,
        GenDisk,
        OwnedRequestQueue,
        UniqueIdType, //
    },
    node::Node,
    operations::Ram,
    os::chrdev::Registration,
    ping,
    plain::{
        Plain,
        PlainDisk, //
    },
};
use core::fmt::{
    self,
    Write, //
};
use kernel::{
    prelude::*,
    sync::{
        global_lock,
        Arc, //
    },
};

global_lock! {
    // SAFETY: initialised when the module is loaded, before anything else.
    pub(crate) unsafe(uninit) static REGISTRY: Mutex<Registry> = Registry::EMPTY;
}

/// How long a device's requests may take to end when its disks are frozen, in
/// milliseconds.
const FREEZE_MS: u32 = 10_000;

/// A disk that was added.
struct Added {
    /// Goes first.
    _node: Option<Registration<Node>>,
    name: Name,
    device: Name,
    config: DiskConfig,
    disk: GenDisk<Ram>,
}

/// All devices and disks.
pub(crate) struct Registry {
    disks: KVec<Added>,
    plain: KVec<(Name, GenDisk<Plain>)>,
    devices: KVec<Device>,
    /// What is left of devices that were removed: their counters.
    gone: KVec<Arc<Shared>>,
}

impl Registry {
    const EMPTY: Self = Self {
        disks: KVec::new(),
        plain: KVec::new(),
        devices: KVec::new(),
        gone: KVec::new(),
    };

    /// Executes one line: a command, a name, and words of the form `name=value`.
    ///
    /// ```text
    /// device NAME [name=value...]             makes a device
    /// disk NAME DEVICE [name=value...]        adds a disk to it
    /// plain NAME MODE [name=value...]         adds a disk of the least driver
    /// remove NAME                             removes a disk, or a device that has none
    /// kill NAME                               the disk dies: all of its requests fail from now on
    /// die NAME                                the device is gone, and so are all of its disks
    /// queues NAME N                           the device uses as many of its hardware queues
    /// ping NAME [HOW]                         a command of the driver's own to a disk
    /// freeze NAME                             the disks of a device are frozen and thawed
    /// hold NAME                               a disk is frozen for a second
    /// quiesce NAME                            a disk's requests wait for a while
    /// choke NAME                              the driver stops whatever a request comes by
    /// stop NAME, start NAME                   nothing is dispatched any more, or again
    /// run NAME                                what waits is dispatched, unless stopped
    /// kick NAME                               what was given back is dispatched at once
    /// revalidate NAME                         a disk's zones are looked at anew
    /// resize NAME BYTES                       the disk says that it is smaller than it was made
    /// limit NAME BYTES                        its requests are as large as that at most
    /// lock NAME, unlock NAME                  it is read-only, or can be written
    /// change NAME                             another medium is put in, with the same data
    /// name NAME                               others in the kernel ask for its unique name
    /// ```
    pub(crate) fn execute(&mut self, line: &str) -> Result {
        let mut words = line.split_ascii_whitespace();
        let mut word = || words.next().ok_or(EINVAL);
        let command = word()?;
        let name = Name::new(word()?)?;
        match command {
            "device" => self.make_device(name, DeviceConfig::parse(words)?),
            "disk" => {
                let device = Name::new(word()?)?;
                self.add_disk(name, device, DiskConfig::parse(words)?)
            }
            "plain" => {
                let mode = LeastMode::parse(word()?)?;
                self.add_plain(name, mode, DiskConfig::parse(words)?)
            }
            "remove" => self.remove(name),
            "kill" => {
                self.disk(name)?.disk.mark_dead();
                Ok(())
            }
            "die" => self.die(name),
            "queues" => {
                let count = u32::parse(word()?)?;
                match self.device(name)?.set.update_nr_hw_queues(count)? {
                    now if now == count => Ok(()),
                    _ => Err(ENOMEM),
                }
            }
            "ping" => {
                let how = word().unwrap_or("wait");
                let added = self.disk(name)?;
                let queues = self.device(added.device)?.set.nr_hw_queues();
                ping::ping(&added.disk, how, queues)
            }
            "freeze" => {
                let set = &self.device(name)?.set;
                let frozen = set.freeze_timeout(FREEZE_MS)?;
                // What is frozen has no request under way.
                match set.busy() {
                    0 if frozen.queues() == self.disks_of(name) => Ok(()),
                    _ => Err(EIO),
                }
            }
            "hold" => ping::hold(&self.disk(name)?.disk),
            "quiesce" => ping::quiesce(&self.disk(name)?.disk),
            "stop" => {
                self.disk(name)?.disk.queue().stop_hw_queues();
                Ok(())
            }
            "choke" => {
                self.disk(name)?.disk.data().choke(true);
                Ok(())
            }
            "start" => {
                let disk = &self.disk(name)?.disk;
                disk.data().choke(false);
                disk.queue().start_stopped_hw_queues(true);
                Ok(())
            }
            "run" => {
                self.disk(name)?.disk.queue().run_hw_queues(true);
                Ok(())
            }
            "kick" => {
                self.disk(name)?.disk.queue().delay_kick_requeue_list(0);
                Ok(())
            }
            "revalidate" => {
                let mut disks = self.disks.iter_mut();
                let added = disks.find(|disk| disk.name == name).ok_or(ENOENT)?;
                added.disk.revalidate_zones()
            }
            "resize" => {
                let (size, disk) = (u64::parse(word()?)?, self.disk(name)?);
                if size > disk.config.size {
                    return Err(ENOSPC);
                }
                disk.disk.set_capacity(size).map(|_| ())
            }
            "limit" => {
                let bytes = u64::parse(word()?)?;
                self.disk(name)?.disk.update_limits(|limits| {
                    limits.max_hw_bytes = bytes;
                    Ok(())
                })
            }
            "lock" | "unlock" => {
                self.disk(name)?.disk.set_read_only(command == "lock");
                Ok(())
            }
            "change" => {
                self.disk(name)?.disk.data().change_medium();
                Ok(())
            }
            "name" => {
                let disk = &self.disk(name)?.disk;
                let id = disk.unique_id(UniqueIdType::Eui64)?;
                let other = disk.unique_id(UniqueIdType::Naa);
                match id.bytes() == disk.data().serial().to_be_bytes() && other == Err(EINVAL) {
                    true => Ok(()),
                    false => Err(EIO),
                }
            }
            _ => Err(EINVAL),
        }
    }

    /// How many disks a device has.
    fn disks_of(&self, device: Name) -> usize {
        let disks = self.disks.iter();
        disks.filter(|disk| disk.device == device).count()
    }

    fn make_device(&mut self, name: Name, config: DeviceConfig) -> Result {
        if self.device(name).is_ok() {
            return Err(EEXIST);
        }
        self.devices.push(Device::new(name, config)?, GFP_KERNEL)?;
        Ok(())
    }

    fn add_disk(&mut self, name: Name, device: Name, config: DiskConfig) -> Result {
        self.disks.reserve(1, GFP_KERNEL)?;
        let on = self.device(device)?;
        let added = Added {
            _node: match on.faux() {
                Some(parent) => Some(Node::add(name, parent)?),
                None => None,
            },
            name,
            device,
            config,
            disk: RamDisk::add(&name, on, config)?,
        };
        self.disks.push(added, GFP_KERNEL)?;
        Ok(())
    }

    fn add_plain(&mut self, name: Name, mode: LeastMode, config: DiskConfig) -> Result {
        self.plain.reserve(1, GFP_KERNEL)?;
        let disk = PlainDisk::add(&name, mode, &config)?;
        self.plain.push((name, disk), GFP_KERNEL)?;
        Ok(())
    }

    fn remove(&mut self, name: Name) -> Result {
        if let Some(place) = self.plain.iter().position(|(plain, _)| *plain == name) {
            drop(self.plain.remove(place).map_err(|_| ENOENT)?);
            return Ok(());
        }
        if let Some(place) = self.disks.iter().position(|disk| disk.name == name) {
            drop(self.disks.remove(place).map_err(|_| ENOENT)?);
            return Ok(());
        }
        if self.disks.iter().any(|disk| disk.device == name) {
            return Err(EBUSY);
        }
        let is_it = |device: &Device| device.shared.name == name;
        let place = self.devices.iter().position(is_it).ok_or(ENOENT)?;
        self.gone.retain(|gone| gone.name != name);
        self.gone.reserve(1, GFP_KERNEL)?;
        let device = self.devices.remove(place).map_err(|_| ENOENT)?;
        let shared = device.shared.clone();
        drop(device);
        self.gone.push(shared, GFP_KERNEL)?;
        Ok(())
    }

    /// What a driver does when its device is gone: new requests fail at once, and those
    /// that the device had end.
    fn die(&self, name: Name) -> Result {
        let device = self.device(name)?;
        for disk in self.disks.iter().filter(|disk| disk.device == name) {
            disk.disk.mark_dead();
        }
        device.shared.die();
        device::take_back(&device.set, Some(BlkStatus::Offline));
        Ok(())
    }

    fn device(&self, name: Name) -> Result<&Device> {
        let mut devices = self.devices.iter();
        devices
            .find(|device| device.shared.name == name)
            .ok_or(ENOENT)
    }

    /// The disk of this name.
    pub(crate) fn gen_disk(&self, name: Name) -> Result<&GenDisk<Ram>> {
        Ok(&self.disk(name)?.disk)
    }

    /// A request queue beside that of a disk, with the same parameters, and no disk.
    pub(crate) fn queue_beside(&self, disk: Name) -> Result<OwnedRequestQueue<Ram>> {
        let added = self.disk(disk)?;
        RamDisk::add_queue(self.device(added.device)?, added.config)
    }

    fn disk(&self, name: Name) -> Result<&Added> {
        let mut disks = self.disks.iter();
        disks.find(|disk| disk.name == name).ok_or(ENOENT)
    }

    /// Prints a line for each device, disk, and device that is gone.
    pub(crate) fn report(&self, out: &mut dyn Write) -> fmt::Result {
        for device in &self.devices {
            write!(
                out,
                "device {} busy_queues={}",
                device.shared.name.as_str(),
                device.busy_queues()
            )?;
            device.shared.print(out)?;
        }
        for disk in &self.disks {
            write!(
                out,
                "disk {} device={} openers={} ro={} nr_zones={} inflight={}",
                disk.name.as_str(),
                disk.device.as_str(),
                disk.disk.openers(),
                u8::from(disk.disk.is_read_only()),
                disk.disk.nr_zones(),
                u8::from(disk.disk.queue().is_inflight())
            )?;
            disk.config.print(out)?;
            out.write_char('\n')?;
        }
        for (name, _) in &self.plain {
            writeln!(out, "disk {} device=plain", name.as_str())?;
        }
        for gone in &self.gone {
            write!(out, "gone {}", gone.name.as_str())?;
            gone.print(out)?;
        }
        Ok(())
    }
}

impl Shared {
    fn print(&self, out: &mut dyn Write) -> fmt::Result {
        self.config.print(out)?;
        self.counters.print(out)?;
        out.write_char('\n')
    }
}

/// Who empties the registry when the module goes: the module.
pub(crate) struct Owner;

impl Drop for Owner {
    fn drop(&mut self) {
        // Disks first, as the fields are in this order.
        let all = core::mem::replace(&mut *REGISTRY.lock(), Registry::EMPTY);
        drop(all);
    }
}
