#!/usr/bin/perl

# Which format of the status a client gets: the argument's, else the
# directive's, else the one that its Accept asks for.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);

my $gateway = Katalo::Test->new(
    keys => { production => new_key('prod1') }, http => <<'EOC')->start;
    katalo_key production file:%KEY:production%;
    server {
        listen 127.0.0.1:%PORT%;
        location = /status { katalo_status; }
        location = /json {
            katalo_status json;
            if ($arg_if) { set $applies 1; }
        }
        location = /prometheus { katalo_status prometheus; }
    }
EOC

my %type = ('application/json' => 'json',
            'text/html; charset=utf-8' => 'html',
            'text/plain; version=0.0.4; charset=utf-8' => 'prometheus');


sub format_of {
    my ($target, $accept) = @_;
    my $response = $gateway->request('GET', $target,
        headers => [defined $accept ? "Accept: $accept" : ()]);

    return $type{$response->header('Content-Type')} // $response->status;
}


sub gives {
    my ($expected, $accept) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return is(format_of('/status', $accept), $expected,
              "\"$accept\" gives $expected");
}


# what real clients send

is(format_of('/status'), 'json', 'no Accept gives JSON');
gives(json => $_) for '', '*/*', 'application/json', 'image/png',
                      'application/json, text/plain, */*',
                      'application/json, text/javascript, */*; q=0.01';

# Firefox, Chromium, Safari, Lynx
gives(html => $_) for
    'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
    'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,'
        . 'image/webp,image/apng,*/*;q=0.8,'
        . 'application/signed-exchange;v=b3;q=0.7',
    'text/html, text/plain, text/sgml, text/css, */*;q=0.01';

# Prometheus 2.5, 2.47, 3.0 with and without native histograms; VictoriaMetrics
gives(prometheus => $_) for
    'text/plain', 'Text/Plain', 'application/openmetrics-text',
    'application/openmetrics-text; version=0.0.1,'
        . 'text/plain;version=0.0.4;q=0.5,*/*;q=0.1',
    'application/openmetrics-text;version=1.0.0,'
        . 'application/openmetrics-text;version=0.0.1;q=0.75,'
        . 'text/plain;version=0.0.4;q=0.5,*/*;q=0.1',
    'application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;'
        . 'encoding=delimited;q=0.6,application/openmetrics-text;'
        . 'version=1.0.0;escaping=allow-utf-8;q=0.5,*/*;q=0.1',
    'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,'
        . 'application/openmetrics-text;version=0.0.1;q=0.5,'
        . 'text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,'
        . 'text/plain;version=0.0.4;q=0.3,*/*;q=0.2',
    'text/plain;version=0.0.4;q=1,*/*;q=0.1';

is(format_of('/status', join ',', ('image/png') x 400, 'text/html'), 'html',
   'a long one');


# what goes before Accept

my $plain = 'text/plain';

is(format_of('/json', $plain), 'json', 'the directive goes before Accept');
is(format_of('/prometheus', 'application/json'), 'prometheus', 'either way');
is(format_of('/json?if=1', $plain), 'json', 'also where an "if" applies');
is(format_of('/prometheus'), 'prometheus', 'or without one');
is(format_of("$_?format=json", $plain), 'json', "$_?format=json before both")
    for qw(/status /prometheus);
is(format_of("$_?format=prometheus", 'application/json'), 'prometheus',
   "$_?format=prometheus before both") for qw(/status /json);
is(format_of("$_?format=openmetrics", $plain), 400,
   "$_: an unknown argument is refused") for qw(/status /json /prometheus);

sub vary {
    my ($target, $method) = @_;

    return [$gateway->request($method // 'GET', $target)->header('Vary')];
}

is_deeply(vary('/status'), ['Accept'], 'Vary: where Accept was looked at');
is_deeply(vary('/status', 'HEAD'), ['Accept'], 'with HEAD too');
is_deeply(vary($_), [], "not with $_")
    for '/json', '/prometheus', '/status?format=json', '/json?format=json';

my ($code, $output) = $gateway->test_config(<<'EOC');
    katalo_key production file:%KEY:production%;
    server {
        listen 127.0.0.1:%PORT%;
        location = /status { katalo_status openmetrics; }
    }
EOC

is($code, 1, 'an unknown format is no parameter');

my $formats = '"json", "prometheus" or "html" alone, or "ready key=NAME"';
like($output, qr/"openmetrics" in "katalo_status", use \Q$formats\E in /,
     'the message says which are');

done_testing();
