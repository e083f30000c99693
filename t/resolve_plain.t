#!/usr/bin/perl

# What lookups must not change: the addresses of requests under way, over
# plain HTTP too, the host's name as it was written, and, where a worker begins
# while the name is gone, that it is known.  And many hosts.

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

my $addresses = Katalo::Test->new(upstream => $up, http => <<'EOC')->start;
    server {
        listen 127.0.0.1:%PORT%;
        listen 127.0.0.2:%PORT%;
        listen 127.0.0.3:%PORT%;
        location / {
            add_header X-Address $server_addr always;
            add_header X-Host $http_host always;
            proxy_pass https://127.0.0.1:%UPSTREAM_PORT%;
        }
    }
EOC

# glibc overwrites what is freed
my $tunables = 'glibc.malloc.tcache_count=0:glibc.malloc.perturb=165';
my $gateway = Katalo::Test->new(
    keys => { production => $key }, env => { GLIBC_TUNABLES => $tunables },
    vars => { UP => $addresses->port, DNS => $names->port },
    http => <<'EOC')->start;
    katalo_key production file:%KEY:production% host=localhost;
    katalo_upstream_tls off;
    resolver 127.0.0.1:%DNS%;
    log_format address "$uri $upstream_addr";
    access_log %PREFIX%/logs/addresses.log address;
    server {
        listen 127.0.0.1:%PORT%;
        location /none/ { proxy_pass http://LocalHost:%UP%/; }
        location /host/ {
            katalo_bearer production;
            proxy_pass http://LocalHost:%UP%/;
        }
        location = /status { katalo_status json; }
    }
EOC


sub get { return $gateway->request('GET', "/$_[0]/x-echo") }
sub address { return get('host')->header('X-Address') // 'none' }


sub moves_to {
    my ($address, $name) = @_;

    return ok(wait_until(sub { address() eq $address }), $name);
}


moves_to('127.0.0.2', 'the address of the name server is used');
like(get($_)->header('X-Host'), qr/^LocalHost:/,
     "$_: the host is sent as it was written") for qw(host none);
is($gateway->status->{upstreams}[0]{host}, 'localhost',
   'the status has it in lower case');

my $slow = $gateway->connection;
$up->clear;
$slow->write("GET /host/x-echo/x-slow/9000 HTTP/1.1\r\nHost: x\r\n\r\n");
$up->received(1);

$names->set(localhost => ['127.0.0.3']);
moves_to('127.0.0.3', 'a new address is used');

is($slow->read_response('GET')->header('X-Address'), '127.0.0.2',
   'a request under way ends where it began');
my $port = $addresses->port;
ok(wait_until(sub {
    $gateway->read_file('logs/addresses.log')
        =~ m{x-slow/9000 127\.0\.0\.2:$port$}m;
}), 'and its address is there until its end');

# a worker that begins while the name is gone

$names->set(test => ['127.0.0.2']);
my $asked = $names->questions;
$gateway->kill_worker;
ok(wait_until(sub { $names->questions > $asked }), 'a worker asks for a name');
is(address(), '127.0.0.1', 'that is gone, and has that of the start');

$names->set(localhost => ['127.0.0.3']);
moves_to('127.0.0.3', 'it asks again');
unlike($gateway->error_log, qr/name servers do not know/,
       'as the name was known before');

# getaddrinfo() takes these for addresses, nginx for names

my $locations = join '', map {
    "location /$_/ { katalo_bearer production; proxy_pass http://127.$_:1/; }"
} 1 .. 2000;
my ($exit, $output) = $gateway->test_config(<<"EOC");
    katalo_key production file:%KEY:production% host=*;
    katalo_upstream_tls off;
    resolver 127.0.0.1;
    server { listen 127.0.0.1:%PORT%; $locations }
EOC
is($exit, 0, 'there is room for 2000 hosts') or diag($output);

done_testing();
