// SPDX-License-Identifier: GPL-2.0
/* What pci/ and dma/ need, and os/ for the NVMe driver alone. */
#include <linux/blk-mq-dma.h>
#include <linux/dma-mapping.h>
#include <linux/idr.h>
#include <linux/pci.h>
#include <linux/sched/mm.h>
#include "device.h"

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

bool rnvme_pci_channel_is_frozen(struct pci_dev *pdev)
{
	return READ_ONCE(pdev->error_state) == pci_channel_io_frozen;
}

bool rnvme_wait_for_pending_transaction(struct pci_dev *pdev)
{
	return pci_wait_for_pending_transaction(pdev);
}

unsigned int rnvme_noio_save(void)
{
	return memalloc_noio_save();
}

void rnvme_noio_restore(unsigned int flags)
{
	memalloc_noio_restore(flags);
}
