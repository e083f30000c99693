#!/usr/bin/perl

# A zone without room for a new id: requests go through, an error says that
# they are not counted, and they are as soon as an old id is not in use.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Katalo::Test qw(:all);
use Katalo::Upstream;

my $key = new_key('id0');
my $up = Katalo::Upstream->new;

my $gateway = Katalo::Test->new(
    upstream => $up, keys => { production => $key }, http => <<'EOC')->start;
    katalo_key production file:%KEY:production% check=100ms;
    katalo_zone 32k;
    upstream app.katalo.ai { server 127.0.0.1:%UPSTREAM_PORT%; }
    proxy_ssl_trusted_certificate %CA%;
    server {
        listen 127.0.0.1:%PORT%;
        location /katalo/ {
            katalo_bearer production;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
        location = /status { katalo_status json; }
    }
EOC

sub key_status { $gateway->status->{keys}[0] }

sub answered { $gateway->request('GET', '/katalo/x-echo')->status }

# ids with a request each that hangs, until no slot is left

my ($n, @hanging) = (0);

while ($gateway->error_log !~ /katalo_zone" is full/ && $n < 20) {
    my $connection = $gateway->connection;

    $connection->write("GET /katalo/x-hang HTTP/1.1\r\nHost: a\r\n\r\n");
    push @hanging, $connection;
    wait_until(sub { key_status()->{in_flight} == @hanging }, 5);

    $n++;
    $gateway->set_key(production => new_key("id$n"));
    $gateway->wait_for_log(qr/to "id$n"/, 5);
}

diag("room for $n ids");

cmp_ok($n, '<', 20, 'the zone is full after some rotations');
like($gateway->error_log, qr/requests with key "production" id "id$n" are not/,
     'the error names the key and the id');
is(answered(), 200, 'a request goes through nevertheless');
is(key_status()->{rotations}, $n, 'the rotation is counted');

my @ids = map { $_->{key_id} } @{ key_status()->{ids} };
ok(!(grep { $_ eq "id$n" } @ids), 'the id has no counts');


# one of the old ids is not in use any more

undef $_ for @hanging;
ok($gateway->wait_for_log(qr/id "id$n" are counted again/, 5),
   'the id is counted when there is room');
is(answered(), 200, 'a request goes through');

my ($current) = grep { $_->{state} eq 'current' } @{ key_status()->{ids} };
is($current->{key_id}, "id$n", 'it is the current one');
is($current->{requests}{total}, 1, 'and its request is counted');
is(key_status()->{rotations}, $n, 'that was no rotation');

my @errors = $gateway->error_log =~ /katalo_zone" is full/g;
is(scalar @errors, 1, 'the error was logged once');

done_testing();
