#!/usr/bin/perl

# katalo_operation: names for what the API may grow to.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Upstream;

my $frame = <<'EOC';
    katalo_key production file:%KEY:production%;
    %UPSTREAM%
    add_header X-Operation $katalo_operation always;
    katalo_bearer production;
EOC

my $key = new_key('prod1');
my $up = Katalo::Upstream->new(keys => [$key]);
my $gateway = Katalo::Test->new(
    upstream => $up, keys => { production => $key },
    http => $frame . <<'EOC')->start;
    server {
        listen 127.0.0.1:%PORT%;

        location /katalo/ { proxy_pass https://app.katalo.ai/api/v1/; }
        location = /status { katalo_bearer off; katalo_status; }

        # names are known wherever they are given
        location /only/ {
            katalo_allow search assets usage;
            proxy_pass https://app.katalo.ai/api/v1/;
        }

        location ~ ^/capture/(.*)/(.*)$ {
            proxy_pass https://app.katalo.ai/api/v1/x-echo?$1-$2;
        }
    }

    katalo_operation search   GET    ~/generations/search$;
    katalo_operation anything *      ~/generations/(search|find)$;
    katalo_operation assets   *      ~^/[a-z]+/assets/([^/]+)/([^/]+)$;
    katalo_operation drop     DELETE ~/generations/[^/]+$;
    katalo_operation head     GET    ~^/katalo/head$;
    katalo_operation odd      PURGE  ~/odd$;
    katalo_operation captures GET    "~^/(capture)/(.{3})";
EOC


sub operation {
    my ($method, $target) = @_;

    return $gateway->request($method, $target)->header('X-Operation');
}


is(operation('GET', '/katalo/generations/search'), 'search',
   'a name comes before the built-in operations');
is(operation('HEAD', '/katalo/generations/search'), 'search',
   'HEAD counts as GET');
is(operation('POST', '/katalo/generations/search'), 'anything',
   'the next one is for any method');
is(operation('GET', '/katalo/generations/find'), 'anything', 'GET too');
is(operation('HEAD', '/katalo/generations/find'), 'anything', 'and HEAD');
is(operation('DELETE', '/katalo/generations/search'), 'anything',
   'the first that matches is taken');
is(operation('DELETE', '/katalo/generations/gen_1'), 'drop',
   'by its method');
is(operation('GET', '/katalo/generations/gen_1'), 'read',
   'what none matches is as ever');
is(operation('GET', '/katalo/generations/Search'), 'read',
   'letter case matters');
is(operation('PURGE', '/katalo/odd'), 'odd',
   'a method that nginx does not know');
is(operation('purge', '/katalo/odd'), undef,
   'nginx refuses one in lower case');
is(operation('GET', '/katalo/odd'), 'other', 'another method');
is(operation('PUT', '/katalo/assets/a/b?c=/generations/search'), 'assets',
   'the query does not matter');
is(operation('GET', '/katalo/generations/x%2fsearch'), 'other',
   'an ambiguous path has no name');
is(operation('GET', '/katalo/billing/events%3f/generations/search'), 'other',
   'whatever makes it so');

for my $row (['GET', 'generations/search', 200],
             ['HEAD', 'assets/a/b', 200],
             ['GET', 'usage/summary', 200],
             ['POST', 'generations/search', 403],
             ['GET', 'generations/gen_1', 403],
             ['GET', 'billing/events', 403],
             ['GET', 'generations%2fsearch', 403])
{
    my ($method, $path, $expected) = @$row;
    my $response = $gateway->request($method, "/only/$path?x-status=200");

    is($response->status, $expected, "$method $path where it is listed")
        if $expected == 200;
    is($response->header('X-Katalo-Gateway'), 'operation',
       "$method $path where it is not listed") if $expected == 403;
}

$up->clear;
is(operation('GET', '/capture/one/two'), 'captures', 'captures of a name');
my ($record) = $up->received(1);
is($record->{target}, '/api/v1/x-echo?one-two',
   'do not become those of the location');

my ($id) = @{ $gateway->status->{keys}[0]{ids} };
is($id->{requests}{search}, 3, 'the status counts by name');
is($id->{requests}{drop}, 1, 'each one');
is($id->{requests}{read}, 2, 'and the built-in ones');

$gateway->configure(http => do {
    my $http = $gateway->{http};
    $http =~ s/^ *katalo_operation (?:drop|odd) .*\n//gm;
    $http;
});
ok($gateway->reload(gone => 1), 'two names are taken away');
operation('GET', '/katalo/generations/search');

my $after = $gateway->status->{keys}[0]{ids}[0]{requests};
is($after->{other}, $id->{requests}{other}, 'their counts are not "other"');
is($after->{$_}, $id->{requests}{$_}, "$_ is shown as it was")
    for qw(odd drop);
is($after->{search}, $id->{requests}{search} + 1, 'a name that stays goes on');
is($after->{total}, $id->{requests}{total} + 1, 'the sum is exact');

my $metrics = $gateway->request('GET', '/status?format=prometheus')->body;
my %series = $metrics =~
    /^katalo_requests_total\{.*operation="(\w+)"\} (\d+)$/gm;
my %shown = %$after;
delete $shown{total};
is_deeply(\%series, \%shown, 'and so it is in Prometheus');

my @ten = map { "katalo_operation n$_ GET ~/n$_\$;" } 1 .. 10;
my $server = 'server { listen 127.0.0.1:%PORT%; location / { katalo_allow n10;'
             . ' proxy_pass https://app.katalo.ai; } }';

ok($gateway->reload(http => "$frame @ten $server"), 'ten names are taken');
is(operation('GET', '/n10'), 'n10', 'to the last');
is(operation('GET', '/n11'), 'other', 'and no more');

my ($code, $output) = $gateway->test_config(
    "$frame @ten katalo_operation n11 GET ~/n11\$; $server");
is($code, 1, 'an eleventh is refused');
like($output, qr/more than 10 "katalo_operation" directives/, 'by nginx -t');

done_testing();
