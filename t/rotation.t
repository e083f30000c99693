#!/usr/bin/perl

# A key is replaced and revoked while nginx runs.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Katalo::Test qw(:all);
use Katalo::Upstream qw(expects_auth);

my ($one, $two, $three) = map { new_key($_) } qw(one two three);
my $up = Katalo::Upstream->new(keys => [$one, $two]);

my $gateway = Katalo::Test->new(
    upstream => $up, workers => 2, keys => { production => $one },
    http => <<'EOC')->start;
    katalo_key production file:%KEY:production% check=100ms;
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

sub answer { $gateway->request('GET', '/katalo/usage/summary', @_)->status }

# replaces the file and waits until both workers have logged it
sub replace {
    my ($content, $line) = @_;

    $gateway->mark_log;
    $gateway->set_key(production => $content);
    ok($gateway->wait_for_log(qr/$line.*$line/s, 5),
       "both workers log: $line");
}

is(answer(), 200, 'the first key is accepted');

replace($two, 'is rotated from id "one" to "two"');
is(answer(), 200, 'the second key is accepted');

my @records = $up->received(2);
is_deeply([$up->auth($records[0])], [expects_auth($one)], 'one was sent');
is_deeply([$up->auth($records[1])], [expects_auth($two)], 'then two');

replace('', 'id "two" is revoked');
is(answer(), 503, 'no request is let through while the key is revoked');
is(scalar(@{[$up->received(2)]}), 2, 'nothing reached the upstream');

my ($key) = @{ $gateway->status->{keys} };
ok(!$key->{usable}, 'the status says that it is not usable');
is($key->{ids}[0]{state}, 'revoked', 'and that its id is revoked');
is($key->{denied}{no_key}, 1, 'the refusal is counted');

replace($one, 'is rotated from id "two" to "one"');
is(answer(), 200, 'a key is used as soon as there is one again');

replace("kat_live_no-dot\n", 'holds no key');
is(answer(), 200, 'the last good key stays');

replace($three, 'is rotated from id "one" to "three"');
is(answer(headers => ["Authorization: Bearer $one"]), 401,
   'a key that the upstream does not know is rejected');
ok($gateway->wait_for_log(qr/id "three" is rejected by Katalo/, 5),
   'the rejection is logged');
ok($gateway->wait_for_log(qr/client sent a Katalo key with id "one"/, 5),
   'the key that the client sent is logged by its id');

($key) = @{ $gateway->status->{keys} };
is($key->{rotations}, 3, 'a rotation counts once, whichever workers see it');
is($key->{read_failures}, 1, 'and so does a bad file');
ok($key->{rejected}, 'the status says that the key is rejected');
is_deeply({ map { $_->{key_id} => $_->{state} } @{ $key->{ids} } },
          { one => 'previous', two => 'previous', three => 'current' },
          'previous ids keep their slots');

lacks_secrets($gateway->error_log, 'no secret is in the error log');

done_testing();
