#!/usr/bin/perl

# Under load, with workers killed, reloads and reopened files, again and again:
# the deltas of all files add up to the last totals, and those are what the
# upstream received.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use POSIX ();

use Katalo::Test qw(:all);
use Katalo::Test::UsageLog qw(usage_lines adds_up requests totals rotate
                              usage_http);
use Katalo::Upstream;

use constant { CLIENTS => 3, ROUNDS => 4, WORKERS => 3 };

my $key = new_key('prod1');
my $up = Katalo::Upstream->new;
my $http = usage_http('logs/usage.log interval=1s');
my $gateway = Katalo::Test->new(
    upstream => $up, workers => WORKERS, keys => { production => $key },
    http => $http)->start;

my ($rotated, $received) = (0, 0);

sub count_received {
    $received += $up->received;
    $up->clear;

    return;
}


# Requests until told to stop; those that are cut off are sent again.
sub client {
    my ($stop) = @_;
    my $client;

    until (-e $stop) {
        $client //= $gateway->connection;
        my $response = eval {
            $client->request('GET', '/katalo/usage/summary')
        };
        undef $client
            if !$response || !$response->status
               || ($response->header('Connection') // '') eq 'close';
    }

    return;
}

# Clients that run while the sub does what it does.
sub under_load {
    my ($code) = @_;
    my $stop = $gateway->prefix . '/stop';
    my @pids = map {
        my $pid = fork() // die "fork: $!\n";

        if ($pid == 0) {
            eval { client($stop) };
            POSIX::_exit(0);
        }
        $pid;
    } 1 .. CLIENTS;

    $code->();
    $gateway->write_file('stop', '');
    waitpid($_, 0) for @pids;
    unlink $stop;

    return;
}

sub kill_worker {
    my ($victim) = $gateway->worker_pids;

    kill 'KILL', $victim;
    wait_until(sub { my @pids = $gateway->worker_pids;
                     @pids == WORKERS && !grep { $_ == $victim } @pids }, 30)
        or die "no new worker\n";

    return;
}

# Lines come in between, so that all of this meets passes in progress.
sub next_lines {
    my $size = $gateway->prefix . '/logs/usage.log';
    my $before = -s $size;

    return wait_until(sub { (-s $size) > $before }, 10)
           || die "no line comes\n";
}


# what a killed worker held has been received before, so that it can be told
# what is to be counted

for my $round (1 .. ROUNDS) {
    under_load(sub {
        next_lines();
        rotate($gateway, 'logs/usage.log.' . ++$rotated);
        $gateway->reload or die "no reload\n";
        next_lines();
        rotate($gateway, 'logs/usage.log.' . ++$rotated);
    });

    count_received();
    my @clients = map {
        my $client = $gateway->connection;
        $client->write("GET /katalo/x-hang HTTP/1.1\r\nHost: x\r\n\r\n");
        $client;
    } 1 .. 6;
    $up->received(6) == 6 or die "not received\n";
    count_received();

    kill_worker() for 1 .. WORKERS;
    $_->close for @clients;
}

ok(wait_until(sub { !$gateway->status->{keys}[0]{in_flight} }),
   'nothing is in flight any more');

my $total = 0;
$total += $_->{requests}{total} for @{ $gateway->status->{keys}[0]{ids} };
is($total, $received, 'the status has what the upstream received');
cmp_ok($total, '>', 100, 'that is a load');


# killed at any moment: what was counted need not have been received

under_load(sub {
    for (1 .. ROUNDS) {
        next_lines();
        kill_worker() for 1 .. 2;
        rotate($gateway, 'logs/usage.log.' . ++$rotated);
        $gateway->reload or die "no reload\n";
    }
});
wait_until(sub { !$gateway->status->{keys}[0]{in_flight} });

my $status = $gateway->status->{keys}[0]{ids}[0];
$gateway->quit;

my @lines = usage_lines($gateway, 'logs/usage.log*');
my $last = totals(@lines)->{'production prod1'};

adds_up($rotated + 1 . ' files', @lines);
is(requests(@lines), $status->{requests}{total},
   'all requests that the status has');
is($last->{"responses.$_"} // 0, $status->{responses}{$_},
   "all responses $_") for qw(200 none);
is($last->{"bytes.$_"}, $status->{bytes}{$_}, "all bytes $_")
    for qw(sent received);
is($last->{'upstream_seconds.sum'},
   sprintf('%.0f', $status->{upstream_seconds}{sum} * 1000),
   'all upstream time');
count_received();
cmp_ok($received, '<=', $last->{'requests.total'},
       'the upstream received no request that is not counted');
unlike($gateway->error_log, qr/\[emerg\]/, 'no emergency');

done_testing();
