// SPDX-License-Identifier: GPL-2.0
/*
 * A QEMU TCG plugin that counts guest instructions between two markers.
 *
 * A guest program (iob.c) executes a no-op that nothing else executes, whose
 * displacement says what the plugin shall do:
 *
 *   MARK_COUNT     from now on count instructions
 *   MARK_ACCESS    the same, and device accesses too (slow)
 *   MARK_OFF       stop counting
 *   MARK_BEGIN     a measured round begins
 *   MARK_END       it ends: its counts are written to the file
 *
 * The first three make QEMU translate everything anew with other
 * instrumentation. Until the first of them the only thing that is done is to
 * look for markers while translating, so the guest boots at its usual speed.
 *
 * Each translated block of kernel code has two counters for each vCPU: how
 * often it was entered, and how many of its instructions were executed. The
 * second is not the first times the block's length: QEMU leaves a block at an
 * access to a device and goes on in another one that begins in the middle of
 * the first. User code has one counter for all of it.
 *
 * The file, one record for each round:
 *
 *   round NUMBER vcpu VCPU
 *   user EXECUTED
 *   block ADDRESS LENGTH ENTERED EXECUTED
 *   access PHYSICAL r|w COUNT
 *   end
 *
 * Option: out=FILE
 */

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * What is used of QEMU's plugin interface (version 4: QEMU 9.1 and later).
 * Debian ships the interface without its header.
 */

typedef uint64_t qemu_plugin_id_t;
typedef uint32_t qemu_plugin_meminfo_t;

typedef struct {
	const char *target_name;
	struct {
		int min;
		int cur;
	} version;
	bool system_emulation;
	struct {
		int smp_vcpus;
		int max_vcpus;
	} system;
} qemu_info_t;

struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_plugin_hwaddr;
struct qemu_plugin_scoreboard;

typedef struct {
	struct qemu_plugin_scoreboard *score;
	size_t offset;
} qemu_plugin_u64;

enum { QEMU_PLUGIN_INLINE_ADD_U64 };
enum { QEMU_PLUGIN_CB_NO_REGS };
enum { QEMU_PLUGIN_MEM_RW = 3 };

int qemu_plugin_num_vcpus(void);
void qemu_plugin_reset(qemu_plugin_id_t id, void (*done)(qemu_plugin_id_t));
void qemu_plugin_register_vcpu_tb_trans_cb(
	qemu_plugin_id_t id, void (*cb)(qemu_plugin_id_t, struct qemu_plugin_tb *));

uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb,
						 size_t index);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *insn, void *to,
			     size_t size);

void qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(struct qemu_plugin_tb *tb,
						       int op,
						       qemu_plugin_u64 counter,
						       uint64_t value);
void qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(
	struct qemu_plugin_insn *insn, int op, qemu_plugin_u64 counter,
	uint64_t value);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
					    void (*cb)(unsigned int, void *),
					    int flags, void *data);
void qemu_plugin_register_vcpu_mem_cb(
	struct qemu_plugin_insn *insn,
	void (*cb)(unsigned int, qemu_plugin_meminfo_t, uint64_t, void *),
	int flags, int rw, void *data);

struct qemu_plugin_hwaddr *qemu_plugin_get_hwaddr(qemu_plugin_meminfo_t info,
						  uint64_t vaddr);
bool qemu_plugin_hwaddr_is_io(const struct qemu_plugin_hwaddr *addr);
uint64_t qemu_plugin_hwaddr_phys_addr(const struct qemu_plugin_hwaddr *addr);
bool qemu_plugin_mem_is_store(qemu_plugin_meminfo_t info);

struct qemu_plugin_scoreboard *qemu_plugin_scoreboard_new(size_t size);
void *qemu_plugin_scoreboard_find(struct qemu_plugin_scoreboard *score,
				  unsigned int vcpu);

#define EXPORT __attribute__((visibility("default")))

EXPORT int qemu_plugin_version = 4;
EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info,
			       int argc, char **argv);

/* The markers: nopl DISPLACEMENT(%rax), seven bytes. Keep in step with iob.c. */

#define MARK_SIZE 7
#define MARK_BASE 0x5a5a0000u

enum mark {
	MARK_COUNT = 1,
	MARK_ACCESS,
	MARK_OFF,
	MARK_BEGIN,
	MARK_END,
};

/* Blocks: a table of fixed size, so that a counter never moves. */

#define BLOCK_BITS 18
#define MAX_BLOCKS (1u << BLOCK_BITS)
#define BUCKET_BITS (BLOCK_BITS + 1)
#define MAX_BUCKETS (1u << BUCKET_BITS)
#define MAX_VCPUS 64
#define MAX_ACCESSES 1024

struct block {
	uint64_t vaddr;
	uint64_t length;
};

struct counter {
	uint64_t entered;
	uint64_t executed;
};

struct access {
	uint64_t physical;
	bool store;
	uint64_t count;
};

/* Block 0 is all user code. */
static struct block blocks[MAX_BLOCKS];
static uint32_t nr_blocks = 1;
static uint32_t buckets[MAX_BUCKETS];
static struct access accesses[MAX_ACCESSES];
static uint32_t nr_accesses;
/* Guards the five tables above: vCPUs translate at the same time. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct qemu_plugin_scoreboard *counters;
/* The counters when the round began. */
static struct counter *begun[MAX_VCPUS];
static uint32_t begun_blocks;
static bool in_round;

static qemu_plugin_id_t plugin_id;
static enum mark mode = MARK_OFF;
static FILE *out;
static unsigned int nr_rounds;

static void die(const char *what)
{
	fprintf(stderr, "icount_plugin: %s\n", what);
	exit(2);
}

static qemu_plugin_u64 counter_of(uint32_t block, size_t member)
{
	return (qemu_plugin_u64){
		.score = counters,
		.offset = block * sizeof(struct counter) + member,
	};
}

static uint32_t block_index(uint64_t vaddr, uint64_t length)
{
	uint64_t hash = (vaddr ^ length << 48) * 0x9e3779b97f4a7c15u;
	uint32_t bucket = hash >> (64 - BUCKET_BITS);
	uint32_t index;

	pthread_mutex_lock(&lock);
	while ((index = buckets[bucket])) {
		if (blocks[index].vaddr == vaddr && blocks[index].length == length)
			goto found;
		bucket = (bucket + 1) % MAX_BUCKETS;
	}
	if (nr_blocks == MAX_BLOCKS)
		die("too many translated blocks");
	index = nr_blocks++;
	blocks[index] = (struct block){ vaddr, length };
	buckets[bucket] = index;
found:
	pthread_mutex_unlock(&lock);
	return index;
}

/* A device access was made: its address is looked up, as there are few. */
static void on_access(unsigned int vcpu, qemu_plugin_meminfo_t info,
		      uint64_t vaddr, void *data)
{
	struct qemu_plugin_hwaddr *addr = qemu_plugin_get_hwaddr(info, vaddr);
	bool store = qemu_plugin_mem_is_store(info);
	uint64_t physical;
	uint32_t i;

	(void)vcpu;
	(void)data;
	if (!addr || !qemu_plugin_hwaddr_is_io(addr))
		return;
	physical = qemu_plugin_hwaddr_phys_addr(addr);

	pthread_mutex_lock(&lock);
	if (in_round) {
		for (i = 0; i < nr_accesses; i++)
			if (accesses[i].physical == physical &&
			    accesses[i].store == store)
				break;
		if (i == MAX_ACCESSES)
			die("too many device addresses");
		if (i == nr_accesses)
			accesses[nr_accesses++] =
				(struct access){ physical, store, 0 };
		accesses[i].count++;
	}
	pthread_mutex_unlock(&lock);
}

static void begin_round(void)
{
	int vcpus = qemu_plugin_num_vcpus();

	if (in_round)
		die("a round begins inside a round");
	if (vcpus > MAX_VCPUS)
		die("too many vCPUs");

	pthread_mutex_lock(&lock);
	begun_blocks = nr_blocks;
	nr_accesses = 0;
	in_round = true;
	pthread_mutex_unlock(&lock);

	for (int i = 0; i < vcpus; i++) {
		if (!begun[i])
			begun[i] = malloc(sizeof(struct counter) * MAX_BLOCKS);
		if (!begun[i])
			die("no memory");
		memcpy(begun[i], qemu_plugin_scoreboard_find(counters, i),
		       sizeof(struct counter) * begun_blocks);
	}
}

/* Adds up what all vCPUs did in the block since the round began. */
static struct counter round_count(uint32_t block)
{
	struct counter sum = { 0, 0 };

	for (int i = 0; i < qemu_plugin_num_vcpus(); i++) {
		struct counter *now = qemu_plugin_scoreboard_find(counters, i);

		sum.entered += now[block].entered;
		sum.executed += now[block].executed;
		if (block < begun_blocks) {
			sum.entered -= begun[i][block].entered;
			sum.executed -= begun[i][block].executed;
		}
	}
	return sum;
}

static void end_round(unsigned int vcpu)
{
	struct counter sum;
	uint32_t end;

	if (!in_round)
		die("a round ends that has not begun");
	pthread_mutex_lock(&lock);
	in_round = false;
	end = nr_blocks;
	pthread_mutex_unlock(&lock);

	fprintf(out, "round %u vcpu %u\n", nr_rounds++, vcpu);
	fprintf(out, "user %" PRIu64 "\n", round_count(0).executed);
	for (uint32_t i = 1; i < end; i++) {
		sum = round_count(i);
		if (sum.entered || sum.executed)
			fprintf(out, "block %" PRIx64 " %" PRIu64 " %" PRIu64
				     " %" PRIu64 "\n",
				blocks[i].vaddr, blocks[i].length, sum.entered,
				sum.executed);
	}
	for (uint32_t i = 0; i < nr_accesses; i++)
		fprintf(out, "access %" PRIx64 " %c %" PRIu64 "\n",
			accesses[i].physical, accesses[i].store ? 'w' : 'r',
			accesses[i].count);
	fprintf(out, "end\n");
	if (fflush(out))
		die(strerror(errno));
}

static void on_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);

static void on_reset(qemu_plugin_id_t id)
{
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
}

static void on_mark(unsigned int vcpu, void *data)
{
	enum mark mark = (uintptr_t)data;

	switch (mark) {
	case MARK_COUNT:
	case MARK_ACCESS:
	case MARK_OFF:
		mode = mark;
		qemu_plugin_reset(plugin_id, on_reset);
		break;
	case MARK_BEGIN:
		begin_round();
		break;
	case MARK_END:
		end_round(vcpu);
		break;
	}
}

/* Is the instruction a marker? Zero, or which. */
static enum mark mark_of(const struct qemu_plugin_insn *insn)
{
	uint8_t code[MARK_SIZE];
	uint32_t displacement;

	if (qemu_plugin_insn_size(insn) != MARK_SIZE ||
	    qemu_plugin_insn_data(insn, code, MARK_SIZE) != MARK_SIZE ||
	    code[0] != 0x0f || code[1] != 0x1f || code[2] != 0x80)
		return 0;
	memcpy(&displacement, code + 3, sizeof(displacement));
	if (displacement - MARK_BASE < MARK_COUNT ||
	    displacement - MARK_BASE > MARK_END)
		return 0;
	return displacement - MARK_BASE;
}

static void count_kernel(struct qemu_plugin_tb *tb, uint64_t vaddr, size_t length)
{
	uint32_t block = block_index(vaddr, length);
	qemu_plugin_u64 entered =
		counter_of(block, offsetof(struct counter, entered));
	qemu_plugin_u64 executed =
		counter_of(block, offsetof(struct counter, executed));

	qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(
		tb, QEMU_PLUGIN_INLINE_ADD_U64, entered, 1);
	for (size_t i = 0; i < length; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);

		qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(
			insn, QEMU_PLUGIN_INLINE_ADD_U64, executed, 1);
		if (mode == MARK_ACCESS)
			qemu_plugin_register_vcpu_mem_cb(insn, on_access,
							 QEMU_PLUGIN_CB_NO_REGS,
							 QEMU_PLUGIN_MEM_RW, NULL);
	}
}

static void watch_user(struct qemu_plugin_tb *tb, size_t length)
{
	if (mode != MARK_OFF)
		qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(
			tb, QEMU_PLUGIN_INLINE_ADD_U64,
			counter_of(0, offsetof(struct counter, executed)), length);
	for (size_t i = 0; i < length; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		enum mark mark = mark_of(insn);

		if (mark)
			qemu_plugin_register_vcpu_insn_exec_cb(
				insn, on_mark, QEMU_PLUGIN_CB_NO_REGS,
				(void *)(uintptr_t)mark);
	}
}

static void on_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	uint64_t vaddr = qemu_plugin_tb_vaddr(tb);
	size_t length = qemu_plugin_tb_n_insns(tb);

	(void)id;
	/* The kernel has the upper half of the address space. */
	if (!(vaddr >> 63))
		watch_user(tb, length);
	else if (mode != MARK_OFF)
		count_kernel(tb, vaddr, length);
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info,
			       int argc, char **argv)
{
	if (!info->system_emulation || strcmp(info->target_name, "x86_64")) {
		fprintf(stderr, "icount_plugin: only for a whole x86_64 machine\n");
		return -1;
	}
	for (int i = 0; i < argc; i++)
		if (!strncmp(argv[i], "out=", 4))
			out = fopen(argv[i] + 4, "w");
	if (!out) {
		fprintf(stderr, "icount_plugin: out=FILE is missing or cannot be written\n");
		return -1;
	}
	plugin_id = id;
	counters = qemu_plugin_scoreboard_new(sizeof(struct counter) * MAX_BLOCKS);
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
	return 0;
}
