// SPDX-License-Identifier: GPL-2.0
/*
 * Direct I/O of which every piece is accounted for: whether it was answered,
 * once, and what its answer says about the data that are on the disk.
 *
 *   account DISKS OFFSET MIB DEPTH SEED strict|lenient STOP STATE MODEL
 *
 * Two threads, each with MIB of its own from byte OFFSET on, keep DEPTH reads
 * and writes under way until the file STOP appears. DISKS is a pattern; the
 * first name that it matches is opened, and once more after each error:
 * "strict" allows none. STATE gets a line of counts, a few times a second.
 *
 * Each read and write has a number, which its answer must bring back. No two
 * I/Os that overlap are under way at the same time, so all that may be found
 * in a sector is known:
 *
 *   - the write that was acknowledged last, or that a read found last, or
 *   - one that failed after it: such a write was done or was not, for each
 *     sector; but once a read has looked, it may not be done any more.
 *
 * At the end everything is read, and MODEL gets the number that each sector
 * has, 64 bits each. Prints counts; its status is 0 if nothing was wrong.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/aio_abi.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SECTOR 512U
#define MOST_SECTORS 128U
#define MOST_BYTES (MOST_SECTORS * SECTOR)
#define MOST_DEPTH 64U
#define THREADS 2U
/* Of numbers: the thread above, the I/O below. 0 is a sector of zeroes. */
#define THREAD_SHIFT 40
#define MOST_IOS (1UL << 22)
/* Seconds in which each I/O is answered, and a disk is there again. */
#define PATIENCE 120

enum fate { NEVER, ASKED, DONE, FAILED };

/* What became of an I/O. */
struct record {
	uint32_t first;
	uint16_t count;
	uint8_t write;
	uint8_t fate;
};

/* What is known of a sector. */
struct sector {
	/* The write that is in it, unless one that failed is: */
	uint64_t sure;
	/* of those from this number on. */
	uint64_t since;
	bool busy;
};

struct slot {
	struct iocb iocb;
	char *buffer;
	uint64_t number;
	time_t asked;
};

struct worker {
	pthread_t thread;
	uint64_t id, next, random;
	uint64_t first_lba;
	aio_context_t context;
	int disk;
	struct record *records;
	struct sector *sectors;
	struct slot slots[MOST_DEPTH];
	atomic_ulong asked, done, failed, opened;
};

static struct worker workers[THREADS];
static const char *disks;
static uint64_t sectors_each;
static unsigned int depth;
static bool strict;
static atomic_bool stop;
static atomic_uint wrong;

/* Says what is wrong; after some of them only counts. */
static void __attribute__((format(printf, 1, 2))) complain(const char *format, ...)
{
	va_list args;

	if (atomic_fetch_add(&wrong, 1) >= 20)
		return;
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf(": %s\n", strerror(errno));
	fflush(stdout);
	_exit(2);
}

static unsigned long number_of(const char *text)
{
	char *end;
	unsigned long value = strtoul(text, &end, 0);

	if (*end || end == text)
		die("not a number: %s", text);
	return value;
}

static time_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec;
}

static uint64_t dice(struct worker *w, uint64_t sides)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random % sides;
}

static uint64_t checksum(uint64_t lba, uint64_t number)
{
	uint64_t sum = lba * 0x9e3779b97f4a7c15u + number;

	sum = (sum ^ sum >> 29) * 0xbf58476d1ce4e5b9u;
	return sum ^ sum >> 32;
}

/* A sector: its address and the write's number, again and again, and a checksum. */
static void stamp(uint64_t *words, uint64_t lba, uint64_t number)
{
	for (unsigned int i = 0; i < 62; i += 2) {
		words[i] = lba;
		words[i + 1] = number;
	}
	words[62] = checksum(lba, number);
	words[63] = ~words[62];
}

/* The number of the write that a sector has whole; false if there is none. */
static bool stamped(const uint64_t *words, uint64_t lba, uint64_t *number)
{
	static const uint64_t none[SECTOR / 8];
	uint64_t expected[SECTOR / 8];

	*number = words[1];
	if (!words[1])
		return !memcmp(words, none, SECTOR);
	stamp(expected, lba, words[1]);
	return !memcmp(words, expected, SECTOR);
}

/* Whether this write of the worker failed after the sector was last known. */
static bool may_be(struct worker *w, uint64_t place, uint64_t number)
{
	uint64_t index = number & ((1UL << THREAD_SHIFT) - 1);
	struct record *r;

	if (number >> THREAD_SHIFT != w->id || index >= w->next || number < w->sectors[place].since)
		return false;
	r = &w->records[index];
	return r->write && r->fate == FAILED && place >= r->first && place < r->first + r->count;
}

/* Compares a sector that was read with what may be in it, and knows it from now on. */
static void look(struct worker *w, uint64_t place, const char *data)
{
	struct sector *s = &w->sectors[place];
	uint64_t lba = w->first_lba + place, number;

	if (!stamped((const uint64_t *)data, lba, &number))
		complain("LBA %lu has no write whole: %016lx %016lx", lba, *(uint64_t *)data, number);
	else if (number != s->sure && !may_be(w, place, number))
		complain("LBA %lu has write %lx, not %lx", lba, number, s->sure);
	else
		s->sure = number;
	s->since = w->id << THREAD_SHIFT | w->next;
}

static int open_disk(void)
{
	glob_t found = { 0 };
	int fd = -1;

	if (!glob(disks, 0, NULL, &found))
		fd = open(found.gl_pathv[0], O_RDWR | O_DIRECT);
	globfree(&found);
	return fd;
}

/* Opens the disk, which may be away for a while. */
static bool reopen(struct worker *w)
{
	if (w->disk >= 0)
		close(w->disk);
	w->disk = open_disk();
	w->opened += w->disk >= 0;
	return w->disk >= 0;
}

static bool is_free(struct worker *w, uint64_t first, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		if (w->sectors[first + i].busy)
			return false;
	return true;
}

static void set_busy(struct worker *w, struct record *r, bool busy)
{
	for (unsigned int i = 0; i < r->count; i++)
		w->sectors[r->first + i].busy = busy;
}

/* Makes an I/O of a slot. Most are small. */
static bool prepare(struct worker *w, struct slot *slot)
{
	unsigned int count = 1 + dice(w, dice(w, 16) ? 16 : MOST_SECTORS);
	uint64_t first = dice(w, sectors_each - count + 1);
	struct record *r;

	if (w->next == MOST_IOS)
		die("too many I/Os");
	if (!is_free(w, first, count))
		return false;
	slot->number = w->id << THREAD_SHIFT | w->next;
	r = &w->records[w->next++];
	*r = (struct record){ .first = first, .count = count, .write = dice(w, 3) != 0, .fate = ASKED };
	set_busy(w, r, true);
	for (unsigned int i = 0; r->write && i < count; i++)
		stamp((uint64_t *)(slot->buffer + i * SECTOR), w->first_lba + first + i, slot->number);
	if (!r->write)
		memset(slot->buffer, 0xa5, count * SECTOR);
	slot->iocb = (struct iocb){
		.aio_data = slot->number,
		.aio_lio_opcode = r->write ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD,
		.aio_fildes = w->disk,
		.aio_buf = (uintptr_t)slot->buffer,
		.aio_nbytes = count * SECTOR,
		.aio_offset = (w->first_lba + first) * SECTOR,
	};
	slot->asked = now();
	w->asked++;
	return true;
}

/* Takes an answer into account. Returns false if the I/O failed. */
static bool answered(struct worker *w, uint64_t number, int64_t result)
{
	uint64_t index = number & ((1UL << THREAD_SHIFT) - 1);
	struct slot *slot = w->slots;
	struct record *r;
	bool good;

	while (slot < w->slots + depth && slot->number != number)
		slot++;
	if (slot == w->slots + depth) {
		complain("an answer to I/O %lx, which %s", number,
			 index < w->next ? "had one" : "was never asked for");
		return true;
	}
	r = &w->records[index];
	good = result == (int64_t)r->count * SECTOR;
	r->fate = good ? DONE : FAILED;
	for (unsigned int i = 0; good && i < r->count; i++) {
		if (r->write)
			w->sectors[r->first + i].sure = number, w->sectors[r->first + i].since = number;
		else
			look(w, r->first + i, slot->buffer + i * SECTOR);
	}
	if (!good && strict)
		complain("I/O %lx, a %s of %u sectors, failed: %ld", number, r->write ? "write" : "read",
			 r->count, result);
	set_busy(w, r, false);
	slot->number = 0;
	(*(good ? &w->done : &w->failed))++;
	return good;
}

/* Fills all slots that are free. Returns false if the disk is not as it was. */
static bool submit(struct worker *w)
{
	struct iocb *list[MOST_DEPTH];
	unsigned int count = 0;
	long sent = 0;

	for (unsigned int i = 0; i < depth; i++)
		if (!w->slots[i].number && prepare(w, &w->slots[i]))
			list[count++] = &w->slots[i].iocb;
	while (sent < count) {
		long more = syscall(SYS_io_submit, w->context, count - sent, list + sent);

		if (more <= 0)
			break;
		sent += more;
	}
	if (sent == count)
		return true;
	/* Those that the kernel did not even take get no answer. */
	for (int error = errno; sent < count; sent++)
		answered(w, list[sent]->aio_data, -error);
	return false;
}

static unsigned int under_way(struct worker *w)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < depth; i++) {
		if (!w->slots[i].number)
			continue;
		count++;
		if (now() - w->slots[i].asked > PATIENCE)
			die("I/O %lx was never answered", w->slots[i].number);
	}
	return count;
}

/* Waits for answers, a second at most. Returns false if any of them is an error. */
static bool reap(struct worker *w)
{
	struct timespec second = { .tv_sec = 1 };
	struct io_event events[MOST_DEPTH];
	bool good = true;
	long count;

	count = syscall(SYS_io_getevents, w->context, 1, MOST_DEPTH, events, &second);
	if (count < 0 && errno != EINTR)
		die("io_getevents");
	for (long i = 0; i < count; i++)
		good &= answered(w, events[i].data, events[i].res);
	return good;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	bool good = true;

	while (!stop) {
		if ((w->disk < 0 || !good) && !reopen(w))
			usleep(10000);
		good = w->disk < 0 || submit(w);
		if (under_way(w))
			good &= reap(w);
	}
	while (under_way(w))
		reap(w);
	return NULL;
}

static void *memory(size_t size)
{
	void *found = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (found == MAP_FAILED)
		die("no memory");
	return found;
}

/* A thread's part of the disk, which has zeroes at first. */
static void start(struct worker *w, unsigned int id, uint64_t offset, uint64_t seed)
{
	w->id = id + 1;
	w->random = seed * THREADS + id + 1;
	w->next = 1;
	w->first_lba = offset / SECTOR + id * sectors_each;
	w->records = memory(MOST_IOS * sizeof(*w->records));
	w->sectors = memory(sectors_each * sizeof(*w->sectors));
	for (unsigned int i = 0; i < depth; i++)
		w->slots[i].buffer = memory(MOST_BYTES);
	if (syscall(SYS_io_setup, depth, &w->context))
		die("io_setup");
	w->disk = open_disk();
	if (w->disk < 0)
		die("no disk");
	for (uint64_t i = 0; i < sectors_each; i += MOST_SECTORS)
		if (pwrite(w->disk, w->slots[0].buffer, MOST_BYTES, (w->first_lba + i) * SECTOR) != MOST_BYTES)
			die("clearing the disk");
}

/* Reads all of a thread's part, and writes down what each sector has. */
static void finish(struct worker *w, FILE *model)
{
	char *buffer = w->slots[0].buffer;
	time_t end = now() + PATIENCE;

	for (uint64_t i = 1; i < w->next; i++)
		if (w->records[i].fate < DONE)
			complain("I/O %lx was never answered", w->id << THREAD_SHIFT | i);
	while (!reopen(w)) {
		if (now() > end)
			die("no disk at the end");
		usleep(100000);
	}
	for (uint64_t i = 0; i < sectors_each; i += MOST_SECTORS) {
		if (pread(w->disk, buffer, MOST_BYTES, (w->first_lba + i) * SECTOR) != MOST_BYTES)
			die("reading at the end");
		for (unsigned int j = 0; j < MOST_SECTORS; j++)
			look(w, i + j, buffer + j * SECTOR);
	}
	for (uint64_t i = 0; i < sectors_each; i++)
		fwrite(&w->sectors[i].sure, sizeof(uint64_t), 1, model);
}

static void tell(FILE *file)
{
	unsigned long asked = 0, done = 0, failed = 0, opened = 0;

	for (unsigned int i = 0; i < THREADS; i++) {
		asked += workers[i].asked;
		done += workers[i].done;
		failed += workers[i].failed;
		opened += workers[i].opened;
	}
	fprintf(file, "asked %lu done %lu failed %lu opened %lu wrong %u\n", asked, done, failed, opened,
		wrong);
	fflush(file);
}

int main(int argc, char **argv)
{
	FILE *state, *model;

	if (argc != 10)
		die("DISKS OFFSET MIB DEPTH SEED strict|lenient STOP STATE MODEL");
	disks = argv[1];
	sectors_each = (number_of(argv[3]) << 20) / SECTOR;
	depth = number_of(argv[4]);
	if (!depth || depth > MOST_DEPTH || !sectors_each)
		die("1 to %u I/Os, 1 MiB at least", MOST_DEPTH);
	strict = !strcmp(argv[6], "strict");
	state = fopen(argv[8], "w");
	model = fopen(argv[9], "w");
	if (!state || !model)
		die("no file for the state, or the model");
	for (unsigned int i = 0; i < THREADS; i++)
		start(&workers[i], i, number_of(argv[2]), number_of(argv[5]));
	for (unsigned int i = 0; i < THREADS; i++)
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			die("no thread");
	while (!stop) {
		usleep(100000);
		rewind(state);
		tell(state);
		stop = !access(argv[7], F_OK);
	}
	for (unsigned int i = 0; i < THREADS; i++)
		pthread_join(workers[i].thread, NULL);
	for (unsigned int i = 0; i < THREADS; i++)
		finish(&workers[i], model);
	if (fclose(model))
		die("writing the model");
	tell(stdout);
	return wrong != 0;
}
