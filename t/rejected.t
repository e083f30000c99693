#!/usr/bin/perl

# Katalo answers 401: the log says so, and the file is looked at at once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Katalo::Test qw(:all);
use Katalo::Upstream qw(expects_auth);

my %key = map { $_ => new_key($_) } qw(one two three);
my $up = Katalo::Upstream->new(keys => [$key{one}]);

my $gateway = Katalo::Test->new(
    upstream => $up, keys => { production => $key{one} },
    http => <<'EOC')->start;
    katalo_key production file:%KEY:production% check=1h;
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


sub ask {
    my ($path) = @_;

    return $gateway->request('GET', $path // '/katalo/usage/summary')->status;
}


sub lines {
    my ($pattern) = @_;

    return scalar grep { /$pattern/ } split /\n/, $gateway->error_log;
}


sub production { return $gateway->status->{keys}[0] }


is(ask(), 200, 'the key is accepted');
ok(!production()->{rejected}, 'the status says nothing else');

# revoked at Katalo, and the file stays as it is

$up->set_keys;
is(ask(), 401, 'the key is rejected');
ok($gateway->wait_for_log(qr/\[error\].*key "production" id "one" is rejected/),
   'an error names key and id');
ok(production()->{rejected}, 'the status says so');

is(ask(), 401, 'it is rejected again') for 1 .. 3;
is(lines('is rejected'), 1, 'which is logged once');

is(ask("/katalo/x-status/$_->[0]"), $_->[0], "$_->[0]$_->[1]")
    for [500, ': Katalo fails'], [503, ': or is too busy'];
ok(production()->{rejected}, 'which does not say that the key is accepted');

$up->set_keys($key{one});
is(ask(), 200, 'the key is accepted again');
ok($gateway->wait_for_log(qr/\[notice\].*"production" id "one" is accepted/),
   'which is a notice');
ok(!production()->{rejected}, 'and in the status');

is(ask('/katalo/x-status/403'), 403, '403 is about a request');
is(ask('/katalo/x-status/404'), 404, 'and so is 404');
is(ask(), 200, 'the key is good');
is(lines('is rejected'), 1, 'there is nothing to log');
is(lines('is accepted'), 1, 'nor here');

# rotated at Katalo: the file has the new one, an hour before the next look

$gateway->mark_log;
$up->set_keys($key{two});
$gateway->set_key(production => $key{two});
is(ask(), 401, 'the old key is rejected');
ok($gateway->wait_for_log(qr/"production" is rotated from id "one" to "two"/),
   'and the file is looked at at once');
is(ask(), 200, 'the new key is used');
ok($gateway->wait_for_log(qr/\[notice\].*"production" id "two" is accepted/),
   'recovery is a notice');
is(lines('is rejected'), 1, 'one error');
is(lines('is accepted'), 1, 'and one notice');

# the file follows later: each rejection after another key is a new one

$gateway->mark_log;
$up->set_keys($key{three});
is(ask(), 401, 'the second key is rejected');
is(lines('"two" is rejected'), 1, 'which is an error again');
is(lines('is rotated'), 0, 'there is no other key yet');

my ($two) = grep { $_->{key_id} eq 'two' } @{ production()->{ids} };
is($two->{responses}{401}, 1, 'counted under the id that was sent');

is(ask('/katalo/x-reset'), 502, 'a reset connection');
ok(production()->{rejected}, 'tells nothing about the key');

$gateway->set_key(production => $key{three});
ok(wait_until(sub { ask() == 200 }), 'a key that comes later is found');
ok($gateway->wait_for_log(qr/\[notice\].*"production" id "three" is accepted/),
   'and accepted');

lacks_secrets($gateway->error_log, 'no secret is in the error log');

done_testing();
