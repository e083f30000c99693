#!/usr/bin/perl

# A worker is killed while it has the zone's mutex: the master unlocks it, the
# status answers, and a rotation that was under way is there, once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::Debugger;
use Katalo::Test::Health qw(settles ends_well);
use Katalo::Test::UsageLog qw(usage_http);
use Katalo::Upstream;

my $up = Katalo::Upstream->new;
my $gateway = Katalo::Test->new(
    upstream => $up, keys => { production => new_key('id0') },
    http => usage_http('', 'katalo_zone 40k;'))->start;

my ($rotations, $sent, @killed) = (0, 0);

my @locked = ('break ngx_http_katalo_zone_lock', 'continue', 'finish',
              'delete');
my @unlocks = ('break ngx_http_katalo_zone_unlock', 'continue', 'delete');


sub rotate {
    $gateway->set_key(production => new_key('id' . ++$rotations));

    return;
}


# Without waiting for what the worker will not answer.
sub ask {
    my ($target) = @_;
    my $client = $gateway->connection;

    $client->write("GET $target HTTP/1.1\r\nHost: x\r\n\r\n");

    return $client;
}


# [title, the debugger's commands, what brings the worker there]
my @places = (
    ['the status is read', [@unlocks], sub { ask('/status') }],
    ['a rotation begins', ['break ngx_http_katalo_state_publish', 'continue',
                           'delete', @locked], \&rotate],
    ['a rotation is there', ['break ngx_http_katalo_state_publish',
                             'continue', 'delete', @unlocks], \&rotate],
    ['a slot is given away', ['break ngx_http_katalo_slots_evict',
                              'continue', 'delete'], undef],
);


# Ids until no slot is free, so that the next one takes that of another.
sub fill_slots {
    my $full = 0;

    until ($full) {
        rotate();
        $gateway->wait_for_log(qr/to "id$rotations"/) or die "no rotation\n";
        my ($slots) = $gateway->request('GET', '/status?format=prometheus')
                      ->body =~ /^katalo_zone_slots\{state="free"\} (\d+)/m;
        $full = !$slots;
    }

    return;
}


for my $place (@places) {
    my ($title, $commands, $trigger) = @$place;

    if (!$trigger) {
        fill_slots();
        $trigger = \&rotate;
    }

    my ($worker) = $gateway->worker_pids;
    my $gdb = Katalo::Test::Debugger->new($worker, @$commands);
    my $client = $trigger->();

    ok($gdb->reached, "$title: here it is") or diag($gdb->output);
    $gdb->kill;
    push @killed, $worker;

    ok(wait_until(sub { my @pids = $gateway->worker_pids;
                        @pids == 1 && $pids[0] != $worker }),
       "$title: another worker takes its place");

    my ($key) = eval { @{ $gateway->status->{keys} } };
    ok($key, "$title: the status answers") or last;
    is($key->{rotations}, $rotations, "$title: all rotations are counted");
    is($key->{ids}[0]{key_id}, "id$rotations", "$title: the id is the latest");
    is($key->{ids}[0]{state}, 'current', "$title: as the current one");

    is($gateway->request('GET', '/katalo/x-echo')->status, 200,
       "$title: requests are answered");
    ok(wait_until(sub {
        $gateway->status->{keys}[0]{ids}[0]{requests}{total} >= 1
    }), "$title: and counted");
}

settles($gateway, 'at the end');

my @unlocked = $gateway->error_log
               =~ /zone "ngx_http_katalo_usage" was locked by (\d+)$/mg;
is_deeply(\@unlocked, \@killed, 'each had the mutex, which was unlocked');
ends_well($gateway, killed => \@killed, expected => qr/was locked by \d+$/);

done_testing();
