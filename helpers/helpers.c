// SPDX-License-Identifier: GPL-2.0
#include <linux/blk-mq.h>
#include <linux/blk-mq-dma.h>
#include <linux/blkdev.h>
#include <linux/compat.h>
#include <linux/dma-mapping.h>
#include <linux/hdreg.h>
#include <linux/idr.h>
#include <linux/pci.h>
#include <linux/ptrace.h>
#include <linux/ratelimit.h>
#include "helpers.h"

DEFINE_IDA(rnvme_instances);

/*
 * Map the first bio_vec of @rq when it holds all of the request's data.
 * Returns false, with nothing mapped, when it does not or cannot be mapped:
 * the caller then takes the general path, which also tells errors apart.
 */
bool rnvme_map_single_segment(struct request *rq, struct device *dev,
			      struct rnvme_segment *segment)
{
	struct bio_vec bv = req_bvec(rq);
	dma_addr_t addr;

	if (unlikely(bv.bv_len != blk_rq_payload_bytes(rq)))
		return false;
	addr = dma_map_phys(dev, bvec_phys(&bv), bv.bv_len, rq_dma_dir(rq), 0);
	if (unlikely(dma_mapping_error(dev, addr)))
		return false;
	segment->addr = addr;
	segment->len = bv.bv_len;
	segment->need_unmap = dma_need_unmap(dev);
	return true;
}

bool rnvme_dma_use_iova(struct dma_iova_state *state)
{
	return dma_use_iova(state);
}

void rnvme_dma_iova_destroy(struct device *dev, struct dma_iova_state state,
			    enum dma_data_direction dir)
{
	dma_iova_destroy(dev, &state, dma_iova_size(&state), dir, 0);
}

void rnvme_dma_set_min_align_mask(struct device *dev, u32 mask)
{
	dma_set_min_align_mask(dev, mask);
}

/*
 * Hand a completed request to the CPU that wants it, or to the batch. Returns
 * false when neither took it and the caller still owns it.
 */
bool rnvme_complete_or_batch(struct request *rq, struct io_comp_batch *iob,
			     bool is_error,
			     void (*complete)(struct io_comp_batch *))
{
	if (blk_mq_complete_request_remote(rq))
		return true;
	return !is_error && blk_mq_add_to_batch(rq, iob, false, complete);
}

void rnvme_rq_list_add_tail(struct rq_list *list, struct request *rq)
{
	rq_list_add_tail(list, rq);
}

void *rnvme_bdev_disk_private(struct block_device *bdev)
{
	return bdev->bd_disk->private_data;
}

bool rnvme_bdev_is_partition(struct block_device *bdev)
{
	return bdev_is_partition(bdev);
}

struct gendisk *rnvme_dev_to_disk(struct device *dev)
{
	return dev_to_disk(dev);
}

void rnvme_set_geometry(struct gendisk *disk, struct hd_geometry *geo, u8 heads,
			u8 sectors)
{
	geo->heads = heads;
	geo->sectors = sectors;
	geo->cylinders = div_u64(get_capacity(disk), heads * sectors);
}

struct cdev *rnvme_inode_cdev(struct inode *inode)
{
	return inode->i_cdev;
}

int rnvme_dev_to_node(struct device *dev)
{
	return dev_to_node(dev);
}

/* Did the administrator name this very driver for this very device? */
bool rnvme_pci_claimed_by_override(struct pci_dev *pdev)
{
	return device_match_driver_override(&pdev->dev, pdev->dev.driver) > 0;
}

bool rnvme_pci_is_disconnected(struct pci_dev *pdev)
{
	return pci_dev_is_disconnected(pdev);
}

bool rnvme_wait_for_pending_transaction(struct pci_dev *pdev)
{
	return pci_wait_for_pending_transaction(pdev);
}

/* A positive ioctl result that is no error, on architectures that care. */
void rnvme_force_successful_syscall(void)
{
	force_successful_syscall_return();
}

/* A pointer of a 32-bit program, which its compiler may have sign-extended. */
u64 rnvme_user_address(u64 bits)
{
	return in_compat_syscall() ? lower_32_bits(bits) : bits;
}

bool rnvme_may_print(void)
{
	static DEFINE_RATELIMIT_STATE(limit, DEFAULT_RATELIMIT_INTERVAL,
				      DEFAULT_RATELIMIT_BURST);

	return __ratelimit(&limit);
}
