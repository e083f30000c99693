#!/usr/bin/perl

# Locations with other protocols, ciphers or commands of TLS have connections
# and sessions of their own: commands may name other CA certificates.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Katalo::Test qw(:all);
use Katalo::Upstream;

my $key = new_key('prod1');
my $up = Katalo::Upstream->new(keys => [$key]);

for my $keepalive ('', 'keepalive 8;') {
    my $gateway = Katalo::Test->new(
        upstream => $up, keys => { production => $key },
        vars => { KEEPALIVE => $keepalive }, http => <<'EOC')->start;
    katalo_key production file:%KEY:production%;
    upstream app.katalo.ai {
        server 127.0.0.1:%UPSTREAM_PORT%;
        %KEEPALIVE%
    }
    proxy_ssl_trusted_certificate %CA%;
    server {
        listen 127.0.0.1:%PORT%;
        katalo_bearer production;
        location /one/ { proxy_pass https://app.katalo.ai/api/v1/; }
        location /commands/ {
            proxy_ssl_conf_command VerifyCAFile %OTHER_CA%;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
        location /protocols/ {
            proxy_ssl_protocols TLSv1.1;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
        location /ciphers/ {
            proxy_ssl_protocols TLSv1.2;
            proxy_ssl_ciphers AES128-SHA;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
    }
EOC

    my $name = $keepalive || 'sessions';
    my @other = qw(commands protocols);
    my $status = sub { $gateway->request('GET', "/$_[0]/x-echo")->status };

    is($status->($_), 502, "$name: $_ does not agree with the upstream")
        for @other;
    is($status->('one'), 200, "$name: another location does");
    is($status->($_), 502, "$name: $_ does not use its connection")
        for @other;
}

done_testing();
