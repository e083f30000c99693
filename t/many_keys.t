#!/usr/bin/perl

# 10,000 keys: each is counted exactly, and no turn of a worker's event loop
# takes long, whatever is done for all of them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use JSON::PP qw(decode_json);

use Katalo::Growth qw(growth_gateway growth_http ask held);
use Katalo::Test qw(:all);
use Katalo::Test::UsageLog qw(usage_lines);

use constant { KEYS => 10_000, WORKERS => 2, TRIES => 10 };

my @names = map { "key$_" } 1 .. KEYS;
my $log = 'katalo_usage_log logs/usage.log interval=2s;';
my $gateway = growth_gateway(KEYS, held => 1, workers => 1)->start;


# No turn of the event loop has more than a tenth of the work.  What else the
# machine does can only add to a turn, so one try without that is enough.
sub not_held_up {
    my ($title, $code, $prepare) = @_;
    my $held;

    for (1 .. TRIES) {
        $prepare->() if $prepare;
        $held = held($gateway, $code);
        last if $held->{longest} < $held->{total} / 10;
    }

    note(sprintf '%s: %.2f ms of %.1f ms', $title, @$held{qw(longest total)});

    return cmp_ok($held->{longest}, '<', $held->{total} / 10,
                  "$title holds nobody up");
}


# key1 is asked with once, key2 twice, key3 three times, key4 once, ...
sub asked { return 1 + ($_[0] - 1) % 3 }

ask($gateway, map { ("key$_") x asked($_) } 1 .. KEYS);

my $text;
not_held_up('the status', sub {
    $text = $gateway->request('GET', '/status?format=json')->body;
});

my $status = decode_json($text);

is_deeply([map { $_->{key} } @{ $status->{keys} }], \@names,
          'the status has each key');
is_deeply([map { map { $_->{key_id} } @{ $_->{ids} } } @{ $status->{keys} }],
          [map { "id$_" } 1 .. KEYS], 'each with its id');
is_deeply([map { $_->{ids}[0]{requests}{total} } @{ $status->{keys} }],
          [map { asked($_) } 1 .. KEYS], 'and with each of its requests');

not_held_up('the metrics', sub {
    $text = $gateway->request('GET', '/status?format=prometheus')->body;
});

my %total;
$total{$1} += $2
    while $text =~ /^katalo_requests_total\{key="key(\d+)",.*\} (\d+)$/mg;

is_deeply([map { $total{$_} } 1 .. KEYS], [map { asked($_) } 1 .. KEYS],
          'the metrics have each request');
like($text, qr/^katalo_zone_slots\{state="used"\} 10000$/m,
     'the zone has a slot for each, to the last line');


# a pass of the usage log that has a line for each key

my $lines = sub { scalar(() = $gateway->read_file('logs/usage.log') =~ /\n/g) };
my $passes = 0;

not_held_up('a pass of the usage log', sub {
    wait_until(sub { $lines->() >= KEYS * $passes }) or die "no lines\n";
}, sub {
    if ($passes++) {
        $gateway->reload(http => growth_http($gateway, KEYS), gone => 1) or die;
        ask($gateway, map { "key$_" } 1 .. KEYS);
    }
    $gateway->reload(http => growth_http($gateway, KEYS, http => $log),
                     gone => 1) or die;
});

my @lines = usage_lines($gateway, 'logs/usage.log');

is(@lines, KEYS * $passes, 'the usage log has a line for each key');
splice @lines, KEYS;
is_deeply({ map { $_->{key} => $_->{delta}{requests}{total} } @lines },
          { map { ("key$_" => asked($_)) } 1 .. KEYS },
          'with each of its requests');


# each worker looks at each file

my %reload = (workers => WORKERS,
              http => growth_http($gateway, KEYS, check => '2s'));

$gateway->reload(%reload, gone => 1) or die;

# a busy machine has workers be late

my ($held, $expected);

for (1 .. TRIES) {
    $held = held($gateway, sub { sleep 6 });
    $expected = WORKERS * KEYS / 2 * $held->{seconds};

    last if $held->{looks} > $expected * 0.5
            && $held->{turns} < $expected / 20
            && $held->{longest} < $held->{total} / 20
            && $held->{total} / $held->{looks} < 0.05;
}

note("$held->{looks} looks of $expected, in $held->{turns} turns");
cmp_ok($held->{looks}, '>', $expected * 0.5, 'the files are looked at');
cmp_ok($held->{looks}, '<', $expected * 1.5, 'once in an interval');
cmp_ok($held->{turns}, '<', $expected / 20, 'many at a time');
cmp_ok($held->{longest}, '<', $held->{total} / 20, 'but not all of them');
cmp_ok($held->{total} / $held->{looks}, '<', 0.05,
       'with 200 looks a second, a worker uses less than 1 % of a processor');

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
