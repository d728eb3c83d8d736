/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The static inlines and macros that Rust cannot call. On the stock kernel each
 * of these is a real call, so what the data path always does together is one
 * helper, not three.
 */
#ifndef RNVME_HELPERS_H
#define RNVME_HELPERS_H

#include <linux/blk-mq.h>
#include <linux/blk-mq-dma.h>

struct hd_geometry;
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

bool rnvme_complete_or_batch(struct request *rq, struct io_comp_batch *iob,
			     bool is_error,
			     void (*complete)(struct io_comp_batch *));
void rnvme_rq_list_add_tail(struct rq_list *list, struct request *rq);
void *rnvme_bdev_disk_private(struct block_device *bdev);
bool rnvme_bdev_is_partition(struct block_device *bdev);
struct gendisk *rnvme_dev_to_disk(struct device *dev);
void rnvme_set_geometry(struct gendisk *disk, struct hd_geometry *geo, u8 heads,
			u8 sectors);

struct cdev *rnvme_inode_cdev(struct inode *inode);
int rnvme_dev_to_node(struct device *dev);
bool rnvme_pci_claimed_by_override(struct pci_dev *pdev);
bool rnvme_pci_is_disconnected(struct pci_dev *pdev);
bool rnvme_wait_for_pending_transaction(struct pci_dev *pdev);

void rnvme_force_successful_syscall(void);
bool rnvme_may_print(void);
u64 rnvme_user_address(u64 bits);

extern struct ida rnvme_instances;

/* Module parameters (params.c). */
extern bool rnvme_claim_all;
extern unsigned int rnvme_io_timeout;
extern unsigned int rnvme_admin_timeout;
extern unsigned int rnvme_shutdown_timeout;
extern unsigned int rnvme_io_queue_depth;
extern unsigned int rnvme_max_retries;

#endif /* RNVME_HELPERS_H */
