#!/usr/bin/perl

# After a 429 of Katalo, requests of the same key and class are refused.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::Clock;
use Katalo::Upstream;

use constant LONG => 50_000;

my @names = qw(one two three four five six seven eight nine ten eleven twelve);
my $key = new_key('prod1');
my $up = Katalo::Upstream->new(keys => [$key]);
my $clock = Katalo::Test::Clock->new;
my $proxy = 'proxy_pass https://app.katalo.ai/api/v1/;';
my $limited = 'usage/summary?x-rate-limit=' . LONG;

my $http = <<"EOC";
    @{[ map { "katalo_key $_ file:%KEY:$_% check=1h;\n" } @names ]}
    %KEPT_UPSTREAM%
    katalo_cooldown 1d;
    proxy_read_timeout 1h;
    log_format decision '\$request_uri \$status \$katalo_decision';
    access_log logs/decision.log decision;

    server {
        listen 127.0.0.1:%PORT%;
        listen 127.0.0.1:%TLS_PORT% ssl http2;
        ssl_certificate %CERT%;
        ssl_certificate_key %CERT_KEY%;
        location = /status { katalo_status; }

@{[ map { "location /$_/ { katalo_bearer $_; $proxy }\n" } @names ]}
        location /off/   { katalo_bearer one; katalo_cooldown off; $proxy }
        location /off2/  { katalo_bearer two; katalo_cooldown off; $proxy }
        location /short/ { katalo_bearer three; katalo_cooldown 100s; $proxy }
        location /auth/  { katalo_bearer one; $proxy auth_basic a;
                           auth_basic_user_file %PREFIX%/users; }
        location /deny/  { katalo_bearer one; $proxy deny all; }
        location /if/    { $proxy if (\$arg_if) { katalo_bearer one; } }
        location /if-off/ { katalo_bearer one; $proxy
                            if (\$arg_if) { katalo_bearer off; } }
        location /except/ { katalo_bearer one; $proxy
                            limit_except GET { allow all; } }
        location /page/  { katalo_bearer one; katalo_intercept_errors on;
                           error_page 429 =418 /page; $proxy }
        location = /page { return 200 "a page"; }
        location /other/ { katalo_bearer one; katalo_intercept_errors on;
                           error_page 429 = \@other; $proxy }
        location \@other { katalo_bearer twelve;
                           proxy_pass https://app.katalo.ai; }
    }
EOC
my $gateway = Katalo::Test->new(
    upstream => $up, keys => { map { $_ => $key } @names }, workers => 2,
    env => $clock->env, http => $http);

$gateway->write_file('users', "a:{PLAIN}a\n");
$gateway->start;


sub ask {
    my ($target, %option) = @_;

    return $gateway->request($option{method} // 'GET', "/$target", %option);
}


# "200", or "429 cooldown"
sub call {
    my $response = ask(@_);
    my $decision = $response->header('X-Katalo-Gateway');

    return join ' ', $response->status, grep { defined } $decision;
}


sub row {
    my ($name) = @_;
    my ($row) = grep { $_->{key} eq $name } @{ $gateway->status->{keys} };

    return $row;
}


# Which classes of the key cool, and whether for as long as that, less what the
# test has taken.
sub cools {
    my ($name, $time) = @_;
    my $cooldown = row($name)->{cooldown};

    return join ' ', map {
        my $left = $cooldown->{$_};
        $time && ($left > $time || $left < $time - 3000) ? "$_ $left" : $_;
    } sort keys %$cooldown;
}


# The cool-down begins right after its 429 is counted, which may be after the
# client has it.
sub ends {
    my ($name) = @_;

    return wait_until(sub {
        row($name)->{ids}[0]{responses}{429} && cools($name) eq '';
    });
}


is(cools('one'), '', 'nothing cools');
is(call('one/usage/summary'), '200', 'and all is sent');
is(call("one/$limited"), '429', "Katalo's 429 passes");
ok(wait_until(sub { cools('one', LONG) eq 'usage' }), 'its class cools');

$up->clear;
my $response = ask('one/billing/events');
my $left = $response->header('Retry-After');
my $error = $response->json->{error};

is($response->status, 429, 'another request of the class is refused');
is($response->header('X-Katalo-Gateway'), 'cooldown', 'by the gateway');
is($error->{code}, 'rate_limited', "with Katalo's code");
like($response->body, qr/"retryable":true,"retry_after":\d+}}$/, 'and form');
is($error->{retry_after}, $left, 'its time is that of the header');
ok($left <= LONG && $left > LONG - 3000, 'and what is left');
is($response->header('Cache-Control'), 'no-store', 'not to be stored');
is($response->header('Content-Type'), 'application/json', 'it is JSON');
is(call("one/usage/summary"), '429 cooldown', "worker or not") for 1 .. 12;
is(call('one/usage/summary', method => 'HEAD'), '429 cooldown', 'HEAD');
is(scalar $up->received, 0, 'nothing is sent');

is(call('one/generations/1'), '404', 'a read is sent');
is(call('one/generations', method => 'POST'), '400', 'a write is sent');
is(call('one/x-echo'), '200', 'anything else is sent');
is(call('two/usage/summary'), '200', 'and with another key');

my %class = ('POST generations' => 'write', 'POST source-assets' => 'write',
             'POST generations/1/regenerate' => 'write',
             'GET generations/1' => 'read', 'GET source-assets/1' => 'read',
             'GET usage/summary' => 'usage', 'GET billing/events' => 'usage',
             'PUT generations' => 'other');
my %key = (write => 'four', read => 'five', usage => 'six', other => 'seven');

for my $class (sort keys %key) {
    my ($begins) = grep { $class{$_} eq $class } sort keys %class;
    my ($method, $path) = split / /, $begins;

    is(call("$key{$class}/$path?x-rate-limit=" . LONG, method => $method),
       '429', "$class: $begins begins");
    ok(wait_until(sub { cools($key{$class}, LONG) eq $class }),
       "$class cools, alone");

    for my $other (sort keys %class) {
        my ($verb, $where) = split / /, $other;

        if ($class{$other} eq $class) {
            is(call("$key{$class}/$where", method => $verb), '429 cooldown',
               "$class: $other is refused");
        } else {
            unlike(call("$key{$class}/$where", method => $verb), qr/cooldown/,
                   "$class: $other is sent");
        }
    }
}

# who must not learn of it, or has another reason

is(call('one/usage/summary', headers => ['Origin: a']), '403 browser',
   'a browser comes first');
is(call('auth/usage/summary'), '401', 'access control comes first');
is(call('auth/usage/summary', headers => ['Authorization: Basic YTph']),
   '429 cooldown', 'a client that is known is told');
is(call('deny/usage/summary'), '403', 'one that may not come is not');

my $client = $gateway->connection;
$client->write("POST /seven/usage HTTP/1.1\r\nHost: a\r\n"
               . "Content-Length: 100000\r\n\r\n");
$response = $client->read_response('POST');
is($response->header('X-Katalo-Gateway'), 'cooldown',
   'a body is not waited for');

$client = $gateway->connection;
is(join(' ', map { $client->request('GET', $_)->status }
             '/one/usage/summary', '/one/x-echo', '/one/usage/summary',
             '/two/usage/summary'), '429 200 429 200',
   'the connection of a client is kept');

# locations

is(call('off/usage/summary'), '200', 'off does not obey');
is(call("off2/$limited"), '429', 'nor begin');
is(call('two/usage/summary'), '200', 'as is seen elsewhere');
is(call("short/$limited"), '429', 'a limit of a location');
ok(wait_until(sub { row('three')->{cooldown}{usage} }), 'it cools');
ok(row('three')->{cooldown}{usage} <= 100, 'not longer than that');
is(call('if/usage/summary?if=1'), '429 cooldown', 'an if with a key');
is(call('if/usage/summary'), '401', 'without one it is sent');
is(call('if-off/usage/summary'), '429 cooldown', 'around an if without a key');
is(call('if-off/usage/summary?if=1'), '401', 'which is sent');
is(call("except/$limited", method => 'POST'), '429', 'limit_except begins');
ok(wait_until(sub { cools('one', LONG) eq 'other usage' }), 'one');
is(call('except/generations', method => 'PUT'), '429 cooldown', 'and obeys');

$response = ask('page/usage/summary');
is($response->status . ' ' . $response->body, '418 a page',
   'katalo_intercept_errors applies');
is($response->header('X-Katalo-Gateway'), 'cooldown', 'with its reason');
ok($response->header('Retry-After') > LONG - 3000, 'and time');
$response = ask('other/usage/summary');
is(join(' ', $response->status, map { $response->header($_) // '-' }
             qw(X-Katalo-Gateway Retry-After)), '404 - -',
   'another key may be tried instead');

# several at once: the longest time counts

my @clients = map { $gateway->connection } 1 .. 3;
$up->clear;
$clients[$_]->write("GET /eight/usage/summary?x-hold&x-rate-limit="
                    . (LONG, 10, 20)[$_] . " HTTP/1.1\r\nHost: a\r\n\r\n")
    for 0 .. 2;
$up->received(3);
$up->release;
is(join(' ', map { $_->read_response('GET')->status } @clients), '429 429 429',
   'requests under way get their own answers');
ok(wait_until(sub { cools('eight', LONG) eq 'usage' }), 'it only grows');

is(call('nine/usage/summary?x-rate-limit=1'), '429', 'a short one');
ok(ends('nine'), 'it ends');
is(call('nine/usage/summary'), '200', 'and all is sent');
is(call("nine/$limited"), '429', 'another one');
ok(wait_until(sub { call('nine/usage/summary') eq '429 cooldown' }), 'begins');

is(call("ten/$limited", method => 'HEAD'), '429', 'a 429 to HEAD');
ok(ends('ten'), 'without a time it ends soon');
is(call('ten/usage/summary?x-status=429&x-header=Retry-After:' . LONG,
        method => 'HEAD'), '429', 'and one with a header');
ok(wait_until(sub { cools('ten', LONG) eq 'usage' }), 'begins');

SKIP: {
    skip 'no HTTP/2', 1 if !has_feature('v2') || !curl_has('HTTP2');

    is(curl('--http2', $gateway->tls_url('/one/usage/summary'))
       ->header('X-Katalo-Gateway'), 'cooldown', 'HTTP/2: refused');
}

# the clock, reloads, rotations

$clock->set($_), is(call('one/usage/summary'), '429 cooldown',
                    "the clock goes $_ s") for -100_000, 100_000;
$clock->set(0);

ok($gateway->reload(gone => 1), 'a reload');
is(call('one/usage/summary'), '429 cooldown', 'keeps it') for 1 .. 6;
is(cools('one', LONG), 'other usage', 'all of it');

my $new = new_key('prod2');
$up->set_keys($key, $new);
$client = $gateway->connection;
$up->clear;
$client->write("GET /eleven/usage/summary?x-hold&x-rate-limit=" . LONG
               . " HTTP/1.1\r\nHost: a\r\n\r\n");
$up->received(1);
$gateway->set_key($_ => $new) for qw(one eleven);
ok($gateway->reload, 'a rotation');
is(call('one/usage/summary'), '200', 'ends it') for 1 .. 6;
$up->release;
is($client->read_response('GET')->status, 429, 'a 429 to the old id');
is(call('eleven/usage/summary'), '200', 'is nothing to the new one') for 1 .. 6;
is(cools('one') . cools('eleven'), '', 'as the status knows');

# figures

my $text = ask('status?format=prometheus')->body;

like($text,
     qr/^katalo_key_cooldown_seconds\{key="four",class="write"\} \d{5}$/m,
     'a metric has the seconds');
like($text, qr/^katalo_key_cooldown_seconds\{key="four",class="read"\} 0$/m,
     'of each class');
my $denied = row('four')->{denied}{cooldown};
call('four/generations', method => 'POST') for 1 .. 3;
is(row('four')->{denied}{cooldown}, $denied + 3, 'refusals are counted');
like($gateway->read_file('logs/decision.log'),
     qr{^/four/generations 429 cooldown$}m, 'the decision can be logged');
unlike($gateway->error_log, qr/\[(?:alert|crit|emerg)\]/, 'nothing went wrong');
lacks_secrets($gateway->error_log, 'the error log shows no key');

done_testing();
