#!/usr/bin/perl

# A worker is killed while it counts: what has no consumer then counts without
# one, so that consumers have what ids have; nothing is counted twice.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::Debugger;
use Katalo::Test::UsageLog qw(usage_lines consumer_lines adds_up deltas);
use Katalo::Upstream;

my $up = Katalo::Upstream->new;
my $gateway = Katalo::Test->new(
    upstream => $up, keys => { production => new_key('id0') },
    http => gateway_http(http => <<'EOC', server => <<'EOS'))->start;
    katalo_zone 1m consumers=1;
    katalo_usage_log %PREFIX%/logs/usage.log interval=1s;
    map $http_x_user $user { default $http_x_user; }
EOC
        katalo_consumer $user;
EOS

# What there is in the end: requests, and responses of all kinds.
my %expected;


sub target { return '/katalo/usage/summary' }


sub ask {
    my ($user) = @_;

    $expected{$user}[$_]++ for 0, 1;

    return $gateway->request('GET', target(), headers => ["X-User: $user"])
           ->status;
}


sub logged {
    my %got;

    usage_lines($gateway, 'logs/usage.log');

    for my $line (consumer_lines()) {
        $got{ $line->{consumer} }[0] += $line->{delta}{requests}{total} // 0;
        $got{ $line->{consumer} }[1] += $_
            for 0, values %{ $line->{delta}{responses} // {} };
    }

    return \%got;
}


# The worker gets a request of the user, and is killed there.
sub killed {
    my ($title, $user, @commands) = @_;
    my ($worker) = $gateway->worker_pids;
    my $gdb = Katalo::Test::Debugger->new($worker, @commands);
    my $client = $gateway->connection;

    $client->write('GET ' . target()
                   . " HTTP/1.1\r\nHost: x\r\nX-User: $user\r\n\r\n");

    ok($gdb->reached, "$title: here it is") or diag($gdb->output);
    $gdb->kill;

    ok(wait_until(sub { my @pids = $gateway->worker_pids;
                        @pids == 1 && $pids[0] != $worker }),
       "$title: another worker takes its place");

    return;
}


is(ask('alice'), 200, 'a consumer') for 1 .. 2;

killed('before the consumer', 'alice',
       'break ngx_http_katalo_consumed_start', 'continue');
$expected{''} = [1, 0];

is(ask('alice'), 200, 'who comes again');
ok(wait_until(sub { (logged()->{alice}[1] // 0) == 3 }), 'and is logged');

# its words have two tags, and it does not give way after all

killed('while an entry gives way', 'bob',
       'break ngx_http_katalo_consumers_free', 'continue', 'delete',
       'set $entry = entry',
       'while $entry->counts.counters[2] >> 48 == ($entry->serial & 65535)',
       'stepi', 'end');
$expected{''}[0]++;

is(ask('alice'), 200, 'the entry counts');
is(ask('alice'), 200, 'and once more');

my ($data) = @{ $gateway->settled_status->{keys} };

is_deeply({ map { $_->{consumer} => $_->{requests}{total} }
                @{ $data->{consumers} } },
          { alice => 5, '' => 2 }, 'nothing of it is lost');
is($data->{ids}[0]{requests}{total}, 7, 'consumers have what the id has');

killed('before the response of a consumer', 'alice',
       'break ngx_http_katalo_consumed_finish', 'continue');
$expected{alice}[0]++;
$expected{''}[1]++;

ok(wait_until(sub { (logged()->{alice}[0] // 0) == 6 }), 'it is logged');
is(ask('bob'), 200, 'another one');
is($gateway->settled_status->{keys}[0]{consumers}[-1]{consumer}, 'bob',
   'has its place');

$gateway->quit;

my @lines = usage_lines($gateway, 'logs/usage.log');

adds_up('in the end', @lines);
is_deeply(logged(), \%expected, 'the usage log has all of them');

my ($of_ids) = values %{ deltas(@lines) };
my $requests = 0;

$requests += $_->[0] for values %expected;
is($of_ids->{'requests.total'}, $requests, 'as those of the id');

done_testing();
