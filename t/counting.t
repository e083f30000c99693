#!/usr/bin/perl

# A request is counted where the key is attached, its answer by what the
# upstream's header said; whatever comes of it, once and exactly.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use IO::Select;

use Katalo::Test qw(:all);
use Katalo::Test::Port qw(free_port);
use Katalo::Test::Counts qw(counts counts_as);
use Katalo::Upstream;

my $key = new_key('prod1');
my $up = Katalo::Upstream->new(keys => [$key]);
my $gateway = Katalo::Test->new(
    upstream => $up, keys => { production => $key }, workers => 2,
    vars => { CLOSED => '127.0.0.1:' . free_port() }, http => <<'EOC');
    katalo_key production file:%KEY:production%;
    katalo_key unused file:%KEY:production%;
    katalo_bearer production;
    katalo_cooldown off;

    upstream app.katalo.ai { server 127.0.0.1:%UPSTREAM_PORT% max_fails=0; }
    upstream none.katalo.ai { server %CLOSED% max_fails=0; }

    proxy_ssl_trusted_certificate %CA%;

    # a reset of a connection that either worker has kept is tried again
    proxy_set_header Connection close;

    server {
        listen 127.0.0.1:%PORT%;

        location / { proxy_pass https://app.katalo.ai/api/v1/; }
        location /x-hang {
            proxy_pass https://app.katalo.ai/api/v1/x-hang;
            proxy_read_timeout 1s;
        }
        location /x-partial/hang {
            proxy_pass https://app.katalo.ai/api/v1/x-partial/hang;
            proxy_read_timeout 10s;
        }
        location /none/ { proxy_pass https://none.katalo.ai/api/v1/; }
        location /long/ {
            proxy_pass https://app.katalo.ai/api/v1/;
            postpone_output 0;
        }
        location /ignoring/ {
            proxy_pass https://app.katalo.ai/api/v1/;
            proxy_ignore_client_abort on;
            proxy_read_timeout 1s;
        }
        location = /status { katalo_status json; }
    }
EOC

$gateway->start;


sub adds {
    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return counts_as($gateway, @_);
}


sub get {
    my (@targets) = @_;

    return map { $gateway->request('GET', $_) } @targets;
}


# answers by status

my @single = qw(200 201 202 400 401 403 404 409 422 429 500 502 503 504);
my @classes = qw(203 204 206 299 301 302 304 307 399 402 405 418 451 499 501
                 505 599);
my (%single, %class);
$single{$_} = 1 for @single;
$class{substr($_, 0, 1) . 'xx'}++ for @classes;

adds('statuses of their own', { other => scalar @single }, \%single,
          sub { get(map { "/x-status/$_" } @single) });
adds('statuses by class', { other => scalar @classes }, \%class,
          sub { get(map { "/x-status/$_" } @classes) });
adds('operations',
          { create => 2, read => 2, usage => 1, billing => 1,
            regenerate => 1 },
          { 200 => 2, 400 => 3, 404 => 2 }, sub {
    get('/usage/summary', '/billing/events', '/source-assets/x',
        '/generations/x');
    $gateway->request('POST', $_, body => '{}')
        for '/source-assets', '/generations', '/generations/x/regenerate';
});


# no valid header, and a header without the rest

adds('a refused connection', { other => 1 }, { none => 1 },
          sub { get('/none/x') }, seen => 0);
adds($_, { other => 1 }, { none => 1 }, sub { get("/$_") })
    for qw(x-hang x-garbage x-reset x-close);
adds("a $_ answer", { other => 1 }, { 200 => 1 }, sub { get("/$_") })
    for qw(x-partial x-partial/reset x-partial/hang);

for my $location ('long', 'ignoring') {
    adds("$location: the client goes first", { other => 1 },
              { none => 1 }, sub {
        my $client = $gateway->connection;
        $client->write("GET /$location/x-hang HTTP/1.1\r\nHost: x\r\n\r\n");
        $up->received(1);
        $client->close;
    });
}

adds('the client goes during the answer', { other => 1 }, { 200 => 1 }, sub {
    my $client = $gateway->connection;
    $client->write("GET /long/x-partial/hang HTTP/1.1\r\nHost: x\r\n\r\n");
    IO::Select->new($client->{socket})->can_read(60);
    $client->close;
});

adds('a request in flight', { other => 1 }, { none => 1 }, sub {
    my $client = $gateway->connection;
    $client->write("GET /long/x-hang HTTP/1.1\r\nHost: x\r\n\r\n");
    $up->received(1);
    is($gateway->status->{keys}[0]{in_flight}, 1, 'it is shown');
    is($gateway->status->{keys}[1]{in_flight}, 0, 'with its key only');
    $client->close;
});


# what is refused, or another's

adds('a preflight', {}, {}, sub {
    $gateway->request('OPTIONS', '/usage/summary', headers => ['Origin: x']);
});
adds('a body that is too large', {}, {}, sub {
    $gateway->request('POST', '/generations', headers => [
        'Content-Length: 100000000']);
});

my $end = counts($gateway);
my $sum = 0;
$sum += $_ for values %{ $end->{responses} };
is($sum, $end->{total}, 'as many responses as requests');
is($end->{times}, $end->{total}, 'and as many times');
is($gateway->status->{keys}[1]{ids}[0]{requests}{total}, 0,
   'the other key has not been used');

done_testing();
