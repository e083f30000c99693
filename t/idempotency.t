#!/usr/bin/perl

# Idempotency-Key of what creates something: passed, added, or required.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use JSON::PP qw(encode_json);

use Katalo::Test qw(:all);
use Katalo::Test::Preload;
use Katalo::Upstream;

my %directives = (
    pass => '',
    passed => 'katalo_idempotency pass;',
    add => 'katalo_idempotency add;',
    require => 'katalo_idempotency require;',
    alone => 'katalo_idempotency require; proxy_pass_request_headers off;',
    'own-add' => 'katalo_idempotency add; '
                 . 'proxy_set_header idempotency-key $arg_own;',
    'own-require' => 'katalo_idempotency require; '
                     . 'proxy_set_header Idempotency-Key $arg_own;',
    stripped => 'katalo_idempotency add; katalo_strip Idempotency-Key;',
    refused => 'katalo_idempotency require; katalo_strip IDEMPOTENCY-KEY;',
    order => 'katalo_idempotency require; katalo_bearer revoked;',
    page => 'katalo_idempotency require; katalo_intercept_errors on; '
            . 'error_page 400 =418 /page;');
my $proxy = 'proxy_pass https://app.katalo.ai/api/v1/;';

my $key = new_key('prod1');
my $up = Katalo::Upstream->new(keys => [$key]);
my $http = <<"EOC";
    katalo_key production file:%KEY:production%;
    katalo_key revoked    file:%KEY:revoked%;
    %KEPT_UPSTREAM%

    server {
        listen 127.0.0.1:%PORT%;
        listen 127.0.0.1:%TLS_PORT% ssl http2;
        ssl_certificate %CERT%;
        ssl_certificate_key %CERT_KEY%;
        katalo_bearer production;

@{[ map { "location /$_/ { $directives{$_} $proxy }\n" }
        sort keys %directives ]}
        location = /page { katalo_bearer off; return 200 "a page"; }
        location = /status { katalo_bearer off; katalo_status json; }
    }

    server {
        listen 127.0.0.1:%PORT2%;
        katalo_bearer production;
        katalo_idempotency add;

        location /server/ { $proxy
            location /server/location/ { katalo_idempotency pass; $proxy }
            location /server/own/ { proxy_set_header Idempotency-Key a;
                                    $proxy }
            location /server/other/ { proxy_set_header X-Other a; $proxy }
            location /server/if/ { $proxy if (\$arg_if) { set \$a b; } }
            location /server/off/ { katalo_bearer off; $proxy }
        }
    }
EOC
my $library = Katalo::Test::Preload->new(<<'EOC');
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char  *out_of_order;

/* nginx empties the environment later */

__attribute__((constructor)) static void
init(void)
{
    out_of_order = strdup(getenv("OUT_OF_ORDER"));
}

int
RAND_bytes(unsigned char *buf, int num)
{
    int  (*next)(unsigned char *, int) = dlsym(RTLD_NEXT, "RAND_bytes");

    return access(out_of_order, F_OK) == 0 ? 0 : next(buf, num);
}
EOC

my $out_of_order = $library->dir . '/out-of-order';
my $gateway = Katalo::Test->new(
    env => { %{ $library->env }, OUT_OF_ORDER => $out_of_order },
    upstream => $up, keys => { production => $key, revoked => '' },
    http => $http)->start;

my $made = qr/^[0-9a-f]{32}$/;
my $source = encode_json({ source_url => 'https://a.example/a.png' });


# what came of one request: the values of Idempotency-Key, or the refusal
sub call {
    my ($method, $target, @headers) = @_;
    my $server = $target =~ m{^/server/} ? 2 : undef;

    $up->clear;

    my $response = Katalo::Test::Client->new(port => $gateway->port($server))
        ->request($method, $target, headers => [@headers],
                  $method eq 'POST' ? (body => $source) : ());
    my $decision = $response->header('X-Katalo-Gateway');

    return join ' ', $response->status, $decision if $decision;
    return join '|', map { $up->values($_, 'Idempotency-Key') }
                         $up->received(1);
}


my @creating = qw(source-assets generations generations/1/regenerate);
my @others = (['GET', 'generations/1'], ['POST', 'x-echo'],
              ['GET', 'usage/summary'], ['PUT', 'generations']);

for my $path (@creating) {
    is(call('POST', "/pass/$path"), '', "by default nothing is added: $path");
    is(call('POST', "/passed/$path"), '', 'nor with pass');
    like(call('POST', "/add/$path"), $made, 'with add one is made');
    is(call('POST', "/add/$path", 'idempotency-KEY: mine'), 'mine',
       "a client's own passes");
    like(call('POST', "/add/$path", 'Idempotency-Key:'), $made,
         'an empty one is none');
    is(call('POST', "/require/$path"), '400 idempotency',
       'with require it is refused');
    is(call('POST', "/require/$path", 'Idempotency-Key: '), '400 idempotency',
       'as is an empty one');
    is(call('POST', "/require/$path", 'Idempotency-Key: mine'), 'mine',
       'one with a key passes');
    is(call('POST', "/alone/$path", 'Idempotency-Key: mine'), 'mine',
       'also where other headers of the client are not sent');
}

for my $other (@others) {
    my ($method, $path) = @$other;

    for my $location ('pass', 'add', 'require') {
        is(call($method, "/$location/$path"), '',
           "$location leaves $method $path as it is");
        is(call($method, "/$location/$path", 'Idempotency-Key: mine'), 'mine',
           "and the client's own");
    }
}

isnt(call('POST', '/add/source-assets'), call('POST', '/add/source-assets'),
     'each request has its own');
is(call('POST', '/add/generations', 'Idempotency-Key:',
        (map { "X-$_: a" } 1 .. 30), 'idempotency-key: a',
        'Idempotency-Key: b'), 'a', 'of several lines, the first with a value');
is(call('POST', '/pass/generations', 'Idempotency-Key: a',
        'Idempotency-Key: b'), 'a|b', 'with pass they are as they came');

is(call('POST', '/own-add/generations?own=mine'), 'mine',
   "proxy_set_header is the user's own");
is(call('POST', '/own-add/generations?own=mine', 'Idempotency-Key: a'),
   'mine', 'also where a client has one');
is(call('POST', '/own-require/generations?own=mine'), 'mine',
   'and it counts as one');
like(call('POST', '/stripped/generations', 'Idempotency-Key: a'), $made,
     'one that is stripped is none');
is(call('POST', '/refused/generations', 'Idempotency-Key: a'),
   '400 idempotency', 'also where it is required');
is(call('POST', '/order/generations'), '503 no_key', 'the key comes first');
is(call('POST', '/require/generations', 'Origin: a'), '403 browser',
   'a browser even before');

like(call('POST', '/server/generations'), $made, "a server's is inherited");
is(call('POST', '/server/location/generations'), '', 'or replaced');
is(call('POST', '/server/own/generations'), 'a', 'a header set below');
like(call('POST', '/server/other/generations'), $made, 'or another one');
like(call('POST', '/server/if/generations?if=1'), $made, 'or if');
is(call('POST', '/server/off/generations'), '', 'not without a key');

my $response = $gateway->request('POST', '/require/generations',
                                 body => 'k' x 100_000);
my $error = $response->json->{error};
is($response->status, 400, 'a refusal has 400');
is(join(' ', sort keys %$error), 'code message retry_after retryable',
   "Katalo's envelope");
is($error->{code}, 'bad_request', 'its code');
like($error->{message}, qr/Idempotency-Key/, 'and says what is missing');
like($response->body, qr/"retryable":false,"retry_after":null/, 'is final');
is($response->header('Cache-Control'), 'no-store', 'and not to be stored');

$response = $gateway->request('POST', '/page/generations');
is($response->status . ' ' . $response->body, '418 a page',
   'katalo_intercept_errors applies');
is($response->header('X-Katalo-Gateway'), 'idempotency', 'with its reason');

SKIP: {
    skip 'no HTTP/2', 3 if !has_feature('v2') || !curl_has('HTTP2');

    my @call = ('--http2', '-d', $source);

    is(curl(@call, $gateway->tls_url('/require/source-assets'))->status, 400,
       'HTTP/2: refused');
    $up->clear;
    curl(@call, $gateway->tls_url('/add/source-assets'));
    curl(@call, '-H', 'Idempotency-Key: mine',
         $gateway->tls_url('/add/source-assets'));
    my ($first, $second) = map { $up->values($_, 'Idempotency-Key') }
                               $up->received(2);
    like($first, $made, 'HTTP/2: added');
    is($second, 'mine', 'HTTP/2: passed');
}

my $denied = $gateway->status->{keys}[0]{denied};
cmp_ok($denied->{idempotency}, '>', 6, 'refusals are counted');
my $count = $denied->{idempotency};
call('POST', '/require/generations');
is($gateway->status->{keys}[0]{denied}{idempotency}, $count + 1, 'each once');

ok($gateway->reload(http => "katalo_idempotency require;\n$http"),
   'for all of http');
is(call('POST', '/pass/generations'), '400 idempotency', 'it is inherited');
is(call('POST', '/passed/generations'), '', 'or replaced by a location');
like(call('POST', '/server/generations'), $made, 'or by a server');

unlike($gateway->error_log, qr/\[alert\]|\[crit\]/, 'nothing went wrong');

open my $file, '>', $out_of_order or die "$out_of_order: $!\n";
close $file;

$up->clear;
$response = $gateway->request('POST', '/add/generations');
is($response->status, 500, 'without random numbers a request is refused');
like($gateway->error_log, qr/katalo: RAND_bytes\(\) failed, no "Idempotency/,
     'and logged');
is(call('POST', '/add/generations', 'Idempotency-Key: mine'), 'mine',
   "a client's own needs none");

unlink $out_of_order;
like(call('POST', '/add/generations'), $made, 'until there are some again');
lacks_secrets($gateway->error_log, 'the error log shows no key');

done_testing();
