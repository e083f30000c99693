#!/usr/bin/perl

# Under load, with workers killed, reloads and reopened files, again and again:
# the deltas of all files add up to the last totals, and those are what the
# upstream received.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::Load;
use Katalo::Test::UsageLog qw(usage_lines adds_up requests totals rotate
                              usage_http);
use Katalo::Upstream;

use constant { ROUNDS => 4, WORKERS => 3 };

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


# A load while the sub does what it does.
sub under_load {
    my ($code) = @_;
    my $load = Katalo::Test::Load->start($gateway);

    $code->();
    $load->stop;

    return;
}

# Lines come in between, so that all of this meets passes in progress.
sub next_lines {
    my $size = $gateway->prefix . '/logs/usage.log';
    my $before = -s $size;

    return wait_until(sub { (-s $size) > $before })
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

    $gateway->kill_worker for 1 .. WORKERS;
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
        $gateway->kill_worker for 1 .. 2;
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
   "all responses $_") for 200 .. 202, 'none';
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
