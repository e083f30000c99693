#!/usr/bin/perl

# $katalo_key, $katalo_key_id, $katalo_operation, $katalo_decision and
# $katalo_requests wherever a configuration may name them, whatever became of
# the request.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Upstream;

my %key = (production => new_key('prod1'), other => new_key('other1'),
           revoked => '');
my $up = Katalo::Upstream->new;
my $gateway = Katalo::Test->new(
    upstream => $up, keys => \%key, http => <<'EOC')->start;
    katalo_key production file:%KEY:production% check=50ms;
    katalo_key other file:%KEY:other% host=other.example;
    katalo_key revoked file:%KEY:revoked%;
    katalo_operation cancel DELETE ~/cancel$;

    map $katalo_decision $decided { attached yes; browser no; default none; }
    map $katalo_operation $early { usage soon; default later; }
    map $katalo_requests $late { default $katalo_decision,$katalo_requests; }
    log_format katalo '$request_uri $katalo_key $katalo_key_id '
                      '$katalo_operation $katalo_decision $katalo_requests '
                      '$decided';
    access_log %PREFIX%/logs/access.log katalo;

    %UPSTREAM%
    proxy_cache_path %PREFIX%/cache keys_zone=answers:1m;

    server {
        listen 127.0.0.1:%PORT%;
        add_header X-Katalo "$katalo_key,$katalo_key_id,$katalo_operation,$late"
                   always;

        location / {
            katalo_bearer production;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
        location /allow/ {
            katalo_bearer production;
            katalo_allow read;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
        location /chosen/ {
            katalo_bearer $arg_key;
            proxy_pass https://$arg_to;
        }
        location /report/ {
            katalo_bearer production;
            katalo_browser report;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
        location /if/ {
            katalo_bearer production;
            set $seen "$katalo_key,$katalo_operation,$katalo_decision,$early";
            add_header X-Seen $seen always;
            if ($katalo_decision) { return 500; }
            if ($katalo_operation = billing) { return 402; }
            proxy_pass https://app.katalo.ai/api/v1/;
        }
        location /rewritten/ {
            katalo_bearer production;
            set $seen $katalo_operation;
            add_header X-Seen $seen always;
            rewrite ^ /api/v1/generations/x break;
            proxy_pass https://app.katalo.ai;
        }
        location /cached/ {
            katalo_bearer production;
            proxy_pass https://app.katalo.ai/api/v1/;
            proxy_cache answers;
            proxy_cache_valid 1m;
            proxy_ignore_headers Cache-Control;
        }
        location /caught/ {
            katalo_bearer production;
            katalo_intercept_errors on;
            proxy_intercept_errors on;
            error_page 403 404 /internal/text;
            error_page 503 =200 /off/text;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
        location /asked/ {
            auth_request /auth;
            auth_request_set $asked "$katalo_key,$katalo_decision";
            add_header X-Asked $asked always;
            alias %PREFIX%/html/;
        }
        location = /auth {
            internal;
            katalo_bearer production;
            proxy_pass https://app.katalo.ai/api/v1/x-status/200;
        }
        location /internal/ { internal; alias %PREFIX%/html/; }
        location /none/ { alias %PREFIX%/html/; }
        location /off/ { katalo_bearer off; alias %PREFIX%/html/; }
        location = /status { katalo_status json; }
    }
EOC

$gateway->write_file('html/text', 'text');

my $requests = 0;                               # with the key production


# The line that a request adds to the access log, without the URI.
sub logs {
    my ($expected, $title, $target, %option) = @_;
    my $method = $option{method} // 'GET';

    if ($expected =~ /attached/) {
        $requests++;
        $expected =~ s/N/$requests/;
    }

    my $begin = length $gateway->access_log;
    my $response = $gateway->request($method, $target, %option);
    my $line;

    wait_until(sub {
        ($line) = substr($gateway->access_log, $begin)
                  =~ /^\Q$target\E (.*)\n/m;
    });
    is($line, $expected, $title);

    return $response;
}


sub header_is {
    my ($response, $expected, $title) = @_;

    is($response->header('X-Katalo'), $expected =~ s/N/$requests/r, $title);

    return;
}


# attached

my $response = logs('production prod1 usage attached N yes', 'attached',
                    '/usage/summary');
header_is($response, 'production,prod1,usage,attached,N', 'in add_header');
logs('production prod1 cancel attached N yes', 'a name of its own',
     '/cancel', method => 'DELETE');
logs('production prod1 other attached N yes', 'an upstream that fails',
     '/x-reset');
logs('production prod1 other attached N yes', 'an answer that is an error',
     '/x-status/500');
logs('production prod1 read attached N yes', 'a browser that is reported',
     '/report/generations/x', headers => ['Origin: https://a.example']);

$requests = $gateway->status->{keys}[0]{ids}[0]{requests}{total};
is($requests, 5, 'the status has counted as many');
logs('production prod1 read attached N yes', 'the count goes on',
     '/generations/1');


# refused

my @origin = (headers => ['Origin: https://a.example']);

$response = logs('production prod1 other preflight - none', 'a preflight',
                 '/p', method => 'OPTIONS', @origin);
header_is($response, 'production,prod1,other,preflight,', 'in add_header');
logs('production prod1 read browser - no', 'a browser', '/generations/b',
     @origin);
logs('production prod1 usage operation - none', 'an operation',
     '/allow/usage/summary');
logs('revoked - other no_key - none', 'a revoked key',
     '/chosen/1?key=revoked&to=app.katalo.ai');
logs('- - other no_key - none', 'an unknown key',
     '/chosen/2?key=nobody&to=app.katalo.ai');
logs('- - read no_key - none', 'no name', '/chosen/generations/3');
logs('other other1 other destination - none', 'another host',
     '/chosen/4?key=other&to=app.katalo.ai');
logs('production prod1 other attached N yes', 'a key by name',
     '/chosen/5?key=production&to=app.katalo.ai');


# read before the decision: what is seen then does not stick

$response = logs('production prod1 usage attached N yes', 'read in "if"',
                 '/if/usage/summary');
is($response->header('X-Seen'), 'production,usage,,soon',
   'key and operation are known early, a decision is not');
$response = logs('production prod1 billing - - none', 'an "if" that returns',
                 '/if/billing/events');
is($response->status, 402, 'by the operation');
$response = logs('production prod1 read attached N yes', 'rewritten since',
                 '/rewritten/usage/summary');
is($response->header('X-Seen'), 'usage', 'another operation before');
logs('production prod1 read browser - no', 'refused after it was read',
     '/if/generations/x', @origin);


# elsewhere in the end

logs('production prod1 other attached N yes', 'the cache is filled',
     '/cached/x-status/200');
$response = logs('production prod1 other - - none', 'the cache answers',
                 '/cached/x-status/200');
header_is($response, 'production,prod1,other,,', 'in add_header');
logs('production prod1 other attached N yes', 'X-Accel-Redirect',
     '/x-redirect?accel=/internal/text');
$response = logs('production prod1 other attached N yes', 'error_page',
                 '/caught/x-status/404');
is($response->body, 'text', 'has answered');
header_is($response, 'production,prod1,other,attached,N', 'in add_header');
logs('production prod1 read browser - no', 'error_page after a refusal',
     '/caught/generations/x', @origin);
logs('production prod1 other attached N yes', 'to where the key is off',
     '/caught/x-status/503');


# no key

$response = logs('- - - - - none', 'no katalo_bearer', '/none/text');
header_is($response, ',,,,', 'in add_header');
logs('- - - - - none', 'katalo_bearer off', '/off/text');
logs('- - - - - none', 'off, and not found', '/off/missing');
$response = logs('- - - - - none', 'a key in a subrequest only',
                 '/asked/text');
$requests++;
is($response->header('X-Asked'), 'production,attached', 'which knows it');
is($gateway->send_raw("GET /\0 HTTP/1.1\r\n\r\n")->status, 400, 'no request');
ok($gateway->wait_for_log(qr/invalid/), 'that nginx understands');
like($gateway->access_log, qr/^\S+ - - - - - none$/m, 'is logged');


# a key that is replaced while it is used

my $client = $gateway->connection;
$up->clear;
$client->write("GET /x-hold HTTP/1.1\r\nHost: x\r\n\r\n");
$up->received(1);
$requests++;

# the log shows its own count, though others are counted meanwhile

$gateway->request('GET', '/meanwhile');
$gateway->set_key(production => new_key('prod2'));
ok(wait_until(sub {
    $gateway->status->{keys}[0]{ids}[0]{key_id} eq 'prod2';
}), 'the key is replaced');
$up->release;
$client->read_response('GET');
ok(wait_until(sub { $gateway->access_log =~ m{^/x-hold }m }), 'answered');
like($gateway->access_log,
     qr{^/x-hold production prod1 other attached $requests yes$}m,
     'the id is the one that was used');
$requests = 0;
logs('production prod2 other attached N yes', 'and then the new one, from one',
     '/new');

lacks_secrets($gateway->access_log, 'no variable holds a secret');

done_testing();
