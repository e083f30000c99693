#!/usr/bin/perl

# A worker hangs in the middle of a line while the file is renamed and reopened,
# or nginx is reloaded with another file, and is killed: the line is there
# again, in the new file.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::Debugger qw(writes_to);
use Katalo::Test::UsageLog qw(usage_lines adds_up requests usage_http);
use Katalo::Upstream;

my $key = new_key('prod1');
my $up = Katalo::Upstream->new;
my ($gateway, $file, $gdb, $worker);


# A worker that hangs in write(), having written nothing, a part of the line,
# or all of it.
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

    # the worker may stop before it answers, but counts the request first

    my $client = $gateway->connection;
    $client->write("GET /katalo/usage/summary HTTP/1.1\r\nHost: x\r\n\r\n");
    $gdb->reached or die $gdb->output;

    return;
}

sub ends_well {
    my ($title, $requests) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    ok(wait_until(sub { my @pids = $gateway->worker_pids;
                        @pids == 1 && $pids[0] != $worker }),
       "$title: another worker serves") or return $gateway->signal('KILL');
    is($gateway->request('GET', '/katalo/usage/summary')->status, 200,
       "$title: requests are answered");
    $gateway->quit;

    my @lines = usage_lines($gateway, 'logs/usage.log*');

    is(requests(@lines), $requests // 2, "$title: each request is there, once");
    adds_up($title, @lines);

    return;
}


for my $written ('nothing', 'half', 'all') {
    stopped_worker($written);
    rename $file, "$file.1" or die "rename: $!\n";
    $gateway->signal('USR1');
    ok(wait_until(sub {
        grep { (readlink $_ // '') eq $file }
            glob '/proc/' . $gateway->master_pid . '/fd/*'
    }), "renamed, $written written: the master reopens it");
    $gdb->kill;
    ends_well("renamed, $written written");
    is(requests(usage_lines($gateway, 'logs/usage.log')), 2,
       "renamed, $written written: the new file has the line");

    stopped_worker($written);
    $gateway->configure(
        http => usage_http('logs/usage.log.new interval=1s'));
    $gateway->signal('HUP');
    ok(wait_until(sub { grep { $_ != $worker } $gateway->worker_pids }),
       "another path, $written written: the master reloads");
    is($gateway->request('GET', '/katalo/usage/summary')->status, 200,
       "another path, $written written: the new worker answers");
    $gdb->kill;
    ends_well("another path, $written written", 3);
    is(requests(usage_lines($gateway, 'logs/usage.log.new')), 3,
       "another path, $written written: the new file has the line");
}


# nobody writes for a while

stopped_worker('half');
$gateway->configure(http => usage_http('off'));
$gateway->signal('HUP');
ok(wait_until(sub { grep { $_ != $worker } $gateway->worker_pids }),
   'off: the master reloads');
$gdb->kill;
wait_until(sub { !kill 0, $worker });
$gateway->reload(http => usage_http('logs/usage.log interval=1s'), gone => 1);
ends_well('off and on again');

done_testing();
