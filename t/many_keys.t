#!/usr/bin/perl

# 10,000 keys: each is counted exactly, and neither the usage log nor the looks
# at key files do much in a turn of a worker's event loop.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Growth qw(growth_gateway growth_http ask held);
use Katalo::Test qw(:all);
use Katalo::Test::UsageLog qw(usage_lines);

use constant { KEYS => 10_000, WORKERS => 2, WALKS => 3 };

my @names = map { "key$_" } 1 .. KEYS;
my $log = 'katalo_usage_log logs/usage.log interval=2s;';
my $gateway = growth_gateway(KEYS, held => 1, workers => 1)->start;


# key1 is asked with once, key2 twice, key3 three times, key4 once, ...
sub asked { return 1 + ($_[0] - 1) % 3 }

ask($gateway, map { ("key$_") x asked($_) } 1 .. KEYS);

my $status = $gateway->request('GET', '/status?format=json')->json;

is_deeply([map { $_->{key} } @{ $status->{keys} }], \@names,
          'the status has each key');
is_deeply([map { map { $_->{key_id} } @{ $_->{ids} } } @{ $status->{keys} }],
          [map { "id$_" } 1 .. KEYS], 'each with its id');
is_deeply([map { $_->{ids}[0]{requests}{total} } @{ $status->{keys} }],
          [map { asked($_) } 1 .. KEYS], 'and with each of its requests');

my $text = $gateway->request('GET', '/status?format=prometheus')->body;
my %total;
$total{$1} += $2
    while $text =~ /^katalo_requests_total\{key="key(\d+)",.*\} (\d+)$/mg;

is_deeply([map { $total{$_} } 1 .. KEYS], [map { asked($_) } 1 .. KEYS],
          'the metrics have each request');
like($text, qr/^katalo_zone_slots\{state="used"\} 10000$/m,
     'the zone has a slot for each, to the last line');


# a pass of the usage log that has a line for each key

my $held = held($gateway, sub {
    wait_until(sub {
        KEYS <= (() = $gateway->read_file('logs/usage.log')
                      =~ /"key_id".*\n/g);
    }) or die "no lines\n";
}, start => sub {
    $gateway->reload(http => growth_http($gateway, KEYS, http => $log),
                     gone => 1) or die;
});

note("at most $held->{most_written} of $held->{written} bytes in a turn");
cmp_ok($held->{most_written}, '<', $held->{written} / 10,
       'a pass of the usage log holds nobody up');

my @lines = usage_lines($gateway, 'logs/usage.log');

is(@lines, KEYS, 'the usage log has a line for each key');
is_deeply({ map { $_->{key} => $_->{delta}{requests}{total} } @lines },
          { map { ("key$_" => asked($_)) } 1 .. KEYS },
          'with each of its requests');


# each worker looks at each file

my %reload = (workers => WORKERS,
              http => growth_http($gateway, KEYS, check => '2s'));

# A worker has looked when it begins to serve, and looks again after an
# interval.  A busy machine has workers be late, and nothing has them be early
# but their own clock, which is ahead by a tenth.

$held = held($gateway, sub {
    my ($now) = @_;

    ok(wait_until(sub { $now->()->{looks} >= WALKS * WORKERS * KEYS }),
       'the files are looked at');
}, start => sub { $gateway->reload(%reload, gone => 1) or die });
my $most = WORKERS * KEYS * $held->{seconds} / 2 / 0.9;

note("$held->{looks} looks of $most, in $held->{turns} turns");
cmp_ok($held->{looks}, '<', $most, 'once in an interval');
cmp_ok($held->{turns}, '<', $held->{looks} / 20, 'many at a time');
cmp_ok($held->{most_looks}, '<', KEYS / 20, 'but not all of them');

# any of the files

for my $n (1, 128, 129, KEYS) {
    $gateway->mark_log;
    $gateway->set_key("key$n" => new_key("next$n"));
    ok(wait_until(sub {
        my @seen = $gateway->error_log =~ /"key$n" is rotated from/g;
        return @seen == WORKERS;
    }), "both workers see that key$n is replaced");
}


# names that nobody knew, in a zone that has room for each name once

my $http = $reload{http};
$http =~ s/katalo_key key/katalo_key new/g;

$gateway->mark_log;
ok($gateway->reload(http => $http), 'all keys can have other names');
is(scalar(() = $gateway->error_log =~ /"katalo_zone" is full of keys/g), 1,
   'that the old ones are still there is logged once');

done_testing();
