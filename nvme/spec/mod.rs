// SPDX-License-Identifier: GPL-2.0

//! What the NVM Express specifications say, as types.
//!
//! - [NVM Express Base Specification 2.0c](https://nvmexpress.org/specifications/) ("Base")
//! - [NVM Command Set Specification 1.0c](https://nvmexpress.org/specifications/) ("NVM")
//!
//! Nothing here talks to hardware or to the kernel: it uses `core`, the derives of `zerocopy`, and
//! [`DmaAddr`](crate::dma::DmaAddr), and is tested on the host (`tests/unit`).
//!
//! What a device says is never trusted: every value that a field can hold is representable, and no
//! function here panics, whatever the device wrote.
//!
//! | file | what | section |
//! |---|---|---|
//! | [`regs`], [`cap`], [`cc`], [`csts`], [`cmb`] | controller properties, doorbells | Base 3.1.3; NVMe over PCIe Transport 3.1.2 |
//! | [`ids`] | numbers of queues and namespaces | Base 3.2.1.2, 3.3 |
//! | [`opcode`], [`feature`], [`log`] | code points, features, log pages | Base 5, 5.16, 5.27; NVM 3 |
//! | [`event`] | asynchronous events | Base 5.2.1 |
//! | [`command`], [`sqe`] | a command before and after it has memory and an identifier | Base 3.3.3.1 |
//! | [`admin`], [`io`] | constructors of commands | Base 5, 7; NVM 3 |
//! | [`data_len`] | how many bytes a command transfers | Base 5, 7; NVM 3 |
//! | [`completion`], [`status`], [`status_code`] | completion queue entries, status | Base 3.3.3.2 |
//! | [`identify`] and below | Identify data structures | Base 5.17; NVM 4.1.5 |
//! | [`lba`] | sizes and counts of logical blocks | NVM 2.1, 4.1.5.1 |
//! | [`limits`] | what all of these mean for the block layer | |
//!
//! # Glossary
//!
//! | | |
//! |---|---|
//! | 0's based | a field that holds one less than it means, so that 0 means 1 |
//! | ACQ, ASQ | admin completion queue, admin submission queue |
//! | AER | asynchronous event request |
//! | CID | command identifier, unique among the commands that are outstanding on one SQ |
//! | CMB | controller memory buffer, host-accessible memory of the controller |
//! | CNS | controller or namespace structure: what Identify asks for |
//! | CQ, CQE | completion queue, an entry of one |
//! | CRD | command retry delay |
//! | CSI | command set identifier: NVM, key value, zoned |
//! | DNR | do not retry |
//! | DSM | dataset management, the command behind discard |
//! | FID, LID | feature identifier, log page identifier |
//! | FUA | force unit access |
//! | LBA | logical block address |
//! | MDTS | maximum data transfer size |
//! | MPS | memory page size, the unit of PRP entries |
//! | NLB | number of logical blocks of a command, 0's based |
//! | NSID | namespace identifier |
//! | PRP | physical region page, an entry that addresses one memory page |
//! | SC, SCT | status code, status code type |
//! | SGL | scatter gather list |
//! | SQ, SQE | submission queue, an entry of one |
//! | VWC | volatile write cache |

// This is the vocabulary of the specification. Which words of it the driver speaks changes with
// each feature, and the rest is spoken by the tests.
#![expect(dead_code, reason = "a vocabulary, spoken in part")]

mod bits;

pub(crate) mod admin;
pub(crate) mod cap;
pub(crate) mod cc;
pub(crate) mod cmb;
pub(crate) mod command;
pub(crate) mod completion;
pub(crate) mod csts;
pub(crate) mod data_len;
pub(crate) mod event;
pub(crate) mod feature;
pub(crate) mod identify;
pub(crate) mod identify_ctrl;
pub(crate) mod identify_ctrl_nvm;
pub(crate) mod identify_list;
pub(crate) mod identify_ns;
pub(crate) mod identify_ns_indep;
pub(crate) mod identify_ns_nvm;
pub(crate) mod ids;
pub(crate) mod io;
pub(crate) mod lba;
pub(crate) mod limits;
pub(crate) mod log;
pub(crate) mod opcode;
pub(crate) mod regs;
pub(crate) mod sqe;
pub(crate) mod status;
pub(crate) mod status_code;
