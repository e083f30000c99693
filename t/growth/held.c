
/*
 * Preloaded into nginx: for how long does a turn of the event loop hold a
 * process up?  A turn is all that is done between two epoll_wait(), and is
 * measured in processor time, which other processes do not add to.  How often
 * does it look at a file?
 *
 * $KATALO_HELD is a directory; each process has a file in it, named by its
 * pid, that is the structure below.  Who reads it may write zeros to it.
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
#include <time.h>
#include <unistd.h>


/* nanoseconds */

typedef struct {
    volatile uint64_t  turns;
    volatile uint64_t  total;
    volatile uint64_t  longest;
    volatile uint64_t  looks;
} held_t;


static char    *dir;
static held_t  *held;


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

    return p == MAP_FAILED ? NULL : p;
}


static uint64_t
held_now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);

    return (uint64_t) ts.tv_sec * 1000000000 + ts.tv_nsec;
}


int
epoll_wait(int ep, struct epoll_event *events, int n, int timeout)
{
    int       rc;
    uint64_t  time;

    static int     (*next)(int, struct epoll_event *, int, int);
    static uint64_t  started;

    /* the master, which it would be inherited from, never comes here */

    if (next == NULL) {
        held = held_open();
        next = (int (*)(int, struct epoll_event *, int, int))
               dlsym(RTLD_NEXT, "epoll_wait");

    } else if (held) {
        time = held_now() - started;

        held->turns++;
        held->total += time;

        if (time > held->longest) {
            held->longest = time;
        }
    }

    rc = next(ep, events, n, timeout);

    started = held_now();

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

    if (held) {
        held->looks++;
    }

    return next(path, st);
}
