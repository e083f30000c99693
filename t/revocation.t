#!/usr/bin/perl

# An empty key file revokes the key until a valid key is written.

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
    keys => { production => $one, staging => $one },
    http => gateway_http(
        key => 'check=100ms', http => 'katalo_key staging file:%KEY:staging%;',
        server => <<'EOC'))->start;
        location /caught/ {
            katalo_bearer production;
            error_page 500 503 =200 /page;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
        location = /page { return 200 "a page"; }
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
    is($response->header('X-Katalo-Gateway'), 'no_key',
       'the decision is no_key');
    is(ask()->status, 503, 'the next request gets 503');
    is(production()->{denied}{no_key}, ++$denied, 'refusals are counted');
    ok(!production()->{usable}, 'the status says that it is not usable');
    is_deeply(states(), { one => 'revoked' }, 'the id is revoked');

    $gateway->mark_log;
    $gateway->set_key(production => "$one\n");
    both_log('\[notice\].*"production" id "one" is usable again',
             "$name: a key is there again");
    is(ask()->status, 200, 'the key is used');
    is_deeply(states(), { one => 'current' }, 'the id is current');
}

is(scalar $up->received(2), 2, 'nothing was sent while it was revoked');
is(production()->{rotations}, 0, 'no rotation is counted');
is(production()->{read_failures}, 0, 'no read failure is counted');

# truncated in place, as by `: > file`

$gateway->mark_log;
truncate $gateway->prefix . '/keys/production', 0;
both_log('"production" id "one" is revoked',
         'a truncated file revokes the key');
is(ask()->status, 503, 'the request gets 503');

my ($code, $output) = $gateway->test_config;
is($code, 0, 'nginx -t accepts an empty file');
like($output, qr/\[warn\].*"katalo_key" "production" is revoked/,
     'nginx -t warns of the empty file');

ok($gateway->reload(gone => 1), 'a reload while it is revoked');
is(ask()->status, 503, 'the key stays revoked after a reload');
is_deeply(states(), { one => 'revoked' }, 'the status shows it as revoked');

$gateway->mark_log;
$gateway->set_key(production => $two);
both_log('"production" id "two" is usable', 'another key comes');
$up->clear;
is(ask()->status, 200, 'the request is answered');
is_deeply([map { $up->auth($_) } $up->received(1)], [expects_auth($two)],
          'the new key is sent');
is_deeply(states(), { one => 'previous', two => 'current' },
          'the revoked id is a previous one');

my ($staging) = grep { $_->{key} eq 'staging' }
                     @{ $gateway->status->{keys} };
ok($staging->{usable}, 'the other key was usable all along');

# revoked while the body of a request is read

for my $case (['POST', '/katalo/generations'], ['HEAD', '/katalo/generations'],
              ['POST', '/caught/generations'])
{
    my ($method, $target) = @$case;
    my $client = $gateway->connection;

    $up->clear;
    $denied = production()->{denied}{no_key};

    $client->write("$method $target HTTP/1.1\r\nHost: x\r\n"
                   . "Content-Length: 2\r\n\r\na");
    ok(wait_until(sub { $gateway->request('GET', '/status') }), 'a request');
    $gateway->mark_log;
    $gateway->set_key(production => '');
    both_log('"production" id "two" is revoked',
             'the key is revoked meanwhile');
    $client->write('b');

    my $response = $client->read_response($method);
    is($response->status, 503, "$method $target gets 503");
    is($response->header('X-Katalo-Gateway'), 'no_key',
       'the decision is no_key');
    is($response->header('Content-Type'), 'application/json',
       'the type is JSON');

    is($response->json->{error}{code}, 'unavailable',
       'the body has the envelope')
        if $method ne 'HEAD';

    is(scalar $up->received, 0, 'nothing is sent');
    is(production()->{denied}{no_key}, $denied + 1, 'counted once');
    is(production()->{in_flight}, 0, 'none is in flight');

    $gateway->mark_log;
    $gateway->set_key(production => $two);
    both_log('"production" id "two" is usable', 'the key comes back');
}

# revoked from the start

$gateway->stop;
$gateway->set_key(production => '');
$gateway->start;
is(ask()->status, 503, 'nginx starts without the key');
ok(!production()->{usable}, 'the status shows the key as not usable');

$gateway->mark_log;
$gateway->set_key(production => $one);
both_log('"production" id "one" is usable', 'a key is written');
is(ask()->status, 200, 'the new key is used');

lacks_secrets($gateway->read_file('logs/error.log'),
              'no secret is in the error log');

done_testing();
