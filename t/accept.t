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
        location = /json { katalo_status json; }
        location = /prometheus { katalo_status prometheus; }
    }
EOC

my %type = ('application/json' => 'json',
            'text/html; charset=utf-8' => 'html',
            'text/plain; version=0.0.4; charset=utf-8' => 'prometheus');


sub format_of {
    my ($target, @accept) = @_;
    my $response = $gateway->request('GET', $target,
                                     headers => [map { "Accept: $_" } @accept]);

    return $type{$response->header('Content-Type')} // $response->status;
}


sub gives {
    my ($expected, @accept) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return is(format_of('/status', @accept), $expected,
              join(' + ', map { "\"$_\"" } @accept) . " gives $expected");
}


# what real clients send

is(format_of('/status'), 'json', 'no Accept gives JSON');
gives(json => '*/*');
gives(prometheus => 'application/openmetrics-text;version=1.0.0,'
      . 'application/openmetrics-text;version=0.0.1;q=0.75,'
      . 'text/plain;version=0.0.4;q=0.5,*/*;q=0.1');
gives(prometheus => 'application/vnd.google.protobuf;proto=io.prometheus.'
      . 'client.MetricFamily;encoding=delimited;q=0.6,application/openmetrics'
      . '-text;version=1.0.0;escaping=allow-utf-8;q=0.5,*/*;q=0.1');
gives(json => 'application/json, text/plain, */*');

# weights, and what is named more exactly

gives(prometheus => 'text/plain');
gives(prometheus => 'application/openmetrics-text');
gives(prometheus => 'text/*');
gives(json => 'application/json');
gives(json => 'application/*');
gives(prometheus => 'application/json;q=0.5, text/plain;q=0.501');
gives(json => 'application/json;q=0.6, text/plain;q=0.5');
gives(prometheus => 'text/plain, */*');
gives(prometheus => '*/*, text/plain');
gives(json => 'text/*;q=0.9, application/json;q=0.91');
gives(html => 'text/plain;q=0.2, text/*;q=0.9, */*;q=0.3');
gives(prometheus => '*/*, application/json;q=0');
gives(prometheus => 'application/json;q=0.9, text/plain;q=1.000');

# of the same weight, the first

gives(json => 'application/json, text/plain');
gives(prometheus => 'text/plain, application/json');
gives(prometheus => 'text/plain;q=0.3,application/json;q=0.3,*/*;q=0.3');

# as the grammar has it

gives(prometheus => 'TEXT/Plain');
gives(prometheus => "\ttext/plain ;q=1 ,");
gives(json => 'text/plain;Q=0.1;x, application/json ; q=0.2');
gives(prometheus => ',, ,text/plain');
gives(json => 'text/plain;q=0.5;a="b;q=1,c", application/json;q=0.9');
gives(html => 'text/html;a="\", application/json", text/plain;q=0.1');
gives(prometheus => 'application/json;q=0.1', 'text/plain');
gives(json => 'text/plain;q=0.1', 'application/json');

# nothing that can be had, or that can be read

gives(json => $_) for 'image/png', '', ',', ';q=1', 'text', 'text/', '/*',
                      'text/plainer', 'text/plai', 'text/plain;q=0',
                      'text/plain;q=1.001', 'text/plain;q=', 'text/plain;q=x',
                      'text/plain;q=0.0001', '*', 'image/*', '"text/plain"';
is(format_of('/status', join ',', ('text/plain;q=0.1') x 400,
                                  'application/json'), 'json', 'a long header');


# what goes before Accept

my @plain = ('text/plain');

is(format_of('/json', @plain), 'json', 'the directive goes before Accept');
is(format_of('/prometheus', 'application/json'), 'prometheus', 'either way');
is(format_of('/prometheus'), 'prometheus', 'or without one');
is(format_of("$_?format=json", @plain), 'json', "$_?format=json before both")
    for qw(/status /prometheus);
is(format_of("$_?format=prometheus", 'application/json'), 'prometheus',
   "$_?format=prometheus before both") for qw(/status /json);
is(format_of("$_?format=openmetrics", @plain), 400,
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

my $formats = '"json", "prometheus" or "html"';
like($output, qr/"openmetrics" in "katalo_status", use \Q$formats\E in /,
     'the message says which are');

done_testing();
