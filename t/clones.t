#!/usr/bin/perl

# Clones of a request, which begin with the content phase: updates of a cache
# in the background, and slices.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Upstream qw(expects_auth);

my $slices = has_feature('http_slice_module');
my $slice = $slices ? 'slice 10; proxy_set_header Range $slice_range;
                       proxy_cache_key $uri$slice_range;' : '';
my $proxy = 'proxy_pass https://app.katalo.ai/api/v1/;';
my $key = new_key('prod1');
my $up = Katalo::Upstream->new(keys => [$key]);
my $gateway = Katalo::Test->new(
    upstream => $up, keys => { production => $key }, http => <<"EOC")->start;
    katalo_key production file:%KEY:production%;
    %UPSTREAM%

    proxy_cache_path %PREFIX%/cache keys_zone=c:1m;
    proxy_ignore_headers Cache-Control;

    map \$uri \$name { default "clone \$request_method"; }
    map \$http_authorization \$with { ~^Bearer.kat_live_prod1\\. key; }
    log_format range '\$http_range \$status \$with';
    access_log %PREFIX%/logs/access.log range;

    upstream files.katalo.ai { server 127.0.0.1:%TLS_PORT%; }

    server {
        listen 127.0.0.1:%TLS_PORT% ssl;
        ssl_certificate %CERT%;
        ssl_certificate_key %CERT_KEY%;
        root %PREFIX%/html;
    }

    server {
        listen 127.0.0.1:%PORT%;
        access_log off;
        katalo_bearer production;
        katalo_consumer \$name;
        proxy_cache c;

        location /updated/ { $proxy
            proxy_cache_valid 200 1s;
            proxy_cache_use_stale updating;
            proxy_cache_background_update on;
        }

        location /sliced/ { $slice
            proxy_pass https://files.katalo.ai/;
            proxy_cache_valid 206 1m;
        }

        location /renewed/ { $slice
            proxy_pass https://files.katalo.ai/;
            proxy_cache_valid 206 1s;
            proxy_cache_use_stale updating;
            proxy_cache_background_update on;
        }

        location = /status { katalo_status json; }
    }
EOC


sub requests {
    my ($id) = @{ $gateway->status->{keys}[0]{ids} };

    return $id->{requests}{total};
}


my $target = '/updated/usage/summary';
my $usage = '/api/v1/usage/summary';

is($gateway->request('GET', $target)->status, 200, 'an answer is cached');
is(scalar $up->received(1), 1, 'the upstream had one request for it');

# until it is stale, the cache answers and nothing is sent

wait_until(sub { $gateway->request('GET', $target); $up->received > 1 });

my @records = $up->received;

is($records[1]{target}, $usage, 'a stale answer is updated');
is_deeply([map { $up->auth($_) } @records], [(expects_auth($key)) x @records],
          'with the key, once, each time');
ok(wait_until(sub { requests() == $up->received }),
   'the update is counted as a use of the key');

$up->clear;

for my $signal ('Origin: https://a.example', 'Sec-Fetch-Site: none') {
    is($gateway->request('GET', $target, headers => [$signal])->status, 403,
       "what is refused gets no cached answer: $signal");
}

is(scalar $up->received, 0, 'and makes no update');

SKIP: {
    skip 'nginx without the slice module', 6 if !$slices;

    my $text = 'abcdefghijklmnopqrstuvwxyz';
    my $before = requests();

    $gateway->write_file('html/text', $text);

    is($gateway->request('GET', '/sliced/text')->body, $text,
       'slices make up the whole');
    ok(wait_until(sub { 3 <= (() = $gateway->access_log =~ /\n/g) }),
       'the upstream has logged them');
    is_deeply([sort split /\n/, $gateway->access_log],
              ['bytes=0-9 206 key', 'bytes=10-19 206 key',
               'bytes=20-29 206 key'],
              'each of them with the key');
    is(requests(), $before + 3, 'each of them counted');

    # a slice that is stale is updated by a clone of a clone

    $before = length $gateway->access_log;
    is($gateway->request('GET', '/renewed/text')->body, $text,
       'slices that are soon stale');

    my @updates;

    wait_until(sub {
        $gateway->request('GET', '/renewed/text');
        @updates = grep { !/^bytes=/ }
                        split /\n/, substr $gateway->access_log, $before;
        return @updates > 3;
    });
    is_deeply([grep { $_ ne '- 200 key' } @updates], [],
              'are updated with the key');
}

my ($data) = @{ $gateway->settled_status->{keys} };

is_deeply([map { [$_->{consumer}, $_->{requests}{total}] }
               @{ $data->{consumers} }],
          [['clone GET', $data->{ids}[0]{requests}{total}]],
          'clones count for the consumer of their main request');

unlike($gateway->error_log, qr/\[alert\]|\[error\]/, 'nothing went wrong');
lacks_secrets($gateway->error_log, 'the error log shows no key');

done_testing();
