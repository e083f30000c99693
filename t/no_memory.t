#!/usr/bin/perl

# Where there is no memory for the id that $katalo_key_id is to keep, a request
# ends with 500, and what asks for the id later has that of the key.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::Preload;
use Katalo::Upstream;

# an id of this length has no room in a pool, and is allocated by itself
my $length = 301;

# A file beside the library asks for the failure.

my $library = Katalo::Test::Preload->new(<<"EOC");
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

void *__libc_malloc(size_t size);

static char  wanted[PATH_MAX];

__attribute__((constructor)) static void
name(void)
{
    Dl_info  info;

    dladdr(wanted, &info);
    snprintf(wanted, sizeof(wanted), "%s.fails", info.dli_fname);
}

void *
malloc(size_t size)
{
    if (size == $length && access(wanted, F_OK) == 0) {
        errno = ENOMEM;
        return NULL;
    }

    return __libc_malloc(size);
}
EOC

my $fails = $library->dir . '/it.so.fails';
my $id = 'x' x $length;
my $key = new_key($id);
my $up = Katalo::Upstream->new(keys => [$key]);
my $gateway = Katalo::Test->new(
    upstream => $up, keys => { production => $key }, env => $library->env,
    http => <<'EOC')->start;
    log_format ids '$uri $status $katalo_decision $katalo_key_id';
    access_log %PREFIX%/logs/ids.log ids;
    katalo_key production file:%KEY:production%;
    %UPSTREAM%
    server {
        listen 127.0.0.1:%PORT%;
        request_pool_size 256;
        location / {
            katalo_bearer production;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
    }
EOC
my ($worker) = $gateway->worker_pids;


sub ask { return $gateway->request('GET', "/$_[0]?x-status=200")->status }


open my $file, '>', $fails or die "$fails: $!\n";
is(ask('without'), 500, 'without memory, nothing is sent');
unlink $fails;
is(ask('with'), 200, 'with memory, the next request is');

is($gateway->read_file('logs/ids.log'),
   "/without 500 - $id\n/with 200 attached $id\n", 'each is logged');
is_deeply([$gateway->worker_pids], [$worker], 'no worker has died');
is(scalar $up->received(1), 1, 'and the upstream had one request');

done_testing();
