#!/usr/bin/perl

# A variable of katalo_bearer that names no key: what the client gets, what is
# counted and what is logged.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Digest::SHA qw(sha256_hex);

use Katalo::Test qw(:all);
use Katalo::Test::Metrics qw(metrics);
use Katalo::Upstream;

my $key = new_key('prod1');
my $up = Katalo::Upstream->new(keys => [$key]);
my $gateway = Katalo::Test->new(
    upstream => $up, keys => { production => $key, empty => '' },
    http => <<'EOC')->start;
    katalo_key production file:%KEY:production%;
    katalo_key empty file:%KEY:empty%;
    %UPSTREAM%
    server {
        listen 127.0.0.1:%PORT%;
        location /katalo/ {
            katalo_bearer $http_x_key;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
        location = /status { katalo_status; }
    }
EOC


sub refused {
    my ($title, $name, @expected) = @_;
    my $response = $gateway->request('GET', '/katalo/usage/summary',
        headers => [defined $name ? ['X-Key', $name] : ()]);
    my $error = (eval { $response->json } // {})->{error} // {};

    is_deeply([$response->status, $response->header('X-Katalo-Gateway'),
               $error->{code}, $error->{retryable} ? 'retry' : 'final'],
              [$expected[0], 'no_key', @expected[1, 2]], $title);

    return $error->{message};
}


sub denied { return $gateway->status->{denied}{no_key} }


# lines of the error log that tell of such a name, without their ends
sub logged {
    return map { /\[(\w+)\].*katalo: (.*?), client: / ? "$1: $2" : () }
               split /\n/, $gateway->error_log;
}


is_deeply($gateway->status->{denied}, { no_key => 0 }, 'none so far');

like(refused('an empty name', undef, 403, qw(forbidden final)),
     qr/nobody gave this client/, 'the message says that nobody gave it a key');
like(refused('the name off', 'off', 403, qw(forbidden final)),
     qr/nobody gave this client/, 'and of "off" too');
unlike(refused('a key that is not declared', 'staging', 503,
               qw(unavailable final)),
       qr/nobody gave/, 'the message does not say so of an unknown name');
like(refused('a key that is revoked', 'empty', 503, qw(unavailable retry)),
     qr/at present/, 'nor of a revoked one');

is(denied(), 3, 'those without a declared key are counted together');
is($gateway->status->{keys}[1]{denied}{no_key}, 1, 'a revoked one by its name');

my $metrics = metrics($gateway->request('GET', '/status?format=prometheus')
                              ->body);
is_deeply($metrics->{faults}, [], 'the metrics are well-formed');
is($metrics->{series}{'katalo_denied_total{key="",reason="no_key"}'}, 3,
   'and have them with an empty key');

is_deeply([logged()],
    ['warn: nobody gave this client a key: "$http_x_key" in "katalo_bearer" '
     . 'is ""',
     'warn: nobody gave this client a key: "$http_x_key" in "katalo_bearer" '
     . 'is "off"',
     'error: "$http_x_key" in "katalo_bearer" names the key "staging", there '
     . 'is no "katalo_key" of that name'],
    'each is logged');

$gateway->mark_log;
refused('again', 'staging', 503, qw(unavailable final));
is_deeply([logged()], [], 'a name is logged once a minute');


# what a client can make of it

my %shown = (
    'x' x 1000 => 'x' x 95 . '~' . substr(sha256_hex('x' x 1000), 0, 32),
    "\xe4\x7f" => "\xc2\xa7e4\xc2\xa77f", new_key('client') => 'kat_live_...',
    'Bearer ' . uc(new_key('client')) => 'kat_live_...');

for my $name (sort keys %shown) {
    $gateway->mark_log;
    refused('a strange name', $name, 503, qw(unavailable final));
    is_deeply([map { /names the key "(.*)", there/ } logged()], [$shown{$name}],
              'is shown in bounds');
}

$gateway->mark_log;
refused('one of many', "flood$_", 503, qw(unavailable final)) for 1 .. 40;
cmp_ok(scalar(my @lines = logged()), '<=', 16, 'many names have few lines');
is(denied(), 4 + keys(%shown) + 40, 'all are counted');


# what is refused for another reason is not counted as this

$gateway->request('GET', '/katalo/usage/summary',
                  headers => ['X-Key: staging', 'Origin: null']);
is(denied(), 4 + keys(%shown) + 40, 'a browser is refused as such');

my $before = denied();
ok($gateway->reload(gone => 1), 'a reload');
is(denied(), $before, 'keeps the count');
refused('after a reload', 'staging', 503, qw(unavailable final));
is(denied(), $before + 1, 'and goes on with it');
$gateway->kill_worker;
is(denied(), $before + 1, 'as does a killed worker');

lacks_secrets($gateway->read_file('logs/error.log'),
              'no secret is in the error log');
is(scalar $up->received, 0, 'and nothing was sent');

done_testing();
