#!/usr/bin/perl

# An empty file revokes its key, until there is one again.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Katalo::Test qw(:all);
use Katalo::Upstream qw(expects_auth);

my ($one, $two) = map { new_key($_) } qw(one two);
my $up = Katalo::Upstream->new;

my $gateway = Katalo::Test->new(
    upstream => $up, workers => 2,
    keys => { production => $one, staging => $one }, http => <<'EOC')->start;
    katalo_key production file:%KEY:production% check=100ms;
    katalo_key staging file:%KEY:staging%;
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


sub ask { return $gateway->request('GET', '/katalo/usage/summary') }


sub both_log {
    my ($pattern, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return ok($gateway->wait_for_log(qr/$pattern.*$pattern/s), $name);
}


sub production { return $gateway->status->{keys}[0] }


# id => state
sub states {
    return { map { $_->{key_id} => $_->{state} } @{ production()->{ids} } };
}


is(ask()->status, 200, 'a request with the key');
$up->received(1);
$up->clear;

my $denied = 0;

for ([empty => ''], ['white space' => " \t\r\n \n"]) {
    my ($name, $content) = @$_;

    $gateway->mark_log;
    $gateway->set_key(production => $content);
    both_log('\[warn\].*"production" id "one" is revoked: "\S+" is empty',
             "$name: both workers warn");

    my $response = ask();
    $denied++;
    is($response->status, 503, "$name: 503");
    is($response->header('X-Katalo-Gateway'), 'no_key', 'for no_key');
    is(ask()->status, 503, 'whichever worker it is');
    is(production()->{denied}{no_key}, ++$denied, 'counted');
    ok(!production()->{usable}, 'the status says that it is not usable');
    is_deeply(states(), { one => 'revoked' }, 'and its id revoked');

    $gateway->mark_log;
    $gateway->set_key(production => "$one\n");
    both_log('\[notice\].*"production" id "one" is usable again',
             "$name: a key is there again");
    is(ask()->status, 200, 'and used');
    is_deeply(states(), { one => 'current' }, 'its id is current');
}

is(scalar $up->received(2), 2, 'nothing was sent while it was revoked');
is(production()->{rotations}, 0, 'that was no rotation');
is(production()->{read_failures}, 0, 'and no failure');

# in place, as `: > file` does it

$gateway->mark_log;
truncate $gateway->prefix . '/keys/production', 0;
both_log('"production" id "one" is revoked', 'an emptied file revokes, too');
is(ask()->status, 503, 'at once');

my ($code, $output) = $gateway->test_config;
is($code, 0, 'nginx -t takes it');
like($output, qr/\[warn\].*"katalo_key" "production" is revoked/,
     'with a warning');

ok($gateway->reload(gone => 1), 'a reload while it is revoked');
is(ask()->status, 503, 'leaves it revoked');
is_deeply(states(), { one => 'revoked' }, 'in the status as well');

$gateway->mark_log;
$gateway->set_key(production => $two);
both_log('"production" id "two" is usable', 'another key comes');
$up->clear;
is(ask()->status, 200, 'and is used');
is_deeply([map { $up->auth($_) } $up->received(1)], [expects_auth($two)],
          'that one');
is_deeply(states(), { one => 'previous', two => 'current' },
          'the revoked id is a previous one');

my ($staging) = grep { $_->{key} eq 'staging' }
                     @{ $gateway->status->{keys} };
ok($staging->{usable}, 'the other key was usable all along');

# revoked from the start

$gateway->stop;
$gateway->set_key(production => '');
$gateway->start;
is(ask()->status, 503, 'nginx starts without the key');
ok(!production()->{usable}, 'and says so');

$gateway->mark_log;
$gateway->set_key(production => $one);
both_log('"production" id "one" is usable', 'then a key comes');
is(ask()->status, 200, 'and is used');

lacks_secrets($gateway->read_file('logs/error.log'),
              'no secret is in the error log');

done_testing();
