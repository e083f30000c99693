#!/usr/bin/perl

# Clients that ask for ten times what Katalo allows: after the first 429 of a
# period Katalo gets almost no request until the next one.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use List::Util qw(max);
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep);

use Katalo::Test qw(:all);
use Katalo::Test::Health qw(ends_well);
use Katalo::Upstream;

use constant { CLIENTS => 64, ALLOWED => 40, PERIOD => 2, PERIODS => 5 };

my $key = new_key('prod1');
my $up = Katalo::Upstream->new(
    keys => [$key], limits => ['usage=' . ALLOWED . '/' . PERIOD]);
my $gateway = Katalo::Test->new(
    upstream => $up, keys => { production => $key }, workers => 2,
    http => gateway_http(upstream => 'KEPT_UPSTREAM'))->start;

# of all clients, ten times what is allowed
my $pause = CLIENTS * PERIOD / (10 * ALLOWED);
my $owner = $$;


# A connection for some requests: the workers share the clients.
sub ask_on {
    while (getppid() == $owner) {
        my $client = $gateway->connection;

        for (1 .. 20) {
            $client->request('GET', '/katalo/usage/summary')->status or last;
            sleep $pause;
        }
    }

    return;
}


my @pids = map {
    my $pid = fork() // die "fork: $!\n";

    if ($pid == 0) {
        eval { ask_on() };
        POSIX::_exit(0);
    }

    $pid;
} 1 .. CLIENTS;


# How many 429 there were in each period, at the stand-in; the last one may not
# be over.
sub periods {
    my (@limited, $last);

    for my $record ($up->received) {
        push @limited, 0 if $record->{answer} == 200 && ($last // 429) != 200;
        $limited[-1]++ if $record->{answer} == 429;
        $last = $record->{answer};
    }

    pop @limited;

    return @limited;
}


my $enough = wait_until(sub { periods() >= PERIODS });
my @limited = periods();

kill 'TERM', @pids;
waitpid $_, 0 for @pids;

ok($enough, 'after a cool-down requests are sent again');

my $row = $gateway->settled_status->{keys}[0];
my $denied = $row->{denied}{cooldown};

# those under way when the first 429 came, and what a worker that waits for the
# processor has not learnt yet

cmp_ok(max(@limited), '<=', 2 * CLIENTS,
       'in each period, few requests come after the first 429');
cmp_ok($denied, '>', 0, 'the gateway refuses the others');
note('429 of the stand-in in each period: ', join(' ', @limited), '; refused ',
     "in all: $denied, sent: $row->{ids}[0]{requests}{total}");

ends_well($gateway);
done_testing();
