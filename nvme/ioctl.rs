// SPDX-License-Identifier: GPL-2.0

//! Commands of users: `NVME_IOCTL_*` on `/dev/rnvmeN` and `/dev/rnvmeNnM`.
//!
//! The numbers and structures are those of `include/uapi/linux/nvme_ioctl.h`, so
//! nvme-cli works unchanged. `Documentation/abi.rst` describes all of it.

use super::{
    admin::Admin,
    command_data::CommandData,
    controller::Controller,
    io::IoQueues,
    spec::{
        command::Command,
        completion::Completion,
        data_len,
        identify::Cns,
        ids::Nsid,
        opcode::{
            AdminOpcode,
            IoOpcode, //
        },
    },
    state::State,
};
use crate::{
    mq::{
        DataDirection,
        DiskRef,
        OpenMode,
        Passthrough,
        PassthroughConfig, //
    },
    os::{
        chrdev::CharDevice,
        params,
        user::{
            self,
            address, //
        },
    },
};
use kernel::{
    ioctl::{
        _IO,
        _IOWR, //
    },
    prelude::*,
    sync::{
        Arc,
        ArcBorrow, //
    },
    uaccess::{
        UserPtr,
        UserSlice, //
    },
};
use zerocopy::{
    FromBytes,
    IntoBytes, //
};
use zerocopy_derive::{
    FromBytes,
    Immutable,
    IntoBytes,
    KnownLayout, //
};

/// `struct nvme_passthru_cmd`, in the CPU's byte order.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct UserCommand {
    opcode: u8,
    flags: u8,
    reserved: u16,
    nsid: u32,
    cdw2: u32,
    cdw3: u32,
    metadata: u64,
    addr: u64,
    metadata_len: u32,
    data_len: u32,
    cdw10: u32,
    cdw11: u32,
    cdw12: u32,
    cdw13: u32,
    cdw14: u32,
    cdw15: u32,
    timeout_ms: u32,
    result: u32,
}

/// `struct nvme_passthru_cmd64`: the result has 64 bits, and a place of its own.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct UserCommand64 {
    // The last field of `UserCommand` is reserved here.
    command: UserCommand,
    result: u64,
}

const _: () = assert!(size_of::<UserCommand>() == 72 && size_of::<UserCommand64>() == 80);

/// The type of all these ioctls.
const TYPE: u32 = 'N' as u32; // CAST: ASCII.

/// `NVME_IOCTL_ID`.
const ID: u32 = _IO(TYPE, 0x40);
/// `NVME_IOCTL_ADMIN_CMD`.
const ADMIN_CMD: u32 = _IOWR::<UserCommand>(TYPE, 0x41);
/// `NVME_IOCTL_IO_CMD`.
const IO_CMD: u32 = _IOWR::<UserCommand>(TYPE, 0x43);
/// `NVME_IOCTL_RESET`.
const RESET: u32 = _IO(TYPE, 0x44);
/// `NVME_IOCTL_RESCAN`.
const RESCAN: u32 = _IO(TYPE, 0x46);
/// `NVME_IOCTL_ADMIN64_CMD`.
const ADMIN64_CMD: u32 = _IOWR::<UserCommand64>(TYPE, 0x47);
/// `NVME_IOCTL_IO64_CMD`.
const IO64_CMD: u32 = _IOWR::<UserCommand64>(TYPE, 0x48);

/// Through what the user has reached us, which decides what he may send.
#[derive(Clone, Copy)]
enum Via {
    /// The node of the controller.
    Controller,
    /// A disk, or a partition of it.
    Disk { nsid: Nsid, writable: bool },
    /// A partition, which commands are not bound to.
    Partition { nsid: Nsid },
}

#[vtable]
impl CharDevice for Controller {
    fn open(&self) -> Result {
        // As long as it comes up or goes away there is nobody to talk to.
        match self.state() {
            State::Live | State::Resetting | State::Connecting | State::Deleting => Ok(()),
            State::New => Err(EAGAIN),
            State::Dead => Err(ENODEV),
        }
    }

    fn ioctl(this: ArcBorrow<'_, Self>, cmd: u32, arg: usize) -> Result<isize> {
        match cmd {
            ADMIN_CMD => round_trip::<UserCommand>(arg, |command| {
                admin_command(&this.into(), Via::Controller, command)
            }),
            ADMIN64_CMD => round_trip::<UserCommand64>(arg, |command| {
                admin_command(&this.into(), Via::Controller, command)
            }),
            RESET if !user::is_admin() => Err(EACCES),
            RESET => Arc::from(this).reset_now().map(|()| 0),
            RESCAN if !user::is_admin() => Err(EACCES),
            RESCAN => Arc::from(this).scan_now().map(|()| 0),
            _ => Err(ENOTTY),
        }
    }
}

/// An ioctl on a disk.
pub(super) fn on_disk(
    disk: &DiskRef<'_, IoQueues>,
    mode: OpenMode,
    cmd: u32,
    arg: usize,
) -> Result<isize> {
    let ns = disk.data();
    let via = if disk.is_partition() {
        Via::Partition { nsid: ns.nsid() }
    } else {
        Via::Disk {
            nsid: ns.nsid(),
            writable: mode.is_write(),
        }
    };
    match cmd {
        ID => {
            user::successful();
            // CAST: an ioctl's value; identifiers above 2^31 wrap, as they do in C.
            Ok(ns.nsid().get() as isize)
        }
        ADMIN_CMD => {
            round_trip::<UserCommand>(arg, |command| admin_command(ns.controller(), via, command))
        }
        ADMIN64_CMD => {
            round_trip::<UserCommand64>(arg, |command| admin_command(ns.controller(), via, command))
        }
        IO_CMD => round_trip::<UserCommand>(arg, |command| io_command(disk, via, command)),
        IO64_CMD => round_trip::<UserCommand64>(arg, |command| io_command(disk, via, command)),
        _ => Err(ENOTTY),
    }
}

/// A structure that carries a command in and a result out.
trait UserAbi: FromBytes + IntoBytes + zerocopy::Immutable + zerocopy::KnownLayout {
    /// The command.
    fn command(&self) -> &UserCommand;

    /// Keeps what the command returned.
    fn set_result(&mut self, result: u64);
}

impl UserAbi for UserCommand {
    fn command(&self) -> &UserCommand {
        self
    }

    fn set_result(&mut self, result: u64) {
        // CAST: this structure has room for DW0 alone.
        self.result = result as u32;
    }
}

impl UserAbi for UserCommand64 {
    fn command(&self) -> &UserCommand {
        &self.command
    }

    fn set_result(&mut self, result: u64) {
        self.result = result;
    }
}

/// Reads the structure, runs `f`, writes the result back. The value of the ioctl is the
/// status of the command: 0, or a positive number.
fn round_trip<A: UserAbi>(
    arg: usize,
    f: impl FnOnce(&UserCommand) -> Result<Completion>,
) -> Result<isize> {
    let mut abi = A::new_zeroed();
    let (mut reader, mut writer) =
        UserSlice::new(UserPtr::from_addr(arg), size_of::<A>()).reader_writer();
    reader.read_slice(abi.as_mut_bytes())?;
    let completion = f(abi.command())?;
    abi.set_result(completion.result);
    writer.write_slice(abi.as_bytes())?;
    // CAST: a status has 15 bits.
    Ok(completion.status.bits() as isize)
}

/// The time that the device gets for a command of a user, in milliseconds: at least as
/// much as for one of our own, since a device that does not make it is stopped.
fn timeout_ms(user: &UserCommand, default_s: u32) -> u32 {
    user.timeout_ms.max(default_s.saturating_mul(1000))
}

/// Makes sure that a user's buffer has room for the `bytes` bytes that the device transfers.
///
/// The data pointer is made for as many bytes as the buffer has. A device that is told to transfer
/// more would go on where the driver has not sent it.
fn check_len(user: &UserCommand, bytes: u64) -> Result {
    if u64::from(user.data_len) < bytes {
        return Err(EINVAL);
    }
    Ok(())
}

/// Which way the data of an opcode go: its low two bits say so (Base 2.0c, 3.3.3.1), of
/// which the lower one means "to the device". No command that we know has both set.
fn direction(opcode: u8) -> DataDirection {
    if opcode & 1 != 0 {
        DataDirection::Out
    } else {
        DataDirection::In
    }
}

/// Checks what no command of a user may have, and makes the command.
fn command(user: &UserCommand) -> Result<Command> {
    // Flags would change what the data pointer means. There is no metadata yet.
    if user.flags != 0 || user.metadata_len != 0 || user.metadata != 0 {
        return Err(EINVAL);
    }
    let mut command = Command::new(user.opcode, Nsid::new(user.nsid));
    command.cdw2 = user.cdw2;
    command.cdw3 = user.cdw3;
    command.cdw10 = user.cdw10;
    command.cdw11 = user.cdw11;
    command.cdw12 = user.cdw12;
    command.cdw13 = user.cdw13;
    command.cdw14 = user.cdw14;
    command.cdw15 = user.cdw15;
    Ok(command)
}

/// An admin command of a user.
fn admin_command(controller: &Arc<Controller>, via: Via, user: &UserCommand) -> Result<Completion> {
    let command = command(user)?;
    may_send_admin(via, &command)?;
    check_len(user, data_len::of_admin(&command))?;
    let admin = controller.admin()?;
    let set = controller.look(|hw| hw.io_set()).flatten();
    let _frozen = match &set {
        // It may change the size of blocks. What is under way is done first, in the old size;
        // what comes waits until the new one is known.
        Some(set) if AdminOpcode(command.opcode) == AdminOpcode::FORMAT_NVM => {
            if user.data_len != 0 {
                // Nobody may wait for memory of a program while I/O waits for this.
                return Err(EINVAL);
            }
            let limit_ms = params::io_timeout().saturating_mul(1000);
            Some(set.freeze_timeout(limit_ms).map_err(|_| EBUSY)?)
        }
        _ => None,
    };
    let completion = send_admin(&admin, user, command)?;
    if completion.status.is_success() && changes_namespaces(AdminOpcode(command.opcode)) {
        // Whoever sent it finds what he made. What may be wrong with that the log says.
        let _ = controller.scan_now();
    }
    Ok(completion)
}

/// Whether a command may change which namespaces there are, or what one is.
fn changes_namespaces(opcode: AdminOpcode) -> bool {
    matches!(
        opcode,
        AdminOpcode::FORMAT_NVM
            | AdminOpcode::NAMESPACE_MANAGEMENT
            | AdminOpcode::NAMESPACE_ATTACHMENT
    )
}

fn send_admin(admin: &Admin, user: &UserCommand, command: Command) -> Result<Completion> {
    admin.user(
        command,
        direction(user.opcode),
        timeout_ms(user, params::admin_timeout()),
        address(user.addr),
        usize::try_from(user.data_len)?,
    )
}

/// An I/O command of a user.
fn io_command(disk: &DiskRef<'_, IoQueues>, via: Via, user: &UserCommand) -> Result<Completion> {
    let ns = disk.data();
    let command = command(user)?;
    may_send_io(via, &command)?;
    if ns.controller().state() != State::Live {
        return Err(ENODEV);
    }
    let mut request = Passthrough::<IoQueues>::for_disk(
        disk.disk(),
        PassthroughConfig::new(direction(user.opcode))
            .timeout_ms(timeout_ms(user, params::io_timeout())),
    )?;
    // The size of a block does not change any more while there is this request.
    check_len(user, data_len::of_io(&command, ns.lba_size()))?;
    request.data_mut().set(CommandData::for_command(command));
    let ended = if user.data_len == 0 {
        request.execute()?
    } else {
        request.execute_user(address(user.addr), usize::try_from(user.data_len)?)?
    };
    ended.data().completion().ok_or(EIO)
}

/// Who may send an admin command.
///
/// A partition is for those who administer, whatever the command. Everybody who has
/// the node open may ask what harms nobody; all else is for those who administer. What
/// would pull the ground from under the driver is for nobody.
fn may_send_admin(via: Via, command: &Command) -> Result {
    match AdminOpcode(command.opcode) {
        AdminOpcode::SET_FEATURES if is_drivers_own_feature(command.cdw10) => return Err(EACCES),
        AdminOpcode::CREATE_IO_SQ
        | AdminOpcode::CREATE_IO_CQ
        | AdminOpcode::DELETE_IO_SQ
        | AdminOpcode::DELETE_IO_CQ
        | AdminOpcode::DOORBELL_BUFFER_CONFIG
        | AdminOpcode::ASYNC_EVENT_REQUEST => return Err(EACCES),
        _ => {}
    }
    if user::is_admin() {
        return Ok(());
    }
    // CAST: CNS has 8 bits.
    let harmless = AdminOpcode(command.opcode) == AdminOpcode::IDENTIFY
        && matches!(
            Cns(command.cdw10 as u8),
            Cns::NAMESPACE
                | Cns::CONTROLLER
                | Cns::CSI_NAMESPACE
                | Cns::CSI_CONTROLLER
                | Cns::INDEPENDENT_NAMESPACE
        );
    match via {
        Via::Controller | Via::Disk { .. } if harmless => Ok(()),
        _ => Err(EACCES),
    }
}

/// Features that are the driver's to set: the number of queues, which it relies on, and
/// power state transitions, host memory, keep alive and host behaviour, which change what
/// the device does with the host and nobody would tell the driver of.
fn is_drivers_own_feature(cdw10: u32) -> bool {
    use super::spec::feature::FeatureId;

    // CAST: FID has 8 bits.
    matches!(
        FeatureId(cdw10 as u8),
        FeatureId::NUMBER_OF_QUEUES
            | FeatureId::AUTONOMOUS_POWER
            | FeatureId::HOST_MEMORY_BUFFER
            | FeatureId::KEEP_ALIVE
            | FeatureId::HOST_BEHAVIOR
    )
}

/// Who may send an I/O command.
///
/// It must be for the namespace of the disk, whoever sends it, and nobody who does not
/// administer may send one through a partition, since it is not bound to that. Reads
/// are for all who have the disk open, writes for those who have it open for writing.
fn may_send_io(via: Via, command: &Command) -> Result {
    let (nsid, readable, writable) = match via {
        Via::Disk { nsid, writable } => (nsid, true, writable),
        Via::Partition { nsid } => (nsid, false, false),
        Via::Controller => return Err(EACCES),
    };
    if command.nsid != nsid {
        return Err(EINVAL);
    }
    if user::is_admin() {
        return Ok(());
    }
    match IoOpcode(command.opcode) {
        IoOpcode::READ | IoOpcode::COMPARE | IoOpcode::VERIFY if readable => Ok(()),
        IoOpcode::WRITE | IoOpcode::WRITE_ZEROES | IoOpcode::FLUSH if writable => Ok(()),
        _ => Err(EACCES),
    }
}
