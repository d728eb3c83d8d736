// SPDX-License-Identifier: GPL-2.0

//! Structures of the specification have the size that it gives them.

#[cfg_attr(not(test), kernel::macros::kunit_tests(rnvme_layout))]
mod suite {
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
    use core::mem::{
        align_of,
        size_of, //
    };

    #[test]
    fn queue_entries() {
        assert_eq!(size_of::<Sqe>(), 64);
        assert_eq!(size_of::<Cqe>(), 16);
        assert_eq!(align_of::<Sqe>(), 8);
        assert_eq!(align_of::<Cqe>(), 8);
    }

    #[test]
    fn identify_data() {
        assert_eq!(size_of::<IdentifyCtrl>(), 4096);
        assert_eq!(size_of::<IdentifyCtrlNvm>(), 4096);
        assert_eq!(size_of::<IdentifyNs>(), 4096);
        assert_eq!(size_of::<IdentifyNsIndep>(), 4096);
        assert_eq!(size_of::<IdentifyNsNvm>(), 4096);
        assert_eq!(size_of::<NsList>(), 4096);
        assert_eq!(size_of::<NsDescriptorList>(), 4096);
        assert_eq!(size_of::<PowerState>(), 32);
        assert_eq!(size_of::<LbaFormat>(), 4);
    }

    #[test]
    fn logs() {
        assert_eq!(size_of::<ErrorEntry>(), 64);
        assert_eq!(size_of::<SmartLog>(), 512);
        assert_eq!(size_of::<FirmwareSlotLog>(), 512);
        assert_eq!(size_of::<ChangedNsList>(), 4096);
        assert_eq!(size_of::<EffectsLog>(), 4096);
    }

    #[test]
    fn ranges() {
        assert_eq!(size_of::<DsmRange>(), 16);
    }
}
