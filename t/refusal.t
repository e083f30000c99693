#!/usr/bin/perl

# What a refused request gets: status, envelope, headers, and when a page of
# the user's own takes their place.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Upstream;

my $proxy = 'proxy_pass https://app.katalo.ai/api/v1/;';
my $key = new_key('prod1');
my $up = Katalo::Upstream->new(keys => [$key]);
my $gateway = Katalo::Test->new(
    upstream => $up, keys => { production => $key, revoked => '' },
    http => <<"EOC")->start;
    katalo_key production file:%KEY:production%;
    katalo_key revoked file:%KEY:revoked%;
    %KEPT_UPSTREAM%

    log_format decision '\$uri \$status \$katalo_decision';
    access_log %PREFIX%/logs/access.log decision;

    server {
        listen 127.0.0.1:%PORT%;
        listen 127.0.0.1:%TLS_PORT% ssl http2;
        ssl_certificate %CERT%;
        ssl_certificate_key %CERT_KEY%;
        katalo_bearer production;
        katalo_allow usage;

        location /katalo/ { $proxy }
        location /named/  { $proxy katalo_bearer \$arg_key; }

        location /kept/ { $proxy
            error_page 403 503 =200 /page;
            katalo_bearer \$arg_key;
        }

        location /replaced/ { $proxy
            error_page 403 =418 /page;
            error_page 503 /page;
            katalo_bearer \$arg_key;
            katalo_intercept_errors on;
        }

        location /unmatched/ { $proxy
            error_page 502 404 /page;
            katalo_intercept_errors on;
        }

        location /away/ {
            proxy_pass https://127.0.0.1:\$arg_port/;
            error_page 500 =200 /page;
        }

        location = /page { katalo_bearer off; return 200 "a page"; }
    }
EOC

my @refusals = (
    ['preflight', 'OPTIONS', '/katalo/generations', 'Origin: a', 403],
    ['browser', 'POST', '/katalo/generations', 'Origin: a', 403],
    ['operation', 'GET', '/katalo/billing/events', 'A: b', 403],
    ['no_key', 'GET', '/named/usage/summary?key=revoked', 'A: b', 503]);
my %code = (403 => 'forbidden', 503 => 'unavailable');


# a line of path, status and decision, written after the answer
sub is_logged {
    my ($line, $name) = @_;

    return ok(wait_until(sub { $gateway->access_log =~ /^\Q$line\E$/m }),
              $name);
}


for my $refusal (@refusals) {
    my ($decision, $method, $target, $header, $status) = @$refusal;
    my $response = $gateway->request($method, $target, headers => [$header]);

    is($response->status, $status, "$decision: the status");
    my $json = eval { $response->json } // {};
    my $error = $json->{error} // {};
    is(join(' ', keys %$json, sort { $a cmp $b } keys %$error),
       'error code message retry_after retryable', 'the envelope is Katalo\'s');
    is($error->{code}, $code{$status}, 'with a code');
    like($error->{message}, qr/^[A-Z].{20,}\.$/, 'a message');
    like($response->body, qr/"retryable":@{[ $status == 503
                                             ? 'true' : 'false' ]},/,
         'whether a retry makes sense');
    like($response->body, qr/"retry_after":null\}\}$/, 'but not when');
    is($response->header('Content-Type'), 'application/json', 'as JSON');
    is($response->header('Cache-Control'), 'no-store', 'not to be stored');
    is($response->header('X-Katalo-Gateway'), $decision, 'by the gateway');
    is($response->header('Content-Length'), length $response->body,
       'with its length');
    is(join(' ', sort $response->header_names),
       'cache-control connection content-length content-type date server '
       . 'x-katalo-gateway', 'and nothing else');
    is_logged(join(' ', $target =~ s/\?.*//r, $status, $decision),
              'and is logged');
}

my $client = $gateway->connection;
my $response = $client->request('HEAD', '/katalo/billing/events');
is($response->status, 403, 'HEAD is refused');
is($response->header('Content-Length'),
   length $gateway->request('GET', '/katalo/billing/events')->body,
   'with the length that GET has');
is($client->request('POST', '/katalo/generations', body => 'k' x 300_000)
          ->status, 403, 'a large body is refused on the same connection');
is($client->request('POST', '/katalo/generations',
                    chunked => ['{"a":', '"GET / HTTP/1.1"}'])->status, 403,
   'a chunked one');
$client->write(join '', map { "POST /katalo/generations HTTP/1.1\r\n"
                              . "Host: a\r\nContent-Length: 4\r\n\r\nGET " }
                            1 .. 2);
is($client->read_response('POST')->status, 403, 'pipelined ones') for 1 .. 2;
is($client->request('GET', '/katalo/usage/summary')->status, 200,
   'and a good request is still answered');
is($client->request('POST', '/katalo/generations', body => 'kk',
                    headers => ['Expect: 100-continue'])->status, 403,
   'a client that waits with its body is refused');
is(scalar $up->received(1), 1, 'only the good one reached the upstream');

is($gateway->request('POST', '/katalo/generations', http => '1.0',
                     body => 'k')->header('X-Katalo-Gateway'), 'operation',
   'HTTP/1.0 is refused');
$response = curl('--http2', '-d', 'k' x 100_000,
                 $gateway->tls_url('/katalo/generations'));
is($response->status, 403, 'HTTP/2 is');
is($response->json->{error}{code}, 'forbidden', 'with the envelope');

for my $name ('', 'nobody', 'off', 'Production', 'production%00', ' ') {
    $response = $gateway->request('GET', '/named/usage/summary?key=' . $name
                                         =~ s/ /%20/r);
    is(join(' ', $response->status,
            $response->header('X-Katalo-Gateway') // ''),
       ($name =~ /^(?:off)?$/ ? 403 : 503) . ' no_key',
       "no key is called \"$name\"");
}
is($gateway->request('GET', '/named/usage/summary?key=production')->status,
   200, 'a known name is let through');

$response = $gateway->request('GET', '/kept/billing/events');
is($response->status, 403, 'error_page does not replace a refusal');
is($response->json->{error}{code}, 'forbidden', 'nor its envelope');
$response = $gateway->request('GET', '/kept/usage/summary?key=x');
is($response->json->{error}{code}, 'unavailable', 'nor one without a key');

$response = $gateway->request('GET', '/replaced/billing/events');
is($response->status, 418, 'with katalo_intercept_errors it does');
is($response->body, 'a page', 'with a page');
is($response->header('X-Katalo-Gateway'), 'operation', 'that says why');
is_logged('/page 418 operation', 'as does the log');
$response = $gateway->request('GET', '/replaced/usage/summary?key=x');
is($response->status . ' ' . $response->body, '503 a page', 'no_key, too');

$response = $gateway->request('GET', '/unmatched/billing/events');
is($response->status, 403, 'where no error_page matches, a refusal stays');
is($response->json->{error}{code}, 'forbidden', 'with its envelope');

$up->clear;
my $port = 'port=' . $up->port;
$response = $gateway->request('GET', "/away/usage/summary?$port");
is($response->status, 200, 'a foreign destination is found out late');
is($response->body, 'a page', 'so error_page does replace it');
is_logged('/page 200 destination', 'with a decision of its own');
is(scalar $up->received, 0, 'and nothing is sent');

done_testing();
