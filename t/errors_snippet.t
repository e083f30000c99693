#!/usr/bin/perl

# With docs/snippets/katalo-errors.conf, an error that nginx makes itself is in
# Katalo's envelope, whatever makes it; Katalo's answers and the module's
# refusals stay as they are.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::Port qw(free_port);
use Katalo::Upstream;

my $key = new_key('prod1');
my $up = Katalo::Upstream->new(keys => [$key]);
my $gateway = Katalo::Test->new(
    upstream => $up, keys => { production => $key, revoked => "\n" },
    vars => { SNIPPET => "$FindBin::Bin/../docs/snippets/katalo-errors.conf",
              DOWN => free_port() }, http => <<'EOC')->start;
    katalo_key production file:%KEY:production% host=.katalo.ai host=127.0.0.1;
    katalo_key revoked file:%KEY:revoked%;
    %UPSTREAM%
    upstream other.example { server 127.0.0.1:%UPSTREAM_PORT%; }
    limit_req_zone  $binary_remote_addr  zone=rate:32k  rate=1r/m;
    limit_conn_zone $binary_remote_addr  zone=connections:32k;

    server {
        listen 127.0.0.1:%PORT%;
        katalo_bearer production;
        include %SNIPPET%;

        location /katalo/ { proxy_pass https://app.katalo.ai/api/v1/; }
        location /passed/ { katalo_cooldown off;
                            proxy_pass https://app.katalo.ai/api/v1/; }
        location /nobody/ { katalo_consumer $ssl_client_s_dn;
                            proxy_pass https://app.katalo.ai/api/v1/; }
        location /revoked/ { katalo_bearer revoked;
                             proxy_pass https://app.katalo.ai/api/v1/; }

        location /password/ { auth_basic gateway;
                              auth_basic_user_file %PREFIX%/conf/none;
                              proxy_pass https://app.katalo.ai/api/v1/; }
        location /denied/ { deny all;
                            proxy_pass https://app.katalo.ai/api/v1/; }
        location /small/ { client_max_body_size 10;
                           proxy_pass https://app.katalo.ai/api/v1/; }

        location /rate/ { limit_req zone=rate;
                          limit_req_status 429;
                          proxy_pass https://app.katalo.ai/api/v1/; }
        location /rate503/ { limit_req zone=rate;
                             proxy_pass https://app.katalo.ai/api/v1/; }
        location /connections/ { limit_conn connections 1;
                                 limit_conn_status 429;
                                 proxy_pass https://app.katalo.ai/api/v1/; }

        location /other/ { set $other other.example;
                           proxy_pass https://$other; }
        location /down/ { proxy_pass https://127.0.0.1:%DOWN%/; }
        location /slow/ { proxy_read_timeout 200ms;
                          proxy_pass https://app.katalo.ai/api/v1/; }

        location /unknown/ { auth_request /auth/401;
                             proxy_pass https://app.katalo.ai/api/v1/; }
        location /unwanted/ { auth_request /auth/403;
                              proxy_pass https://app.katalo.ai/api/v1/; }
        location /broken/ { auth_request /auth/502;
                            proxy_pass https://app.katalo.ai/api/v1/; }
        location /auth/ { internal;
                          katalo_bearer off;
                          proxy_pass http://127.0.0.1:%PORT2%; }
    }

    server {
        listen 127.0.0.1:%PORT2%;
        location /auth/401 { add_header WWW-Authenticate Bearer always;
                             return 401; }
        location /auth/403 { return 403; }
        location /auth/502 { return 502; }
    }

    server {
        listen 127.0.0.1:%TLS_PORT% ssl;
        ssl_certificate %CERT%;
        ssl_certificate_key %CERT_KEY%;
        ssl_client_certificate %CA%;
        ssl_verify_client on;
        large_client_header_buffers 2 1k;
        include %SNIPPET%;

        location / { katalo_bearer production;
                     proxy_pass https://app.katalo.ai/api/v1/; }
    }
EOC


sub has_envelope {
    my ($response, $expected, $what, %header) = @_;
    my ($status, $code, $retryable) = split ' ', $expected;
    my $error = eval { $response->json->{error} } // {};

    is($response->status, $status, "$what: the status");
    is(join(' ', sort keys %$error), 'code message retry_after retryable',
       'the envelope');
    is($error->{code}, $code, 'its code');
    is($error->{retryable} ? 'again' : 'never', $retryable, 'whether to retry');
    is($error->{retry_after}, $header{'Retry-After'}, 'and when');

    %header = ('Content-Type' => 'application/json',
               'Cache-Control' => 'no-store', 'X-Katalo-Gateway' => 'nginx',
               'Retry-After' => undef, 'WWW-Authenticate' => undef, %header);
    is_deeply({ map { $_ => scalar $response->header($_) } keys %header },
              \%header, 'and its headers');

    return;
}


sub get { return $gateway->request('GET', @_) }


get('/rate/usage/summary');                             # all that there is
$up->clear;

has_envelope(get('/rate/usage/summary'), '429 rate_limited again',
             'limit_req', 'Retry-After' => 1);
has_envelope(get('/rate503/usage/summary'), '503 unavailable again',
             'limit_req without limit_req_status');
has_envelope(get('/password/usage/summary'), '401 unauthorized never',
             'auth_basic', 'WWW-Authenticate' => 'Basic realm="gateway"');
has_envelope(get('/unknown/usage/summary'), '401 unauthorized never',
             'a 401 of auth_request', 'WWW-Authenticate' => 'Bearer');
has_envelope(get('/unwanted/usage/summary'), '403 forbidden never',
             'a 403 of auth_request');
has_envelope(get('/broken/usage/summary'), '500 internal_error again',
             'auth_request without an answer');
has_envelope(get('/denied/usage/summary'), '403 forbidden never', 'deny');
has_envelope(get('/elsewhere'), '404 not_found never', 'another path');

has_envelope($gateway->request('POST', '/small/generations', body => 'k' x 11),
             '413 payload_too_large never', 'a large body');
has_envelope($gateway->request('POST', '/small/generations',
                               chunked => ['k' x 11]),
             '413 payload_too_large never', 'a large body in chunks');

has_envelope(get('/other/usage/summary'), '500 internal_error again',
             'a destination that is not the key\'s');
has_envelope(get('/down/usage/summary'), '502 unavailable again',
             'an upstream that is down');
is(scalar $up->received, 0, 'nothing of these is sent');

has_envelope(get('/slow/x-hang'), '504 unavailable again',
             'an upstream that does not answer');

my $first = $gateway->connection;
$first->write("GET /connections/x-hang HTTP/1.1\r\nHost: localhost\r\n\r\n");
$up->received(2);
has_envelope(get('/connections/usage/summary'), '429 rate_limited again',
             'limit_conn', 'Retry-After' => 1);
$first->close;

my $head = $gateway->request('HEAD', '/denied/usage/summary');
is($head->status . $head->body, '403', 'HEAD: the status, and no body');
is($head->header('Content-Type'), 'application/json', 'and the type');


# TLS with certificates of clients

sub shows {
    my ($name) = @_;

    return get('/usage/summary', tls => 1, certificate => $name);
}


is(shows('client')->status, 200, 'a client with a certificate gets in');
has_envelope(shows('untrusted'), '400 bad_request never',
             'a certificate of another CA');

has_envelope($gateway->request('GET', '/usage/summary', tls => 1),
             '400 bad_request never', 'no certificate');
has_envelope($gateway->connection(port => $gateway->tls_port)
                     ->request('GET', '/usage/summary'),
             '400 bad_request never', 'plain HTTP');
has_envelope($gateway->request('GET', '/usage/summary', tls => 1,
                               headers => ['A: ' . 'k' x 1100]),
             '400 bad_request never', 'too large a header');


# what others made stays as it is

my @listed = (400, 401, 403, 404, 413, 429, 500, 502, 503, 504);

for my $status (@listed) {
    my $answer = get("/passed/x-status/$status");

    is($answer->status . ' ' . $answer->json->{error}{message},
       "$status Asked for.", "Katalo's $status is passed on");
    is_deeply([$answer->header('X-Katalo-Gateway')], [], 'and says so');
}

get('/katalo/usage/summary?x-rate-limit=60');

for (['/katalo/usage/summary', 403, 'browser'],
     ['/revoked/usage/summary', 503, 'no_key'],
     ['/nobody/usage/summary', 403, 'consumer'],
     ['/katalo/usage/summary', 429, 'cooldown'])
{
    my ($target, $status, $decision) = @$_;
    my $answer = get($target, headers => $decision eq 'browser'
                                         ? ['Origin: https://a.example'] : []);

    is($answer->status, $status, "refused by $decision: the status");
    is_deeply([$answer->header('X-Katalo-Gateway')], [$decision],
              'and the decision');
    unlike($answer->json->{error}{message},
           qr/let this client|at present\.$|many requests of/,
           'with its own message');
}

my ($raw) = $gateway->send_raw("nonsense\r\n\r\n");
like($raw->head, qr{\AHTTP/1.1 400 |\A\z}, 'what is no request gets a 400');

unlike($gateway->error_log, qr/\[alert\]|\[crit\]|empty URI/,
       'nothing went wrong');
lacks_secrets($gateway->error_log, 'the error log shows no key');

done_testing();
