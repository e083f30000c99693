#!/usr/bin/perl

# Connections are kept to a host that proxy_pass names without an "upstream"
# block, for requests with a key, and between locations of the same trust only.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Upstream qw(expects_auth);

my $key = new_key('prod1');
my $up = Katalo::Upstream->new(keys => [$key]);
my $gateway = Katalo::Test->new(
    upstream => $up, keys => { production => $key },
    vars => { BOTH => certificate('ca') =~ s{/(?=ca)}{//}r },
    http => <<'EOC')->start;
    katalo_key production file:%KEY:production% host=127.0.0.1
        host=app.katalo.ai;
    proxy_ssl_trusted_certificate %CA%;
    proxy_ssl_name app.katalo.ai;

    server {
        listen 127.0.0.1:%PORT%;
        katalo_bearer production;

        location /one/ { proxy_pass https://127.0.0.1:%UPSTREAM_PORT%/; }
        location /two/ { proxy_pass https://127.0.0.1:%UPSTREAM_PORT%/; }
        location /if/ {
            if ($arg_if) { proxy_pass https://127.0.0.1:%UPSTREAM_PORT%; }
            proxy_pass https://127.0.0.1:%UPSTREAM_PORT%;
        }
        location /certificate/ {
            proxy_ssl_certificate %CERT%;
            proxy_ssl_certificate_key %CERT_KEY%;
            proxy_pass https://127.0.0.1:%UPSTREAM_PORT%/;
        }
        location /any/ {
            proxy_ssl_certificate $cert;
            proxy_ssl_certificate_key %CERT_KEY%;
            proxy_pass https://127.0.0.1:%UPSTREAM_PORT%/;
        }
        location /trust/ {
            proxy_ssl_trusted_certificate %BOTH%;
            proxy_pass https://127.0.0.1:%UPSTREAM_PORT%/;
        }
        location /depth/ {
            proxy_ssl_verify_depth 1;
            proxy_pass https://127.0.0.1:%UPSTREAM_PORT%/;
        }
        location /plain/ {
            katalo_upstream_tls off;
            proxy_pass http://127.0.0.1:%UPSTREAM_PLAIN_PORT%/;
        }
        location /unchecked/ {
            katalo_upstream_tls off;
            proxy_ssl_verify off;
            proxy_pass https://127.0.0.1:%UPSTREAM_PORT%/;
        }
        location /own/ {
            proxy_set_header Connection upgrade;
            proxy_pass https://127.0.0.1:%UPSTREAM_PORT%/;
        }
        location /off/ {
            katalo_bearer off;
            proxy_pass https://127.0.0.1:%UPSTREAM_PORT%/;
        }
    }
    map $uri $cert { default %CERT%; }
EOC

# the connection of the only request that arrived
sub connection {
    my ($location, $method) = @_;
    my $target = '/' . ($location =~ s{\?|$}{/x-echo?}r);

    $up->clear;
    is($gateway->request($method // 'GET', $target)->status, 200,
       "$location: is answered");
    my ($record) = $up->received(1);
    is_deeply([$up->auth($record)],
              [$location =~ /^off/ ? () : expects_auth($key)],
              "$location: the key");

    return $record;
}


my $first = connection('one');

is_deeply([$up->values($first, 'Connection')], [], 'no Connection is sent');
is(connection('one', $_)->{connection}, $first->{connection},
   "$_: the connection is used again") for qw(GET POST HEAD DELETE);
is(connection('two')->{connection}, $first->{connection},
   'by a location of the same trust too');

my %number = map { $_ => connection($_)->{connection} }
                 qw(if if?if=1 certificate any trust depth plain unchecked off);

is($number{$_}, $first->{connection}, "$_: shares it as well")
    for 'if', 'if?if=1';
isnt($number{$_}, $first->{connection}, "$_: does not share it")
    for qw(certificate any trust depth plain unchecked off);
is(keys %{{ reverse %number }}, 8, 'nor with each other');

is(connection($_)->{connection}, $number{$_}, "$_: keeps its own")
    for qw(certificate trust depth plain unchecked);
isnt(connection('any')->{connection}, $number{any},
     'a certificate that is a variable: none is kept');
isnt(connection('off')->{connection}, $number{off},
     'without a key: none is kept, as without the module');

is_deeply([$up->values(connection('own'), 'Connection')], ['upgrade'],
          'a Connection that the user sets is sent');
is_deeply([$up->values(connection('off'), 'Connection')],
          [nginx_at_least('1.29.7') ? () : 'close'],
          'without a key: that of nginx');

# the upstream closes a kept connection when the next request is under way

sub reset_after {
    my ($method) = @_;

    connection('one');
    $up->clear;
    my $response = $gateway->request($method, '/one/x-reset');
    wait_until(sub { $up->targets });

    return ($response->status, scalar $up->targets);
}

is_deeply([reset_after('POST')], [502, 1], 'POST: is not sent twice');
is_deeply([reset_after('GET')], [502, 2], 'GET: is tried on another one');

$gateway->reload;
is(connection('one')->{connection}, connection('two')->{connection},
   'after a reload: shared');
ok($gateway->kill_worker, 'a worker is killed');
is(connection('one')->{connection}, connection('two')->{connection},
   'its successor: shared');

$gateway->mark_log;
$gateway->quit;
unlike($gateway->error_log, qr/\[(?:alert|emerg)\]|open socket/,
       'nothing is left open');

done_testing();
