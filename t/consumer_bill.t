#!/usr/bin/perl

# Who used the key, by the recipes of docs/consumers.md: the status and the
# usage log, through jq.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP qw(decode_json);
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::Recipe qw(recipe);
use Katalo::Test::UsageLog qw(usage_http);
use Katalo::Upstream;

my $page = 'docs/consumers.md';
my %count = (shop => { read => 3, usage => 1 }, catalogue => { read => 2 });

my $up = Katalo::Upstream->new;
my $gateway = Katalo::Test->new(
    upstream => $up, keys => { production => new_key('prod1') },
    http => usage_http('logs/usage.log interval=1h', <<'EOC'))->start;
        map $http_x_name $name { default $http_x_name; }
        katalo_consumer $name;
EOC

my %target = (read => 'generations/a?x-status=200', usage => 'usage/summary');

for my $name (keys %count) {
    for my $operation (keys %{ $count{$name} }) {
        $gateway->request('GET', "/katalo/$target{$operation}",
                          headers => ["X-Name: $name"])
            for 1 .. $count{$name}{$operation};
    }
}

$gateway->request('GET', '/katalo/generations/a?x-status=500',
                  headers => ['X-Name: shop']);
$gateway->settled_status;


# the status

my $url = $gateway->url('/status');
my $table = recipe($page, 'sh', qr/katalo_status/)
            =~ s{http://[^?]+}{$url}r;
my @rows = map { [split /\t/] } split /\n/, scalar `$table`;

is_deeply([map { [@$_[0 .. 2]] } @rows],
          [['production', 'shop', 5], ['production', 'catalogue', 2]],
          'the status tells who made how many requests');
is(scalar(grep { $_->[3] =~ /^20\d\d-\d\d-\d\dT[\d:]+Z$/ } @rows), 2,
   'and when the last ones were');
$gateway->quit;


# the usage log

my $logs = $gateway->prefix . '/logs';
my $bill = recipe($page, 'sh', qr/usage\.log/) =~ s{/var/log/katalo}{$logs}r;
my @bill = `$bill` =~ /^(\{.*?^\})/msg;

is_deeply([map { decode_json($_) } @bill],
          [{ key => 'production', consumer => 'catalogue',
             requests => { total => 2, read => 2 },
             responses => { '2xx' => 2 } },
           { key => 'production', consumer => 'shop',
             requests => { total => 5, read => 4, usage => 1 },
             responses => { '2xx' => 4, '5xx' => 1 } }],
          'the usage log has the same, and the responses');

$gateway->write_file('logs/usage.log.1', $gateway->read_file('logs/usage.log'));
is_deeply([`$bill` =~ /^(\{.*?^\})/msg], \@bill,
          'a line that is there twice counts once');

done_testing();
