#!/usr/bin/perl

# A response of status 103 (RFC 8297) that nginx passes on before the response
# itself has no Access-Control-* either.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Upstream;

if (!nginx_at_least('1.29.0')) {
    plan skip_all => 'nginx before 1.29.0 passes no early hints on';
}

my $proxy = 'proxy_pass https://app.katalo.ai/api/v1/;';
my $key = new_key('prod1');
my $up = Katalo::Upstream->new(keys => [$key]);
my $gateway = Katalo::Test->new(
    upstream => $up, keys => { production => $key }, http => <<"EOC")->start;
    katalo_key production file:%KEY:production%;
    %UPSTREAM%

    server {
        listen 127.0.0.1:%PORT%;
        katalo_bearer production;
        early_hints 1;

        location /strip/ { $proxy }
        location /pass/ { $proxy katalo_cors pass; }
    }
EOC


# The heads that came before the response.
sub hints {
    my ($location) = @_;
    my $hint = 'x-hints';
    my $response = $gateway->request('GET', "/$location/x-status/200/"
        . join '/', map { "$hint/$_" } 'Link:a', 'access-control-Max-Age:9',
                                       'Access-Control-Allow-Origin:b');

    is($response->status, 200, "$location: a response");

    return join '', @{ $response->interim };
}


my $strip = hints('strip');
like($strip, qr/^HTTP\/1.1 103 .*^Link: a\r$/ms, 'has hints before it');
unlike($strip, qr/access-control/i, 'without Access-Control-*');
like(hints('pass'), qr/^Access-Control-Allow-Origin: b\r$/m,
     'which katalo_cors pass lets through');

done_testing();
