#!/usr/bin/perl

# Requests count where the key goes to an upstream: subrequests and updates of
# the cache do, answers from it do not; redirects and retries count nothing
# twice.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::Port qw(free_port);
use Katalo::Test::Counts qw(counts counts_as);
use Katalo::Upstream;

my $key = new_key('prod1');
my $up = Katalo::Upstream->new(keys => [$key]);
my $gateway = Katalo::Test->new(
    upstream => $up, keys => { production => $key }, workers => 2,
    vars => { CLOSED => '127.0.0.1:' . free_port() }, http => <<'EOC');
    katalo_key production file:%KEY:production%;
    katalo_bearer production;

    upstream app.katalo.ai { server 127.0.0.1:%UPSTREAM_PORT% max_fails=0; }
    upstream second.katalo.ai {
        server %CLOSED% max_fails=0 weight=100;
        server 127.0.0.1:%UPSTREAM_PORT% max_fails=0;
    }
    upstream twice.katalo.ai {
        server 127.0.0.1:%UPSTREAM_PORT% max_fails=0;
        server 127.0.0.1:%UPSTREAM_PORT% max_fails=0;
    }

    proxy_ssl_trusted_certificate %CA%;
    proxy_cache_path %PREFIX%/cache keys_zone=answers:1m;

    server {
        listen 127.0.0.1:%PORT%;

        location / { proxy_pass https://app.katalo.ai/api/v1/; }
        location /second/ { proxy_pass https://second.katalo.ai/api/v1/; }
        location /twice/ {
            proxy_pass https://twice.katalo.ai/api/v1/;
            proxy_next_upstream http_500 http_503 error timeout;
            proxy_set_header Connection close;  # what is kept is tried besides
        }
        location /mirrored/ {
            mirror /mirror;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
        location = /mirror {
            internal;
            proxy_pass https://app.katalo.ai/api/v1/x-status/202;
        }
        location /cached/ {
            proxy_pass https://app.katalo.ai/api/v1/;
            proxy_cache answers;
            proxy_cache_key $uri;
            proxy_ignore_headers Cache-Control;
            proxy_cache_use_stale updating error;
            proxy_cache_background_update on;
            add_header X-Cache $upstream_cache_status;
        }
        location /page/ { ssi on; ssi_types *; alias %PREFIX%/html/; }
        location /internal/ { internal; alias %PREFIX%/html/; }
        location /elsewhere/ {
            internal;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
        location /caught/ {
            proxy_pass https://app.katalo.ai/api/v1/;
            proxy_intercept_errors on;
            error_page 404 /internal/text;
            error_page 409 /elsewhere/x-status/201;
            error_page 502 =200 @named;
        }
        location @named { proxy_pass https://app.katalo.ai; }
        location = /status { katalo_status json; }
    }
EOC

$gateway->write_file('html/text', 'text');
$gateway->write_file('html/both', '<!--#include virtual="/x-status/201" -->'
                     . '<!--#include virtual="/generations/x" -->'
                     . '<!--#include virtual="/page/text" -->');
$gateway->start;


sub adds {
    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return counts_as($gateway, @_);
}


sub get {
    my (@targets) = @_;

    return map { $gateway->request('GET', $_) } @targets;
}


# another peer

adds('a retry on another peer', { other => 4 }, { 200 => 4 }, sub {
    get(('/second/x-status/200') x 4);
}, retries => 4);
adds('two peers that answer 503', { other => 1 }, { 503 => 1 }, sub {
    get('/twice/x-status/503');
}, retries => 1, seen => 2);
adds('two peers that reset', { other => 1 }, { none => 1 }, sub {
    get('/twice/x-reset');
}, retries => 1, seen => 2);


# internal redirects, subrequests, the cache

adds('X-Accel-Redirect to a file', { other => 1 }, { 200 => 1 }, sub {
    is((get('/x-redirect?accel=/internal/text'))[0]->body, 'text',
       'it is sent');
});
adds('X-Accel-Redirect to another request', { other => 2 },
          { 200 => 1, 202 => 1 },
          sub { get('/x-redirect?accel=/elsewhere/x-status/202') });
adds('error_page with a file', { other => 1 }, { 404 => 1 },
          sub { get('/caught/x-status/404') });
adds('error_page with another request', { other => 2 },
          { 409 => 1, 201 => 1 }, sub { get('/caught/x-status/409') });
adds('error_page after a reset', { other => 2 }, { none => 2 },
          sub { get('/caught/x-reset') });
adds('a mirror', { other => 2 }, { 200 => 1, 202 => 1 },
          sub { get('/mirrored/x-status/200') });
adds('SSI', { other => 1, read => 1 }, { 201 => 1, 404 => 1 },
          sub { get('/page/both') });

my ($cached, $stale) = map {
    "/cached/x-status/200/x-header/X-Accel-Expires:$_"
} 60, 1;
adds('an answer that the cache takes', { other => 1 }, { 200 => 1 },
          sub { get($cached) });
adds('and then gives', {}, {}, sub {
    is((get($cached))[0]->header('X-Cache'), 'HIT', 'from the cache');
});
adds('one that is soon stale', { other => 1 }, { 200 => 1 },
          sub { get($stale) });
adds('and updated in the background', { other => 1 }, { 200 => 1 }, sub {
    ok(wait_until(sub { (get($stale))[0]->header('X-Cache') eq 'STALE' }),
       'a stale answer');
});

my $end = counts($gateway);
my $sum = 0;
$sum += $_ for values %{ $end->{responses} };
is($sum, $end->{total}, 'as many responses as requests');

done_testing();
