#!/usr/bin/perl

# A real Prometheus scrapes two gateways: what it adds up is what the upstream
# received, over a reload and a killed worker.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;

use Katalo::Prometheus;
use Katalo::Test qw(:all);
use Katalo::Upstream;

my $directory = "$FindBin::Bin/../../docs/monitoring";
my $key = new_key('prod1');
my $up = Katalo::Upstream->new(keys => [$key]);

my @gateways = map {
    Katalo::Test->new(upstream => $up, keys => { production => $key },
                      workers => 2, http => <<'EOC')->start } 1 .. 2;
    katalo_key production file:%KEY:production% check=100ms;
    %UPSTREAM%
    server {
        listen 127.0.0.1:%PORT%;
        location /katalo/ {
            katalo_bearer production;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
        location = /katalo_status {
            katalo_status;
            allow 127.0.0.1;
            deny all;
        }
    }
EOC

my $prometheus = Katalo::Prometheus->new(
    targets => [map { $_->port } @gateways], path => '/katalo_status',
    rules => ["$directory/recording.yml", "$directory/alerts.yml"]);


# Waits until a query has this result, and is tested for it.
sub becomes {
    my ($expression, $expected, $name) = @_;
    my $value;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    wait_until(sub { $value = $prometheus->value($expression);
                     defined $value && $value == $expected });

    return is($value, $expected, $name);
}


sub make_requests {
    my ($gateway, $number) = @_;

    for (1 .. $number) {
        $gateway->request('GET', '/katalo/usage/summary');
        $gateway->request('GET', '/katalo/x', headers => ['Sec-Fetch-Site: x']);
    }

    return;
}


# Waits until a list is this one, and is tested for it.
sub becomes_list {
    my ($list, $expected, $name) = @_;
    my @now;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    wait_until(sub { @now = $list->(); return "@now" eq "@$expected" });

    return is_deeply(\@now, $expected, $name);
}


becomes('sum(up{job="katalo"})', 2, 'both gateways are scraped');
becomes_list(sub {
    return grep { length } map { $_->{lastError} }
           @{ $prometheus->get('targets')->{activeTargets} };
}, [], 'without an error, by what Prometheus asks for itself');
becomes('sum(katalo_requests_total)', 0, 'series begin with zero');

make_requests($gateways[0], 7);
make_requests($gateways[1], 5);
my $received = $up->received(12);

becomes('sum(katalo_requests_total)', $received, 'requests are what arrived');
becomes('sum(katalo_responses_total{status="200"})', $received, 'answers too');
becomes('sum(katalo_upstream_seconds_count)', $received, 'and their times');
becomes('sum(katalo_upstream_seconds_bucket{le="+Inf"})', $received,
        'the last bucket has all');
becomes('sum(katalo_denied_total{reason="browser"})', 12, 'refusals');
becomes_list(sub {
    return sort map { $_->{value} }
           $prometheus->query('sum by (instance) (katalo_requests_total)');
}, [5, 7], 'of each gateway');

# over a reload, a killed worker and a rotation

ok($gateways[0]->reload(gone => 1), 'a reload');
make_requests($gateways[0], 3);

my ($victim) = $gateways[1]->worker_pids;
kill 'KILL', $victim;
wait_until(sub { $gateways[1]->worker_pids == 2
                 && !grep { $_ == $victim } $gateways[1]->worker_pids });
make_requests($gateways[1], 3);

my $next = new_key('prod2');
$up->set_keys($key, $next);
$gateways[0]->set_key(production => $next);
$gateways[0]->wait_for_log(qr/to "prod2"/);
make_requests($gateways[0], 4);

$received = $up->received(22);
becomes('sum(katalo_requests_total)', $received, 'requests are what arrived');
is($prometheus->value('sum(resets(katalo_requests_total[10m]))'), 0,
   'no counter went down');
becomes('count(katalo_key_info{state="previous"})', 1, 'a previous id');
becomes('sum(katalo_key_rotations_total)', 1, 'of one rotation');

# alerts that need no time

becomes('count(ALERTS{alertname="KataloBrowserCallsRefused",'
        . 'alertstate="firing"})', 1, 'refused browsers are an alert');
becomes('count(ALERTS{alertname="KataloPreviousKeyInUse",'
        . 'alertstate="pending"})', 1,
        'the other gateway still uses the previous id');
is($prometheus->value('count(ALERTS{alertname="KataloLeakedKeySeen"})'), undef,
   'no key has leaked');

$gateways[1]->request('GET', '/katalo/x',
                      headers => ['Authorization: Bearer ' . new_key('lost')]);
becomes('count(ALERTS{alertname="KataloLeakedKeySeen",alertstate="firing"})',
        1, 'until one request with a key');

becomes_list(sub {
    return map { "$_->{name}: $_->{health}" } grep { $_->{health} ne 'ok' }
           map { @{ $_->{rules} } } @{ $prometheus->get('rules')->{groups} };
}, [], 'no rule has failed');
lacks_secrets($prometheus->output, 'Prometheus has no secret to log');

done_testing();
