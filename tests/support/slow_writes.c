/* Preloaded into a server, it makes writes wait below the server, where a closed connection does not recall them; and reads.
 *
 * How long is the content, in seconds, of the file that SLOW_WRITES (of reads: SLOW_READS) names, read anew each time; without
 * such a file nothing waits. So a test can have one slow write, and quick ones before and after it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

static void wait_as_told(const char *variable)
{
    const char *name = getenv(variable);
    FILE *file = name ? fopen(name, "re") : NULL;
    double seconds = 0;

    if (file == NULL)
        return;
    if (fscanf(file, "%lf", &seconds) != 1)
        seconds = 0;
    fclose(file);
    if (seconds > 0) {
        struct timespec left = { (time_t)seconds, (long)((seconds - (time_t)seconds) * 1e9) };
        while (nanosleep(&left, &left) != 0)
            ;
    }
}

#define SLOW(variable, name, arguments, passed)                              \
    ssize_t name arguments                                                   \
    {                                                                        \
        ssize_t(*real) arguments = (ssize_t(*) arguments)dlsym(RTLD_NEXT, #name); \
        wait_as_told(variable);                                              \
        return real passed;                                                  \
    }

SLOW("SLOW_WRITES", pwrite, (int fd, const void *data, size_t size, off_t offset), (fd, data, size, offset))
SLOW("SLOW_WRITES", pwrite64, (int fd, const void *data, size_t size, off64_t offset), (fd, data, size, offset))
SLOW("SLOW_WRITES", pwritev, (int fd, const struct iovec *iov, int count, off_t offset), (fd, iov, count, offset))
SLOW("SLOW_WRITES", pwritev64, (int fd, const struct iovec *iov, int count, off64_t offset), (fd, iov, count, offset))
SLOW("SLOW_READS", pread, (int fd, void *data, size_t size, off_t offset), (fd, data, size, offset))
SLOW("SLOW_READS", pread64, (int fd, void *data, size_t size, off64_t offset), (fd, data, size, offset))
SLOW("SLOW_READS", preadv, (int fd, const struct iovec *iov, int count, off_t offset), (fd, iov, count, offset))
SLOW("SLOW_READS", preadv64, (int fd, const struct iovec *iov, int count, off64_t offset), (fd, iov, count, offset))
