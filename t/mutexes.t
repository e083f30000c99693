#!/usr/bin/perl

# A worker is killed with the mutex of the consumers, while another one has that
# of the zone and waits, and the master waits for the latter in a reload.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Time::HiRes qw(sleep);

use Katalo::Test qw(:all);
use Katalo::Test::Debugger;
use Katalo::Upstream;

# many times what it takes a process to get to where it waits
use constant MOMENT => 1;

my $up = Katalo::Upstream->new;
my $gateway = Katalo::Test->new(
    upstream => $up, keys => { production => new_key() }, workers => 2,
    http => gateway_http(http => <<'EOC', server => <<'EOS'))->start;
    map $http_x_user $user { default $http_x_user; }
EOC
        katalo_consumer $user;
EOS

my ($victim) = $gateway->worker_pids;
my $gdb = Katalo::Test::Debugger->new(
    $victim, 'break ngx_http_katalo_consumers_do', 'continue');


sub send_request {
    my ($path, $user) = @_;
    my $client = $gateway->connection;

    $client->write("GET $path HTTP/1.1\r\nHost: x\r\nX-User: $user\r\n\r\n");

    return $client;
}


my @clients;

ok(wait_until(sub {
    push @clients, send_request('/katalo/usage/summary', scalar @clients);
    sleep 0.1;
    return -e "$gdb->{dir}/reached";
}), 'a worker has the mutex of the consumers');

push @clients, send_request('/status?format=json', '');
sleep MOMENT;

$gateway->mark_log;
$gateway->signal('HUP');
sleep MOMENT;
$gdb->kill;

ok($gateway->wait_for_log(qr/start worker process /),
   'the reload goes on when it is killed');
is($gateway->request('GET', '/katalo/usage/summary',
                     headers => ['X-User: last'])->status,
   200, 'and the new workers serve');

done_testing();
