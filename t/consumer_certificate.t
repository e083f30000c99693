#!/usr/bin/perl

# Consumers by client certificates: one that was not verified is no identity,
# whichever way its request comes to a location with a key.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Upstream qw(expects_auth);

my $key = new_key('prod1');
my $up = Katalo::Upstream->new(keys => [$key]);
my %verify = (localhost => 'on', 'optional.katalo.ai' => 'optional',
              'off.katalo.ai' => 'off', 'any.katalo.ai' => 'optional_no_ca');
my $servers = join '', map { <<"EOC" } sort keys %verify;
    server {
        listen 127.0.0.1:%TLS_PORT% ssl;
        server_name $_;
        ssl_certificate %CERT%;
        ssl_certificate_key %CERT_KEY%;
        ssl_client_certificate %CA%;
        ssl_verify_client $verify{$_};
        error_page 495 496 = /bad;

        katalo_bearer production;
        katalo_consumer \$ssl_client_s_dn "dn-\${ssl_client_s_dn_legacy}";
        location / { proxy_pass https://app.katalo.ai; }
        location /set/ {
            set \$ssl_client_s_dn "set \$arg_name";
            proxy_pass https://app.katalo.ai;
        }
        location /read/ {
            set \$read "\$ssl_client_s_dn";
            proxy_pass https://app.katalo.ai;
        }
    }
EOC

my $gateway = Katalo::Test->new(
    upstream => $up, keys => { production => $key },
    http => <<"EOC")->start;
    katalo_key production file:%KEY:production%;
    %UPSTREAM%
    proxy_set_header X-Consumer \$katalo_consumer;
    $servers
EOC


# the status, and the consumer that the upstream was told of, if any
sub ask {
    my ($certificate, $name, $host) = @_;

    $up->clear;

    my $client = Katalo::Test::Client->new(
        port => $gateway->tls_port, tls => 1, name => $name,
        $certificate ? (certificate => $certificate) : ());
    my $response = $client->request(
        'GET', '/good?x-status=200', headers => ['Host: ' . ($host // $name)]);
    my ($record) = $up->received;

    return ($response->status, $record ? $up->values($record, 'X-Consumer')
                                       : ());
}


my $dn = 'CN=katalo test client';

is_deeply([ask('client', $_)], [200, $dn], "verified, $verify{$_}")
    for sort grep { $_ ne 'off.katalo.ai' } keys %verify;

# a name is kept with its connection, and what a request has set is not

for my $order ([qw(good good read set good set)], [qw(set good set read)]) {
    my $client = Katalo::Test::Client->new(
        port => $gateway->tls_port, tls => 1, certificate => 'client');
    my $n = 0;

    for my $path (@$order) {
        $up->clear;
        $n++;
        $client->request('GET', "/$path/x?x-status=200&name=$n");

        my ($record) = $up->received(1);

        is_deeply([$up->values($record, 'X-Consumer')],
                  [$path eq 'set' ? "set $n" : $dn],
                  "@$order: request $n");
    }
}

is_deeply([ask('untrusted', 'localhost')], [403],
          'not verified, and an error page that has a key');
is_deeply([ask('', 'localhost')], [403], 'none');
is_deeply([ask('', 'optional.katalo.ai')], [403], 'none, and it is optional');
is_deeply([ask('untrusted', 'any.katalo.ai', 'off.katalo.ai')], [403],
          'not verified by another server than that of the request');
is_deeply([ask('untrusted', 'any.katalo.ai')],
          [200, 'CN=katalo test untrusted'],
          'not verified where it was warned of');

done_testing();
