#!/usr/bin/perl

# What a request is, by its method and the tail of its path; what katalo_allow
# makes of it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Upstream;

my @builtin = qw(create read regenerate usage billing other);
my @documented = (
    ['POST', 'source-assets', 'create'],
    ['GET', 'source-assets/src_01JXSRCABCDEFGHIJKL012345', 'read'],
    ['POST', 'generations', 'create'],
    ['GET', 'generations/gen_01JX', 'read'],
    ['POST', 'generations/gen_01JX/regenerate', 'regenerate'],
    ['GET', 'usage/summary', 'usage'],
    ['GET', 'billing/events?limit=100&cursor=a/generations/b', 'billing'],
    ['DELETE', 'generations/gen_01JX', 'other'],
);

# every way to hand a path on: in place of a prefix, as it came, as a capture,
# rewritten
my @ways = map { s/%BEARER%/katalo_bearer production;/r } (
    'location /katalo/ { %BEARER% proxy_pass https://app.katalo.ai/api/v1/; }',
    'location /api/v1/ { %BEARER% proxy_pass https://app.katalo.ai; }',
    'location ~ ^/capture/(.*)$ { %BEARER%
        proxy_pass https://app.katalo.ai/api/v1/$1; }',
    'location /rewrite/ { %BEARER%
        rewrite ^/rewrite/(.*)$ /api/v1/$1 break;
        proxy_pass https://app.katalo.ai; }');
my @prefixes = qw(/katalo/ /api/v1/ /capture/ /rewrite/);

my $http = <<'EOC';
    katalo_key production file:%KEY:production%;
    %KEPT_UPSTREAM%
    add_header X-Operation $katalo_operation always;
EOC
my $status = 'location = /status { katalo_status json; }';
my $key = new_key('prod1');
my $up = Katalo::Upstream->new(keys => [$key]);
my $gateway = Katalo::Test->new(
    upstream => $up, keys => { production => $key },
    http => join("\n", $http,
        "server { listen 127.0.0.1:%PORT%; $status @ways", (map {
            "location /only/$_/ { katalo_bearer production; katalo_allow $_;
                 proxy_pass https://app.katalo.ai/api/v1/; }" } @builtin),
        '} server { listen 127.0.0.1:%PORT2%; katalo_allow read;',
        "merge_slashes off; @ways }"))->start;


sub operation {
    my ($method, $target, %option) = @_;

    return $gateway->request($method, $target, %option)
                   ->header('X-Operation') // 'none';
}


for my $row (@documented) {
    my ($method, $path, $name) = @$row;

    is(operation($method, $_ . $path), $name, "$method $_$path")
        for @prefixes;
}

is(operation('HEAD', "/katalo/$_->[1]"), $_->[2], "HEAD of $_->[2] as GET")
    for grep { $_->[0] eq 'GET' } @documented;

for my $row (
    ['GET', 'generations'], ['GET', 'source-assets'],
    ['POST', 'generations/gen_1'], ['PUT', 'generations'],
    ['POST', 'usage/summary'], ['POST', 'billing/events'],
    ['GET', 'generations/gen_1/regenerate'], ['OPTIONS', 'generations'],
    ['GET', 'generations/'], ['POST', 'generations/'],
    ['GET', 'generations/gen_1/'], ['GET', 'billing/events/'],
    ['POST', 'generations/gen_1/regenerate/'],
    ['GET', 'Generations/gen_1'], ['GET', 'usage/Summary'],
    ['POST', 'SOURCE-ASSETS'], ['POST', 'generations/gen_1/Regenerate'],
    ['GET', 'generations/gen_1/files'], ['GET', 'usage/summary/today'],
    ['POST', 'generations/gen_1/x/regenerate'],
    ['POST', 'generations//regenerate'], ['POST', 'regenerate'],
    ['GET', 'usagesummary'], ['GET', 'xusage/summary'], ['GET', ''])
{
    is(operation($row->[0], "/katalo/$row->[1]"), 'other', "other: @$row");
}

is(operation('GET', '/katalo/' . $_->[1]), $_->[0], "normalized: $_->[1]")
    for ['read', 'x/../generations/./gen_1'], ['usage', 'usage//summary'],
        ['billing', 'generations/%2e%2e/billing/events'],
        ['read', 'g%65nerations/gen%5F1'];

for my $path (
    'generations/x%2fy', 'generations/..%2Fbilling%2fevents',
    'generations/..%5c..%5Cbilling', 'generations/..\\billing',
    'generations/%252e%252e', 'generations/x%25', 'generations%252fx',
    'billing/events%3f/generations/x', 'billing/events%3F/generations/x',
    'billing/events%23/generations/x', 'generations/x#/../../billing/events',
    'billing/events#/generations/x', 'billing/events/generations/..;',
    'generations/..;/..;/generations/x', 'billing/events%3b/generations/x',
    'generations/..%c0%af..%c0%afbilling%c0%afevents', 'generations/%ef%bc%8f',
    'billing/events%20HTTP/1.1/generations/x', 'generations/%09',
    'billing/generations//../events', 'billing/generations//%2e%2e/events',
    'billing/x/generations/%2e%2e/../events',
    'billing/x/generations/.%2E/../events')
{
    is(join(' ', map { operation('GET', $_ . $path) } @prefixes),
       'other other other other', "ambiguous: $path");
    my $client = Katalo::Test::Client->new(port => $gateway->port(2));
    is(join(' ', map { $client->request('GET', $_ . $path)->status }
                     @prefixes),
       '403 403 403 403', 'and refused where only read is allowed');
}

for my $allowed (@builtin) {
    my @through = grep { $gateway->request($_->[0], "/only/$allowed/$_->[1]")
                                 ->status != 403 } @documented;
    is_deeply([map { $_->[2] } @through],
              [grep { $_ eq $allowed } map { $_->[2] } @documented],
              "katalo_allow $allowed lets nothing else through");
}

done_testing();
