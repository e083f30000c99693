#!/usr/bin/perl

# A 429 that nginx does not send on as it came: it is tried elsewhere, replaced
# by a page, redirected, answered by a cache, or asked for by a subrequest.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Upstream;

use constant LONG => 50_000;

my @names = qw(next last page header redirect stale replayed hit kept thread
               auth mirror hidden chunk none);
my $aio = has_feature('threads') ? 'aio threads;' : '';
my $key = new_key('prod1');
my $up = Katalo::Upstream->new(keys => [$key]);
my $proxy = 'proxy_pass https://app.katalo.ai/api/v1/;';
my $limited = 'usage/summary?x-rate-limit=' . LONG;

my $gateway = Katalo::Test->new(
    upstream => $up, keys => { map { $_ => $key } @names },
    http => <<"EOC")->start;
    @{[ map { "katalo_key $_ file:%KEY:$_% host=.katalo.ai host=*;\n" }
            @names ]}
    katalo_cooldown 1d;
    %KEPT_UPSTREAM%
    upstream next { server 127.0.0.1:%PORT2% max_fails=0;
                    server 127.0.0.1:%UPSTREAM_PLAIN_PORT% backup; }
    upstream last { server 127.0.0.1:%UPSTREAM_PLAIN_PORT% max_fails=0;
                    server 127.0.0.1:%PORT2% backup; }
    upstream none { server 127.0.0.1:%PORT3% fail_timeout=1d;
                    server 127.0.0.1:%PORT2% max_fails=0; }
    proxy_cache_path %PREFIX%/cache keys_zone=c:1m;
    proxy_ignore_headers Cache-Control;
    proxy_cache_key \$arg_cached;

    server {
        listen 127.0.0.1:%PORT2%;
        location / { default_type application/json;
            return 429 '{"error":{"retry_after":@{[ LONG ]}}}'; }
    }

    server {
        listen 127.0.0.1:%PORT%;
        location = /status { katalo_status; }

        location /next/ { katalo_bearer next; katalo_upstream_tls off;
                          proxy_next_upstream http_429;
                          proxy_pass http://next/api/v1/; }
        location /last/ { katalo_bearer last; katalo_upstream_tls off;
                          proxy_next_upstream http_503;
                          proxy_pass http://last/api/v1/; }
        location /none/ { katalo_bearer none; katalo_upstream_tls off;
                          proxy_next_upstream error http_429;
                          proxy_pass http://none; }
        location /none-off/ { katalo_bearer none; katalo_upstream_tls off;
                              katalo_cooldown off; proxy_pass http://none; }
        location /page/ { katalo_bearer page; $proxy
                          proxy_intercept_errors on;
                          error_page 429 =418 /418; }
        location /header/ { katalo_bearer header; $proxy
                            proxy_intercept_errors on;
                            error_page 429 =418 /418; }
        location /chunk/ { katalo_bearer chunk; $proxy
                           proxy_http_version 1.1;
                           proxy_intercept_errors on;
                           error_page 429 =418 /418; }
        location = /418 { return 200 "a page"; }
        location /redirect/ { katalo_bearer redirect; $proxy }
        location /stale/ { katalo_bearer stale; $proxy proxy_cache c;
                           proxy_cache_valid 200 1s;
                           proxy_cache_use_stale http_429; }
        location /replayed-off/ { katalo_bearer replayed; katalo_cooldown off;
                                  $proxy proxy_cache c;
                                  proxy_cache_valid any 1h; }
        location /replayed/ { katalo_bearer replayed; $proxy proxy_cache c;
                              proxy_cache_valid any 1h; }
        location /hit/ { katalo_bearer hit; $proxy proxy_cache c;
                         proxy_cache_valid 200 1h; }
        location /kept/ { katalo_bearer kept; $proxy proxy_cache c;
                          proxy_cache_valid any 1h; sendfile on; }
        location /thread/ { katalo_bearer thread; $proxy proxy_cache c;
                            proxy_cache_valid any 1h; $aio }
        location /hidden/ { katalo_bearer hidden; $proxy
                            proxy_hide_header Retry-After; }

        location /auth { auth_request /auth-sub/usage/summary;
            proxy_pass http://127.0.0.1:%UPSTREAM_PLAIN_PORT%/x-echo; }
        location /auth-sub/ { katalo_bearer auth; internal;
            proxy_pass https://app.katalo.ai\$request_uri; }
        location /mirror { mirror /mirror-sub;
            proxy_pass http://127.0.0.1:%UPSTREAM_PLAIN_PORT%; }
        location /mirror-sub { katalo_bearer mirror; internal;
            proxy_pass https://app.katalo.ai\$request_uri; }
    }
EOC


sub call {
    my ($target, %option) = @_;
    my $response = $gateway->request($option{method} // 'GET', "/$target",
                                     %option);
    my $decision = $response->header('X-Katalo-Gateway');

    return join ' ', $response->status, grep { defined } $decision;
}


# A class of the key cools for LONG, less what the test has taken.
sub cools {
    my ($name, $class) = @_;

    return wait_until(sub {
        my $left = row($name)->{cooldown}{ $class // 'usage' } // 0;

        return $left <= LONG && $left > LONG - 3000;
    });
}


sub row {
    my ($name) = @_;
    my ($row) = grep { $_->{key} eq $name } @{ $gateway->status->{keys} };

    return $row;
}


is(call('next/x-status/200'), '200', 'another peer answers');
ok(cools('next', 'other'), 'the 429 of the first one counts');
is(call('next/x-echo'), '429 cooldown', 'and is obeyed');

is(call("last/$limited"), '429', 'a 429 that is not tried again');
ok(cools('last'), 'counts');

is(call('none-off/'), '429', 'a peer is down');
is(call('none/'), '502', 'and no other one left after a 429');
ok(cools('none', 'other'), 'which counts');

is(call("page/$limited"), '418', 'a page of the user');
ok(cools('page'), 'the time of the body counts');
is(call('page/usage/summary'), '429 cooldown',
   'the page is not for refusals of the gateway');

is(call('header/usage/summary?x-status=429&x-body=&x-header=Retry-After:'
        . LONG), '418', 'a page, and a time in the header');
ok(cools('header'), 'which counts');

is(call('chunk/usage/summary?x-status=429&x-chunked&x-pieces=26'
        . '&x-body=%7b%22error%22:%7b%22retry_after%22:7000%7d%7d'
        . '&x-header=Retry-After:' . LONG), '418', 'a number in two chunks');
ok(cools('chunk'), 'is not taken for another one');

is(call('redirect/usage/summary?x-rate-limit=' . LONG
        . '&x-header=X-Accel-Redirect:/418'), '200', 'X-Accel-Redirect');
ok(cools('redirect'), 'the 429 counts');

is(call('hidden/usage/summary?x-status=429&x-header=Retry-After:' . LONG),
   '429', 'a header that clients do not see');
ok(cools('hidden'), 'counts');

# caches

my $n = 'stale/usage/summary?cached=stale';
is(call($n), '200', 'an answer for the cache');
ok(wait_until(sub { call("$n&x-rate-limit=" . LONG) eq '429 cooldown' }),
   'an old one in place of a 429, until it cools');
ok(cools('stale'), 'for as long as that says');
is(call($n), '429 cooldown', 'the 429 counts');

is(call("replayed-off/$limited&cached=replayed"), '429', 'a 429 is cached');
$up->clear;
is(call("replayed/$limited&cached=replayed"), '429', 'and comes again')
    for 1 .. 2;
is(scalar $up->received, 0, 'from the cache');
ok(!%{ row('replayed')->{cooldown} }, 'it begins no cool-down');

is(call("kept/$limited&cached=kept"), '429', 'another 429 is cached');
ok(cools('kept'), 'its body is looked at');

SKIP: {
    skip 'this nginx has no threads', 2 if !$aio;

    is(call("thread/$limited&cached=thread"), '429', 'one more is cached');
    ok(cools('thread'), 'its body is looked at when a thread has read it');
}

is(call('hit/usage/summary?cached=hit'), '200', 'an answer is cached');
is(call('hit/usage/summary?cached=hit'), '200', 'and comes again');
is(call("hit/$limited&cached=other"), '429', 'a 429 to another request');
ok(cools('hit'), 'begins a cool-down');
is(call('hit/usage/summary?cached=hit'), '429 cooldown',
   'a cache is not asked');

# subrequests

isnt(call('auth?x-rate-limit=' . LONG), '200', 'auth_request gets 429');
ok(cools('auth', 'usage'), 'which counts');
$up->clear;
isnt(call('auth'), '200', 'another one');
is(scalar $up->received, 0, 'is not sent');

call('mirror?x-rate-limit=' . LONG);
ok(cools('mirror', 'other'), 'a mirror gets 429');
$up->clear;
call('mirror');
ok(wait_until(sub { row('mirror')->{denied}{cooldown} }),
   'its next copy is refused');
is(join(' ', $up->targets), '/mirror', 'and not sent');

unlike($gateway->error_log, qr/\[(?:alert|crit|emerg)\]/, 'nothing went wrong');

done_testing();
