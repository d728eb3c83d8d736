// SPDX-License-Identifier: GPL-2.0

//! A DMA address is not made from an integer, wherever the device is told of one.

use crate::{
    dma::{
        prp::{
            PrpEntry,
            Prps,
            Segment, //
        },
        DmaAddr,
        DmaStopped, //
    },
    nvme::{
        hardware::IoQueueMemory,
        registers::Registers,
        spec::{
            regs::Aqa,
            sqe::Sqe, //
        }, //
    }, //
};

fn by_hand(mapped: DmaAddr) -> DmaAddr {
    //= mapped
    DmaAddr(0x1000) //~ E0423
}

fn by_the_way_of_dma(mapped: DmaAddr) {
    //= let new = mapped;
    let new = DmaAddr::new; //~ E0624
}

fn by_moving_one(mapped: DmaAddr) -> DmaAddr {
    //= mapped
    mapped.offset(0x1000) //~ E0624
}

fn data_pointer(mapped: DmaAddr) -> Prps {
    //= Prps::from_addrs(mapped, None)
    Prps::from_addrs(0x1000, None) //~ E0308
}

fn segment(mapped: DmaAddr) -> Segment {
    Segment {
        //= addr: mapped,
        addr: 0x1000, //~ E0308
        len: 512,
    }
}

fn prp_list_entry(mapped: PrpEntry) -> PrpEntry {
    //= mapped
    PrpEntry(0x1000) //~ E0423
}

fn asq_register(registers: &Registers, stopped: DmaStopped, aqa: Aqa, asq: DmaAddr, acq: DmaAddr) {
    //= let _ = registers.enable(stopped, aqa, asq, acq);
    let _ = registers.enable(stopped, aqa, 0x1000, acq); //~ E0308
}

fn acq_register(registers: &Registers, stopped: DmaStopped, aqa: Aqa, asq: DmaAddr, acq: DmaAddr) {
    //= let _ = registers.enable(stopped, aqa, asq, acq);
    let _ = registers.enable(stopped, aqa, asq, 0x1000); //~ E0308
}

fn create_completion_queue(memory: IoQueueMemory, mapped: DmaAddr) -> IoQueueMemory {
    IoQueueMemory {
        //= completions: mapped,
        completions: 0x1000, //~ E0308
        ..memory
    }
}

fn create_submission_queue(memory: IoQueueMemory, mapped: DmaAddr) -> IoQueueMemory {
    IoQueueMemory {
        //= submissions: mapped,
        submissions: 0x1000, //~ E0308
        ..memory
    }
}

fn doorbell_buffer_config(shadows: DmaAddr, events: DmaAddr) -> Prps {
    //= Prps::from_addrs(shadows, Some(events))
    Prps::from_addrs(shadows, Some(0x1000)) //~ E0308
}

fn metadata_pointer(entry: Sqe, mapped: DmaAddr) -> Sqe {
    //= entry.with_metadata(mapped)
    entry.with_metadata(0x1000) //~ E0308
}

fn entry_by_hand(mut entry: Sqe) -> Sqe {
    //=
    entry.prp1 = 0x1000.into(); //~ E0616
    entry
}

fn entry_from_bytes(bytes: &[u8], entry: Sqe) -> Option<Sqe> {
    //= Some(entry)
    <Sqe as zerocopy::FromBytes>::read_from_bytes(bytes).ok() //~ E0277: FromBytes
}
