#!/usr/bin/perl

# What does not use the module behaves as if it were not there: a gateway with
# the module loaded and unused, and locations without katalo_bearer in one that
# uses it, answer and send upstream what a gateway without it does.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Upstream;

plan skip_all => 'a static build cannot be without the module'
    if ($ENV{TEST_NGINX_MODULE} // 'so') eq '';

my $used = <<'EOC';
    katalo_key production file:%KEY:production%;
    server {
        listen 127.0.0.1:%PORT4%;
        katalo_consumer off;
        location / { katalo_bearer production; proxy_pass https://$arg_to; }
    }
EOC

my $inside = 'location /katalo/ { katalo_bearer production; '
             . 'katalo_consumer off; '
             . 'proxy_ssl_trusted_certificate %CA%; '
             . 'proxy_pass https://app.katalo.ai; }';

my $http = <<'EOC';
    %USED%
    upstream app.katalo.ai { server 127.0.0.1:%UPSTREAM_PORT%; }
    proxy_cache_path %PREFIX%/cache keys_zone=answers:1m;
    log_format all '$request|$status|$bytes_sent|$request_length|'
                   '$upstream_status|$http_authorization|$sent_http_x_cache';
    access_log %PREFIX%/logs/access.log all;

    server {
        listen 127.0.0.1:%PORT%;
        listen 127.0.0.1:%TLS_PORT% ssl http2;
        ssl_certificate %CERT%;
        ssl_certificate_key %CERT_KEY%;
        root %PREFIX%/html;
        error_page 404 /404.html;
        error_page 502 = @plain;
        %INSIDE%

        location /http/  { proxy_pass http://127.0.0.1:%UPSTREAM_PLAIN_PORT%; }
        location /https/ { proxy_pass https://app.katalo.ai; }
        location /own/ {
            proxy_set_header Authorization "Basic b3duOm93bg==";
            proxy_set_header Host $host;
            proxy_http_version 1.1;
            proxy_ssl_server_name on;
            proxy_request_buffering off;
            proxy_pass https://app.katalo.ai;
        }
        location /verify/ {
            proxy_ssl_verify on;
            proxy_ssl_trusted_certificate %OTHER_CA%;
            proxy_pass https://app.katalo.ai;
        }
        location /if/ {
            if ($arg_a) { return 403; }
            limit_except GET { deny all; }
            proxy_pass https://app.katalo.ai;
        }
        location /auth/ {
            auth_request /http/x-status/204;
            mirror /http/x-status/204;
            proxy_pass https://app.katalo.ai;
        }
        location /cached/ {
            proxy_cache answers;
            proxy_cache_valid 1m;
            add_header X-Cache $upstream_cache_status;
            proxy_pass https://app.katalo.ai;
        }
        location /return/ { return 200 "$scheme$is_args$args"; }
        location /moved/  { return 301 https://app.example/; }
        location @plain   {
            proxy_pass http://127.0.0.1:%UPSTREAM_PLAIN_PORT%;
        }
    }
EOC

my $key = new_key('prod1');
my $up = Katalo::Upstream->new(keys => [$key]);
my %gateway = (
    without => gateway(0, '', ''),
    unused => gateway(1, '', ''),
    used => gateway(1, $used, $inside));


sub gateway {
    my ($with_module, $top, $location) = @_;

    local %ENV = %ENV;
    $ENV{TEST_NGINX_MODULE} = '' if !$with_module;

    my $gateway = Katalo::Test->new(
        upstream => $up, keys => { production => $key },
        http => $http =~ s/%USED%/$top/r =~ s/%INSIDE%/$location/r);

    $gateway->write_file('html/page.html', "a page\n");
    $gateway->write_file('html/404.html', "none\n");
    utime 1e9, 1e9, map { $gateway->prefix . "/html/$_.html" } qw(page 404);

    return $gateway->start;
}


# all bytes that go to the client and to the upstream, but for what differs
# between two gateways at any rate
sub bytes {
    my ($gateway, $count, $call) = @_;

    $up->clear;
    my $answer = $call->($gateway)->raw;
    $answer =~ s/^date: .*\r\n//mi;

    wait_until(sub { $up->received >= $count });

    my @sent = map { "$_->{head}$_->{body_sha256} " . ($_->{sni} // 'no sni') }
                   $up->received;

    return join "\n\n", $answer, sort @sent;
}


my @credentials = ('Authorization: Basic YTpi', 'Cookie: a=b',
                   'Proxy-Authorization: Basic YTpi');
my @browser = ('Origin: https://app.example', 'Sec-Fetch-Site: cross-site',
               'Access-Control-Request-Method: POST');
my @all = (headers => [@credentials, @browser]);

sub sent { my @request = @_; return sub { $_[0]->request(@request) } }

my @rows = (
    ['http', 1, sent('GET', '/http/x-size/10', @all)],
    ['https', 1, sent('GET', '/https/x-size/10', @all)],
    ['HTTP/1.0', 1, sent('GET', '/https/x-size/10', @all, http => '1.0')],
    ['HEAD', 1, sent('HEAD', '/https/x-size/10', @all)],
    ['a preflight', 1, sent('OPTIONS', '/https/x-status/204/x-cors', @all)],
    ['CORS headers', 1, sent('GET', '/https/x-size/10/x-cors', @all)],
    ['a chunked answer', 1, sent('GET', '/https/x-size/9/x-chunked', @all)],
    ['a body', 1, sent('POST', '/https/x-size/10', @all, body => 'k' x 9)],
    ['a large body', 1, sent('POST', '/own/x-size/10', body => 'k' x 1e5)],
    ['a chunked body', 1, sent('POST', '/own/x-size/10', @all,
                               chunked => ['k' x 10])],
    ['own headers', 1, sent('GET', '/own/x-size/10', @all)],
    ['a key of the client', 1, sent('GET', '/https/x-size/10', headers => [
        "Authorization: Bearer $key"])],
    ['an upstream that is not trusted', 1, sent('GET', '/verify/x-size/1')],
    ['a reset', 2, sent('GET', '/https/x-reset')],
    ['"if"', 0, sent('GET', '/if/x-size/1?a=1')],
    ['"if" not taken', 1, sent('GET', '/if/x-size/1', @all)],
    ['limit_except', 0, sent('POST', '/if/x-size/1', @all)],
    ['auth_request and mirror', 3, sent('GET', '/auth/x-size/1', @all)],
    ['a miss', 1, sent('GET', '/cached/x-size/1/x-header/Cache-Control:max-age'
                              . '=60', @all)],
    ['a hit', 0, sent('GET', '/cached/x-size/1/x-header/Cache-Control:max-age'
                             . '=60', @all)],
    ['a page', 0, sent('GET', '/page.html', @all)],
    ['a part', 0, sent('GET', '/page.html', headers => ['Range: bytes=2-3'])],
    ['not modified', 0, sent('GET', '/page.html', headers => [
        'If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT'])],
    ['none', 0, sent('GET', '/none', @all)],
    ['return', 0, sent('GET', '/return/?a=b', @all)],
    ['a redirect', 0, sent('GET', '/moved/', @all)],
    ['a bad request', 0, sent('GET', '/page.html', headers => ['A : b'])],
    ['HTTPS', 1, sent('GET', '/https/x-size/10', @all, tls => 1)],
    !has_feature('v2') || !curl_has('HTTP2') ? () : ['HTTP/2', 1, sub {
        # the digits of a port have codes of different lengths in HPACK
        curl('--http2', (map { ('-H', $_) } 'Host: localhost', @credentials,
                                            @browser),
             $_[0]->tls_url('/https/x-size/10'));
    }]);

for my $row (@rows) {
    my ($name, $count, $call) = @$row;
    my $expected = bytes($gateway{without}, $count, $call);

    like($expected, qr/^HTTP\/[12]/, "$name: answered");
    is_redacted(bytes($gateway{$_}, $count, $call), $expected,
                "$name: the same bytes, $_") for qw(unused used);
}

$_->quit for values %gateway;


# The date has another length in HTTP/2, by its digits.
sub access_lines {
    my ($gateway) = @_;

    return join "\n", map { s{(?<=HTTP/2\.0\|200\|)\d+}{}r }
                     sort split /\n/,
                     $gateway->access_log =~ s/\Q$key\E/the key/gr;
}


sub error_lines {
    my ($gateway) = @_;
    my $prefix = $gateway->prefix;

    return join "\n", map { s/^\S+ \S+ | \d\S+#\d+: (?:\*\d+)?|127\.\S+//gr }
                     map { s/\Q$prefix\E//gr }
                     grep { /\[(?:warn|error|crit|alert|emerg)\]/
                            && !/ is deprecated/ }
                     split /\n/, $gateway->error_log;
}


for my $name (qw(unused used)) {
    is(access_lines($gateway{$name}), access_lines($gateway{without}),
       "the access log is the same, $name");
    is(error_lines($gateway{$name}), error_lines($gateway{without}),
       "the error log says the same, $name");
}

done_testing();
