/* Preloaded into a server, it makes writes wait below the server, where a closed connection does not recall them; and reads.
 *
 * How long is the content, in seconds, of the file that SLOW_WRITES (of reads: SLOW_READS) names, read anew each time; without
 * such a file nothing waits. So a test can have one slow write, and quick ones before and after it. Behind the seconds may stand
 * two offsets in bytes: then only what touches [first, second) waits. Zeroing and discarding by fallocate() are writes, too. With
 * SLOW_DEAF in the environment signals wait as well.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

static void wait_as_told(const char *variable, long long offset, long long size)
{
    const char *name = getenv(variable);
    FILE *file = name ? fopen(name, "re") : NULL;
    double seconds = 0;
    long long begins = 0, ends = 0;
    int count;

    if (file == NULL)
        return;
    count = fscanf(file, "%lf %lld %lld", &seconds, &begins, &ends);
    fclose(file);
    if (count < 1 || (count == 3 && (offset + size <= begins || offset >= ends)))
        seconds = 0;
    if (seconds > 0) {
        struct timespec left = { (time_t)seconds, (long)((seconds - (time_t)seconds) * 1e9) };
        sigset_t all, before;

        /* As in the kernel's own uninterruptible sleep no signal is heard meanwhile, but SIGKILL. */
        if (getenv("SLOW_DEAF") != NULL) {
            sigfillset(&all);
            pthread_sigmask(SIG_SETMASK, &all, &before);
        }
        while (nanosleep(&left, &left) != 0)
            ;
        if (getenv("SLOW_DEAF") != NULL)
            pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
}

static long long size_of(const struct iovec *iov, int count)
{
    long long size = 0;

    for (int i = 0; i < count; i++)
        size += (long long)iov[i].iov_len;
    return size;
}

#define SLOW(variable, type, name, arguments, passed, size)                  \
    type name arguments                                                      \
    {                                                                        \
        type(*real) arguments = (type(*) arguments)dlsym(RTLD_NEXT, #name);  \
        wait_as_told(variable, (long long)offset, (long long)(size));        \
        return real passed;                                                  \
    }
#define SLOW_WRITE(type, name, arguments, passed, size) SLOW("SLOW_WRITES", type, name, arguments, passed, size)
#define SLOW_READ(name, arguments, passed, size) SLOW("SLOW_READS", ssize_t, name, arguments, passed, size)

SLOW_WRITE(ssize_t, pwrite, (int fd, const void *data, size_t size, off_t offset), (fd, data, size, offset), size)
SLOW_WRITE(ssize_t, pwrite64, (int fd, const void *data, size_t size, off64_t offset), (fd, data, size, offset), size)
SLOW_WRITE(ssize_t, pwritev, (int fd, const struct iovec *iov, int count, off_t offset), (fd, iov, count, offset), size_of(iov, count))
SLOW_WRITE(ssize_t, pwritev64, (int fd, const struct iovec *iov, int count, off64_t offset), (fd, iov, count, offset), size_of(iov, count))
SLOW_WRITE(int, fallocate, (int fd, int mode, off_t offset, off_t size), (fd, mode, offset, size), size)
SLOW_WRITE(int, fallocate64, (int fd, int mode, off64_t offset, off64_t size), (fd, mode, offset, size), size)
SLOW_READ(pread, (int fd, void *data, size_t size, off_t offset), (fd, data, size, offset), size)
SLOW_READ(pread64, (int fd, void *data, size_t size, off64_t offset), (fd, data, size, offset), size)
SLOW_READ(preadv, (int fd, const struct iovec *iov, int count, off_t offset), (fd, iov, count, offset), size_of(iov, count))
SLOW_READ(preadv64, (int fd, const struct iovec *iov, int count, off64_t offset), (fd, iov, count, offset), size_of(iov, count))
