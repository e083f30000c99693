#!/usr/bin/perl

# A page of the gateway's own origin does not reach the upstream with a key
# either: what it can read is the gateway's refusal.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;

use Katalo::Browser;
use Katalo::Browser::Attempts qw(LOG PAGE);
use Katalo::Test qw(:all);
use Katalo::Upstream;

my $key = new_key('prod1');
my $up = Katalo::Upstream->new(keys => [$key]);
my $gateway = Katalo::Test->new(
    upstream => $up, keys => { production => $key }, http => LOG . <<"EOC")
    katalo_key production file:%KEY:production%;
    upstream app.katalo.ai { server 127.0.0.1:%UPSTREAM_PORT%; keepalive 8; }
    proxy_ssl_trusted_certificate %CA%;
    ssl_certificate %CERT%;
    ssl_certificate_key %CERT_KEY%;
    server {
        listen 127.0.0.1:%PORT%;
        listen 127.0.0.1:%TLS_PORT% ssl http2;
        location /katalo/ {
            katalo_bearer production;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
        location /reported/ {
            katalo_bearer production;
            katalo_browser report;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
        location = /status { katalo_status json; }
        @{[ PAGE ]}
    }
EOC
    ->start;

my $browser = Katalo::Browser->new;


sub try {
    my ($origin, $location) = @_;

    return Katalo::Browser::Attempts->new(
        browser => $browser, gateway => $gateway, upstream => $up,
        from => $origin, to => "$origin/$location/x-echo");
}


for my $origin ('https://localhost:' . $gateway->tls_port,
                'https://gateway.example:' . $gateway->tls_port,
                map { "http://$_:" . $gateway->port } qw(localhost 127.0.0.1)) {
    my $run = try($origin, 'katalo');
    my @names = $run->names;
    my @refusals = grep { $run->learned($_) =~ /^read/ } @names;

    is_deeply([grep { $_->{status} != 403 || $_->{decision} ne 'browser' }
                    $run->logged], [],
              "$origin: each of " . @names . ' ways is refused');
    is(scalar $run->received, 0, "$origin: nothing reaches the upstream");

    cmp_ok(scalar @refusals, '>', 0, "$origin: the page reads refusals");
    is_deeply([grep { $run->learned($_)
                      !~ /^read (?:403|0) \{"error":\{"code":"forbidden"/ }
                    @refusals], [], "$origin: of the gateway");
    is_deeply([grep { $run->learned($_) !~ /^(?:read|nothing)/ } @names], [],
              "$origin: and nothing else");

    my $control = try($origin, 'reported');
    is_deeply([grep { !$control->arrived($_) } $control->names], [],
              "$origin: browsers that are only reported reach it");
    cmp_ok(scalar(grep { $control->learned($_) =~ /^read (?:200|0) .*"n"/ }
                       $control->names), '>=', @refusals - 1,
           "$origin: and read its answers");
}

done_testing();
