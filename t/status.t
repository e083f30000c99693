#!/usr/bin/perl

# The JSON of katalo_status: the members that its documentation lists and no
# other, for every key, used or not.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use JSON::PP qw(decode_json);

use Katalo::Test qw(:all);
use Katalo::Upstream;

my %key = (production => new_key('prod1'), unused => new_key('idle-1_x'),
           empty => '', KATALO => new_key('env1'), sys => new_key('sys1'));
my $up = Katalo::Upstream->new;
my $gateway = Katalo::Test->new(
    upstream => $up, keys => \%key, workers => 2,
    env => { KATALO_KEY => $key{KATALO} }, http => <<'EOC');
    katalo_key production file:%KEY:production% check=100ms;
    katalo_key unused file:%KEY:unused%;
    katalo_key empty file:%KEY:empty%;
    katalo_key a.b-c_d env:KATALO_KEY;
    katalo_key sys credential:sys;
    katalo_operation cancel DELETE ~/generations/[^/]+$;
    %UPSTREAM%
    server {
        listen 127.0.0.1:%PORT%;
        location / {
            katalo_bearer production;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
        location /empty/ {
            katalo_bearer empty;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
        location = /status { katalo_status; }
        location = /json { katalo_status json; }
        location /inner/ { katalo_status json; }
    }
EOC

$gateway->{env}{CREDENTIALS_DIRECTORY} = $gateway->prefix . '/keys';
$gateway->start;


# the answer itself

my $response = $gateway->request('GET', '/status');
is($response->status, 200, 'it is answered');
is($response->header('Content-Type'), 'application/json', 'with JSON');
is_deeply([$response->header('Cache-Control')], ['no-store'],
          'that is not stored');
ok($response->complete, 'to its end');
like($response->body, qr/\}\n\z/, 'and a line end');
is($gateway->request('GET', '/inner/x')->status, 200, 'in any location');

my $head = $gateway->request('HEAD', '/status');
is($head->status, 200, 'HEAD is answered');
is($head->header('Cache-Control'), 'no-store', 'with the same headers');
is($head->body, '', 'and no body');
is($gateway->request($_, '/status', body => 'x')->status, 405,
   "$_ is not allowed") for qw(POST PUT DELETE);
is($gateway->request('GET', '/status', body => 'x' x 10_000)->status, 200,
   'a body is ignored');

is($gateway->request('GET', "/status?format=$_")->status, 400,
   "format=$_ is refused") for 'xml', 'JSON', '', 'jso', 'json%20', 'jsonx';
is($gateway->request('GET', "$_?format=json")->json->{keys}[0]{key},
   'production', "$_ with format=json") for '/status', '/json';
is($gateway->request('GET', '/json', headers => ["Accept: $_"])
           ->header('Content-Type'), 'application/json',
   "where the format is given, Accept: $_ changes nothing")
    for 'text/html', 'text/plain', '*/*', 'image/png';
is(decode_json($gateway->request('GET', '/json', http => '1.0')->body)
   ->{keys}[0]{key}, 'production', 'HTTP/1.0');


# shape: a scalar is a pattern, an array has one element for all

my $count = qr/\A\d+\z/;
my $time = qr/\A2\d\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ\z/;
my $ever = qr/\A(?:|2\d\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ)\z/;

my @statuses = (qw(200 201 202 400 401 403 404 409 422 429 500 502 503 504),
                qw(2xx 3xx 4xx 5xx none));
my @reasons = qw(preflight browser operation no_key idempotency consumer
                 cooldown destination browser_reported);
my @operations = qw(create read regenerate usage billing other cancel total);

sub each_counts { return { map { $_ => $count } @_ } }

my $shape = {
    time => $time, version => qr/\A\d+\.\d+\.\d+\z/,
    denied => { no_key => $count },
    unattributed => $count,
    keys => [{
        key => qr/\A[\w.-]+\z/, source => qr/\A(?:file|env|credential)\z/,
        usable => 'boolean', rejected => 'boolean',
        source_ok => 'boolean', reload_only => 'boolean',
        leaked_key_seen => $ever,
        denied => each_counts(@reasons),
        client_credentials => each_counts(qw(stripped katalo_key)),
        in_flight => $count, rotations => $count, read_failures => $count,
        cooldown => each_counts(qw(write read usage other)),
        ids => [{
            key_id => qr/\A[\w-]+\z/,
            state => qr/\A(?:current|previous|revoked)\z/,
            requests => each_counts(@operations),
            responses => each_counts(@statuses),
            retries => $count, bytes => each_counts(qw(sent received)),
            first_used => $ever, last_used => $ever,
            upstream_seconds => {
                sum => qr/\A\d+(?:\.\d+)?\z/, count => $count,
                buckets => [{ le => qr/\A(?:[\d.]+|\+Inf)\z/,
                              count => $count }],
            },
        }],
        consumers => [{
            consumer => qr/\A[ -~]*\z/,
            requests => each_counts(@operations),
            responses => each_counts(qw(2xx 3xx 4xx 429 5xx none)),
            first_used => $ever, last_used => $ever,
        }],
    }],
    upstreams => [{
        host => qr/\A[\w.-]+\z/, addresses => $count, resolved => $ever,
        failures => $count,
    }],
};


# What is wrong with a value, by its path; zeros may be left out.
sub faults {
    my ($value, $expected, $path) = @_;

    if (ref $expected eq 'HASH') {
        return "$path is no object" if ref $value ne 'HASH';

        my %optional = map { $_ => 1 }
                       grep { ref $expected->{$_} eq 'Regexp'
                              && $expected->{$_} eq $count } keys %$expected;

        return (map { "$path.$_ is unknown" }
                grep { !exists $expected->{$_} } sort keys %$value),
               (map { exists $value->{$_}
                      ? faults($value->{$_}, $expected->{$_}, "$path.$_")
                      : $optional{$_} ? () : "$path.$_ is missing" }
                sort keys %$expected);
    }

    if (ref $expected eq 'ARRAY') {
        return "$path is no array" if ref $value ne 'ARRAY';
        return map { faults($value->[$_], $expected->[0], $path . "[$_]") }
               0 .. $#$value;
    }

    if ($expected eq 'boolean') {
        return JSON::PP::is_bool($value) ? () : "$path is no boolean";
    }

    return ($value // '') =~ $expected ? () : "$path is wrong";
}


sub has_shape {
    my ($title) = @_;
    my $response = $gateway->request('GET', '/status');

    is_deeply([faults($response->json, $shape, 'status')], [], $title);
    lacks_secrets($response->body, "$title: no secret");

    return $response->json;
}


my $fresh = has_shape('before any request');
is_deeply([map { $_->{key} } @{ $fresh->{keys} }],
          [qw(production unused empty a.b-c_d sys)],
          'every key has its entry, in the order of the configuration');
is_deeply([map { $_->{source} } @{ $fresh->{keys} }],
          [qw(file file file env credential)], 'with its source');
is_deeply([map { $_->{usable} ? 1 : 0 } @{ $fresh->{keys} }], [1, 1, 0, 1, 1],
          'and whether it is usable');
is_deeply([map { $_->{ids}[0]{key_id} } @{ $fresh->{keys} }],
          ['prod1', 'idle-1_x', undef, 'env1', 'sys1'], 'and its id');
is_deeply([grep { defined } map { @$_{qw(first_used last_used)} }
           map { @{ $_->{ids} } } @{ $fresh->{keys} }], [],
          'none of them was ever used');

$gateway->request($_->[0], $_->[1])
    for ['GET', '/usage/summary'], ['DELETE', '/generations/x'],
        ['GET', '/x-status/503/x-slow/30'];
$gateway->request('GET', '/empty/x');
$gateway->request('OPTIONS', '/x', headers => ['Origin: https://a.example']);
$gateway->request('GET', '/x', headers => ['Cookie: a=b']);

$gateway->settled_status;
my $used = has_shape('after some');
my ($id) = @{ $used->{keys}[0]{ids} };
my %some = map { $_ => $id->{requests}{$_} } grep { $id->{requests}{$_} }
                                            keys %{ $id->{requests} };
is_deeply(\%some, { total => 4, usage => 1, cancel => 1, other => 2 },
          'requests by operation');
is($id->{responses}{503}, 1, 'responses by status');
is($used->{keys}[0]{denied}{preflight}, 1, 'refusals by reason');
is($used->{keys}[2]{denied}{no_key}, 1, 'of a revoked key too');
is($used->{keys}[0]{client_credentials}{stripped}, 1, 'client credentials');
is($id->{first_used} le $id->{last_used}, 1, 'first and last use in order');
is_deeply($used->{keys}[1], $fresh->{keys}[1], 'an unused key is as it was');

my @buckets = @{ $id->{upstream_seconds}{buckets} };
is_deeply([map { $_->{count} } @buckets],
          [sort { $a <=> $b } map { $_->{count} } @buckets],
          'buckets are cumulative');
is($buckets[-1]{le}, '+Inf', 'the last has no bound');
is($buckets[-1]{count}, 4, 'and counts all');
is($id->{upstream_seconds}{count}, 4, 'as the count says');
cmp_ok($id->{upstream_seconds}{sum}, '>=', 0.03, 'the sum is in seconds');


# several ids

$gateway->set_key(production => new_key('prod2'));
ok(wait_until(sub {
    $gateway->status->{keys}[0]{ids}[0]{key_id} eq 'prod2';
}), 'another id, listed first');
my $rotated = has_shape('with two ids');
is_deeply([map { "$_->{key_id} $_->{state}" } @{ $rotated->{keys}[0]{ids} }],
          ['prod2 current', 'prod1 previous'], 'each with its state');
is($rotated->{keys}[0]{rotations}, 1, 'a rotation');
is($rotated->{keys}[0]{ids}[1]{requests}{total}, 4, 'with its own counts');

$gateway->set_key(production => '');
ok(wait_until(sub { !$gateway->status->{keys}[0]{usable} }), 'a revoked key');
is(has_shape('with a revoked id')->{keys}[0]{ids}[0]{state}, 'revoked',
   'its id is that too');

done_testing();
