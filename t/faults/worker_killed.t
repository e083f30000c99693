#!/usr/bin/perl

# A worker is killed each second, under load, while the key is rotated, the
# status read and the usage log written.  No request received by the upstream is
# missing from the counts.  The number of requests counted but not received, or
# without a response, is at most the number of requests cut off for clients.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;
use Time::HiRes qw(sleep time);

use Katalo::Test qw(:all);
use Katalo::Test::Counts qw(counts);
use Katalo::Test::Health qw(settles ends_well);
use Katalo::Test::Load;
use Katalo::Test::UsageLog qw(usage_http usage_lines adds_up requests deltas);
use Katalo::Upstream;

use constant { KILLS => 15, WORKERS => 3, IDS => 4, REQUESTS => 1000 };

# as many as there are slots for, so that no count has to leave the zone
my @keys = map { new_key("id$_") } 0 .. IDS - 1;
my $up = Katalo::Upstream->new;
my $gateway = Katalo::Test->new(
    upstream => $up, workers => WORKERS, keys => { production => $keys[0] },
    http => usage_http('logs/usage.log interval=1s', 'access_log off;')
    )->start;

my @killed;


# Rotates the key and reads the status, until the time has come.
sub keep_busy_until {
    my ($end) = @_;
    my $n = 0;

    while (time < $end) {
        $gateway->set_key(production => $keys[$n++ % IDS]);
        eval { $gateway->status };
        sleep 0.05;
    }

    return;
}


my $load = Katalo::Test::Load->start($gateway, clients => 4, slow => 300);
my $new = Katalo::Test::Load->start($gateway, clients => 2, requests => 1);
my $begun = time;


# until some requests were cut off, which a kill does not always do

for my $n (1 .. 4 * KILLS) {
    last if @killed >= KILLS && $load->has_lost + $new->has_lost;
    keep_busy_until($begun + $n);
    push @killed, $gateway->kill_worker(($gateway->worker_pids)[rand WORKERS]);
}

wait_until(sub { $up->targets > REQUESTS + @killed + $load->has_lost
                                + $new->has_lost });

my ($first, $second) = ($load->stop, $new->stop);
settles($gateway, 'after all');

my $cut = $first->{stale} + $second->{stale}
          + @{ $first->{broken} } + @{ $second->{broken} };
my $answers = Katalo::Test::Load::answers($first)
              + Katalo::Test::Load::answers($second);
my $counts = counts($gateway);
my $received = $up->targets;
my $responses = 0;
$responses += $_ for values %{ $counts->{responses} };

note("$received received, $counts->{total} counted, $responses responses, ",
     "$answers answers seen, $cut cut off");

cmp_ok($answers, '>', REQUESTS, 'there was a load');
cmp_ok($cut, '>', 0, 'some requests were cut off');
cmp_ok($counts->{total}, '>=', $received,
       'no request that was received is missing');
cmp_ok($counts->{total}, '<=', $received + $cut,
       'requests counted but not received were cut off');
is($counts->{requests}{read}, $counts->{total},
   'each request has its operation');

# a worker that is killed between the last byte of an answer and its count
# takes that one along

cmp_ok($responses, '>=', $answers - @killed,
       'each killed worker leaves out one response at most');
cmp_ok($counts->{total} - $responses, '<=', $cut + @killed,
       'requests without a response were cut off');
cmp_ok($counts->{times}, '<=', $responses, 'no time without a response');
cmp_ok($counts->{times}, '>=', $responses - @killed,
       'each killed worker leaves out one time at most');


# what was sent again, and what was not

my %seen;
$seen{$_}++ for $up->targets;
my @twice = grep { $seen{$_} > 1 } keys %seen;
cmp_ok(scalar @twice, '<=', $first->{stale} + $second->{stale},
       'requests received twice were sent again by their clients');


# a worker that hangs does not keep others from reading a new key

my ($stopped) = $gateway->worker_pids;
my $rotated = qr/to "last".*?/s;
kill 'STOP', $stopped;
$gateway->set_key(production => new_key('last'));
ok($gateway->wait_for_log(qr/(?:$rotated){@{[WORKERS - 1]}}/s),
   'a new key is seen while a worker hangs');
kill 'CONT', $stopped;
ok($gateway->wait_for_log(qr/(?:$rotated){@{[WORKERS]}}/s),
   'the worker reads the new key when it goes on');


# by chance, one may have had the zone's mutex
ends_well($gateway, killed => \@killed, expected => qr/was locked by \d+$/);

my @lines = usage_lines($gateway, 'logs/usage.log');
my $sums = deltas(@lines);
my $logged = 0;

for my $sum (values %$sums) {
    $logged += $sum->{$_} for grep { /^responses\./ } keys %$sum;
}

is(requests(@lines), $counts->{total}, 'the usage log has each request');
is($logged, $responses, 'the usage log has each response');
adds_up(@killed . ' killed workers', @lines);

done_testing();
