
/*
 * Preloaded into nginx: for how long does a turn of the event loop hold a
 * process up?  A turn is all that is done between two epoll_wait(), and is
 * measured in processor time, which other processes do not add to; in looks at
 * files; and in bytes that are written.
 *
 * $KATALO_HELD is a directory; each process has a file in it, named by its
 * pid, that is the structure below.  Who reads it may write zeros to it.  While
 * there is a file "paced" in it, a process begins with that set.
 *
 * While "paced" is set, time stands still in a turn but for its looks and its
 * bytes, which take as long on each machine: what is done for some milliseconds
 * is always as much.
 */


#define _GNU_SOURCE

#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>


/* nanoseconds of paced time */
#define LOOK   20000
#define BYTE   30


/* time in nanoseconds; "most" is of one turn */

typedef struct {
    volatile uint64_t  turns;
    volatile uint64_t  total;
    volatile uint64_t  longest;
    volatile uint64_t  looks;
    volatile uint64_t  most_looks;
    volatile uint64_t  written;
    volatile uint64_t  most_written;
    volatile uint64_t  paced;
} held_t;


typedef struct {
    uint64_t           started;
    uint64_t           looks;
    uint64_t           written;
    uint64_t           paced;
} turn_t;


static char    *dir;
static held_t  *held;
static turn_t   turn;

/* the monotonic clock, from where it stands still, and what is ahead of it */
static uint64_t  still, ahead;


/* nginx takes the environment away */

static void __attribute__((constructor))
held_init(void)
{
    dir = getenv("KATALO_HELD");

    if (dir) {
        dir = strdup(dir);
    }
}


static held_t *
held_open(void)
{
    int    fd;
    char   path[4096];
    void  *p;

    if (dir == NULL) {
        return NULL;
    }

    snprintf(path, sizeof(path), "%s/%ld", dir, (long) getpid());

    fd = open(path, O_RDWR|O_CREAT|O_CLOEXEC, 0600);
    if (fd == -1) {
        return NULL;
    }

    p = ftruncate(fd, sizeof(held_t)) == -1
        ? MAP_FAILED
        : mmap(NULL, sizeof(held_t), PROT_READ|PROT_WRITE, MAP_SHARED, fd, 0);

    close(fd);

    if (p == MAP_FAILED) {
        return NULL;
    }

    snprintf(path, sizeof(path), "%s/paced", dir);

    if (access(path, F_OK) == 0) {
        ((held_t *) p)->paced = 1;
    }

    return p;
}


static uint64_t
held_now(clockid_t id)
{
    struct timespec  ts;

    (void) syscall(SYS_clock_gettime, id, &ts);

    return (uint64_t) ts.tv_sec * 1000000000 + ts.tv_nsec;
}


int
clock_gettime(clockid_t id, struct timespec *ts)
{
    uint64_t  now;

    if (still == 0 || (id != CLOCK_MONOTONIC && id != CLOCK_MONOTONIC_COARSE)) {
        return syscall(SYS_clock_gettime, id, ts);
    }

    now = still + ahead;

    ts->tv_sec = now / 1000000000;
    ts->tv_nsec = now % 1000000000;

    return 0;
}


static void
held_end(void)
{
    uint64_t  time;

    /* the turn in which the reader came */

    if (turn.paced != held->paced) {
        return;
    }

    time = held_now(CLOCK_THREAD_CPUTIME_ID) - turn.started;

    held->turns++;
    held->total += time;
    held->looks += turn.looks;
    held->written += turn.written;

    if (time > held->longest) {
        held->longest = time;
    }

    if (turn.looks > held->most_looks) {
        held->most_looks = turn.looks;
    }

    if (turn.written > held->most_written) {
        held->most_written = turn.written;
    }
}


static void
held_begin(void)
{
    memset(&turn, 0, sizeof(turn_t));
    turn.paced = held ? held->paced : 0;

    /* once it was ahead, it remains so: the clock never goes back */

    if (turn.paced || still) {
        still = held_now(CLOCK_MONOTONIC);
    }

    turn.started = held_now(CLOCK_THREAD_CPUTIME_ID);
}


int
epoll_wait(int ep, struct epoll_event *events, int n, int timeout)
{
    int  rc;

    static int    looping;
    static int  (*next)(int, struct epoll_event *, int, int);

    /* the master, which it would be inherited from, never comes here */

    if (next == NULL) {
        next = (int (*)(int, struct epoll_event *, int, int))
               dlsym(RTLD_NEXT, "epoll_wait");
    }

    /* a worker tries what epoll can do before it does anything else */

    if (n == 1) {
        return next(ep, events, n, timeout);
    }

    if (!looping) {
        looping = 1;
        held = held_open();

    } else if (held) {
        held_end();
    }

    rc = next(ep, events, n, timeout);

    held_begin();

    return rc;
}


/* the one that 64-bit offsets make of stat() */

int
stat64(const char *path, struct stat64 *st)
{
    static int  (*next)(const char *, struct stat64 *);

    if (next == NULL) {
        next = (int (*)(const char *, struct stat64 *))
               dlsym(RTLD_NEXT, "stat64");
    }

    turn.looks++;
    ahead += still ? LOOK : 0;

    return next(path, st);
}


static ssize_t
held_written(ssize_t n)
{
    if (n > 0) {
        turn.written += n;
        ahead += still ? n * BYTE : 0;
    }

    return n;
}


ssize_t
write(int fd, const void *buf, size_t size)
{
    return held_written(syscall(SYS_write, fd, buf, size));
}


ssize_t
writev(int fd, const struct iovec *iov, int n)
{
    return held_written(syscall(SYS_writev, fd, iov, n));
}
