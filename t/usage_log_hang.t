#!/usr/bin/perl

# A disk that hangs: the worker that writes the usage log stays in write().
# Meanwhile the other one answers, rotates a key, is killed and started again;
# the master reloads and reopens the files.  When the disk goes on, no count is
# missing.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::Debugger qw(writes_to);
use Katalo::Test::Process qw(slurp);
use Katalo::Test::UsageLog qw(usage_lines adds_up requests usage_http
                              cut_off repeated);
use Katalo::Upstream;

my $up = Katalo::Upstream->new;
my ($gateway, $file, $gdb, $writer, $sent);


# The writer hangs having written nothing, a part of the line, or all of it; a
# process that the debugger has stopped cannot be told from one that hangs.
sub hang {
    my ($written) = @_;
    my @more = $written eq 'nothing' ? ()
               : $written eq 'half' ? ('set $rdx = 100', 'continue')
               : ('continue');

    $up->clear;
    $sent = 0;
    $gateway = Katalo::Test->new(
        upstream => $up, workers => 2, keys => { production => new_key('id0') },
        http => usage_http('logs/usage.log interval=1s',
                           'proxy_ignore_client_abort on;'))->start;
    $file = $gateway->prefix . '/logs/usage.log';

    ($writer, my $other) = $gateway->worker_pids;
    $gdb = Katalo::Test::Debugger->new($writer, writes_to($writer, $file),
                                       @more);

    # counted in the zone; the writer is the one that can write it

    until (-e "$gdb->{dir}/reached") {
        kill 'CONT', $other;
        $gateway->request('GET', '/katalo/usage/summary', timeout => 5);
        $sent++;
        kill 'STOP', $other;
        wait_until(sub { -e "$gdb->{dir}/reached" }, 3);
    }
    kill 'CONT', $other;

    return;
}

sub others { return grep { $_ != $writer } $gateway->worker_pids }

sub get {
    my ($title) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is($gateway->request('GET', '/katalo/usage/summary')->status, 200,
       "$title: a request is answered");
    $sent++;

    my $status = eval { $gateway->status };
    return ok($status, "$title: the status, too");
}

# Is it asleep?  A process that waits in a loop never is.
sub sleeps { return slurp("/proc/$_[0]/stat") =~ /\) S / }

sub opened {
    my @pids = @_;

    return wait_until(sub {
        for my $pid (@pids) {
            return 0 if !grep { (readlink $_ // '') eq $file }
                              glob "/proc/$pid/fd/*";
        }
        return 1;
    });
}


for my $written ('nothing', 'half', 'all') {
    hang($written);
    my ($other) = others();

    get("$written written") or last;

    # more than one interval of the other's timer

    my ($looks, $asleep, $until) = (0, 0, time + 3);
    $gateway->set_key(production => new_key('id1'));
    ok($gateway->wait_for_log(qr/from id "id0" to "id1"/),
       "$written written: a key is rotated");
    get("$written written, rotated");
    wait_until(sub {
        $looks++;
        $asleep++ if sleeps($other);
        return time > $until && $looks > 100;
    });
    cmp_ok($asleep, '>', $looks / 10,
           "$written written: the other one does not wait in a loop");

    $gateway->kill_worker($other);
    get("$written written, another worker");

    rename $file, "$file.1" or die "rename: $!\n";
    $gateway->signal('USR1');
    ok(opened($gateway->master_pid, others()),
       "$written written: the file is reopened");
    get("$written written, reopened");

    # what it has counted waits for who has the log

    my %old = map { $_ => 1 } others();
    $gateway->signal('HUP');
    ok(wait_until(sub { 2 == grep { !$old{$_} } others() }),
       "$written written: the master reloads");
    ok(wait_until(sub { !grep { kill 0, $_ } keys %old }),
       "$written written: the old worker exits");
    get("$written written, reloaded");

    $gdb->release;
    ok(wait_until(sub { !kill 0, $writer }), "$written written: it goes on");
    ok(wait_until(sub { requests(usage_lines($gateway, 'logs/usage.log*'))
                        == $sent }),
       "$written written: all requests are in the log");
    $gateway->quit;

    my @lines = usage_lines($gateway, 'logs/usage.log*');

    is(requests(@lines), $sent, "$written written: once");
    is(scalar $up->received, $sent, "$written written: as received");
    is(repeated() + cut_off(), 0, "$written written: no line is cut off");
    adds_up("$written written", @lines);
    unlike($gateway->error_log, qr/was locked by/,
           "$written written: nobody was killed with the mutex");
}


# nginx ends while the disk hangs, and with it

hang('nothing');
my ($other) = others();
get('at the end');
$gateway->signal('QUIT');
ok(wait_until(sub { !kill 0, $other }), 'the other worker exits');
ok($gateway->is_running, 'the master waits for the writer');
$gdb->release;
ok(wait_until(sub { !$gateway->is_running }), 'and ends');
is(requests(usage_lines($gateway, 'logs/usage.log')), $sent,
   'the writer has written what the other one counted');

done_testing();
