#!/usr/bin/perl

# Plain HTTP to a host that is not local: browsers send no Sec-Fetch-* there.
# What gets through the wall, and what keeps it out.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;

use Katalo::Browser;
use Katalo::Browser::Attempts qw(LOG PAGE);
use Katalo::Test qw(:all);
use Katalo::Upstream;

my $key = new_key('prod1');
my $up = Katalo::Upstream->new(keys => [$key]);
my $gateway = Katalo::Test->new(
    upstream => $up, keys => { production => $key }, http => LOG . <<"EOC")
    katalo_key production file:%KEY:production%;
    upstream app.katalo.ai { server 127.0.0.1:%UPSTREAM_PORT%; keepalive 8; }
    proxy_ssl_trusted_certificate %CA%;

    server {
        listen 127.0.0.1:%PORT%;
        location /katalo/ {
            katalo_bearer production;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
        @{[ PAGE ]}
    }

    server {
        listen 127.0.0.1:%PORT2% default_server;
        @{[ PAGE ]}
        location / { return 444; }
    }
    server {
        listen 127.0.0.1:%PORT2%;
        server_name gateway.example;
        location /katalo/ {
            katalo_bearer production;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
    }
EOC
    ->start;

my $browser = Katalo::Browser->new;
my ($shop, $host) = map { "http://$_.example:" . $gateway->port }
                        qw(shop gateway);
my $strict = 'http://shop.example:' . $gateway->port(2);


sub try {
    my ($from, $to) = @_;

    return Katalo::Browser::Attempts->new(
        browser => $browser, gateway => $gateway, upstream => $up,
        from => $from, to => "$to/katalo/x-echo");
}


# Who got through: all that has neither Origin nor a navigation's header.
sub passed {
    my ($run) = @_;

    return [grep { $run->arrived($_) } $run->names];
}


my @elements = ('background', 'image', 'image without referrer',
                'image, redirected', 'importScripts of a worker', 'prefetch',
                'preload', 'script', 'stylesheet', 'video');
my @no_cors = ('fetch no-cors', 'fetch no-cors, redirected',
               'fetch without referrer');
my @readable = (@no_cors, 'XHR', 'fetch GET', 'fetch keepalive',
                'fetch of a worker', 'fetch with Authorization',
                'fetch with credentials');

my $run = try($shop, $host);
is_deeply(passed($run), [sort @elements, @no_cors],
          'a page of another origin gets through without Origin');
is_deeply([grep { $_->{method} ne 'GET' && $_->{status} != 403 } $run->logged],
          [], 'by GET only');
is_deeply([grep { $run->learned($_) ne 'nothing' } $run->names], ['prefetch'],
          'and learns no more than that there was an answer');

my @silent = grep { $_->{status} == 200 } $run->logged;
is_deeply([grep { length "$_->{origin}$_->{site}$_->{upgrade}" } @silent], [],
          'none of these has a header that the guard knows');
is(scalar(grep { length $_->{referer} } grep { $_->{attempt} =~ /without/ }
                                            @silent), 0,
   'and a page can leave the Referer out');

$run = try($host, $host);
is_deeply(passed($run), [sort @elements, @readable, 'EventSource'],
          "a page of the gateway's own name gets through by GET");
is_deeply([grep { $run->learned($_) =~ /^read 200/ } $run->names],
          [sort @readable], 'and reads answers');

$run = try($shop, $shop);
is_deeply([grep { $run->learned($_) =~ /^read 200/ } $run->names],
          [sort @readable],
          'so does a page whose own name leads to the gateway');

$run = try($strict, $strict);
is_deeply(passed($run), [], 'but not where the gateway answers to its name');
is_deeply([grep { $run->learned($_) ne 'nothing' } $run->names], [],
          'there it learns nothing');
is(curl('-H', 'Host: gateway.example', 'http://127.0.0.1:'
        . $gateway->port(2) . '/katalo/usage/summary')->status, 200,
   'a backend that uses the name is served');

done_testing();
