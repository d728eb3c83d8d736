// SPDX-License-Identifier: GPL-2.0

//! Each structure against the table that the specification describes it by.

use std::mem::{
    align_of,
    offset_of,
    size_of, //
};

use crate::nvme::spec::{
    completion::Cqe,
    identify_ctrl::{
        IdentifyCtrl,
        PowerState, //
    },
    identify_ctrl_nvm::IdentifyCtrlNvm,
    identify_list::{
        NsDescriptorList,
        NsList, //
    },
    identify_ns::{
        IdentifyNs,
        LbaFormat, //
    },
    identify_ns_indep::IdentifyNsIndep,
    identify_ns_nvm::IdentifyNsNvm,
    io::DsmRange,
    log::{
        ChangedNsList,
        EffectsLog,
        ErrorEntry,
        FirmwareSlotLog,
        SmartLog, //
    },
    sqe::Sqe, //
};

/// The length of the field that `get` selects.
fn len_of<T, F>(_get: fn(&T) -> &F) -> usize {
    size_of::<F>()
}

/// Compares a structure with a table of `last:first` bytes, as the specification writes them, in
/// which every byte has to be, reserved ones as `_`.
macro_rules! table {
    ($name:ident, $Type:ty, $size:literal, $($last:literal : $first:literal $field:tt),+ $(,)?) => {
        #[test]
        fn $name() {
            let mut next = 0;
            $(
                assert_eq!($first, next, "{} follows a gap", stringify!($field));
                assert!($last >= $first, "{} has no byte", stringify!($field));
                table!(@field $Type, $last, $first, $field);
                next = $last + 1;
            )+
            assert_eq!(next, $size);
            assert_eq!(size_of::<$Type>(), $size);
        }
    };
    (@field $Type:ty, $last:literal, $first:literal, _) => {};
    (@field $Type:ty, $last:literal, $first:literal, $field:ident) => {
        assert_eq!(offset_of!($Type, $field), $first, "{}", stringify!($field));
        let len = len_of(|all: &$Type| &all.$field);
        assert_eq!(len, $last + 1 - $first, "length of {}", stringify!($field));
    };
}

table! {
    identify_controller, IdentifyCtrl, 4096,
    1:0 vid, 3:2 ssvid, 23:4 sn, 63:24 mn, 71:64 fr, 72:72 rab, 75:73 ieee, 76:76 cmic, 77:77 mdts,
    79:78 cntlid, 83:80 ver, 87:84 rtd3r, 91:88 rtd3e, 95:92 oaes, 99:96 ctratt, 101:100 rrls,
    110:102 _, 111:111 cntrltype, 127:112 fguid, 129:128 crdt1, 131:130 crdt2, 133:132 crdt3,
    239:134 _, 252:240 _, 253:253 nvmsr, 254:254 vwci, 255:255 mec,
    257:256 oacs, 258:258 acl, 259:259 aerl, 260:260 frmw, 261:261 lpa, 262:262 elpe, 263:263 npss,
    264:264 avscc, 265:265 apsta, 267:266 wctemp, 269:268 cctemp, 271:270 mtfa, 275:272 hmpre,
    279:276 hmmin, 295:280 tnvmcap, 311:296 unvmcap, 315:312 rpmbs, 317:316 edstt, 318:318 dsto,
    319:319 fwug, 321:320 kas, 323:322 hctma, 325:324 mntmt, 327:326 mxtmt, 331:328 sanicap,
    335:332 hmminds, 337:336 hmmaxd, 339:338 nsetidmax, 341:340 endgidmax, 342:342 anatt,
    343:343 anacap, 347:344 anagrpmax, 351:348 nanagrpid, 355:352 pels, 357:356 domain_id,
    367:358 _, 383:368 megcap, 511:384 _,
    512:512 sqes, 513:513 cqes, 515:514 maxcmd, 519:516 nn, 521:520 oncs, 523:522 fuses,
    524:524 fna, 525:525 vwc, 527:526 awun, 529:528 awupf, 530:530 icsvscc, 531:531 nwpc,
    533:532 acwu, 535:534 cdfs, 539:536 sgls, 543:540 mnan, 559:544 maxdna, 563:560 maxcna,
    767:564 _, 1023:768 subnqn, 1791:1024 _, 2047:1792 fabrics, 3071:2048 psd, 4095:3072 vendor,
}

table! {
    power_state_descriptor, PowerState, 32,
    1:0 mp, 2:2 _, 3:3 flags, 7:4 enlat, 11:8 exlat, 12:12 rrt, 13:13 rrl, 14:14 rwt, 15:15 rwl,
    17:16 idlp, 18:18 ips, 19:19 _, 21:20 actp, 22:22 apws, 31:23 _,
}

table! {
    identify_controller_nvm, IdentifyCtrlNvm, 4096,
    0:0 vsl, 1:1 wzsl, 2:2 wusl, 3:3 dmrl, 7:4 dmrsl, 15:8 dmsl, 4095:16 _,
}

table! {
    identify_namespace, IdentifyNs, 4096,
    7:0 nsze, 15:8 ncap, 23:16 nuse, 24:24 nsfeat, 25:25 nlbaf, 26:26 flbas, 27:27 mc, 28:28 dpc,
    29:29 dps, 30:30 nmic, 31:31 rescap, 32:32 fpi, 33:33 dlfeat, 35:34 nawun, 37:36 nawupf,
    39:38 nacwu, 41:40 nabsn, 43:42 nabo, 45:44 nabspf, 47:46 noiob, 63:48 nvmcap, 65:64 npwg,
    67:66 npwa, 69:68 npdg, 71:70 npda, 73:72 nows, 75:74 mssrl, 79:76 mcl, 80:80 msrc,
    81:81 nulbaf, 91:82 _, 95:92 anagrpid, 98:96 _, 99:99 nsattr, 101:100 nvmsetid, 103:102 endgid,
    119:104 nguid, 127:120 eui64, 383:128 lbaf, 4095:384 vendor,
}

table! {
    lba_format, LbaFormat, 4,
    1:0 ms, 2:2 lbads, 3:3 rp,
}

table! {
    identify_namespace_nvm, IdentifyNsNvm, 4096,
    7:0 lbstm, 8:8 pic, 11:9 _, 267:12 elbaf, 271:268 npdgl, 275:272 nprg, 279:276 npra,
    283:280 nors, 287:284 npdal, 4095:288 _,
}

table! {
    identify_namespace_independent, IdentifyNsIndep, 4096,
    0:0 nsfeat, 1:1 nmic, 2:2 rescap, 3:3 fpi, 7:4 anagrpid, 8:8 nsattr, 9:9 _, 11:10 nvmsetid,
    13:12 endgid, 14:14 nstat, 4095:15 _,
}

table! {
    error_information, ErrorEntry, 64,
    7:0 error_count, 9:8 sqid, 11:10 cid, 13:12 status_field, 15:14 parameter_error_location,
    23:16 lba, 27:24 nsid, 28:28 vendor_info, 29:29 trtype, 31:30 _, 39:32 command_info,
    41:40 transport_info, 63:42 _,
}

table! {
    smart, SmartLog, 512,
    0:0 critical_warning, 2:1 temperature, 3:3 available_spare, 4:4 spare_threshold,
    5:5 percentage_used, 6:6 endurance_warning, 31:7 _, 47:32 data_units_read,
    63:48 data_units_written, 79:64 host_reads, 95:80 host_writes, 111:96 busy_time,
    127:112 power_cycles, 143:128 power_on_hours, 159:144 unsafe_shutdowns, 175:160 media_errors,
    191:176 error_log_entries, 195:192 warning_temperature_time, 199:196 critical_temperature_time,
    215:200 temperature_sensor, 223:216 thermal_transitions, 231:224 thermal_time, 511:232 _,
}

table! {
    firmware_slots, FirmwareSlotLog, 512,
    0:0 afi, 7:1 _, 63:8 frs, 511:64 _,
}

table! {
    effects, EffectsLog, 4096,
    1023:0 admin, 2047:1024 io, 4095:2048 _,
}

table! {
    namespace_list, NsList, 4096,
    4095:0 nsid,
}

table! {
    changed_namespace_list, ChangedNsList, 4096,
    4095:0 nsid,
}

table! {
    namespace_descriptors, NsDescriptorList, 4096,
    4095:0 bytes,
}

table! {
    dataset_management_range, DsmRange, 16,
    3:0 attributes, 7:4 blocks, 15:8 start,
}

table! {
    completion_queue_entry, Cqe, 16,
    7:0 result, 15:8 tail,
}

/// Rings are written and read in units of eight bytes.
#[test]
fn queue_entries_are_aligned() {
    assert_eq!((size_of::<Sqe>(), align_of::<Sqe>()), (64, 8));
    assert_eq!((size_of::<Cqe>(), align_of::<Cqe>()), (16, 8));
    assert_eq!(Sqe::SIZE, 64);
    assert_eq!(Cqe::SIZE, 16);
}
