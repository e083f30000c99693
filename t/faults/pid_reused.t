#!/usr/bin/perl

# A worker is killed with requests in flight, and its pid is given to another
# process: an unrelated process, or the next worker.  The requests of the killed
# worker stay uncounted.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use POSIX ();
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Upstream;

use constant { LAST_PID => '/proc/sys/kernel/ns_last_pid', TRIES => 50 };
use constant NAMESPACE => qw(unshare --pid --fork --mount-proc --kill-child);

plan skip_all => 'needs a Linux that lets its last pid be set, and root'
    if $> != 0 || !open(my $writable, '+<', LAST_PID)
       || system(NAMESPACE, 'true') != 0;

# pids of its own, or other tests would have pids of what they have just ended

if (!$ENV{KATALO_PIDS}) {
    $ENV{KATALO_PIDS} = 1;
    exec NAMESPACE, 'sh', '-c', '"$@"; exit $?', 'sh', $^X, $0
        or die "unshare: $!\n";
}

my $up = Katalo::Upstream->new;
my $gateway = Katalo::Test->new(
    upstream => $up, keys => { production => new_key() })->start;


sub in_flight { return $gateway->status->{keys}[0]{in_flight} }


sub hang {
    my $client = $gateway->connection;

    $client->write("GET /katalo/x-hang HTTP/1.1\r\nHost: x\r\n\r\n");
    wait_until(sub { in_flight() }) or die "nothing in flight\n";

    return $client;
}


# What is forked next has this pid, if nobody else forks now.
sub next_is {
    my ($pid) = @_;

    open my $file, '>', LAST_PID or die LAST_PID . ": $!\n";
    syswrite $file, $pid - 1;

    return close $file;
}


# A process of another group that only waits, and has this pid; 0 if that cannot
# be had.
sub waiting_process {
    my ($pid) = @_;

    for (1 .. TRIES) {
        next_is($pid);

        my $child = fork() // die "fork: $!\n";

        if ($child == 0) {
            POSIX::setsid();
            sleep 60 if $$ == $pid;
            POSIX::_exit(0);
        }

        if ($child == $pid) {
            wait_until(sub { getpgrp($child) == $child })
                or die "no group of its own\n";
            return $child;
        }

        waitpid $child, 0;
    }

    return 0;
}


# None is in flight once another process has the pid.
sub none_with {
    my ($pid, $name) = @_;

    my $other = waiting_process($pid) or skip 'the pid could not be had', 1;

    is(in_flight(), 0, $name);

    kill 'KILL', $other;
    waitpid $other, 0;

    return;
}


SKIP: {
    # the first stripe is free again, and a successor takes that one

    $gateway->reload(gone => 1);

    my $client = hang();
    my $victim = $gateway->kill_worker;

    is(in_flight(), 0, 'requests of a killed worker are not in flight');

    none_with($victim, 'none is in flight when another process has the pid');
}

SKIP: {
    # an old worker ends with a request in flight, and none comes in its place

    my $client = hang();
    my ($old) = $gateway->worker_pids;

    $gateway->reload;
    is(in_flight(), 1, 'an old worker has a request in flight');
    kill 'TERM', $old;
    wait_until(sub { !kill 0, $old }) or die "an old worker stays\n";

    none_with($old, 'none is in flight after an orderly exit either');
}

SKIP: {
    # one that is killed, and none comes in its place

    my $client = hang();
    my ($old) = $gateway->worker_pids;

    $gateway->reload;
    kill 'KILL', $old;
    wait_until(sub { !kill 0, $old }) or die "an old worker stays\n";

    none_with($old, 'none is in flight after an old worker was killed');
}

SKIP: {
    my ($client, $old, $new);

    for (1 .. TRIES) {
        $client = hang();
        ($old) = $gateway->worker_pids;

        next_is($old);
        kill 'KILL', $old;

        wait_until(sub {
            ($new) = $gateway->worker_pids;
            return $new && eval { $gateway->status; 1 };
        }) or die "no new worker\n";

        last if $new == $old || in_flight();
    }

    skip 'the pid could not be had', 1 if $new != $old;

    is(in_flight(), 0, 'none is in flight when the next worker has the pid');
}

done_testing();
