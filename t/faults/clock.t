#!/usr/bin/perl

# The clock is set back and forward while requests are under way: rotation
# goes on, the usage log too, times are those of the clock and durations are
# not, and what is logged once a minute is not silent until the clock has come
# to where it was.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);
use Time::Local qw(timegm);

use Katalo::Test qw(:all);
use Katalo::Test::Clock;
use Katalo::Test::Health qw(settles ends_well);
use Katalo::Test::UsageLog qw(usage_http usage_lines adds_up
                              requests);
use Katalo::Upstream;

use constant { HOUR => 3600, DAY => 24 * 3600, SLOW => 700 };

my $up = Katalo::Upstream->new;
my $clock = Katalo::Test::Clock->new;
my $leaked = new_key('leaked');
my $own = new_key('id0');
my $gateway = Katalo::Test->new(
    upstream => $up, keys => { production => $own }, env => $clock->env,
    http => usage_http('logs/usage.log interval=1s'))->start;

my ($sent, $n) = (0, 0);


# RFC 3339, in UTC
sub seconds {
    my ($text) = @_;
    my @part = $text =~ /^(\d+)-(\d+)-(\d+)T(\d+):(\d+):(\d+)/ or return 0;

    return timegm(@part[5, 4, 3, 2], $part[1] - 1, $part[0]);
}


# The time is one since $begun, by the same clock; nginx's own is up to a second
# late.
sub shows_now {
    my ($text, $begun, $name) = @_;
    my ($shown, $end) = (seconds($text // ''), $clock->time);

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return ok($begun - 1 <= $shown && $shown <= $end, $name)
           || diag(($text // 'none') . ", not from $begun to $end");
}


# Once the log phase of all requests has run.
sub id_status { return $gateway->settled_status->{keys}[0]{ids}[0] }


sub get {
    my ($target, @headers) = @_;

    $sent++;

    return $gateway->request('GET', $target, headers => \@headers)->status;
}


# How often it was logged that a client sent such a key.
sub warnings {
    my ($pattern) = @_;

    return scalar grep { /\[error\].*katalo: client sent/ && $_ =~ $pattern }
                       split /\n/, $gateway->error_log;
}


sub works_after {
    my ($ahead, $title) = @_;
    my $before = id_status()->{upstream_seconds}
                 // { sum => 0, count => 0, buckets => [] };

    # a request is under way meanwhile

    my $slow = $gateway->connection;
    my $begun = clock_gettime(CLOCK_MONOTONIC);
    $slow->write('GET /katalo/x-status/200/x-slow/' . SLOW
                 . " HTTP/1.1\r\nHost: x\r\n\r\n");
    $up->received(++$sent);
    $clock->set($ahead);
    is($slow->read_response('GET')->status, 200,
       "$title: a request under way is answered");
    my $elapsed = clock_gettime(CLOCK_MONOTONIC) - $begun;

    ok(wait_until(sub { !$gateway->status->{keys}[0]{in_flight} }),
       "$title: and is not in flight any more");
    my $after = id_status()->{upstream_seconds};
    my $took = $after->{sum} - $before->{sum};
    is($after->{count}, $before->{count} + 1, "$title: it has a time");
    cmp_ok($took, '>=', SLOW / 1000 - 0.1, "$title: as long as it took");
    cmp_ok($took, '<', $elapsed + 0.1, "$title: and no longer");

    my $now = $clock->time;
    is(get('/katalo/usage/summary'), 200, "$title: the next one");
    shows_now($gateway->status->{time}, $now, "$title: the time of the status");
    shows_now(id_status()->{last_used}, $now, "$title: the last use");

    # the usage log

    ok(wait_until(sub { requests(lines()) == $sent }),
       "$title: the usage log goes on");
    shows_now((lines())[-1]{time}, $now, "$title: with the clock's time");

    # rotation, of a file that is replaced, and one that is written over

    $gateway->set_key(production => new_key('id' . ++$n));
    ok($gateway->wait_for_log(qr/to "id$n"/), "$title: a key is replaced");

    # in one write, and not emptied before: the new one is as long, or longer

    open my $file, '+<', $gateway->prefix . '/keys/production' or die "$!\n";
    syswrite $file, $own = new_key('id' . ++$n);
    close $file;
    ok($gateway->wait_for_log(qr/to "id$n"/), "$title: or written over");
    $now = $clock->time;
    is(get('/katalo/x-echo'), 200, "$title: and used");
    shows_now(id_status()->{first_used}, $now, "$title: its first use");

    # what a client should not have

    for ([$leaked, qr/id "leaked"/, 'another'],
         [$own, qr/of this gateway/, 'its own'])
    {
        my ($key, $pattern, $whose) = @$_;
        my $logged = warnings($pattern);

        get('/katalo/x-echo', "Authorization: Bearer $key");
        is(warnings($pattern), $logged + 1,
           "$title: a leaked key is logged, $whose");
    }

    return;
}


sub lines { return usage_lines($gateway, 'logs/usage.log') }


works_after(0, 'at first');
works_after(-HOUR, 'an hour back');
works_after(HOUR, 'two hours forward');
works_after(-DAY, 'a day back');
works_after(20 * DAY, 'three weeks forward');
works_after(0, 'back again');

# a reload takes the times along

$clock->set(-HOUR);
ok($gateway->reload(gone => 1), 'a reload');
is(get('/katalo/usage/summary'), 200, 'and a request');
ok(wait_until(sub { requests(lines()) == $sent }), 'which is logged');

settles($gateway, 'at the end');
ends_well($gateway);
is(requests(lines()), $sent, 'the usage log has all requests');
is(scalar $up->received, $sent, 'as the upstream received them');
adds_up('with any clock', lines());

done_testing();
