#!/usr/bin/perl

# nginx gives an upstream request up if a value is longer than it was a moment
# ago, since a "map" has replaced the captures.  Then there is no whole header
# that could be wiped.  Of the body, the beginning has come with the header.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Katalo::Test qw(:all);
use Katalo::Upstream;

plan skip_all => 'this nginx does not check lengths'
    if !nginx_at_least('1.31.3')
       && !(nginx_at_least('1.30.4') && !nginx_at_least('1.31.0'));

my $key = new_key('prod1');
my $up = Katalo::Upstream->new(keys => [$key]);
my $gateway = Katalo::Test->new(
    upstream => $up, keys => { production => $key }, http => <<'EOC')->start;
    katalo_key production file:%KEY:production%;
    %UPSTREAM%
    map $http_x_long $long { ~^(.*)$ $1; }
    server {
        listen 127.0.0.1:%PORT%;
        katalo_bearer production;
        proxy_set_header X-Tail $1;
        proxy_set_header X-Long $long;
        location ~ ^/(buffered)/ {
            proxy_pass https://app.katalo.ai;
        }
        location ~ ^/(unbuffered)/ {
            proxy_request_buffering off;
            proxy_pass https://app.katalo.ai;
        }
        location = /status { katalo_bearer off; katalo_status json; }
    }
EOC

my ($worker) = $gateway->worker_pids;

for my $location (qw(buffered unbuffered)) {
    for my $length (2_000, 6_000) {
        my $response = $gateway->request(
            'POST', "/$location/", body => "a: b\r\n" x 20_000,
            headers => ['X-Long: ' . 'l' x $length]);

        is($response->status, 500, "$location, $length bytes: nginx refuses");
    }
}

is(scalar $up->received, 0, 'nothing was sent');
is_deeply([$gateway->worker_pids], [$worker], 'the worker lives');
is($gateway->settled_status->{keys}[0]{in_flight}, 0, 'none is in flight');
unlike($gateway->error_log, qr/exited on signal/, 'and did not crash');

done_testing();
