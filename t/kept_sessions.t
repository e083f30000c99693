#!/usr/bin/perl

# A kept connection may have resumed a TLS session that another location has
# verified with CA certificates of its own: then it carries no key.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Katalo::Test qw(:all);
use Katalo::Upstream;

my $key = new_key('prod1');
my $up = Katalo::Upstream->new(keys => [$key], certificate => 'untrusted');
my $gateway = Katalo::Test->new(
    upstream => $up, keys => { production => $key }, http => <<'EOC')->start;
    katalo_key production file:%KEY:production%;
    upstream app.katalo.ai {
        server 127.0.0.1:%UPSTREAM_PORT%;
        keepalive 8;
    }
    proxy_ssl_trusted_certificate %CA%;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    server {
        listen 127.0.0.1:%PORT%;
        location /other/ {
            proxy_http_version 1.0;
            proxy_ssl_verify on;
            proxy_ssl_trusted_certificate %OTHER_CA%;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
        location /on/ {
            if ($arg_key) { katalo_bearer production; }
            proxy_pass https://app.katalo.ai/api/v1/;
        }
        location /off/ {
            katalo_bearer production;
            if ($arg_none) { katalo_bearer off; }
            proxy_pass https://app.katalo.ai/api/v1/;
        }
    }
EOC

sub status { return $gateway->request('GET', "/$_[0]")->status }


for (['on', '?key=1', ''], ['off', '', '?none=1']) {
    my ($location, $with, $without) = @$_;

    $up->clear;

    is(status("$location/x-echo$with"), 502,
       "$location: the certificate is refused");
    is(status('other/x-echo'), 200, 'by another location it is not');
    is(status("$location/x-echo$without"), 200,
       "$location: without a key, its session is resumed");
    is(status("$location/x-echo$with"), 502,
       "$location: that connection carries no key");
    is_deeply([map { $up->auth($_) } $up->received(2)], [],
              "$location: the upstream has seen no key");
}

$gateway->quit;
unlike($gateway->error_log, qr/open socket|alert/, 'nothing is left open');

done_testing();
