#!/usr/bin/perl

# Who is let through: preflights, browsers, the order of the checks, over
# every protocol that a client may speak.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Upstream qw(expects_auth);

my @browser = (
    ['Origin', 'https://app.example'], ['Sec-Fetch-Site', 'cross-site'],
    ['Sec-Fetch-Dest', 'empty'], ['Sec-Fetch-User', '?1'],
    ['Sec-CH-UA', '"Chromium";v="142"'], ['Upgrade-Insecure-Requests', '1']);
my @preflight = (
    ['Origin', 'null'], ['Access-Control-Request-Method', 'POST'],
    ['Access-Control-Request-Headers', 'authorization'],
    ['Access-Control-Request-Private-Network', 'true']);

my $http3 = has_feature('v3') && curl_has('HTTP3');
my @protocols = ('1.0', '1.1', has_feature('v2') && curl_has('HTTP2') ? 2 : (),
                 $http3 ? 3 : ());
my %protocol_option = (2 => '--http2', 3 => '--http3-only');
my $proxy = 'proxy_pass https://app.katalo.ai/api/v1/;';

my $key = new_key('prod1');
my $up = Katalo::Upstream->new(keys => [$key]);
my $gateway = Katalo::Test->new(
    upstream => $up, keys => { production => $key, revoked => '' },
    http => <<"EOC")->start;
    katalo_key production file:%KEY:production%;
    katalo_key revoked    file:%KEY:revoked%;
    %KEPT_UPSTREAM%

    server {
        listen 127.0.0.1:%PORT%;
        listen 127.0.0.1:%TLS_PORT% ssl http2;
        @{[ $http3 ? 'listen 127.0.0.1:%TLS_PORT% quic;' : '' ]}
        ssl_certificate %CERT%;
        ssl_certificate_key %CERT_KEY%;

        katalo_bearer production;
        add_header X-Decision \$katalo_decision always;

        location /katalo/ { $proxy }
        location /pass/   { $proxy katalo_preflight pass; }
        location /report/ { $proxy katalo_browser report; }
        location /denied/ { $proxy katalo_browser report; deny all; }
        location /allow/  { $proxy katalo_browser allow;
                            katalo_preflight pass; }
        location /order/  { $proxy katalo_bearer revoked;
                            katalo_allow usage; }

        location = /status { katalo_bearer off; katalo_status json; }
    }
EOC


# the status and the decision, in words
sub outcome {
    my ($protocol, $method, $path, @headers) = @_;
    my $response;

    if ($protocol =~ /\./) {
        $response = $gateway->request($method, $path, http => $protocol,
                                      headers => [map { [@$_] } @headers]);
    } else {
        $response = curl(
            $protocol_option{$protocol}, '-X', $method,
            (map { ('-H', length $_->[1] ? "$_->[0]: $_->[1]" : "$_->[0];") }
                 @headers), $gateway->tls_url($path));
        $response->version eq $protocol
            or return 'HTTP/' . $response->version;
    }

    my $decision = $response->header('X-Decision') // 'none';
    my $said = $response->header('X-Katalo-Gateway') // $decision;

    return join ' ', $response->status, $decision eq $said ? $decision : '?';
}


# aLtErNaTiNg, which a name can be before HTTP/2 only
sub odd {
    my ($name) = @_;
    my $n = 0;

    return $name =~ s/([a-z])/$n++ % 2 ? uc $1 : lc $1/gier;
}


diag('HTTP/3 is not tried: nginx or curl has none') if !$http3;

for my $protocol (@protocols) {
    is(outcome($protocol, 'GET', '/katalo/usage/summary', [odd($_->[0]),
                                                           $_->[1]]),
       '403 browser', "HTTP/$protocol: a browser's $_->[0]") for @browser;
    is(outcome($protocol, 'OPTIONS', '/katalo/generations', [odd($_->[0]),
                                                             $_->[1]]),
       '403 preflight', "HTTP/$protocol: a preflight's $_->[0]")
        for @preflight;

    is(outcome($protocol, 'POST', '/katalo/x-echo', [Origin => '']),
       '403 browser', "HTTP/$protocol: an empty value counts");
    is(outcome($protocol, 'OPTIONS', '/katalo/x-echo',
               ['Access-Control-Request-Headers' => '']),
       '403 preflight', "HTTP/$protocol: in a preflight, too");

    is(outcome($protocol, 'GET', '/katalo/x-echo',
               [odd('Sec-Fetch-Mode') => 'cors'], ['Origins' => 'a'],
               ['Sec-CH-UA-Mobile' => '?0'], ['X-Origin' => 'b']),
       '200 attached', "HTTP/$protocol: sec-fetch-mode alone is let through");
    is(outcome($protocol, 'OPTIONS', '/katalo/x-echo'), '200 attached',
       "HTTP/$protocol: OPTIONS alone is no preflight");
    is(outcome($protocol, 'GET', '/katalo/x-echo',
               ['Access-Control-Request-Method' => 'POST']),
       '200 attached', "HTTP/$protocol: nor is what is not OPTIONS");
}

is(scalar $up->received(3 * @protocols), 3 * @protocols,
   'what was refused did not reach the upstream');
is(scalar(grep { join('', $up->auth($_)) ne expects_auth($key) }
               $up->received), 0, 'what was not had the key');

is(outcome('1.1', 'OPTIONS', '/pass/x-echo',
           ['Access-Control-Request-Method' => 'POST']), '200 attached',
   'katalo_preflight pass lets a preflight through');
is(outcome('1.1', 'OPTIONS', '/pass/x-echo', [Origin => 'https://a.example']),
   '403 browser', 'but it still comes from a browser');
is(outcome('1.1', 'OPTIONS', '/report/x-echo', [Origin => 'a']),
   '403 preflight', 'katalo_browser report does not let preflights through');

is(outcome('1.1', 'GET', '/report/x-echo', $_), '200 attached',
   "katalo_browser report lets $_->[0] through") for @browser;
is(outcome('1.1', 'GET', '/report/x-echo'), '200 attached',
   'and what is no browser');
is($gateway->request('GET', '/denied/x-echo', headers => [$browser[0]])->status,
   403, 'another module refuses a browser');
is(outcome('1.1', 'GET', '/allow/x-echo', @browser, @preflight),
   '200 attached', 'katalo_browser allow lets all through');
is(outcome('1.1', 'OPTIONS', '/allow/x-echo', @preflight), '200 attached',
   'and with katalo_preflight pass a real preflight');

my $denied = $gateway->status->{keys}[0]{denied};
is($denied->{browser}, 7 * @protocols + 1, 'browsers are counted');
is($denied->{preflight}, 5 * @protocols + 1, 'preflights are');
is($denied->{browser_reported}, 6, 'and those only reported');

$up->clear;
my @all = ([Origin => 'a'], ['Access-Control-Request-Method' => 'POST']);
is(outcome('1.1', 'OPTIONS', '/order/generations', @all), '403 preflight',
   'a preflight is told first');
is(outcome('1.1', 'POST', '/order/generations', @all), '403 browser',
   'a browser second');
is(outcome('1.1', 'POST', '/order/generations', $all[1]), '403 operation',
   'the operation third');
is(outcome('1.1', 'GET', '/order/usage/summary'), '503 no_key',
   'the key comes last');

my ($revoked) = grep { $_->{key} eq 'revoked' } @{ $gateway->status->{keys} };
is(join(' ', map { $revoked->{denied}{$_} }
                 qw(preflight browser operation no_key)), '1 1 1 1',
   'each is counted once, under its first reason');

is(outcome('1.1', 'GET', '/katalo/x-echo'), '200 attached', 'a last one');
is(scalar $up->received(1), 1, 'is the only one at the upstream');

done_testing();
