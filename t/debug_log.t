#!/usr/bin/perl

# With error_log at the debug level, the key is in no line, and lines of the
# http level are missing for a moment only.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Upstream qw(expects_auth);

plan skip_all => 'nginx was built without --with-debug'
    if !has_feature('debug');

my $key = new_key('prod1');
my $up = Katalo::Upstream->new(keys => [$key]);
my $other = Katalo::Upstream->new(keys => [$key]);

my $http = <<'EOC';
    katalo_key production file:%KEY:production%;
    upstream app.katalo.ai { server 127.0.0.1:%UPSTREAM_PORT%; keepalive 8; }
    upstream two.katalo.ai {
        server 127.0.0.1:%UPSTREAM_PORT% max_fails=0;
        server 127.0.0.1:%OTHER_PORT% max_fails=0;
    }
    proxy_ssl_trusted_certificate %CA%;
    proxy_set_header Connection "";
    proxy_cache_path %PREFIX%/cache keys_zone=answers:1m;

    server {
        listen 127.0.0.1:%PORT%;
        listen 127.0.0.1:%TLS_PORT% ssl http2;
        %QUIC%
        ssl_certificate %CERT%;
        ssl_certificate_key %CERT_KEY%;
        katalo_bearer production;

        location /katalo/ { proxy_pass https://app.katalo.ai/; }
        location /variable/ { proxy_pass https://$arg_to; }
        location /logged/ {
            error_log %PREFIX%/logs/own.log debug;
            proxy_pass https://app.katalo.ai/;
            error_page 418 = /katalo/x-echo;
            proxy_intercept_errors on;
        }
        location /unbuffered/ {
            proxy_request_buffering off;
            proxy_pass https://app.katalo.ai/;
        }
        location /retry/ {
            proxy_next_upstream error timeout http_503 non_idempotent;
            proxy_pass https://two.katalo.ai/;
        }
        location /mirror/ {
            mirror /katalo/x-echo;
            proxy_pass https://app.katalo.ai/;
        }
        location /auth/ {
            auth_request /katalo/x-echo;
            proxy_pass https://app.katalo.ai/;
        }
        location /ssi/ {
            ssi on;
            ssi_types application/json;
            proxy_pass https://app.katalo.ai/;
        }
        location /cached/ {
            proxy_cache answers;
            proxy_cache_valid 1s;
            proxy_ignore_headers Cache-Control;
            proxy_cache_use_stale updating;
            proxy_cache_background_update on;
            add_header X-Cache $upstream_cache_status;
            proxy_pass https://app.katalo.ai/;
        }
        location /off/ {
            katalo_bearer off;
            proxy_set_header X-Seen "it is seen";
            proxy_pass https://127.0.0.1:%UPSTREAM_PORT%/;
        }
    }
EOC

my $http3 = has_feature('v3') && curl_has('HTTP3');
my %option = (
    upstream => $up, keys => { production => $key }, http => $http,
    vars => { OTHER_PORT => $other->port,
              QUIC => $http3 ? 'listen 127.0.0.1:%TLS_PORT% quic;' : '' });
$option{http} =~ s/%QUIC%/$option{vars}{QUIC}/;

my %gateway = (
    'error_log debug' => Katalo::Test->new(%option, debug => 1)->start,
    debug_connection => Katalo::Test->new(
        %option, events => 'debug_connection 127.0.0.1;')->start);
my $gateway;


# makes requests of which so many arrive with the key; what was logged
sub logs {
    my ($name, $count, $requests) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    $_->clear for $up, $other;
    $gateway->mark_log;
    $requests->();
    wait_until(sub { $up->received + $other->received >= $count });

    my @records = ($up->received, $other->received);
    is(scalar(grep { join('', $up->auth($_)) eq expects_auth($key) }
                   @records), $count, "$name: the key was used");
    lacks_secrets($gateway->error_log, "$name: and is in no line");

    return $gateway->error_log;
}


sub get {
    my ($path, @option) = @_;

    return $gateway->request('GET', $path, @option);
}


# Lines of the http level are there again, up to the end.
sub unmasked {
    my ($name, $read) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    $read //= sub { $gateway->error_log };

    return ok(wait_until(sub {
        $read->() =~ /http proxy status 200.*\[debug\].*http close request/s;
    }), "$name: the answer is logged to its end");
}


for my $how (sort keys %gateway) {
    $gateway = $gateway{$how};

    logs("$how: plain", 1, sub { get('/katalo/x-echo') });
    unmasked("$how: plain");

    my $client = $gateway->connection;
    for my $n (1, 2) {
        logs("$how: the same connection", 1, sub {
            $client->request('GET', '/katalo/x-echo');
        });
        unmasked("$how: the same connection");
    }

    logs("$how: pipelined", 2, sub {
        $client->write("GET /katalo/x-echo HTTP/1.1\r\nHost: a\r\n\r\n" x 2);
        $client->read_response('GET') for 1 .. 2;
    });

    my $log = logs("$how: then without a key", 0, sub {
        $client->request('GET', '/off/x-echo');
    });
    ok($log =~ /http proxy header:\n"GET [^"]*X-Seen: it is seen/,
       'a request without a key is logged whole');

    for my $path (qw(katalo unbuffered)) {
        logs("$how: POST to /$path/", 2, sub {
            $gateway->request('POST', "/$path/x-echo", body => 'k' x 100_000);
            $gateway->request('POST', "/$path/x-echo",
                              chunked => ['k' x 1000, 'l' x 70_000]);
        });
    }

    logs("$how: a retry", 2, sub { get('/retry/x-status/503') });
    logs("$how: a retry after a reset", 2, sub { get('/retry/x-reset') });
    logs("$how: a mirror", 2, sub { get('/mirror/x-echo') });
    logs("$how: auth_request", 2, sub { get('/auth/x-echo') });
    logs("$how: SSI", 3, sub {
        get('/ssi/x-echo', headers => [
            "X-Text: <!--#include virtual='/katalo/x-echo'-->"]);
    });
    logs("$how: a variable upstream", 1, sub {
        get('/variable/x-echo?to=app.katalo.ai/x-echo');
    });

    logs("$how: a log of the location's own", 3, sub {
        get('/logged/x-echo');
        get('/logged/x-status/418');
    });
    lacks_secrets($gateway->read_file('logs/own.log'),
                  'it holds no key either');
    unmasked("$how: it", sub { $gateway->read_file('logs/own.log') })
        if $how eq 'error_log debug';

    logs("$how: a cache", 2, sub {
        wait_until(sub { (get('/cached/x-size/9')->header('X-Cache') // '')
                         eq 'STALE' });
    });

    SKIP: {
        skip 'no HTTP/2', 3 if !has_feature('v2') || !curl_has('HTTP2');

        logs("$how: HTTP/2", 2, sub {
            curl('--http2', map { $gateway->tls_url('/katalo/x-echo') } 1, 2);
        });
        unmasked("$how: HTTP/2");
    }

    SKIP: {
        skip 'no HTTP/3', 3 if !$http3;

        logs("$how: HTTP/3", 1, sub {
            curl('--http3-only', $gateway->tls_url('/katalo/x-echo'));
        });
        unmasked("$how: HTTP/3");
    }

    $gateway->quit;
    lacks_secrets($gateway->read_file('logs/error.log'),
                  "$how: nothing at the end");
}

done_testing();
