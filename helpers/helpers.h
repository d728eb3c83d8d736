/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The static inlines and macros that Rust cannot call. On the stock kernel each
 * of these is a real call, so what the data path always does together is one
 * helper, not three.
 */
#ifndef RNVME_HELPERS_H
#define RNVME_HELPERS_H

#include <linux/blk-mq.h>

bool rnvme_complete_or_batch(struct request *rq, struct io_comp_batch *iob,
			     bool is_error,
			     void (*complete)(struct io_comp_batch *));
size_t rnvme_copy_bios(struct bio **bio, struct bvec_iter *iter, void *buf,
		       size_t len, bool to_bios);
bool rnvme_add_to_batch(struct request *rq, struct io_comp_batch *iob,
			void (*complete)(struct io_comp_batch *));
bool rnvme_should_fake_timeout(struct request *rq);
bool rnvme_hctx_has_cpu(struct blk_mq_hw_ctx *hctx, unsigned int cpu);

/* Where a walk over the memory of a request is. */
struct rnvme_bvec_cursor {
	struct bio *bio;
	struct bvec_iter iter;
	/* Whether @iter is of @bio yet. */
	bool entered;
	/* Metadata rather than data. */
	bool integrity;
};

bool rnvme_next_bvec(struct rnvme_bvec_cursor *cursor, struct bio_vec *bv);
void rnvme_copy_bvec(const struct bio_vec *bv, void *buf, bool to_bvec);

int rnvme_rq_map_metadata(struct request *rq, unsigned long addr, size_t len);

struct io_uring_cmd;

/* What a program says with a command of io_uring. */
struct rnvme_uring_order {
	struct file *file;
	u32 op;
	bool fixed;
	u64 payload[2];
};

void rnvme_uring_cmd_read(struct io_uring_cmd *cmd,
			  struct rnvme_uring_order *order);

int rnvme_rq_map_fixed(struct request *rq, struct io_uring_cmd *cmd, u64 addr,
		       size_t len, unsigned int issue_flags);

unsigned int rnvme_freeze_queue(struct request_queue *q);
void rnvme_unfreeze_queue(struct request_queue *q, unsigned int memflags);
bool rnvme_freeze_queue_timeout(struct request_queue *q, unsigned long ticks,
				unsigned int *memflags);
size_t rnvme_tagset_get_queues(struct blk_mq_tag_set *set,
			       struct request_queue **queues, size_t room);
bool rnvme_freeze_queues(struct request_queue **queues, size_t count,
			 unsigned long ticks, unsigned int *memflags);
void rnvme_thaw_queues(struct request_queue **queues, size_t count);
void rnvme_unfreeze_queues(struct request_queue **queues, size_t count,
			   unsigned int memflags);

int rnvme_queue_check_reserved_tags(struct request_queue *q, bool nowait);
void rnvme_requeue(struct request *rq, unsigned long msecs);
void rnvme_rq_list_add_tail(struct rq_list *list, struct request *rq);
bool rnvme_bdev_is_partition(struct block_device *bdev);
struct gendisk *rnvme_dev_to_disk(struct device *dev);
sector_t rnvme_get_capacity(struct gendisk *disk);
bool rnvme_get_disk_ro(struct gendisk *disk);
bool rnvme_disk_is_dead(struct gendisk *disk);
unsigned int rnvme_disk_openers(struct gendisk *disk);
bool rnvme_disk_is_shared(struct gendisk *disk);
int rnvme_disk_notify(struct gendisk *disk, const char *variable);

void rnvme_limits_start_update(struct request_queue *q,
			       struct queue_limits *lim);
void rnvme_limits_cancel_update(struct request_queue *q);

unsigned int rnvme_disk_nr_zones(struct gendisk *disk);
int rnvme_report_zone(struct gendisk *disk, struct blk_zone *zone,
		      unsigned int idx, struct blk_report_zones_args *args);
int rnvme_revalidate_disk_zones(struct gendisk *disk);

struct cdev *rnvme_inode_cdev(struct inode *inode);
void rnvme_force_successful_syscall(void);
bool rnvme_may_print(void);
u64 rnvme_user_address(u64 bits);
int rnvme_interrupt_level(void);

#endif /* RNVME_HELPERS_H */
