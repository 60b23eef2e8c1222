/* Put before libc in a test: CLOCK_REALTIME is ahead by the seconds that the file named by TEST_CLOCK holds. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *time) {
    long done = syscall(SYS_clock_gettime, clock, time);
    const char *path = getenv("TEST_CLOCK");
    if (done != 0 || clock != CLOCK_REALTIME || path == NULL) return (int)done;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return (int)done;
    char digits[32] = {0};
    if (read(file, digits, sizeof digits - 1) > 0) time->tv_sec += atoll(digits);
    close(file);
    return (int)done;
}
