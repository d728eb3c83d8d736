/* SPDX-License-Identifier: GPL-2.0 */
/* Of helpers/, what pci/ and dma/ need, and the parameters of the NVMe driver. */
#ifndef RNVME_DEVICE_H
#define RNVME_DEVICE_H

#include <linux/blk-mq.h>
#include <linux/blk-mq-dma.h>

struct ida;
struct pci_dev;

/* What mapping the only segment of a request gave. */
struct rnvme_segment {
	dma_addr_t addr;
	u32 len;
	/* Asked after mapping: the first bounce of a device flips it. */
	bool need_unmap;
};

bool rnvme_map_single_segment(struct request *rq, struct device *dev,
			      struct rnvme_segment *segment);
bool rnvme_dma_use_iova(struct dma_iova_state *state);
void rnvme_dma_iova_destroy(struct device *dev, struct dma_iova_state state,
			    enum dma_data_direction dir);
void rnvme_dma_set_min_align_mask(struct device *dev, u32 mask);

int rnvme_dev_to_node(struct device *dev);
bool rnvme_pci_claimed_by_override(struct pci_dev *pdev);
bool rnvme_pci_is_disconnected(struct pci_dev *pdev);
bool rnvme_pci_channel_is_frozen(struct pci_dev *pdev);
bool rnvme_wait_for_pending_transaction(struct pci_dev *pdev);

extern struct ida rnvme_instances;

/* Module parameters (params.c). */
extern bool rnvme_claim_all;
extern unsigned int rnvme_io_timeout;
extern unsigned int rnvme_admin_timeout;
extern unsigned int rnvme_shutdown_timeout;
extern unsigned int rnvme_io_queue_depth;
extern unsigned int rnvme_max_retries;

unsigned int rnvme_noio_save(void);
void rnvme_noio_restore(unsigned int flags);

#endif /* RNVME_DEVICE_H */
