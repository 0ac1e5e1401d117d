/* Random reads of 4 KiB by Linux AIO and O_DIRECT, so many in one io_submit call: the client of bench/kernel/icount.py.
 *
 *     io DEVICE BLOCKS COUNT BATCH
 *
 * prints the nanoseconds that COUNT reads took. Under QEMU's -icount shift=0 a nanosecond of the guest is an instruction. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define BATCH_MAX 256
#define BLOCK 4096

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

int main(int argc, char **argv)
{
	static struct iocb blocks[BATCH_MAX], *list[BATCH_MAX];
	static struct io_event events[BATCH_MAX];
	if (argc != 5)
		return 2;
	long count = atol(argv[3]), batch = atol(argv[4]);
	uint64_t size = atol(argv[2]), seed = 88172645463325252ull;
	aio_context_t context = 0;
	int fd = open(argv[1], O_RDONLY | O_DIRECT);
	char *data = mmap(NULL, BATCH_MAX * BLOCK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (fd < 0 || batch < 1 || batch > BATCH_MAX || syscall(SYS_io_setup, BATCH_MAX, &context))
		return 1;
	uint64_t start = 0;
	/* The first sixteenth warms up. */
	for (long done = -count / 16; done < count; done += batch) {
		if (!start && done >= 0)
			start = now_ns();
		for (long i = 0; i < batch; i++) {
			seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
			memset(&blocks[i], 0, sizeof blocks[i]);
			blocks[i].aio_lio_opcode = IOCB_CMD_PREAD;
			blocks[i].aio_fildes = fd;
			blocks[i].aio_buf = (uintptr_t)data + i * BLOCK;
			blocks[i].aio_nbytes = BLOCK;
			blocks[i].aio_offset = seed % size * BLOCK;
			list[i] = &blocks[i];
		}
		if (syscall(SYS_io_submit, context, batch, list) != batch)
			return 1;
		if (syscall(SYS_io_getevents, context, batch, batch, events, NULL) != batch)
			return 1;
		for (long i = 0; i < batch; i++)
			if (events[i].res != BLOCK)
				return 1;
	}
	printf("%llu\n", (unsigned long long)(now_ns() - start));
	return 0;
}
