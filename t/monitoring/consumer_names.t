#!/usr/bin/perl

# Hostile names of consumers: promtool has no complaint about the metrics, and a
# real Prometheus has each name as the value of a label.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;

use MIME::Base64 qw(encode_base64);

use Katalo::Prometheus qw(promtool);
use Katalo::Test qw(:all);
use Katalo::Test::Names qw(hostile_names);
use Katalo::Upstream;

my %name = hostile_names();
my $gateway = Katalo::Test->new(
    upstream => Katalo::Upstream->new,
    keys => { production => new_key('prod1') },
    http => gateway_http(http => <<'EOC', server => <<'EOS'))->start;
    map $remote_user $user { default $remote_user; }
    large_client_header_buffers 4 32k;
EOC
        katalo_consumer $user;
        location = /metrics { katalo_status prometheus; }
EOS


for my $user (sort keys %name) {
    my $basic = 'Authorization: Basic ' . encode_base64("$user:x", '');

    $gateway->request('GET', '/katalo/usage/summary', headers => [$basic])
            ->status == 200 or die "a request is refused\n";
}

# the last response may be counted after the client has it

$gateway->settled_status;

my ($code, $output) = promtool(
    input => $gateway->request('GET', '/metrics')->body, qw(check metrics));
is($output, '', 'promtool check metrics says nothing');
is($code, 0, 'and is content');

my $prometheus = Katalo::Prometheus->new(targets => [$gateway->port],
                                         path => '/metrics', rules => []);

wait_until(sub { $prometheus->query('katalo_consumer_requests_total') })
    or die "nothing is scraped\n";

# where nginx was late once, there are none until the next scrape

my @errors;

wait_until(sub {
    @errors = map { $_->{lastError} }
              @{ $prometheus->get('targets')->{activeTargets} };
    return "@errors" eq '';
});
is_deeply(\@errors, [''], 'the metrics are scraped without an error');

for my $metric (qw(requests responses)) {
    my @series;

    wait_until(sub {
        @series = $prometheus->query("katalo_consumer_${metric}_total");
    });
    is_deeply([sort map { $_->{metric}{consumer} } @series],
              [sort values %name], "each name has a series of $metric");
    is_deeply([grep { $_ != 1 } map { $_->{value} } @series], [],
              'with its one request');
}

# nothing that a name brings in is a series of its own

is_deeply([grep { !/^(?:katalo|up$|scrape_)/ || /evil/ }
           @{ $prometheus->get('label/__name__/values') }], [],
          'there are no other metrics');
is_deeply([sort @{ $prometheus->get('label/consumer/values') }],
          [sort values %name], 'and no other consumers');

done_testing();
