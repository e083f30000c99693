#!/usr/bin/perl

# A file that a program is about to write in place is empty for a moment, and
# may have its old time then.  The key stays; it is revoked if it lasts.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::Preload;
use Katalo::Upstream;

# A look finds the file empty, with its time of before, where another file asks
# for that; the next look finds what was in it.

my $library = Katalo::Test::Preload->new(<<'EOC');
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char    text[1024];
static size_t  len;

static void
fill(const char *path, const void *data, size_t size)
{
    int              fd;
    struct timespec  old[2];

    memset(old, 0, sizeof(old));

    fd = open(path, O_WRONLY | O_TRUNC);
    (void) !write(fd, data, size);
    futimens(fd, old);
    close(fd);
}

int
stat64(const char *path, struct stat64 *st)
{
    int   fd;
    char  other[PATH_MAX];

    static int  (*next)(const char *, struct stat64 *);

    if (next == NULL) {
        next = (int (*)(const char *, struct stat64 *))
               dlsym(RTLD_NEXT, "stat64");
    }

    snprintf(other, sizeof(other), "%s.emptied", path);

    if (len) {
        fill(path, text, len);
        len = 0;

    } else if (access(other, F_OK) == 0) {
        fd = open(path, O_RDONLY);
        len = read(fd, text, sizeof(text));
        close(fd);

        fill(path, NULL, 0);
        unlink(other);
    }

    return next(path, st);
}
EOC

my $up = Katalo::Upstream->new;
my $gateway = Katalo::Test->new(
    upstream => $up, env => $library->env,
    keys => { production => new_key('one') },
    http => gateway_http(key => 'check=100ms'));
my $file = $gateway->prefix . '/keys/production';


sub ask { return $gateway->request('GET', '/katalo/usage/summary')->status }


$gateway->start;

for my $n (1 .. 3) {
    $gateway->write_file('keys/production.emptied', '');
    ok(wait_until(sub { !-e "$file.emptied" && -s $file }),
       "time $n: it was empty, and is not");
    is(ask(), 200, "time $n: the key is used");
}

unlike($gateway->error_log, qr/is revoked/, 'it was not revoked');

truncate $file, 0;
utime 0, 0, $file;

ok($gateway->wait_for_log(qr/"production" id "one" is revoked/),
   'a file that stays empty revokes the key');
is(ask(), 503, 'which is not used');

done_testing();
