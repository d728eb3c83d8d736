// SPDX-License-Identifier: GPL-2.0
#include <linux/bio.h>
#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/compat.h>
#include <linux/hdreg.h>
#include <linux/preempt.h>
#include <linux/ptrace.h>
#include <linux/ratelimit.h>
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
