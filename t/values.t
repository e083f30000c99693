#!/usr/bin/perl

# What a request to the upstream is made of does not change while nginx puts it
# together: nginx asks for the lengths of all headers and of the body first,
# and for the values afterwards.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Upstream qw(expects_auth);

my $headers = join ' ', map {
    "proxy_set_header X-\u$_ [\$katalo_$_];"
} qw(key key_id operation decision requests);
my $key = new_key('prod1');
my $up = Katalo::Upstream->new(keys => [$key]);
my $gateway = Katalo::Test->new(
    upstream => $up, keys => { production => $key }, http => <<"EOC")->start;
    katalo_key production file:%KEY:production%;
    upstream app.katalo.ai { server 127.0.0.1:%UPSTREAM_PORT%; keepalive 1; }
    proxy_ssl_trusted_certificate %CA%;
    proxy_cache_path %PREFIX%/cache keys_zone=c:1m;

    map \$http_x_name \$name { ~^(.*)\$ app.katalo.ai; }
    map \$http_x_tenant \$tenant { ~^([a-z]+)-(.*)\$ \$1; }

    server {
        listen 127.0.0.1:%PORT%;
        katalo_bearer production;
        proxy_set_header Connection "";
        $headers

        location / { proxy_pass https://app.katalo.ai/api/v1/; }

        location /first/ {
            proxy_set_header X-Decision \$katalo_decision;
            proxy_set_header X-Requests \$katalo_requests;
            proxy_pass https://app.katalo.ai/api/v1/;
        }

        location /body/ {
            proxy_set_header Connection "";
            proxy_set_body "d=\$katalo_decision n=\$katalo_requests";
            proxy_pass https://app.katalo.ai/api/v1/;
        }

        location /updated/ {
            katalo_bearer \$arg_key;
            proxy_pass https://app.katalo.ai/api/v1/;
            proxy_cache c;
            proxy_cache_valid 200 1s;
            proxy_ignore_headers Cache-Control;
            proxy_cache_use_stale updating;
            proxy_cache_background_update on;
        }

        location ~ ^/named/([a-z]+)/ {
            proxy_set_header X-Project \$1;
            proxy_ssl_name \$name;
            proxy_pass https://app.katalo.ai;
        }

        location ~ ^/chosen/([a-z]+)/ {
            katalo_bearer \$tenant;
            proxy_set_header X-Project \$1;
            proxy_pass https://app.katalo.ai/api/\$1/x-status/200;
        }

        location ^~ /rewritten/ {
            rewrite ^ /api/v1/x-status/200 break;
            katalo_bearer \$tenant;
            proxy_pass https://app.katalo.ai;
        }

        # the upstream of a kept connection leads to \@elsewhere
        location ~ ^/kept/([a-z]+)/ {
            proxy_ssl_name \$name;
            proxy_set_header Connection "";
            proxy_pass https://app.katalo.ai;
        }

        location \@elsewhere {
            proxy_set_header X-Project \$1;
            proxy_set_header Connection "";
            proxy_ignore_headers X-Accel-Redirect;
            proxy_pass https://app.katalo.ai;
        }

        location = /status { katalo_bearer off; katalo_status json; }
    }
EOC


# The values of X-Name headers that a request has arrived with.
sub arrives {
    my ($title, @request) = @_;

    $up->clear;

    my $response = $gateway->request(@request);
    is($response->status, 200, "$title is answered");
    my ($record) = $up->received(1);
    is_deeply([$up->auth($record)], [expects_auth($key)], "$title: the key");

    return ($record, map { $_->[0] => $_->[1] } grep { $_->[0] =~ /^X-/ }
                                                @{ $record->{headers} });
}


my ($record, %value) = arrives('a request', 'GET', '/usage/summary');
is_deeply(\%value, { 'X-Key' => '[production]', 'X-Key_id' => '[prod1]',
                     'X-Operation' => '[usage]', 'X-Decision' => '[attached]',
                     'X-Requests' => '[1]' }, 'all is known to its headers');

($record, %value) = arrives('values alone', 'GET', '/first/usage/summary');
is_deeply(\%value, { 'X-Decision' => 'attached', 'X-Requests' => 2 },
          'with nothing before them');

# a body that is longer than its length would be the next request

for my $n (3 .. 5) {
    ($record, %value) = arrives("body $n", 'POST',
                                '/body/generations?x-echo', body => 'own');
    is($record->{body_length}, length "d=attached n=$n", 'has its length');
    is($record->{method}, 'POST', 'and is no request');
}

# an update in the background has no guard, and a name of a key by a variable

my $target = '/updated/usage/summary?key=production';

is($gateway->request('GET', $target)->status, 200, 'an answer is cached');
$up->clear;
wait_until(sub { $gateway->request('GET', $target); $up->received });
($record) = $up->received(1);
is_deeply([map { $up->values($record, "X-$_") } qw(Key Key_id Operation)],
          ['[production]', '[prod1]', '[usage]'], 'an update knows its key');

# captures of a location stay its own

for my $name ('a', 'a' x 3000) {
    ($record, %value) = arrives(length($name) . ' bytes',
                                'GET', '/named/atlas/?x-status=200',
                                headers => ["X-Name: $name"]);
    is($value{'X-Project'}, 'atlas', 'the name of the certificate is apart');

    ($record, %value) = arrives(length($name) . ' bytes',
                                'GET', '/chosen/atlas/x',
                                headers => ["X-Tenant: production-$name"]);
    is($value{'X-Project'}, 'atlas', 'as is the name of the key');
    is($record->{target}, '/api/atlas/x-status/200', 'and the path');
}

($record) = arrives('a regular expression without captures', 'GET',
                    '/rewritten/x', headers => ['X-Tenant: production-a']);
is($record->{target}, '/api/v1/x-status/200', 'leaves none to copy');

# nginx evaluates the name for a handshake, and not for a kept connection

my ($first, $kept);

for (1 .. 2) {
    $kept = $record->{connection};
    $up->clear;
    $gateway->request('GET', '/kept/atlas/x-redirect?accel=@elsewhere',
                      headers => ['X-Name: client']);
    ($first, $record) = $up->received(2);
}
is($first->{connection}, $kept, 'a connection is kept');
is_deeply([$up->values($record, 'X-Project')], ['atlas'],
          'and leaves the captures as they are');

unlike($gateway->error_log, qr{\[(?:alert|crit)\]|exited on signal},
       'nothing went wrong');
lacks_secrets($gateway->error_log, 'the error log shows no key');

done_testing();
