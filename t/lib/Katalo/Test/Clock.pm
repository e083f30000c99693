package Katalo::Test::Clock;

# A clock of day that can be set while nginx runs, for nginx alone.
#
#   my $clock = Katalo::Test::Clock->new;
#   Katalo::Test->new(env => $clock->env, ...)->start;
#   $clock->set(-3600);          seconds that it is ahead of the real one
#   $clock->time                 what it shows
#
# A library that is loaded ahead of the C library adds them to the clock of
# day.  The monotonic clock goes on, as it does when a real clock is set; the
# times of files are those of the real clock.

use strict;
use warnings;

use Time::HiRes ();

use Katalo::Test::Preload;

my $source = <<'EOC';
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile long long  none, *ahead = &none;

__attribute__((constructor)) static void
begin(void)
{
    int    fd = open(getenv("KATALO_TEST_CLOCK"), O_RDONLY);
    void  *p = mmap(NULL, sizeof(none), PROT_READ, MAP_SHARED, fd, 0);

    if (p == MAP_FAILED) {
        _exit(126);
    }

    ahead = p;
    close(fd);
}

int
clock_gettime(clockid_t id, struct timespec *ts)
{
    int  rc = syscall(SYS_clock_gettime, id, ts);

    if (rc == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
        ts->tv_sec += *ahead;
    }

    return rc;
}

int
gettimeofday(struct timeval *tv, void *unused)
{
    struct timespec  ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    tv->tv_sec = ts.tv_sec;
    tv->tv_usec = ts.tv_nsec / 1000;

    return 0;
}

time_t
time(time_t *t)
{
    struct timespec  ts;

    clock_gettime(CLOCK_REALTIME, &ts);

    return t ? (*t = ts.tv_sec) : ts.tv_sec;
}
EOC


sub new {
    my ($class) = @_;
    my $self = bless { library => Katalo::Test::Preload->new($source),
                       ahead => 0 }, $class;

    $self->set(0);

    return $self;
}


sub _file { return $_[0]{library}->dir . '/ahead' }


sub env {
    my ($self) = @_;

    return { %{ $self->{library}->env }, KATALO_TEST_CLOCK => $self->_file };
}


# In place, and at once: nginx has the file mapped.
sub set {
    my ($self, $ahead) = @_;
    my $path = $self->_file;

    open my $file, (-e $path ? '+<' : '>') . ':raw', $path
        or die "$path: $!\n";
    syswrite($file, pack 'q', $ahead) == 8 or die "$path: $!\n";
    close $file;

    $self->{ahead} = $ahead;

    return;
}


# The C library's time(), which CORE::time is, begins a second some milliseconds
# after nginx does.
sub time { return int(Time::HiRes::time()) + $_[0]{ahead} }

1;
