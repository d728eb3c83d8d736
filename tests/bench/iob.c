// SPDX-License-Identifier: GPL-2.0
/*
 * The guest program whose instructions are counted: random reads or writes of
 * one size, a queue depth at a time, through io_uring.
 *
 *   iob DEVICE read|write SIZE DEPTH whole|pages COUNT ROUNDS CPU NAME
 *
 * COUNT I/Os make a round. First a round that nobody counts, then ROUNDS
 * counted ones; then the device accesses of one more round are counted. Each
 * batch of DEPTH I/Os is submitted by one system call that also waits for all
 * of them, so that the driver sees the same in every round and every boot.
 *
 * Memory is as contiguous as told, whatever the page allocator hands out:
 * buffers lie in huge pages. "whole" is one piece of memory for each I/O,
 * "pages" takes every second page, so that no two of them can be merged.
 *
 * Prints the interrupts that /proc/interrupts shows for lines that contain
 * NAME (a driver's queues are called nvme0q1, rnvme0q1), over all I/Os done.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <linux/fs.h>
#include <unistd.h>

#define PAGE 4096UL
#define HUGE_PAGE (2UL << 20)
#define MAX_DEPTH 256
#define MAX_PAGES 64

/* Keep in step with icount_plugin.c. */
#define MARK(kind) \
	asm volatile("nopl 0x5a5a0000 + %c0(%%rax)" : : "i"(kind) : "memory")
enum { MARK_COUNT = 1, MARK_ACCESS, MARK_OFF, MARK_BEGIN, MARK_END };

struct ring {
	int fd;
	_Atomic unsigned int *sq_tail;
	unsigned int sq_mask;
	unsigned int *sq_array;
	struct io_uring_sqe *sqes;
	_Atomic unsigned int *cq_head;
	_Atomic unsigned int *cq_tail;
	unsigned int cq_mask;
	struct io_uring_cqe *cqes;
};

struct job {
	int fd;
	bool write;
	unsigned long size;
	unsigned int depth;
	bool pages;
	unsigned long count;
	uint64_t slots;
	char *memory;
	struct iovec vecs[MAX_DEPTH][MAX_PAGES];
};

static void __attribute__((noreturn, format(printf, 1, 2)))
die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("iob: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(1);
}

static unsigned long number(const char *text)
{
	char *end;
	unsigned long value = strtoul(text, &end, 0);

	if (*end || end == text)
		die("not a number: %s", text);
	return value;
}

/* Memory in huge pages, which the kernel is asked for first. */
static char *huge_memory(unsigned long size)
{
	FILE *file = fopen("/proc/sys/vm/nr_hugepages", "w");
	char *memory;

	size = (size + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
	if (!file || fprintf(file, "%lu\n", size / HUGE_PAGE) < 0 || fclose(file))
		die("nr_hugepages: %s", strerror(errno));
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE,
		      -1, 0);
	if (memory == MAP_FAILED)
		die("no huge pages: %s", strerror(errno));
	memset(memory, 0x5a, size);
	return memory;
}

static void lay_out(struct job *job)
{
	unsigned long pages = (job->size + PAGE - 1) / PAGE;
	unsigned long stride = job->pages ? 2 * pages * PAGE : pages * PAGE;

	if (job->pages && (pages > MAX_PAGES || job->size % PAGE))
		die("size does not fit single pages");
	job->memory = huge_memory(stride * job->depth);
	for (unsigned int i = 0; i < job->depth; i++) {
		char *base = job->memory + i * stride;

		if (!job->pages) {
			job->vecs[i][0] = (struct iovec){ base, job->size };
			continue;
		}
		for (unsigned long p = 0; p < pages; p++)
			job->vecs[i][p] =
				(struct iovec){ base + 2 * p * PAGE, PAGE };
	}
}

static void *map_ring(int fd, size_t size, off_t offset)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_POPULATE, fd, offset);

	if (memory == MAP_FAILED)
		die("mapping the ring: %s", strerror(errno));
	return memory;
}

static struct ring make_ring(unsigned int depth)
{
	struct io_uring_params p = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
	};
	struct ring ring;
	char *sq, *cq;

	ring.fd = syscall(__NR_io_uring_setup, depth, &p);
	if (ring.fd < 0)
		die("io_uring_setup: %s", strerror(errno));
	sq = map_ring(ring.fd, p.sq_off.array + p.sq_entries * sizeof(unsigned int),
		      IORING_OFF_SQ_RING);
	cq = map_ring(ring.fd, p.cq_off.cqes + p.cq_entries * sizeof(*ring.cqes),
		      IORING_OFF_CQ_RING);
	ring.sqes = map_ring(ring.fd, p.sq_entries * sizeof(*ring.sqes),
			     IORING_OFF_SQES);
	ring.sq_tail = (void *)(sq + p.sq_off.tail);
	ring.sq_mask = *(unsigned int *)(sq + p.sq_off.ring_mask);
	ring.sq_array = (void *)(sq + p.sq_off.array);
	ring.cq_head = (void *)(cq + p.cq_off.head);
	ring.cq_tail = (void *)(cq + p.cq_off.tail);
	ring.cq_mask = *(unsigned int *)(cq + p.cq_off.ring_mask);
	ring.cqes = (void *)(cq + p.cq_off.cqes);
	return ring;
}

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void submit(struct ring *ring, struct job *job, uint64_t *random)
{
	unsigned int tail = *ring->sq_tail;

	for (unsigned int i = 0; i < job->depth; i++, tail++) {
		struct io_uring_sqe *sqe = &ring->sqes[tail & ring->sq_mask];

		memset(sqe, 0, sizeof(*sqe));
		sqe->fd = job->fd;
		sqe->off = next_random(random) % job->slots * job->size;
		sqe->user_data = i;
		if (job->pages) {
			sqe->opcode = job->write ? IORING_OP_WRITEV : IORING_OP_READV;
			sqe->addr = (uintptr_t)job->vecs[i];
			sqe->len = job->size / PAGE;
		} else {
			sqe->opcode = job->write ? IORING_OP_WRITE : IORING_OP_READ;
			sqe->addr = (uintptr_t)job->vecs[i][0].iov_base;
			sqe->len = job->size;
		}
		ring->sq_array[tail & ring->sq_mask] = tail & ring->sq_mask;
	}
	atomic_store_explicit(ring->sq_tail, tail, memory_order_release);
	if (syscall(__NR_io_uring_enter, ring->fd, job->depth, job->depth,
		    IORING_ENTER_GETEVENTS, NULL, 0) != (long)job->depth)
		die("io_uring_enter: %s", strerror(errno));
}

static void reap(struct ring *ring, struct job *job)
{
	unsigned int head = *ring->cq_head;
	unsigned int tail =
		atomic_load_explicit(ring->cq_tail, memory_order_acquire);

	if (tail - head != job->depth)
		die("%u completions of %u", tail - head, job->depth);
	for (; head != tail; head++) {
		struct io_uring_cqe *cqe = &ring->cqes[head & ring->cq_mask];

		if (cqe->res != (int)job->size)
			die("result %d, not %lu", cqe->res, job->size);
	}
	atomic_store_explicit(ring->cq_head, head, memory_order_release);
}

static void run_round(struct ring *ring, struct job *job)
{
	uint64_t random = 88172645463325252u;

	for (unsigned long done = 0; done < job->count; done += job->depth) {
		submit(ring, job, &random);
		reap(ring, job);
	}
}

/* Adds up the counts of all lines of /proc/interrupts that contain the name. */
static unsigned long interrupts(const char *name)
{
	FILE *file = fopen("/proc/interrupts", "r");
	unsigned long sum = 0, count;
	char line[4096];
	int used;

	if (!file)
		die("/proc/interrupts: %s", strerror(errno));
	while (fgets(line, sizeof(line), file)) {
		char *at = strchr(line, ':');

		if (!at || !strstr(line, name))
			continue;
		for (at++; sscanf(at, "%lu%n", &count, &used) == 1; at += used)
			sum += count;
	}
	fclose(file);
	return sum;
}

static void pin(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("CPU %u: %s", cpu, strerror(errno));
}

int main(int argc, char **argv)
{
	static struct job job;
	struct ring ring;
	unsigned long rounds, before, after;
	uint64_t bytes;

	if (argc != 10)
		die("DEVICE read|write SIZE DEPTH whole|pages COUNT ROUNDS CPU NAME");
	job.write = !strcmp(argv[2], "write");
	job.size = number(argv[3]);
	job.depth = number(argv[4]);
	job.pages = !strcmp(argv[5], "pages");
	job.count = number(argv[6]);
	rounds = number(argv[7]);
	if (!job.depth || job.depth > MAX_DEPTH || job.count % job.depth)
		die("depth must be 1 to %d and divide the count", MAX_DEPTH);
	pin(number(argv[8]));

	job.fd = open(argv[1], (job.write ? O_RDWR : O_RDONLY) | O_DIRECT);
	if (job.fd < 0 || ioctl(job.fd, BLKGETSIZE64, &bytes))
		die("%s: %s", argv[1], strerror(errno));
	job.slots = bytes / job.size;
	if (!job.slots)
		die("%s is too small", argv[1]);
	lay_out(&job);
	ring = make_ring(job.depth);

	MARK(MARK_COUNT);
	run_round(&ring, &job);
	before = interrupts(argv[9]);
	for (unsigned long i = 0; i < rounds; i++) {
		MARK(MARK_BEGIN);
		run_round(&ring, &job);
		MARK(MARK_END);
	}
	after = interrupts(argv[9]);

	MARK(MARK_ACCESS);
	run_round(&ring, &job);
	MARK(MARK_BEGIN);
	run_round(&ring, &job);
	MARK(MARK_END);
	MARK(MARK_OFF);

	printf("ios %lu interrupts %lu\n", rounds * job.count, after - before);
	return 0;
}
