#!/usr/bin/perl

# The status in Prometheus' text format: well-formed, and with the numbers of
# the JSON.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::Metrics qw(metrics);
use Katalo::Upstream;

my %key = (production => new_key('prod1'), unused => new_key('idle-1_x'),
           empty => '');
my $up = Katalo::Upstream->new(keys => [$key{production}]);
my $gateway = Katalo::Test->new(
    upstream => $up, keys => \%key, workers => 2, http => <<'EOC')->start;
    katalo_key production file:%KEY:production% check=100ms;
    katalo_key a.b-c_D file:%KEY:unused%;
    katalo_key empty file:%KEY:empty%;
    katalo_operation cancel DELETE ~/generations/[^/]+$;
    %UPSTREAM%
    server {
        listen 127.0.0.1:%PORT%;
        location / {
            katalo_bearer production;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
        location /empty/ {
            katalo_bearer empty;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
        location = /metrics { katalo_status prometheus; }
        location = /status { katalo_status; }
    }
EOC


sub page { return $gateway->request('GET', '/metrics')->body }


# The numbers of the JSON, under the names that they have here.
sub expected {
    my ($status) = @_;
    my %series = ("katalo_build_info{version=\"$status->{version}\"}" => 1,
                  'katalo_denied_total{key="",reason="no_key"}'
                  => $status->{denied}{no_key},
                  katalo_unattributed_requests_total
                  => $status->{unattributed});

    for my $key (@{ $status->{keys} }) {
        my $name = "key=\"$key->{key}\"";

        $series{"katalo_denied_total{$name,reason=\"$_\"}"} = $key->{denied}{$_}
            for keys %{ $key->{denied} };
        $series{"katalo_client_credentials_total{$name,kind=\"$_\"}"}
            = $key->{client_credentials}{$_}
            for keys %{ $key->{client_credentials} };
        $series{"katalo_key_${_}{$name}"} = $key->{$_} ? 1 : 0
            for qw(usable rejected source_ok);
        $series{"katalo_key_${_}_total{$name}"} = $key->{$_}
            for qw(rotations read_failures);
        $series{"katalo_requests_in_flight{$name}"} = $key->{in_flight};
        $series{"katalo_key_cooldown_seconds{$name,class=\"$_\"}"}
            = $key->{cooldown}{$_} // 0 for qw(write read usage other);

        %series = (%series, id_series($key, $_)) for @{ $key->{ids} };
        %series = (%series, consumer_series($key, $_))
            for @{ $key->{consumers} };
    }

    return \%series;
}


sub id_series {
    my ($key, $id) = @_;
    my $name = "key=\"$key->{key}\",key_id=\"$id->{key_id}\"";
    my %group = (requests => 'operation', responses => 'status',
                 bytes => 'direction');
    my $time = $id->{upstream_seconds};
    my %series;

    for my $group (keys %group) {
        my $metric = $group eq 'bytes' ? 'upstream_bytes' : $group;

        $series{"katalo_${metric}_total{$name,$group{$group}=\"$_\"}"}
            = $id->{$group}{$_}
            for grep { $_ ne 'total' } keys %{ $id->{$group} };
    }

    $series{"katalo_upstream_retries_total{$name}"} = $id->{retries};
    $series{"katalo_key_info{$name,source=\"$key->{source}\","
            . "state=\"$id->{state}\"}"} = 1;
    $series{"katalo_upstream_seconds_bucket{$name,le=\"$_->{le}\"}"}
        = $_->{count} for @{ $time->{buckets} };
    $series{"katalo_upstream_seconds_${_}{$name}"} = $time->{$_}
        for qw(sum count);

    return %series;
}


sub consumer_series {
    my ($key, $consumer) = @_;
    my $name = "key=\"$key->{key}\",consumer=\"$consumer->{consumer}\"";
    my %group = (requests => 'operation', responses => 'status');
    my %series;

    for my $group (keys %group) {
        $series{"katalo_consumer_${group}_total{$name,$group{$group}=\"$_\"}"}
            = $consumer->{$group}{$_}
            for grep { $_ ne 'total' } keys %{ $consumer->{$group} };
    }

    return %series;
}


# the answer itself

my $response = $gateway->request('GET', '/metrics');
is($response->status, 200, 'it is answered');
is($response->header('Content-Type'),
   'text/plain; version=0.0.4; charset=utf-8', 'with its type');
is_deeply([$response->header('Cache-Control')], ['no-store'], 'not stored');
ok($response->complete, 'to its end');

my $head = $gateway->request('HEAD', '/metrics');
is($head->status, 200, 'HEAD is answered');
is($head->header('Content-Type'), $response->header('Content-Type'),
   'with the same type');
is($head->body, '', 'and no body');
is($gateway->request($_, '/metrics')->status, 405, "$_ is not allowed")
    for qw(POST PUT DELETE);


# before and after some requests

sub agrees {
    my ($title) = @_;
    my $metrics = metrics(page());
    my %series = map { $_ => 0 + $metrics->{series}{$_} }
                 grep { !/last_used_timestamp|katalo_zone_/ }
                 keys %{ $metrics->{series} };

    is_deeply($metrics->{faults}, [], "$title: well-formed");
    is_deeply(\%series, expected($gateway->status),
              "$title: the series and numbers of the JSON");

    return $metrics->{series};
}

my $fresh = agrees('before any request');
lacks_secrets(page(), 'no secret');
is($fresh->{'katalo_requests_total{key="a.b-c_D",key_id="idle-1_x",'
            . 'operation="cancel"}'}, 0, 'a key has its series from the start');
is($fresh->{'katalo_key_last_used_timestamp_seconds{key="production",'
            . 'key_id="prod1"}'}, 0, 'one never used has the time 0');

my $began = time;

$gateway->request($_->[0], $_->[1])
    for ['GET', '/usage/summary'], ['DELETE', '/generations/x'],
        ['GET', '/x-status/503/x-slow/30'], ['GET', '/x-reset'];
$gateway->request('GET', '/empty/x');
$gateway->request('GET', '/x', headers => ['Cookie: a=b']);
$gateway->request('OPTIONS', '/x', headers => ['Origin: https://a.example']);
$gateway->settled_status;

my $used = agrees('after some');
cmp_ok($used->{'katalo_key_last_used_timestamp_seconds{key="production",'
               . 'key_id="prod1"}'}, '>=', $began, 'the last use is a time');
is($used->{'katalo_upstream_seconds_bucket{key="production",key_id="prod1",'
           . 'le="+Inf"}'}, 5, 'every request is in the last bucket');

$up->set_keys(new_key('prod2'));
$gateway->request('GET', '/usage/summary');
wait_until(sub { $gateway->settled_status->{keys}[0]{rejected} });
is(agrees('rejected')->{'katalo_key_rejected{key="production"}'}, 1,
   'a rejected key shows');

$gateway->set_key(production => new_key('prod2'));
ok($gateway->wait_for_log(qr/to "prod2".*to "prod2"/s), 'a rotation');
my $rotated = agrees('rotated');
is($rotated->{'katalo_key_rotations_total{key="production"}'}, 1,
   'which is counted');
is($rotated->{"katalo_zone_slots{state=\"$_\"}"},
   $fresh->{"katalo_zone_slots{state=\"$_\"}"} + ($_ eq 'used' ? 1 : -1),
   "places $_") for qw(used free);


# over a reload

my $before = metrics(page());

ok($gateway->reload(gone => 1), 'a reload');
$gateway->request('GET', '/usage/summary');

my $after = metrics(page());
is_deeply([grep { ($after->{series}{$_} // -1) < $before->{series}{$_} }
           grep { $before->{counter}{$_} } keys %{ $before->{series} }],
          [], 'no counter goes down');
cmp_ok(scalar keys %{ $before->{counter} }, '>', 100, 'of all that there are');

done_testing();
