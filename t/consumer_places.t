#!/usr/bin/perl

# More workers than the zone has places for: when one is killed, another one of
# its place goes on with what it counts, and nothing of it is lost.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::Debugger;
use Katalo::Upstream;

# of one worker there are four stripes with eight places each
use constant PLACES => 32;

my $up = Katalo::Upstream->new;
my $gateway = Katalo::Test->new(
    upstream => $up, keys => { production => new_key() },
    http => gateway_http(http => <<'EOC', server => <<'EOS'))->start;
    proxy_read_timeout 1h;
    map $http_x_user $user { default $http_x_user; }
EOC
        location /named/ {
            katalo_bearer production;
            katalo_consumer $user;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
EOS

my @clients;


sub hang {
    my $client = $gateway->connection;

    $client->write("GET /named/x-hang HTTP/1.1\r\nHost: x\r\n"
                   . "X-User: alice\r\n\r\n");
    push @clients, $client;
    $up->received(scalar @clients);

    return;
}


sub in_flight { return $gateway->status->{keys}[0]{in_flight} }


sub totals {
    my ($data) = @{ $gateway->status->{keys} };

    return { map { $_->{consumer} => $_->{requests}{total} }
                 @{ $data->{consumers} } };
}


# the first worker and the last one have the same place

my ($first) = $gateway->worker_pids;

for (1 .. PLACES) {
    hang();
    $gateway->reload or die "a reload was refused\n";
}

is(in_flight(), PLACES, 'each old worker has a request in flight');

my $gdb = Katalo::Test::Debugger->new(
    $first, 'break ngx_http_katalo_consumed_finish', 'continue');

(shift @clients)->close;
ok($gdb->reached, 'the first worker counts for a consumer')
    or diag($gdb->output);

$gateway->kill_worker;
is(in_flight(), PLACES, 'the last one is killed: all are in flight still');

$gdb->release;
ok(wait_until(sub { !kill 0, $first }), 'the first one ends');
ok(wait_until(sub { in_flight() == PLACES - 1 }), 'with its request');

is($gateway->request('GET', '/katalo/usage/summary')->status, 200,
   'a request without a consumer');
ok(wait_until(sub { (totals()->{''} // 0) == 1 }), 'is shown');

$_->close for @clients;
my ($data) = @{ $gateway->settled_status->{keys} };

is_deeply(totals(), { alice => PLACES, '' => 1 }, 'consumers are exact');
is($data->{ids}[0]{responses}{none}, PLACES, 'as the id is');

done_testing();
