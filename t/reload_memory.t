#!/usr/bin/perl

# A master that has reloaded many times has no more than before: no memory, no
# mapping, no open file, no place in the zone, no process that should be gone.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::Memory qw(mappings allocated);
use Katalo::Test::Process qw(children slurp);
use Katalo::Upstream;

use constant { WORKERS => 2, RELOADS => 20, ROUND => 5 };

# what the smallest leak in each of the reloads that are compared adds up to
use constant { LEAKS => RELOADS - ROUND, CHUNK => 32 };

my $key = new_key('prod1');
my $up = Katalo::Upstream->new;

# A round of reloads has each kind once: the usage log stays, is another file,
# is gone; a key is new; keys are read anew.
my @kinds = (
    'katalo_usage_log %PREFIX%/logs/usage.log interval=1s;',
    'katalo_usage_log %PREFIX%/logs/usage.log interval=1s;
     katalo_key further file:%KEY:further%;',
    'katalo_usage_log %PREFIX%/logs/other.log interval=1s;',
    'katalo_usage_log syslog:server=127.0.0.1:%PORT3%,nohostname;',
    '',
);


sub http {
    my ($kind) = @_;

    return <<"EOC";
    katalo_key production file:%KEY:production% check=1s;
    katalo_key secondary env:TEST_KEY;
    $kind
    upstream app.katalo.ai { server 127.0.0.1:%UPSTREAM_PLAIN_PORT%; }
    katalo_upstream_tls off;

    server {
        listen 127.0.0.1:%PORT%;

        location /katalo/ {
            katalo_bearer production;
            proxy_pass http://app.katalo.ai/api/v1/;
        }

        location /secondary/ {
            katalo_bearer secondary;
            proxy_pass http://app.katalo.ai/api/v1/;
        }

        location = /status { katalo_status; }
    }
EOC
}


# Without a cache for each thread, malloc() knows exactly what is in use.  No
# TLS, which takes some hundred bytes more after each of the first reloads, and
# no regex, with which nginx 1.22 loses 72 bytes each time: memcheck, which
# knows what is lost, runs tests that have both.
my $gateway = Katalo::Test->new(
    upstream => $up, workers => WORKERS,
    main => 'env TEST_KEY;',
    env => { TEST_KEY => $key,
             GLIBC_TUNABLES => 'glibc.malloc.tcache_count=0' },
    keys => { production => $key, further => new_key('further') },
    http => http($kinds[-1]))->start;

my $under_tool = Katalo::Test::Tool::reporting();


sub uses_everything {
    my @answers = (
        $gateway->request('GET', '/katalo/usage/summary'),
        $gateway->request('GET', '/secondary/usage/summary'),
        $gateway->request('OPTIONS', '/katalo/usage/summary',
                          headers => ['Origin: https://example.com']),
        map { $gateway->request('GET', "/status?format=$_") }
            qw(json prometheus html));

    return join ' ', map { $_->status } @answers;
}


# How much the master has open.  It closes a channel a moment after its worker
# is gone: then the sockets are the one that listens, and two for each worker.
sub files {
    my @files;

    wait_until(sub {
        @files = map { readlink // () }
                     glob '/proc/' . $gateway->master_pid . '/fd/*';
        return 1 + 2 * WORKERS == grep { /^socket:/ } @files;
    });

    return scalar @files;
}


sub has {
    my $pid = $gateway->master_pid;
    my $files = files();
    my %status = slurp("/proc/$pid/status") =~ /^(\w+):\s+(\d+) kB$/mg;
    my ($slots) = $gateway->request('GET', '/status?format=prometheus')->body
                  =~ /^katalo_zone_slots\{state="used"\} (\d+)/m;

    return { files => $files, locked => $status{VmLck},
             resident => $status{RssAnon}, slots => $slots,
             $under_tool ? () : (mappings => scalar(mappings($pid)),
                                 allocated => allocated($pid)) };
}


my ($before, $after);

for my $reload (1 .. RELOADS) {
    is(uses_everything(), '200 200 403 200 200 200', "before reload $reload");
    ok($gateway->reload(http => http($kinds[$reload % @kinds - 1]),
                        gone => 1), "reload $reload")
        or last;
    $before = has() if $reload == ROUND;
}

$after = has();

note(join ', ', map { "$_ " . ($before->{$_} // '-') . ' '
                      . ($after->{$_} // '-') } sort keys %$before);

is(scalar(children($gateway->master_pid)), WORKERS, 'no old worker stays');
is($after->{files}, $before->{files}, 'no file of the master stays open');
is($after->{slots}, $before->{slots}, 'no slot of the zone is lost');
cmp_ok($before->{slots}, '>', 0, 'and there are some');

SKIP: {
    skip "the tool's own memory", 4 if $under_tool;

    is($after->{locked}, $before->{locked}, 'no memory stays locked');
    cmp_ok($after->{mappings}, '<', $before->{mappings} + LEAKS,
           'no mapping stays');
    cmp_ok($after->{resident}, '<', $before->{resident} + 1024,
           'the master is no larger, in kilobytes');

    skip 'gdb may not look at the master', 1 if !defined $after->{allocated};

    cmp_ok($after->{allocated}, '<', $before->{allocated} + LEAKS * CHUNK,
           'no block of memory stays');
}

is($gateway->quit, 0, 'nginx leaves cleanly');

done_testing();
