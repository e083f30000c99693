#!/usr/bin/perl

# The query of docs/consumers.md for the share of each consumer, in a real
# Prometheus that scrapes a real gateway.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;

use Katalo::Prometheus;
use Katalo::Test qw(:all);
use Katalo::Test::Recipe qw(recipe);
use Katalo::Upstream;

my $query = recipe('docs/consumers.md', 'promql', qr/consumer/);
my $gateway = Katalo::Test->new(
    upstream => Katalo::Upstream->new,
    keys => { production => new_key('prod1') },
    http => gateway_http(
        http => 'map $http_x_name $name { default $http_x_name; }'
                . ' katalo_consumer $name;',
        server => 'location = /metrics { katalo_status prometheus; }'))->start;


sub asks {
    my ($name, $n) = @_;

    $gateway->request('GET', '/katalo/usage/summary',
                      headers => ["X-Name: $name"]) for 1 .. $n;

    return;
}


asks(shop => 3);
asks(catalogue => 1);

my $prometheus = Katalo::Prometheus->new(targets => [$gateway->port],
                                         path => '/metrics', rules => []);

wait_until(sub {
    $prometheus->query('count_over_time(katalo_consumer_requests_total[1h])');
}) or die "nothing is scraped\n";

asks(shop => 30);
asks(catalogue => 10);

my %share;

ok(wait_until(sub {
    %share = map { $_->{metric}{consumer} => sprintf '%.2f', $_->{value} }
                 $prometheus->query($query);
    return ($share{shop} // '') eq '0.75';
}), 'the share of a consumer') or diag(explain(\%share));
is($share{catalogue}, '0.25', 'and of the other one');

done_testing();
