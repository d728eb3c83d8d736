// SPDX-License-Identifier: GPL-2.0
#include <linux/bio.h>
#include <linux/blk-integrity.h>
#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/compat.h>
#include <linux/io_uring/cmd.h>
#include <linux/preempt.h>
#include <linux/ptrace.h>
#include <linux/ratelimit.h>
#include <linux/sched/mm.h>
#include "helpers.h"

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

/*
 * Copy @len bytes between @buf and the memory of a list of bios, from @iter in
 * *@bio on; leave both behind the last byte. Returns how many bytes there were.
 */
size_t rnvme_copy_bios(struct bio **bio, struct bvec_iter *iter, void *buf,
		       size_t len, bool to_bios)
{
	size_t done = 0;

	while (*bio && done < len) {
		struct bio_vec bv;

		if (!iter->bi_size || !bio_has_data(*bio)) {
			*bio = (*bio)->bi_next;
			if (*bio)
				*iter = (*bio)->bi_iter;
			continue;
		}
		bv = bio_iter_iovec(*bio, *iter);
		bv.bv_len = min_t(size_t, bv.bv_len, len - done);
		if (to_bios)
			memcpy_to_bvec(&bv, buf + done);
		else
			memcpy_from_bvec(buf + done, &bv);
		done += bv.bv_len;
		bio_advance_iter_single(*bio, iter, bv.bv_len);
	}
	return done;
}

bool rnvme_add_to_batch(struct request *rq, struct io_comp_batch *iob,
			void (*complete)(struct io_comp_batch *))
{
	return blk_mq_add_to_batch(rq, iob, false, complete);
}

/* Only where CONFIG_FAIL_IO_TIMEOUT is on does anybody ask. */
bool rnvme_should_fake_timeout(struct request *rq)
{
	return unlikely(blk_should_fake_timeout(rq->q));
}

bool rnvme_hctx_has_cpu(struct blk_mq_hw_ctx *hctx, unsigned int cpu)
{
	return cpu < nr_cpu_ids && cpumask_test_cpu(cpu, hctx->cpumask);
}

/*
 * Step to the next piece of a request's data or metadata, which lies in one
 * page. Returns false at the end.
 */
bool rnvme_next_bvec(struct rnvme_bvec_cursor *cursor, struct bio_vec *bv)
{
	for (; cursor->bio;
	     cursor->bio = cursor->bio->bi_next, cursor->entered = false) {
		struct bio *bio = cursor->bio;

		if (cursor->integrity) {
			struct bio_integrity_payload *bip = bio_integrity(bio);

			if (!bip)
				continue;
			if (!cursor->entered)
				cursor->iter = bip->bip_iter;
			cursor->entered = true;
			if (!cursor->iter.bi_size)
				continue;
			*bv = bvec_iter_bvec(bip->bip_vec, cursor->iter);
			bvec_iter_advance_single(bip->bip_vec, &cursor->iter,
						 bv->bv_len);
			return true;
		}

		if (!bio_has_data(bio))
			continue;
		if (!cursor->entered)
			cursor->iter = bio->bi_iter;
		cursor->entered = true;
		if (!cursor->iter.bi_size)
			continue;
		*bv = bio_iter_iovec(bio, cursor->iter);
		bio_advance_iter_single(bio, &cursor->iter, bv->bv_len);
		return true;
	}
	return false;
}

void rnvme_copy_bvec(const struct bio_vec *bv, void *buf, bool to_bvec)
{
	/* The helpers take no const, and write nothing. */
	struct bio_vec copy = *bv;

	if (to_bvec)
		memcpy_to_bvec(&copy, buf);
	else
		memcpy_from_bvec(buf, &copy);
}

int rnvme_rq_map_metadata(struct request *rq, unsigned long addr, size_t len)
{
	if (len > SSIZE_MAX)
		return -EINVAL;
	return blk_rq_integrity_map_user(rq, (void __user *)addr, len);
}

/* The program may write its memory at any time: each word is read once. */
void rnvme_uring_cmd_read(struct io_uring_cmd *cmd,
			  struct rnvme_uring_order *order)
{
	const u64 *payload = (const u64 *)cmd->sqe->cmd;

	order->file = cmd->file;
	order->op = cmd->cmd_op;
	order->fixed = cmd->flags & IORING_URING_CMD_FIXED;
	order->payload[0] = READ_ONCE(payload[0]);
	order->payload[1] = READ_ONCE(payload[1]);
}

/* Map a buffer that was registered with io_uring. */
int rnvme_rq_map_fixed(struct request *rq, struct io_uring_cmd *cmd, u64 addr,
		       size_t len, unsigned int issue_flags)
{
	struct iov_iter iter;
	int ret;

	ret = io_uring_cmd_import_fixed(addr, len, rq_data_dir(rq), &iter, cmd,
					issue_flags);
	if (ret < 0)
		return ret;
	return blk_rq_map_user_iov(rq->q, rq, NULL, &iter, GFP_KERNEL);
}

unsigned int rnvme_freeze_queue(struct request_queue *q)
{
	return blk_mq_freeze_queue(q);
}

void rnvme_unfreeze_queue(struct request_queue *q, unsigned int memflags)
{
	blk_mq_unfreeze_queue(q, memflags);
}

/* Freeze @q, unless its requests take more than @ticks to end. */
bool rnvme_freeze_queue_timeout(struct request_queue *q, unsigned long ticks,
				unsigned int *memflags)
{
	*memflags = memalloc_noio_save();
	blk_freeze_queue_start(q);
	if (blk_mq_freeze_queue_wait_timeout(q, ticks) > 0)
		return true;
	blk_mq_unfreeze_queue(q, *memflags);
	return false;
}

/*
 * Take a reference of each request queue of @set if there is @room for all.
 * Returns how many there are.
 */
size_t rnvme_tagset_get_queues(struct blk_mq_tag_set *set,
			       struct request_queue **queues, size_t room)
{
	struct request_queue *q;
	size_t count = 0;

	mutex_lock(&set->tag_list_lock);
	list_for_each_entry(q, &set->tag_list, tag_set_list)
		count++;
	if (count <= room) {
		count = 0;
		list_for_each_entry(q, &set->tag_list, tag_set_list)
			/* One that is dying is frozen for good. */
			if (blk_get_queue(q))
				queues[count++] = q;
	}
	mutex_unlock(&set->tag_list_lock);
	return count;
}

/*
 * Freeze @queues, unless their requests together take more than @ticks to end.
 * All are told first, so that they drain at the same time.
 */
bool rnvme_freeze_queues(struct request_queue **queues, size_t count,
			 unsigned long ticks, unsigned int *memflags)
{
	unsigned long end = jiffies + ticks;
	size_t i;

	*memflags = memalloc_noio_save();
	for (i = 0; i < count; i++)
		blk_freeze_queue_start_non_owner(queues[i]);
	for (i = 0; i < count; i++) {
		unsigned long now = jiffies;
		unsigned long left = time_before(now, end) ? end - now : 0;

		if (blk_mq_freeze_queue_wait_timeout(queues[i], left) > 0)
			continue;
		rnvme_unfreeze_queues(queues, count, *memflags);
		return false;
	}
	return true;
}

/* Any thread may do this. */
void rnvme_thaw_queues(struct request_queue **queues, size_t count)
{
	while (count--)
		blk_mq_unfreeze_queue_non_owner(queues[count]);
}

void rnvme_unfreeze_queues(struct request_queue **queues, size_t count,
			   unsigned int memflags)
{
	rnvme_thaw_queues(queues, count);
	memalloc_noio_restore(memflags);
}

/*
 * Returns 0 if the set of @q has reserved tags, or else -EINVAL. The set of a
 * disk that was removed may be gone, so it is looked at only while @q is in use:
 * this waits until a frozen queue is thawed, or returns -EAGAIN if @nowait. For a
 * queue that is dying it returns 0: it lets no request in, and says so.
 */
int rnvme_queue_check_reserved_tags(struct request_queue *q, bool nowait)
{
	bool entered = percpu_ref_tryget(&q->q_usage_counter);
	int ret;

	if (!entered && nowait)
		return blk_queue_dying(q) ? 0 : -EAGAIN;
	if (!entered)
		wait_event(q->mq_freeze_wq,
			   (entered = percpu_ref_tryget(&q->q_usage_counter)) ||
			   blk_queue_dying(q));
	if (!entered)
		return 0;
	ret = q->tag_set->reserved_tags ? 0 : -EINVAL;
	percpu_ref_put(&q->q_usage_counter);
	return ret;
}

/*
 * Give a request back to blk-mq, and have it dispatched in @msecs milliseconds.
 * Once it is in the list another may dispatch it, and it may end and the queue go
 * before the work is queued: so the queue is kept meanwhile.
 */
void rnvme_requeue(struct request *rq, unsigned long msecs)
{
	struct request_queue *q = rq->q;

	percpu_ref_get(&q->q_usage_counter);
	blk_mq_requeue_request(rq, false);
	blk_mq_delay_kick_requeue_list(q, msecs);
	percpu_ref_put(&q->q_usage_counter);
}

void rnvme_rq_list_add_tail(struct rq_list *list, struct request *rq)
{
	rq_list_add_tail(list, rq);
}

bool rnvme_bdev_is_partition(struct block_device *bdev)
{
	return bdev_is_partition(bdev);
}

struct gendisk *rnvme_dev_to_disk(struct device *dev)
{
	return dev_to_disk(dev);
}

sector_t rnvme_get_capacity(struct gendisk *disk)
{
	return get_capacity(disk);
}

bool rnvme_get_disk_ro(struct gendisk *disk)
{
	return get_disk_ro(disk);
}

bool rnvme_disk_is_dead(struct gendisk *disk)
{
	return test_bit(GD_DEAD, &disk->state);
}

unsigned int rnvme_disk_openers(struct gendisk *disk)
{
	return disk_openers(disk);
}

/* Has anybody but the caller a reference to @disk? */
bool rnvme_disk_is_shared(struct gendisk *disk)
{
	return kref_read(&disk_to_dev(disk)->kobj.kref) > 1;
}

int rnvme_disk_notify(struct gendisk *disk, const char *variable)
{
	char *env[2] = { };

	/* What it points to is not const in C, but nothing is written. */
	env[0] = (char *)variable;

	return kobject_uevent_env(&disk_to_dev(disk)->kobj, KOBJ_CHANGE, env);
}

void rnvme_limits_start_update(struct request_queue *q,
			       struct queue_limits *lim)
{
	*lim = queue_limits_start_update(q);
}

void rnvme_limits_cancel_update(struct request_queue *q)
{
	queue_limits_cancel_update(q);
}

unsigned int rnvme_disk_nr_zones(struct gendisk *disk)
{
	return disk_nr_zones(disk);
}

/* A kernel without zones has no disk with zones: nobody comes here. */
int rnvme_report_zone(struct gendisk *disk, struct blk_zone *zone,
		      unsigned int idx, struct blk_report_zones_args *args)
{
#ifdef CONFIG_BLK_DEV_ZONED
	return disk_report_zone(disk, zone, idx, args);
#else
	return -EOPNOTSUPP;
#endif
}

int rnvme_revalidate_disk_zones(struct gendisk *disk)
{
#ifdef CONFIG_BLK_DEV_ZONED
	return blk_revalidate_disk_zones(disk);
#else
	return -EOPNOTSUPP;
#endif
}

struct cdev *rnvme_inode_cdev(struct inode *inode)
{
	return inode->i_cdev;
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

/* 0 in a process, 1 in a softirq, 2 in a hard interrupt. */
int rnvme_interrupt_level(void)
{
	return in_hardirq() ? 2 : in_serving_softirq() ? 1 : 0;
}
