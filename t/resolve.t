#!/usr/bin/perl

# The addresses of a host that proxy_pass names are looked up again, and used
# for new requests.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::NameServer;
use Katalo::Upstream;

my $key = new_key('prod1');
my $names = Katalo::Test::NameServer->new(localhost => ['127.0.0.2']);
my $up = Katalo::Upstream->new(keys => [$key]);

# the same API at several addresses, which say who they are
my $addresses = Katalo::Test->new(upstream => $up, http => <<'EOC')->start;
    server {
        listen 127.0.0.1:%TLS_PORT% ssl;
        listen 127.0.0.2:%TLS_PORT% ssl;
        listen 127.0.0.3:%TLS_PORT% ssl;
        ssl_certificate %CERT%;
        ssl_certificate_key %CERT_KEY%;
        location / {
            add_header X-Address $server_addr always;
            proxy_pass https://127.0.0.1:%UPSTREAM_PORT%;
        }
    }
EOC

my $gateway = Katalo::Test->new(
    keys => { production => $key }, workers => 2,
    vars => { UP => $addresses->tls_port, DNS => $names->port },
    http => <<'EOC')->start;
    katalo_key production file:%KEY:production% host=localhost;
    proxy_ssl_trusted_certificate %CA%;
    resolver 127.0.0.1:%DNS%;
    resolver_timeout 4s;
    upstream block { server localhost:%UP%; }
    server {
        listen 127.0.0.1:%PORT%;
        katalo_bearer production;
        location /host/ { proxy_pass https://localhost:%UP%/; }
        location /off/ {
            katalo_resolve off;
            proxy_pass https://localhost:%UP%/;
        }
        location /block/ {
            proxy_ssl_name localhost;
            proxy_pass https://block/;
        }
        location /none/ {
            katalo_bearer off;
            proxy_pass https://localhost:%UP%/;
        }
        location = /status { katalo_bearer off; katalo_status json; }
    }
EOC


sub address {
    my ($location) = @_;
    my $response = $gateway->request('GET', "/$location/x-echo");

    return $response->status == 200 ? $response->header('X-Address')
                                    : $response->status;
}


# until both workers have answered from there, ten times in a row
sub moves_to {
    my ($address, $name) = @_;

    return ok(wait_until(sub {
        return !grep { address('host') ne $address } 1 .. 10;
    }), $name);
}


sub upstreams { return $gateway->status->{upstreams} }


moves_to('127.0.0.2', 'the address of the name server is used');
is(address($_), '127.0.0.1', "$_: is as nginx found it at start")
    for qw(off block none);

my ($row) = grep { $_->{host} eq 'localhost' } @{ upstreams() };
is($row->{addresses}, 1, 'the status has their number');
like($row->{resolved}, qr/^\d{4}-\d\d-\d\dT.*Z$/, 'and when that was');
is($row->{failures}, 0, 'there was no failure');
is(@{ upstreams() }, 1, 'and no other host');

# a request that is under way ends where it began

my $slow = $gateway->connection;
$up->clear;
$slow->write("GET /host/x-echo/x-slow/9000 HTTP/1.1\r\nHost: x\r\n\r\n");
$up->received(1);

$names->set(localhost => ['127.0.0.3']);
moves_to('127.0.0.3', 'a new address is used');

my $response = $slow->read_response('GET');
is($response->status, 200, 'the request before is answered');
is($response->header('X-Address'), '127.0.0.2', 'from where it began');

# one of several addresses is dead

$names->set(localhost => ['127.0.0.3', '127.0.0.4']);
ok(wait_until(sub { upstreams()->[0]{addresses} == 2 }), 'two addresses');
is_deeply([map { address('host') } 1 .. 10], [('127.0.0.3') x 10],
          'one of them dead: each request is answered');

# failures keep the last good ones

$gateway->mark_log;
$names->stop;
ok($gateway->wait_for_log(qr/host "localhost" could not be resolved/),
   'a name server that is gone is an error');
is(address('host'), '127.0.0.3', 'the addresses stay');
ok(wait_until(sub { upstreams()->[0]{failures} > 2 }), 'failures are counted');
is(scalar(() = $gateway->error_log =~ /could not be resolved/g), 1,
   'and logged once');

$names->start(test => ['127.0.0.2']);
my ($asked, $failures) = ($names->questions, upstreams()->[0]{failures});
ok(wait_until(sub { $names->questions > $asked + 1
                    && upstreams()->[0]{failures} > $failures + 1 }),
   'a name that is gone is a failure too');
is(address('host'), '127.0.0.3', 'the addresses stay');
is(scalar(() = $gateway->error_log =~ /could not be resolved/g), 1,
   'that it fails is not logged again');

$names->set(localhost => ['127.0.0.2']);
moves_to('127.0.0.2', 'it is there again');
ok($gateway->wait_for_log(qr/addresses of host "localhost" are followed/),
   'which is a notice');

ok($gateway->kill_worker, 'a worker is killed');
moves_to('127.0.0.2', 'its successor looks the host up');
$gateway->reload;
moves_to('127.0.0.2', 'so does a new configuration');

$gateway->mark_log;
$gateway->quit;
unlike($gateway->error_log, qr/\[(?:alert|emerg)\]|open socket/,
       'nothing is left open');

# the name servers do not know a host that nginx found otherwise

$names->set(test => ['127.0.0.2']);
$gateway->mark_log;
$gateway->start;
ok($gateway->wait_for_log(qr/name servers do not know host "localhost"/),
   'a notice says so');
ok(wait_until(sub { upstreams()->[0]{failures} == 2 }), 'both workers ask');
is(address('host'), '127.0.0.1', 'the addresses are those of the start');

my $count = $names->questions;
$names->set(localhost => ['127.0.0.3']);
sleep 6;
is($names->questions, $count, 'they are not asked again');
is(scalar(() = $gateway->error_log =~ /do not know/g), 1, 'one line says so');
is(upstreams()->[0]{resolved}, undef, 'the status has no time');

done_testing();
