#!/usr/bin/perl

# Reloads that are refused leave no shared memory behind; where the zone of
# before is too small, the size that the message asks for is enough.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::Process qw(slurp);
use Katalo::Upstream;

my $up = Katalo::Upstream->new;
my $gateway = Katalo::Test->new(
    upstream => $up, keys => { production => new_key() },
    http => gateway_http(http => 'katalo_zone 4m consumers=100;'))->start;


sub shared {
    no warnings 'portable';
    my $sum = 0;
    my $maps = slurp('/proc/' . $gateway->master_pid . '/maps');

    while ($maps =~ /^([0-9a-f]+)-([0-9a-f]+) rw-s /mg) {
        $sum += hex($2) - hex($1);
    }

    return $sum;
}


my $before = shared();
cmp_ok($before, '>=', 4 * 1024 * 1024, 'the zone is seen');

for my $n (101 .. 103) {
    ok(!$gateway->reload(http => gateway_http(http => <<"EOC")), 'refused');
    katalo_zone 4m consumers=$n;
    katalo_usage_log %PREFIX%/none/usage.log;
EOC
}

ok(wait_until(sub { shared() == $before }), 'there is as much as before');

ok($gateway->reload(http => gateway_http(
    http => 'katalo_zone 4m consumers=200;')), 'one that is not refused');
cmp_ok(shared(), '<', $before + 1024 * 1024, 'frees the zones of before');


# it has fewer rows than a new one, which is for fewer workers, would have

my @names = map { "k$_" } 1 .. 25;
my $many = Katalo::Test->new(
    upstream => $up, workers => 8, keys => { map { $_ => new_key($_) } @names },
    http => gateway_http(keys => ['k1'], http => 'katalo_zone 256k;'))->start;

sub all_keys {
    return gateway_http(keys => \@names, http => "katalo_zone $_[0];");
}

is(($many->test_config(workers => 1, http => all_keys('256k')))[0], 0,
   'nginx -t knows of no zone');
ok(!$many->reload(workers => 1, http => all_keys('256k')),
   'but the old one is too small for more keys');

my ($size) = $many->error_log
             =~ /too small for 25 keys, set "katalo_zone (\d+)k/;

cmp_ok($size, '>', 256, 'the log asks for a larger one');
ok($many->reload(http => all_keys($size . 'k')), 'which is enough');

done_testing();
