#!/usr/bin/perl

# A worker is killed in the middle of a line while the file is renamed and
# reopened, or nginx is reloaded with another file: the line is in one of the
# files, whole, and once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::Debugger qw(writes_to);
use Katalo::Test::Process qw(slurp);
use Katalo::Test::UsageLog qw(usage_lines adds_up requests usage_http);
use Katalo::Upstream;

my $key = new_key('prod1');
my $up = Katalo::Upstream->new;
my ($gateway, $file, $gdb, $worker);


# A worker that waits in write(), with the zone's mutex, having written nothing,
# a part of the line, or all of it.
sub stopped_worker {
    my ($written) = @_;
    my @more = $written eq 'nothing' ? ()
               : $written eq 'half' ? ('set $rdx = 100', 'continue')
               : ('continue');

    $gateway = Katalo::Test->new(
        upstream => $up, keys => { production => $key },
        http => usage_http('logs/usage.log interval=1s'))->start;
    $file = $gateway->prefix . '/logs/usage.log';

    ($worker) = $gateway->worker_pids;
    $gdb = Katalo::Test::Debugger->new($worker, writes_to($worker, $file),
                                       @more);

    # answered or not: the worker stops when it has been counted

    $gateway->request('GET', '/katalo/usage/summary');
    $gdb->reached or die $gdb->output;

    return;
}

# What the master waits in; its main loop is in rt_sigsuspend().
sub waits_in { return slurp('/proc/' . $gateway->master_pid . '/syscall') }

# The master has the signal and waits for the mutex; then the worker is killed.
sub while_master_waits {
    my ($signal) = @_;
    my ($loop) = split ' ', waits_in();

    $gateway->signal($signal);
    ok(wait_until(sub { waits_in() !~ /^(?:running|\Q$loop\E )/ }),
       "$signal: the master waits for the mutex");
    $gdb->kill;

    return;
}

sub ends_well {
    my ($title) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    ok(wait_until(sub { my @pids = $gateway->worker_pids;
                        @pids == 1 && $pids[0] != $worker }, 20),
       "$title: another worker serves") or return $gateway->signal('KILL');
    is($gateway->request('GET', '/katalo/usage/summary')->status, 200,
       "$title: requests are answered");
    $gateway->quit;

    my @lines = usage_lines($gateway, 'logs/usage.log*');

    is(requests(@lines), 2, "$title: each request is there, once");
    adds_up($title, @lines);

    return;
}


for my $written ('nothing', 'half', 'all') {
    stopped_worker($written);
    rename $file, "$file.1" or die "rename: $!\n";
    while_master_waits('USR1');
    ends_well("renamed, $written written");
    is(requests(usage_lines($gateway, 'logs/usage.log.1')), 1,
       "renamed, $written written: the line is where it was begun");

    stopped_worker($written);
    $gateway->configure(
        http => usage_http('logs/usage.log.new interval=1s'));
    while_master_waits('HUP');
    ends_well("another path, $written written");
    is(requests(usage_lines($gateway, 'logs/usage.log')),
       $written eq 'nothing' ? 0 : 1,
       "another path, $written written: a line that was begun is finished");
}


# nobody can look at the file for a while

stopped_worker('all');
$gateway->configure(http => usage_http('off'));
while_master_waits('HUP');
$gateway->reload(http => usage_http('logs/usage.log interval=1s'), gone => 1);
ends_well('off and on again, all written');

done_testing();
