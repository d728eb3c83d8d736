// SPDX-License-Identifier: GPL-2.0

//! Attributes of controllers and namespaces in sysfs.
//!
//! Names and values are those of the C driver, so that programs find what they know;
//! `Documentation/abi.rst` describes each.

use super::{
    controller::Controller,
    namespace::Namespace,
    spec::{
        identify::Csi,
        identify_ctrl::ControllerType, //
    },
};
use crate::os::attribute::{
    Attribute,
    AttributeGroup,
    AttributeGroups,
    AttributeList,
    Buffer,
    OfDevice,
    OfDisk, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

type OfController = Attribute<OfDevice, Controller>;
type OfNamespace = Attribute<OfDisk, Namespace>;

static CONTROLLER: [OfController; 14] = [
    OfController::new(c"model", |ctrl, out| {
        out.line(format_args!(
            "{}",
            ctrl.identify().ok_or(ENODEV)?.model_number()
        ))
    }),
    OfController::new(c"serial", |ctrl, out| {
        out.line(format_args!(
            "{}",
            ctrl.identify().ok_or(ENODEV)?.serial_number()
        ))
    }),
    OfController::new(c"firmware_rev", |ctrl, out| {
        out.line(format_args!(
            "{}",
            ctrl.identify().ok_or(ENODEV)?.firmware_revision()
        ))
    }),
    OfController::new(c"subsysnqn", |ctrl, out| {
        out.line(format_args!(
            "{}",
            ctrl.identify().ok_or(ENODEV)?.subsystem_nqn()
        ))
    }),
    OfController::new(c"cntlid", |ctrl, out| {
        out.line(format_args!(
            "{}",
            ctrl.identify().ok_or(ENODEV)?.cntlid.get()
        ))
    }),
    OfController::new(c"cntrltype", |ctrl, out| {
        out.line(format_args!(
            "{}",
            match ctrl.identify().ok_or(ENODEV)?.controller_type() {
                ControllerType::Io => "io",
                ControllerType::Discovery => "discovery",
                ControllerType::Administrative => "admin",
                _ => "reserved",
            }
        ))
    }),
    OfController::new(c"transport", |_, out| out.line(format_args!("pcie"))),
    OfController::new(c"address", |ctrl, out| out.line(fmt!("{}", ctrl.address()))),
    OfController::new(c"state", |ctrl, out| {
        out.line(format_args!("{}", ctrl.state()))
    }),
    OfController::new(c"numa_node", |ctrl, out| {
        let node = ctrl.look(|hw| hw.lease().numa_node()).ok_or(ENODEV)?;
        out.line(format_args!("{node}"))
    }),
    OfController::new(c"queue_count", |ctrl, out| {
        let count = ctrl.look(|hw| hw.queue_count()).ok_or(ENODEV)?;
        out.line(format_args!("{count}"))
    }),
    OfController::new(c"sqsize", |ctrl, out| {
        let entries = ctrl.look(|hw| hw.io_entries()).ok_or(ENODEV)?;
        out.line(format_args!("{}", entries.saturating_sub(1)))
    }),
    OfController::write_only(c"reset_controller", |ctrl, _| Arc::from(ctrl).reset_now()),
    OfController::write_only(c"rescan_controller", |ctrl, _| Arc::from(ctrl).scan_now()),
];
static CONTROLLER_LIST: AttributeList<OfDevice, Controller, 15> = AttributeList::new(&CONTROLLER);
static CONTROLLER_GROUP: AttributeGroup<OfDevice, Controller> =
    AttributeGroup::new(&CONTROLLER_LIST);
/// The attributes of a controller.
pub(crate) static CONTROLLER_GROUPS: AttributeGroups<OfDevice, Controller> =
    AttributeGroups::new(&CONTROLLER_GROUP);

static NAMESPACE: [OfNamespace; 6] = [
    OfNamespace::new(c"wwid", wwid),
    OfNamespace::new(c"nsid", |ns, out| out.line(format_args!("{}", ns.nsid()))),
    OfNamespace::new(c"csi", |ns, out| {
        out.line(format_args!(
            "{}",
            ns.identifiers().csi.unwrap_or(Csi::NVM).0
        ))
    }),
    OfNamespace::new(c"uuid", |ns, out| {
        let uuid = ns.identifiers().uuid.ok_or(ENODATA)?;
        out.line(format_args!("{}", Uuid(&uuid)))
    })
    .only_if(|ns| ns.identifiers().uuid.is_some()),
    OfNamespace::new(c"nguid", |ns, out| {
        let nguid = ns.identifiers().nguid.ok_or(ENODATA)?;
        out.line(format_args!("{}", Uuid(&nguid)))
    })
    .only_if(|ns| ns.identifiers().nguid.is_some()),
    OfNamespace::new(c"eui", |ns, out| {
        let eui64 = ns.identifiers().eui64.ok_or(ENODATA)?;
        out.line(format_args!("{}", Spaced(&eui64)))
    })
    .only_if(|ns| ns.identifiers().eui64.is_some()),
];
static NAMESPACE_LIST: AttributeList<OfDisk, Namespace, 7> = AttributeList::new(&NAMESPACE);
static NAMESPACE_GROUP: AttributeGroup<OfDisk, Namespace> = AttributeGroup::new(&NAMESPACE_LIST);
/// The attributes of a namespace.
pub(crate) static NAMESPACE_GROUPS: AttributeGroups<OfDisk, Namespace> =
    AttributeGroups::new(&NAMESPACE_GROUP);

/// The name of a namespace in the world, from the best identifier that there is.
fn wwid(ns: &Namespace, out: &mut Buffer<'_>) -> Result {
    let names = ns.identifiers();
    if let Some(uuid) = &names.uuid {
        return out.line(format_args!("uuid.{}", Uuid(uuid)));
    }
    if let Some(nguid) = &names.nguid {
        return out.line(format_args!("eui.{}", Hex(nguid)));
    }
    if let Some(eui64) = &names.eui64 {
        return out.line(format_args!("eui.{}", Hex(eui64)));
    }
    let identity = ns.controller().identify().ok_or(ENODEV)?;
    out.line(format_args!(
        "nvme.{:04x}-{}-{}-{:08x}",
        identity.vid.get(),
        Hex(identity.serial_number().as_bytes()),
        Hex(identity.model_number().as_bytes()),
        ns.nsid().get()
    ))
}

/// Bytes as hexadecimal digits.
struct Hex<'a>(&'a [u8]);

impl core::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Bytes as hexadecimal digits with spaces between them.
struct Spaced<'a>(&'a [u8]);

impl core::fmt::Display for Spaced<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0
            .iter()
            .enumerate()
            .try_for_each(|(i, byte)| write!(f, "{}{byte:02x}", if i == 0 { "" } else { " " }))
    }
}

/// Sixteen bytes as a UUID is written.
struct Uuid<'a>(&'a [u8; 16]);

impl core::fmt::Display for Uuid<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.iter().enumerate().try_for_each(|(i, byte)| {
            let dash = if matches!(i, 4 | 6 | 8 | 10) { "-" } else { "" };
            write!(f, "{dash}{byte:02x}")
        })
    }
}
