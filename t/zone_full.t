#!/usr/bin/perl

# A zone without room for a new id: requests are passed on, an error says that
# they are not counted, and counting begins when an old id is no longer in use.

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
    upstream => $up, keys => { production => $key },
    http => gateway_http(key => 'check=100ms',
                         http => 'katalo_zone 32k; proxy_read_timeout 1h;')
    )->start;

sub key_status { $gateway->status->{keys}[0] }

sub answered { $gateway->request('GET', '/katalo/x-echo')->status }

# ids with a request each that hangs, until no slot is left

my ($n, @hanging) = (0);

while ($gateway->error_log !~ /katalo_zone" is full/ && $n < 20) {
    my $connection = $gateway->connection;

    $connection->write("GET /katalo/x-hang HTTP/1.1\r\nHost: a\r\n\r\n");
    push @hanging, $connection;
    wait_until(sub { key_status()->{in_flight} == @hanging });

    $n++;
    $gateway->set_key(production => new_key("id$n"));
    $gateway->wait_for_log(qr/to "id$n"/);
}

diag("room for $n ids");

cmp_ok($n, '<', 20, 'the zone is full after some rotations');
like($gateway->error_log, qr/requests with key "production" id "id$n" are not/,
     'the error names the key and the id');
like($gateway->error_log, qr/id "id$n" are not.*set a larger "katalo_zone"/,
     'the error names the remedy');
is($gateway->status->{unattributed}, 0, 'each request has its id so far');
is(answered(), 200, 'a request goes through nevertheless');
is($gateway->status->{unattributed}, 1, 'the request is counted without an id');
is($gateway->request('GET', '/katalo/x-status/401')->status, 401,
   'Katalo may reject it');
ok($gateway->wait_for_log(qr/id "id$n" is rejected by Katalo/),
   'a line says so, with the id');
is(answered(), 200, 'Katalo accepts the key again');
ok($gateway->wait_for_log(qr/id "id$n" is accepted by Katalo again/),
   'a line says so, with the id');
ok(key_status()->{usable}, 'the key is usable');
ok(!key_status()->{rejected}, 'the zone has no state for the key');
is(key_status()->{rotations}, $n, 'the rotation is counted');

# another id that has no slot either: it is not the one that was rejected

$n++;
$gateway->mark_log;
$gateway->set_key(production => new_key("id$n"));
ok($gateway->wait_for_log(qr/to "id$n"/), 'the id is rotated');
is(key_status()->{rotations}, $n, 'the rotation is counted');
is($gateway->request('GET', '/katalo/x-status/401')->status, 401,
   'Katalo rejects it');
ok($gateway->wait_for_log(qr/id "id$n" is rejected by Katalo/),
   'a line says so, with the new id');
is($gateway->status->{unattributed}, 4, 'all are counted');

my @ids = map { $_->{key_id} } @{ key_status()->{ids} };
ok(!(grep { $_ eq "id$n" } @ids), 'the id has no counts');


# one of the old ids is not in use any more

undef $_ for @hanging;
ok($gateway->wait_for_log(qr/id "id$n" are counted again/),
   'the id is counted when there is room');
is(answered(), 200, 'a request goes through');

my ($current) = grep { $_->{state} eq 'current' } @{ key_status()->{ids} };
is($current->{key_id}, "id$n", 'the id is current');
is($current->{requests}{total}, 1, 'the request is counted');
is(key_status()->{rotations}, $n, 'no rotation is counted');
is($gateway->status->{unattributed}, 4,
   'requests without an id stay unattributed');

my @errors = $gateway->read_file('logs/error.log')
             =~ /katalo_zone" is full/g;
is(scalar @errors, 1, 'the error was logged once');

done_testing();
