// SPDX-License-Identifier: GPL-2.0

//! What a disk shows of itself in sysfs, beside what each disk shows.

#![forbid(unsafe_code)]

use crate::{
    disk::RamDisk,
    os::attribute::{
        Attribute,
        AttributeGroup,
        AttributeGroups,
        AttributeList,
        OfDisk, //
    },
};
use kernel::prelude::*;

type OfRamDisk = Attribute<OfDisk, RamDisk>;

static ATTRIBUTES: [OfRamDisk; 3] = [
    // How many commands of the driver's own the device has had.
    OfRamDisk::new(c"commands", |disk, out| {
        out.line(format_args!("{}", disk.counters().pings.get()))
    }),
    // The size of each zone in bytes.
    OfRamDisk::new(c"zone_size", |disk, out| {
        out.line(format_args!("{}", disk.zones().ok_or(ENODATA)?.size()))
    })
    .only_if(|disk| disk.zones().is_some()),
    // "1" makes all data zeroes.
    OfRamDisk::write_only(c"forget", |disk, text| match text {
        b"1" => {
            disk.forget();
            Ok(())
        }
        _ => Err(EINVAL),
    }),
];
static LIST: AttributeList<OfDisk, RamDisk, 4> = AttributeList::new(&ATTRIBUTES);
static GROUP: AttributeGroup<OfDisk, RamDisk> = AttributeGroup::new(&LIST);
/// The attributes of a disk.
pub(crate) static GROUPS: AttributeGroups<OfDisk, RamDisk> = AttributeGroups::new(&GROUP);
