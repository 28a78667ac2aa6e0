/*
 * A load on a block device, as fio makes it: block-load DEVICE KIND BLOCK DEPTH SECONDS SPAN
 *   KIND     randread, randwrite, read, write
 *   BLOCK    bytes of a request; DEPTH requests are in flight
 *   SPAN     bytes of the device that are used, from its beginning
 * Requests go around the page cache (O_DIRECT) through the kernel's AIO, whose calls are made directly: the program needs no library in its guest.
 * Prints "BEGIN KIND", then "END KIND operations microseconds".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MOST_DEPTH 256

static uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000ull + t.tv_nsec / 1000;
}

static void fail(const char *what)
{
    printf("FAILED %s: %s\n", what, strerror(errno));
    exit(1);
}

/* xorshift64: the same places in every run. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}

int main(int argc, char **argv)
{
    if (argc != 7) return 2;
    const char *kind = argv[2];
    int writes = strstr(kind, "write") != NULL, random = strncmp(kind, "rand", 4) == 0;
    size_t block = strtoul(argv[3], NULL, 0);
    int depth = atoi(argv[4]);
    uint64_t limit_us = strtoull(argv[5], NULL, 0) * 1000000, blocks = strtoull(argv[6], NULL, 0) / block;
    if (depth < 1 || depth > MOST_DEPTH || blocks == 0) return 2;
    int fd = open(argv[1], (writes ? O_RDWR : O_RDONLY) | O_DIRECT);
    if (fd < 0) fail("open");
    aio_context_t context = 0;
    if (syscall(SYS_io_setup, depth, &context) < 0) fail("io_setup");
    static struct iocb requests[MOST_DEPTH], *list[MOST_DEPTH];
    static struct io_event events[MOST_DEPTH];
    uint64_t state = 88172645463325252ull, place = 0, done = 0;
    for (int i = 0; i < depth; i++) {
        void *buffer;
        if (posix_memalign(&buffer, 4096, block) != 0) fail("memory");
        memset(buffer, 0x5a + i, block);
        requests[i].aio_fildes = fd;
        requests[i].aio_lio_opcode = writes ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD;
        requests[i].aio_buf = (uintptr_t)buffer;
        requests[i].aio_nbytes = block;
        requests[i].aio_data = i;
        list[i] = &requests[i];
    }
    printf("BEGIN %s\n", kind);
    fflush(stdout);
    uint64_t start = now_us(), elapsed = 0;
    int ready = depth, in_flight = 0;
    while (in_flight > 0 || elapsed < limit_us) {
        if (elapsed < limit_us && ready > 0) {
            for (int i = 0; i < ready; i++) {
                uint64_t at = random ? next_random(&state) % blocks : place++ % blocks;
                list[i]->aio_offset = at * block;
            }
            int sent = syscall(SYS_io_submit, context, ready, list);
            if (sent < 0) fail("io_submit");
            in_flight += sent;
            /* What was not taken stays at the front of the list. */
            memmove(list, list + sent, (ready - sent) * sizeof *list);
            ready -= sent;
        }
        int got = syscall(SYS_io_getevents, context, 1, depth, events, NULL);
        if (got < 0) fail("io_getevents");
        for (int i = 0; i < got; i++) {
            if (events[i].res != (int64_t)block) {
                errno = -events[i].res;
                fail(kind);
            }
            list[ready++] = &requests[events[i].data];
        }
        in_flight -= got;
        done += got;
        elapsed = now_us() - start;
    }
    printf("END %s %llu %llu\n", kind, (unsigned long long)done, (unsigned long long)elapsed);
    return 0;
}
