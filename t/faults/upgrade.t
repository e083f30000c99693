#!/usr/bin/perl

# A binary upgrade under load, as nginx documents it: USR2, WINCH to the old
# master, QUIT; and one that is given up.  No request fails.  The two masters
# count apart, each in a zone of its own, and write to two usage logs or to the
# same: together they have what the upstream received.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use List::Util qw(sum);
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::Daemon;
use Katalo::Test::Health qw(settles ends_well);
use Katalo::Test::Load;
use Katalo::Test::Process qw(children title);
use Katalo::Test::UsageLog qw(usage_http usage_lines parse_lines cut_off
                              adds_up requests);
use Katalo::Upstream;

use constant WORKERS => 2;

my $up = Katalo::Upstream->new;


sub http { return usage_http("logs/usage.$_[0].log interval=1s",
                             'access_log off;') }

my $gateway = Katalo::Test::Daemon->new(
    upstream => $up, workers => WORKERS, keys => { production => new_key() },
    http => http('first'))->start;

my $old = $gateway->master_pid;
my $new;


sub workers { return grep { title($_) eq 'nginx: worker process' }
                          children($_[0]) }


# Waits for a second master and its workers.
sub upgrade {
    $gateway->signal('USR2');

    return wait_until(sub {
        $new = $gateway->master_pid;
        return $gateway->old_master_pid == $old && $new != $old
               && workers($new) == WORKERS;
    });
}


# Some hundreds of requests go by.
sub requests_go_by {
    my $before = $up->targets;

    return wait_until(sub { $up->targets > $before + 300 });
}


my $kept = Katalo::Test::Load->start($gateway, clients => 2, slow => 500);
my $fresh = Katalo::Test::Load->start($gateway, clients => 2, requests => 1);

requests_go_by();

# given up: the new master goes, the old one has its workers back

$gateway->configure(http => http('second'));
ok(upgrade(), 'USR2: there are two masters');
ok(requests_go_by(), 'both serve');
kill 'WINCH', $old;
ok(wait_until(sub { !workers($old) }), 'WINCH: the old workers leave');
ok(requests_go_by(), 'the new ones serve');

$gateway->configure(http => http('first'));
kill 'HUP', $old;
ok(wait_until(sub { workers($old) == WORKERS }), 'HUP: they are back');
kill 'QUIT', $new;
ok(wait_until(sub { !kill 0, $new }), 'QUIT: the new master goes');
ok(wait_until(sub { $gateway->master_pid == $old }), 'the old one is alone');
ok(requests_go_by(), 'and serves');

my $first = $gateway->status->{keys}[0]{ids}[0]{requests}{total};
cmp_ok($first, '>', 0, 'its counts are still there');

# carried out, with one usage log

ok(upgrade(), 'USR2 again: there are two masters');
ok(requests_go_by(), 'both serve');
kill 'WINCH', $old;
ok(wait_until(sub { !workers($old) }), 'WINCH: the old workers leave');
kill 'QUIT', $old;
ok(wait_until(sub { !kill 0, $old }), 'QUIT: the old master goes');
ok(requests_go_by(), 'the new one serves');

my @outcomes = map { $_->stop } $kept, $fresh;
note("$outcomes[0]{stale} requests found their connection closed");
is_deeply([map { @{ $_->{broken} } } @outcomes], [], 'no request fails');
is($outcomes[1]{stale}, 0, 'no new connection is closed unanswered');
settles($gateway, 'at the end');

my $last = $gateway->status->{keys}[0]{ids}[0]{requests}{total};
ends_well($gateway);


# who counted what

my %seen;
$seen{$_}++ for $up->targets;
my $answers = 0;
$answers += Katalo::Test::Load::answers($_) for @outcomes;

is(scalar(keys %seen), $answers, 'what was answered has arrived');
is(scalar $up->targets, $answers, 'once');

my (@requests, %run);

for my $name (qw(first second)) {
    usage_lines($gateway, "logs/usage.$name.log");
    is(cut_off(), 0, "no line of the $name log is cut off");

    for (split /^/m, $gateway->read_file("logs/usage.$name.log")) {
        $run{$1} .= $_ if /^\{"id":"(\w+)\./;
    }
}

is(keys %run, 3, 'three masters have written');

for my $text (values %run) {
    my @lines = parse_lines($text);

    push @requests, requests(@lines);
    cmp_ok($requests[-1], '>', 0, 'its lines have requests');
    adds_up('a master', @lines);
}

is(sum(@requests), $answers, 'together they have them all');
ok((grep { $_ == $last } @requests), 'the last status is in the log');

done_testing();
