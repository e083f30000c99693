#!/usr/bin/perl

# A kept connection carries a key only if its certificate was verified.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Katalo::Test qw(:all);
use Katalo::Upstream qw(expects_auth);

my $key = new_key('prod1');

my $http = <<'EOC';
    katalo_key production file:%KEY:production%;
    upstream app.katalo.ai {
        server 127.0.0.1:%UPSTREAM_PORT%;
        keepalive 8;
    }
    map $uri $any { default %CERT%; }
    proxy_ssl_trusted_certificate %CA%;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    server {
        listen 127.0.0.1:%PORT%;
        location /open/ {
            proxy_ssl_session_reuse off;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
        location /one/ {
            katalo_bearer production;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
        location /two/ {
            katalo_bearer production;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
        location /other/ {
            katalo_bearer production;
            proxy_ssl_trusted_certificate %OTHER_CA%;
            proxy_ssl_session_reuse off;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
        location /any/ {
            katalo_bearer production;
            proxy_ssl_certificate $any;
            proxy_ssl_certificate_key %CERT_KEY%;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
        location /variable/ {
            set $host_of "app.katalo.ai";
            katalo_bearer production;
            proxy_pass https://$host_of/api/v1/x-echo;
        }
    }
EOC

sub gateway {
    my ($certificate) = @_;

    my $up = Katalo::Upstream->new(keys => [$key],
                                   certificate => $certificate);
    my $gateway = Katalo::Test->new(
        upstream => $up, keys => { production => $key },
        http => $http)->start;

    return ($up, $gateway);
}

sub status { $_[0]->request($_[2] // 'GET', "/$_[1]/x-echo")->status }


for my $certificate ('untrusted', 'wrong_name') {
    my ($up, $gateway) = gateway($certificate);

    is(status($gateway, 'one'), 502, "$certificate: refused at first");
    is(status($gateway, 'open'), 200, 'a location without a key goes there');
    is(status($gateway, 'one'), 502, 'its connection carries no key');
    is(status($gateway, 'open'), 200, 'another one is kept');
    is(status($gateway, 'one', 'POST'), 502, 'nor does it for POST');
    is(status($gateway, 'open'), 200, 'another one is kept again');
    is(status($gateway, 'variable'), 502, 'nor with a variable');

    is_deeply([map { $up->auth($_) } $up->received(3)], [],
              'the upstream has seen no key');
    is(scalar(@{[ $up->received(3) ]}), 3, 'and no other request');

    $gateway->quit;
    unlike($gateway->error_log, qr/open socket|alert/, 'nothing is left open');
}


my ($up, $gateway) = gateway('server');

is(status($gateway, 'open'), 200, 'an unverified connection is kept');
is(status($gateway, $_), 200, "$_: trusted") for qw(one two one two variable);

my ($open, @records) = $up->received(6);

is_deeply([map { $up->auth($_) } @records], [(expects_auth($key)) x 5],
          'each has the key');

my %connections = map { $_->{connection} => 1 } @records;
is(keys %connections, 1, 'locations of the same trust share a connection');
ok(!$connections{ $open->{connection} }, 'it is not the unverified one');

$up->clear;
is(status($gateway, 'any'), 200, 'a client certificate by a variable') for 1, 2;

my ($first, $second) = $up->received(2);
isnt($first->{connection}, $second->{connection},
     'its connection is not used again');

is(status($gateway, 'other'), 502, 'a location of other trust does not');

done_testing();
