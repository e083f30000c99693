#!/usr/bin/perl

# No Access-Control-* leaves a location with a key, whoever set it, on any
# status; katalo_cors pass, and a location without a key, let them through.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Upstream;

# each location is the same, but for its name and its directives
my $location = <<'EOC';
        location /%NAME%/ {
            %DIRECTIVES%
            proxy_pass https://app.katalo.ai/api/v1/;
            client_max_body_size 1k;
            proxy_intercept_errors on;

            error_page 410 =200 /%NAME%/x-size/3/x-cors;
            error_page 418 =403 /%NAME%/x-reset;
            error_page 421 /elsewhere;
            error_page 422 = @named;

            limit_except GET POST OPTIONS { deny all; }
            if ($arg_gone) { return 404; }
            if ($arg_text) { return 200 "text"; }
            if ($arg_moved) { return 301 https://app.example/; }

            location /%NAME%/x-hang {
                %DIRECTIVES%
                proxy_pass https://app.katalo.ai/api/v1/x-hang;
                proxy_read_timeout 1s;
            }
        }
EOC

my %directives = (
    strip => 'katalo_bearer production; katalo_preflight pass;',
    pass => 'katalo_bearer production; katalo_preflight pass; '
            . 'katalo_cors pass;',
    # unverified, so that its TLS sessions must not be resumed by the others
    plain => 'proxy_set_header Authorization ""; '
             . 'proxy_ssl_session_reuse off;',
    cached => 'katalo_bearer production; proxy_cache answers; '
              . 'proxy_ignore_headers Cache-Control; proxy_cache_valid 1m; '
              . 'add_header X-Cache $upstream_cache_status;');

my $key = new_key('prod1');
my $up = Katalo::Upstream->new(keys => [$key]);
my $gateway = Katalo::Test->new(
    upstream => $up, keys => { production => $key },
    http => join '', <<'EOC', (map {
    katalo_cooldown off;
    katalo_key production file:%KEY:production%;
    %UPSTREAM%
    proxy_cache_path %PREFIX%/cache keys_zone=answers:1m;

    server {
        listen 127.0.0.1:%PORT%;
        listen 127.0.0.1:%TLS_PORT% ssl http2;
        ssl_certificate %CERT%;
        ssl_certificate_key %CERT_KEY%;

        add_header Access-Control-Allow-Origin https://always.example always;
        add_header ACCESS-control-Expose-Headers x-some;
        add_header X-Access-Control-Allow-Origin kept always;
        add_header Access-Controlled kept always;

        location = /elsewhere { return 200 "elsewhere"; }
        location @named { return 200 "named"; }
EOC
        my $name = $_;
        $location =~ s/%NAME%/$name/gr =~ s/%DIRECTIVES%/$directives{$name}/gr
    } sort keys %directives), "    }\n")->start;


sub cors_headers {
    my ($response) = @_;

    return join ' ', grep { /^access-control-/ } $response->header_names;
}


my @sources = (
    ['the upstream', 200, 'GET', 'x-status/200/x-cors'],
    ['the upstream, HEAD', 200, 'HEAD', 'x-status/200/x-cors'],
    ['the upstream, to OPTIONS', 204, 'OPTIONS', 'x-status/204/x-cors'],
    ['the upstream, in odd case', 200, 'GET',
     'x-size/5/x-header/aCCESS-cONTROL-aLLOW-oRIGIN:*'],
    (map { ["the upstream's $_", $_, 'GET', "x-status/$_/x-cors"] }
         qw(201 202 204 301 304 400 401 403 404 409 429 500 503)),
    ['add_header', 200, 'GET', 'x-status/200'],
    ['add_header always', 409, 'GET', 'x-status/409'],
    ["nginx's 502", 502, 'GET', 'x-reset'],
    ["nginx's 504", 504, 'GET', 'x-hang'],
    ["nginx's 404", 404, 'GET', 'usage/summary?gone=1'],
    ["nginx's 403", 403, 'PUT', 'generations'],
    ["nginx's 413", 413, 'POST', 'generations', body => 'k' x 2000],
    ['return', 200, 'GET', 'usage/summary?text=1'],
    ['a redirect', 301, 'GET', 'usage/summary?moved=1'],
    ['an error_page in the same location', 200, 'GET', 'x-status/410'],
    ['an error_page that fails', 502, 'GET', 'x-status/418'],
);

for my $source (@sources) {
    my ($name, $status, $method, $path, @more) = @$source;
    my %response = map {
        $_ => $gateway->request($method, "/$_/$path", @more)
    } qw(strip pass plain);

    is($response{strip}->status, $status, "$name: the status");
    is(cors_headers($response{strip}), '', 'nothing leaves');
    like(cors_headers($response{pass}), qr/access-control-allow-origin/,
         'with katalo_cors pass it does');
    is(cors_headers($response{pass}), cors_headers($response{plain}),
       'as it does without a key');
    is(join(' ', map { $response{strip}->header($_) // 'gone' }
                     qw(X-Access-Control-Allow-Origin Access-Controlled)),
       'kept kept', 'other headers stay');
}

is(cors_headers($gateway->request('GET', '/pass/x-size/1/x-cors'))
       =~ tr/ //, 8, 'all nine come through katalo_cors pass');

for my $way (['a browser', 'GET', 'Origin: https://app.example'],
             ['a preflight', 'OPTIONS', 'Access-Control-Request-Method: PUT'])
{
    my ($name, $method, $header) = @$way;
    my $response = $gateway->request($method, '/cached/usage/summary',
                                     headers => [$header]);
    is($response->status, 403, "$name is refused");
    is(cors_headers($response), '', 'without them');
    like(cors_headers($gateway->request('GET', '/pass/usage/summary',
                                        headers => ['Origin: a'])),
         qr/access-control/, 'unless katalo_cors is pass');
}

for my $cache (qw(MISS HIT)) {
    my $response = $gateway->request('GET', '/cached/x-size/9/x-cors');
    is($response->header('X-Cache') // 'an own add_header', $cache,
       "the cache: $cache");
    is(cors_headers($response), '', 'nothing leaves');
}

is(cors_headers(curl('--http2', $gateway->tls_url("/$_/x-size/1/x-cors")))
       =~ tr/ //, $_ eq 'strip' ? 0 : 8, "HTTP/2, /$_/") for qw(strip pass);

like(cors_headers($gateway->request('GET', "/strip/x-status/$_")),
     qr/access-control-allow-origin/,
     "an error_page in a location without a key keeps them: $_")
    for qw(421 422);

done_testing();
