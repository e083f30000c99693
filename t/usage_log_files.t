#!/usr/bin/perl

# The usage log when processes come and go and files change: what a worker, or
# a killed one, has counted is written at its end; each file has whole lines,
# and all files together have every count once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::UsageLog qw(usage_lines wait_for_lines deltas adds_up requests
                              rotate usage_http);
use Katalo::Upstream;

my $key = new_key('prod1');
my $up = Katalo::Upstream->new;
my $sent = 0;
my ($gateway, $files);


# A gateway whose interval does not come to its end in a test.
sub start {
    my (%option) = @_;

    $up->clear;
    $sent = 0;
    $files = 'logs/usage.log*';
    $gateway = Katalo::Test->new(
        upstream => $up, workers => 2, keys => { production => $key },
        http => usage_http('logs/usage.log interval=1h'), %option)->start;

    return;
}

sub get {
    my ($number) = @_;

    for (1 .. $number) {
        $gateway->request('GET', '/katalo/usage/summary')->status == 200
            or die "not answered\n";
    }
    $sent += $number;

    return;
}

sub lines { return usage_lines($gateway, $files) }

sub all_there {
    my ($title) = @_;
    my @lines = lines();

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is(requests(@lines), $sent, "$title: all requests are there");
    is(scalar $up->received, $sent, "$title: as the upstream received them");
    adds_up($title, @lines);

    return;
}


# the end of nginx

for my $signal ('QUIT', 'TERM') {
    start();
    get(20);
    is(lines(), 0, "$signal: nothing before the interval is over");
    $signal eq 'QUIT' ? $gateway->quit : $gateway->stop;
    all_there($signal);
}

start(workers => 1);
get(5);
$gateway->kill_worker;
get(2);
$gateway->quit;
all_there('a killed worker, then the end');

start(main => 'master_process off;', workers => 0,
      http => usage_http('logs/usage.log interval=1s'));
wait_until(sub { eval { $gateway->status } });
get(5);
ok(wait_until(sub { requests(lines()) == $sent }),
   'a single process writes each interval');
$gateway->quit;
all_there('a single process');


# a reload: old workers write what they have

start();
get(7);
$gateway->reload(gone => 1);
is(requests(lines()), 7, 'a reload: old workers leave nothing behind');
get(3);
$gateway->quit;
all_there('a reload');

start(http => usage_http('logs/usage.log.a interval=1h'));
get(4);
$gateway->reload(http => usage_http('logs/usage.log.b interval=1h'),
                 gone => 1);
get(5);
$gateway->quit;
is(requests(usage_lines($gateway, 'logs/usage.log.a')), 4,
   'another path: the old file has what was before');
is(requests(usage_lines($gateway, 'logs/usage.log.b')), 5,
   'the new one has what came then');
all_there('another path');

start(http => usage_http(''));
get(4);
$gateway->reload(http => usage_http('logs/usage.log interval=1h'), gone => 1);
get(2);
$gateway->reload(http => usage_http('off'), gone => 1);
get(3);
$gateway->reload(http => usage_http('logs/usage.log.2 interval=1h'),
                 gone => 1);
$gateway->quit;
is(requests(usage_lines($gateway, 'logs/usage.log')), 6,
   'off, then on: what was counted before is there');
all_there('off and on again');


# reopened files

start(http => usage_http('logs/usage.log interval=1s'));
get(3);
ok(wait_until(sub {
    my $sum = deltas(lines())->{'production prod1'} // {};
    return ($sum->{'requests.total'} // 0) == 3
           && ($sum->{'responses.200'} // 0) == 3;
}), 'three requests, and their responses');
my $begun = lines();
rotate($gateway, 'logs/usage.log.1');
is(lines(), $begun, 'a new file, the old one is not written to');
get(4);
wait_for_lines($gateway, 'logs/usage.log', 1);
is(requests(usage_lines($gateway, 'logs/usage.log.1')), 3,
   'the old file has what was before');
$gateway->kill_worker;
get(2);
rotate($gateway, 'logs/usage.log.2');
$gateway->quit;
all_there('reopened files');


# whichever worker there is writes, unless the one that is stopped has the log

start(http => usage_http('logs/usage.log interval=1s'));

for my $stopped ($gateway->worker_pids) {
    my $written;

    for (1 .. 10) {
        my $before = requests(lines());

        get(1);
        kill 'STOP', $stopped;
        $written = wait_until(sub { requests(lines()) > $before }, 10);
        kill 'CONT', $stopped;

        last if $written;
        wait_until(sub { requests(lines()) > $before });
    }

    ok($written, 'the other worker writes');
}

$gateway->quit;
all_there('two workers');

done_testing();
