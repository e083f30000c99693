#!/usr/bin/perl

# More old workers than the zone has places for: each reload leaves one with a
# request that hangs.  The number of requests in flight is exact, and returns to
# zero.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::Health qw(settles ends_well);
use Katalo::Test::Process qw(children);
use Katalo::Test::UsageLog qw(usage_http);
use Katalo::Upstream;

# of one worker there are four stripes with eight places each
use constant { PLACES => 32, GENERATIONS => 45 };

my $up = Katalo::Upstream->new;
my $gateway = Katalo::Test->new(
    upstream => $up, keys => { production => new_key() },
    http => usage_http(''))->start;

my @clients;


sub hang {
    my $client = $gateway->connection;

    $client->write("GET /katalo/x-hang HTTP/1.1\r\nHost: x\r\n\r\n");
    $up->received(@clients + 1);

    return $client;
}


sub in_flight { return $gateway->status->{keys}[0]{in_flight} }


# What is shown to be in flight after each reload.
sub fill {
    my @shown;

    $up->clear;

    for (1 .. GENERATIONS) {
        push @clients, hang();
        $gateway->reload or die "a reload was refused\n";
        push @shown, in_flight();
    }

    return @shown;
}


is_deeply([fill()], [1 .. GENERATIONS], 'all requests in flight are shown');
cmp_ok(scalar children($gateway->master_pid), '>', PLACES,
       'there are more workers than places');

my $exact = 1;

while (@clients && $exact) {
    (shift @clients)->close;
    $exact = wait_until(sub { in_flight() == @clients });
}

ok($exact, 'requests that have ended are not shown');


# the worker that serves shares its place with older ones; it is killed, and
# theirs are in flight still

fill();

my $victim = $gateway->kill_worker;
$exact = in_flight() == @clients;

while (@clients && $exact) {
    (shift @clients)->close;
    $exact = wait_until(sub { in_flight() == @clients });
}

ok($exact, 'requests in flight are exact after a worker was killed');
settles($gateway, 'at the end');

my ($id) = @{ $gateway->status->{keys}[0]{ids} };
is($id->{requests}{total}, 2 * GENERATIONS, 'all requests are counted');
is($id->{responses}{none}, 2 * GENERATIONS, 'all responses are counted');

ends_well($gateway, killed => [$victim]);

done_testing();
