#!/usr/bin/perl

# 300 rotations under load: every request has one whole key, which was replaced
# no longer ago than the check interval and two seconds.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use List::Util qw(max sum0);
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

use Katalo::Test qw(:all);
use Katalo::Upstream qw(expects_auth);

use constant { ROTATIONS => 300, EVERY => 0.15, INTERVAL => 0.05,
               CLIENTS => 3, REQUESTS => 17, SLOW => 0.7 };

my @keys = map { new_key("id$_") } 0 .. ROTATIONS;
my $up = Katalo::Upstream->new;

my $gateway = Katalo::Test->new(
    upstream => $up, workers => 2, keys => { production => $keys[0] },
    http => gateway_http(key => 'check=50ms', upstream => 'KEPT_UPSTREAM',
                         http => "access_log off;\nkatalo_zone 64k;",
                         server => "keepalive_requests 50;\n"
                                   . 'katalo_consumer off;'))->start;


my $stop = $gateway->prefix . '/stop';
my $owner = $$;


# Asks over kept connections until there is a file: a signal would cut a request
# off, and whether the upstream receives that one, and when, nobody knows.  Its
# exit code is whether every answer was 200; how long one took at most is left
# in a file.  Another connection from time to time, so that both workers have
# work.
sub client {
    my ($number) = @_;
    my $pid = fork // die "fork: $!\n";
    return $pid if $pid;

    my ($failed, $longest) = (0, 0);

    until (-e $stop || getppid() != $owner) {
        my $client = $gateway->connection;

        for (1 .. 50) {
            my $slow = rand() < 0.01 ? SLOW : 0;
            my $asks = $slow ? '?x-slow=' . 1000 * $slow : '';
            my $begun = time;
            my $answer = $client->request('GET',
                                          "/katalo/usage/summary$asks");

            $longest = max($longest, time - $begun - $slow);
            $failed = 1 if $answer->status != 200;
            last if $answer->status != 200 || -e $stop;
            sleep 0.005;
        }

        $client->close;
    }

    $gateway->write_file("longest$number", $longest);
    POSIX::_exit($failed);
}


# an id and what is counted of it, for those that the status has now
sub counted {
    my ($key) = @{ $gateway->status->{keys} };

    return map { $_->{key_id} => $_->{requests}{total} } @{ $key->{ids} };
}


my (%counted, $late);


# Adds what is counted by now.
sub count {
    my %now = counted();

    $counted{$_} = $now{$_} for keys %now;

    return sum0(values %counted);
}


# How long an answer takes, to this or to a client, tells how late processes are
# on this machine.
sub look_at_clock {
    my $begun = time;

    $gateway->request('GET', '/katalo/usage/summary');

    return $late = max($late // 0, time - $begun);
}


my @clients = map { client($_) } 1 .. CLIENTS;
my $begun = time;

# the times before and after each key was put into its place; the first one is
# there from the start

my @before = (0);
my @after = (0);

for my $n (1 .. ROTATIONS) {
    my $wait = $begun + $n * EVERY - time;

    sleep $wait if $wait > 0;
    push @before, time;
    $gateway->set_key(production => $keys[$n]);
    push @after, time;

    # where few are used so far, this one has the time for it

    wait_until(sub {
        return count() >= REQUESTS * $n
               && ($counted{"id$n"}
                   || $n * 0.36 < grep { $counted{$_} } keys %counted);
    }) or die "there is no load\n";
    look_at_clock();
}

# the last one is used, and what is under way ends

ok(wait_until(sub { ($gateway->status->{keys}[0]{ids}[0]{key_id} // '')
                    eq 'id' . ROTATIONS }), 'the last key is installed');
ok(wait_until(sub { count(); $counted{'id' . ROTATIONS} }),
   'the last key is used');
$gateway->write_file('stop', '');
is(scalar(grep { waitpid($_, 0); $? } @clients), 0,
   'every request of every client was answered with 200');
$late = max($late, map { $gateway->read_file("longest$_") } 1 .. CLIENTS);
$gateway->settled_status;

my %last = counted();
$counted{$_} = $last{$_} for keys %last;

my %number = map { expects_auth($keys[$_]) => $_ } 0 .. ROTATIONS;
my ($requests, $wrong, $early, $oldest, %sent) = (0) x 4;

for my $record ($up->received) {
    my @auth = $up->auth($record);
    my $n = @auth == 1 ? $number{$auth[0]} : undef;

    $requests++;
    $wrong++ if !defined $n;
    next if !defined $n;

    $sent{"id$n"}++;
    $early++ if $record->{time} < $before[$n];

    next if $n == ROTATIONS;
    my $age = $record->{time} - $after[$n + 1];
    $oldest = $age if $age > $oldest;
}

cmp_ok($requests, '>', 5000, 'there was a load');
is($wrong, 0, 'each request had exactly one key, and a whole one');
is($early, 0, 'no key is sent before it is written');
cmp_ok($oldest, '<', INTERVAL + 2 + $late,
       'no key is sent long after it was replaced');
cmp_ok(scalar keys %sent, '>', ROTATIONS / 3, 'many of the keys were used');
diag(sprintf '%d requests, %d keys used, the oldest replaced %.2f s before, '
             . 'an answer took up to %.2f s', $requests, scalar keys %sent,
     $oldest, $late);

is_deeply(\%last, { map { $_ => $sent{$_} // 0 } keys %last },
          'the counts of what is left in the status are exact');
is(scalar(grep { $counted{$_} > ($sent{$_} // 0) } keys %counted), 0,
   'no id was ever counted more often than it was sent');
is($last{'id' . ROTATIONS}, $sent{'id' . ROTATIONS},
   'the last id is counted exactly');

my ($key) = @{ $gateway->status->{keys} };
cmp_ok($key->{rotations}, '<=', ROTATIONS, 'no rotation is counted twice');
cmp_ok($key->{rotations}, '>=', scalar(keys %sent) - 1,
       'no rotation is left out');
is($key->{read_failures}, 0, 'a file was never read in a bad moment');
unlike($gateway->error_log, qr/\[(?:warn|error|crit|alert|emerg)\]/,
       'the log has no warning');
lacks_secrets($gateway->error_log, 'no secret is in the error log');

done_testing();
