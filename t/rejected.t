#!/usr/bin/perl

# Katalo answers 401: an error is logged, and the key file is read immediately.

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
    http => gateway_http(key => 'check=1h',
                         http => 'katalo_cooldown off;'))->start;


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
ok(!production()->{rejected}, 'the status does not show it as rejected');

# revoked at Katalo, and the file stays as it is

$up->set_keys;
is(ask(), 401, 'the key is rejected');
ok($gateway->wait_for_log(qr/\[error\].*key "production" id "one" is rejected/),
   'an error names key and id');
ok(production()->{rejected}, 'the status shows the key as rejected');

is(ask(), 401, 'the key is rejected again') for 1 .. 3;
is(lines('is rejected'), 1, 'repeated rejections are logged once');

is(ask('/katalo/x-reset'), 502, 'a reset connection');
ok(production()->{rejected}, 'is no answer of Katalo');

$up->set_keys($key{one});
is(ask(), 200, 'the key is accepted again');
ok($gateway->wait_for_log(qr/\[notice\].*"production" id "one" is accepted/),
   'a notice is logged');
ok(!production()->{rejected}, 'the status shows the key as accepted');

for my $status (204, 301, 403, 429, 500, 503) {
    $gateway->mark_log;
    is(ask('/katalo/x-status/401'), 401, 'the key is rejected once more');
    ok($gateway->wait_for_log(qr/id "one" is rejected/), 'and logged');
    is(ask("/katalo/x-status/$status"), $status, "then $status");
    ok($gateway->wait_for_log(qr/id "one" is accepted/),
       'is another answer of Katalo');
    ok(!production()->{rejected}, 'which ends the rejection');
}

$gateway->mark_log;

is(ask('/katalo/x-status/403'), 403, '403 is about the request');
is(ask('/katalo/x-status/404'), 404, '404 is about the request');
is(ask(), 200, 'the key is good');
is(lines('is rejected'), 0, 'no further rejection is logged');
is(lines('is accepted'), 0, 'no further acceptance is logged');

# rotated at Katalo: the file has the new one, an hour before the next look

$gateway->mark_log;
$up->set_keys($key{two});
$gateway->set_key(production => $key{two});
is(ask(), 401, 'the old key is rejected');
ok($gateway->wait_for_log(qr/"production" is rotated from id "one" to "two"/),
   'the file is read immediately');
is(ask(), 200, 'the new key is used');
ok($gateway->wait_for_log(qr/\[notice\].*"production" id "two" is accepted/),
   'a notice says that the key is accepted');
is(lines('is rejected'), 1, 'one error is logged');
is(lines('is accepted'), 1, 'one notice is logged');

# the file follows later: each rejection after another key is a new one

$gateway->mark_log;
$up->set_keys($key{three});
is(ask(), 401, 'the second key is rejected');
ok($gateway->wait_for_log(qr/"two" is rejected/), 'another error is logged');
is(lines('is rejected'), 1, 'once');
is(lines('is rotated'), 0, 'the key file has not changed yet');

my ($two) = grep { $_->{key_id} eq 'two' } @{ production()->{ids} };
is($two->{responses}{401}, 1, 'counted under the id that was sent');

is(ask('/katalo/x-reset'), 502, 'a reset connection');
ok(production()->{rejected}, 'a reset leaves the key rejected');

$gateway->set_key(production => $key{three});
ok(wait_until(sub { ask() == 200 }), 'a key that comes later is found');
ok($gateway->wait_for_log(qr/\[notice\].*"production" id "three" is accepted/),
   'the new key is accepted');

lacks_secrets($gateway->error_log, 'no secret is in the error log');

done_testing();
