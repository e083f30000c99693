#!/usr/bin/perl

# No identity, no key: the consumer is asked for after the access phase, and a
# request without one is refused.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use MIME::Base64 qw(encode_base64);

use Katalo::Test qw(:all);
use Katalo::Upstream qw(expects_auth);

my $basic = 'auth_basic g; auth_basic_user_file %PREFIX%/conf/users;';
my %directives = (
    basic => "$basic " . 'katalo_consumer $remote_user;',
    forgotten => 'katalo_consumer $identity;',
    first => 'katalo_consumer $identity ${user} $arg_last;',
    text => 'katalo_consumer "$identity/$user" "tenant-$arg_last";',
    any => "$basic " . 'satisfy any; allow all; katalo_consumer $remote_user;',
    off => 'katalo_consumer off;',
    none => '',
    order => 'katalo_consumer $identity; katalo_allow usage;',
    page => 'katalo_consumer $identity; katalo_intercept_errors on; '
            . 'error_page 403 =418 /page;',
    cached => 'proxy_cache c; proxy_cache_valid 200 1h; proxy_cache_key k; '
              . 'proxy_ignore_headers Cache-Control; '
              . 'katalo_consumer $user;',
    mirrored => 'katalo_consumer $user; mirror /mirror; mirror /mirror_off; '
                . 'mirror /mirror_own; mirror /mirror_none;',
    outer => 'katalo_bearer off; katalo_consumer off; mirror /mirror_own; '
             . 'mirror /mirror_user; proxy_set_header Authorization ""; ',
    bracket => 'katalo_consumer "u{$user";',
);
my $mirrors = join '', map { "location = /$_->[0] { internal; $_->[1]
        proxy_pass https://app.katalo.ai/$_->[0]; }\n" }
    ['mirror', 'katalo_consumer $identity;'],
    ['mirror_off', 'katalo_consumer off;'],
    ['mirror_own', 'katalo_consumer $arg_other;'], ['mirror_none', ''],
    ['mirror_user', "$basic " . 'katalo_consumer $remote_user;'];

my $key = new_key('prod1');
my $up = Katalo::Upstream->new(keys => [$key]);
my $gateway = Katalo::Test->new(
    upstream => $up, keys => { production => $key },
    http => <<"EOC");
    katalo_key production file:%KEY:production%;
    %UPSTREAM%
    proxy_cache_path %PREFIX%/cache keys_zone=c:1m;

    map "" \$identity { default ""; }
    map \$http_x_user \$user { default \$http_x_user; }
    map \$uri \$tail { ~/([a-z]+)\$ by-\$1; }
    log_format consumer '\$uri \$status \$katalo_decision [\$katalo_consumer]';
    access_log %PREFIX%/logs/access.log consumer;

    server {
        listen 127.0.0.1:%PORT%;
        katalo_bearer production;
        proxy_set_header X-Consumer \$katalo_consumer;

@{[ map { "location /$_/ { $directives{$_}
          proxy_pass https://app.katalo.ai/api/v1/; }\n" } sort keys %directives
]}
        $mirrors
        location ~ ^/api/v1/(.*)/x\$ {
            katalo_consumer \$tail;
            proxy_set_header X-Captured \$1;
            proxy_set_header X-Consumer \$katalo_consumer;
            proxy_pass https://app.katalo.ai;
        }
        location ~ ^/captured/ {
            katalo_consumer "user-\$1";
            proxy_pass https://app.katalo.ai;
        }
        location /tried/ {
            root %PREFIX%;
            katalo_consumer \$user;
            try_files /none \@tried;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
        location \@tried {
            katalo_consumer \$user;
            rewrite ^/tried(/.*) /api/v1\$1 break;
            proxy_pass https://app.katalo.ai;
        }
        location /asked/ {
            katalo_bearer off;
            auth_request /ask;
            root %PREFIX%;
        }
        location = /ask {
            katalo_consumer \$user;
            proxy_pass https://app.katalo.ai/api/v1/usage/summary;
        }
        location = /page { katalo_bearer off; return 200 "a page"; }
        location = /status { katalo_bearer off; katalo_status json; }
    }
EOC

$gateway->write_file('conf/users', "alice:{PLAIN}a\nbob:{PLAIN}b\n", 0644);
$gateway->start;


sub ask {
    my ($path, @headers) = @_;

    $up->clear;

    return $gateway->request('GET', $path, headers => \@headers);
}


sub user {
    my ($name, $password) = @_;

    return 'Authorization: Basic ' . encode_base64("$name:$password", '');
}


# What the upstream was told of the consumer, in one request with the key.
sub sent {
    my ($name, $consumer, $response) = @_;
    my @records = $up->received(1);

    is($response->status, 200, "$name: passes");
    is_deeply([map { $up->auth($_) } @records], [expects_auth($key)],
              "$name: the key is sent once");
    is_deeply([$up->values($records[0], 'X-Consumer')],
              length $consumer ? [$consumer] : [], "$name: the consumer");

    return $records[0];
}


sub refused {
    my ($name, $response) = @_;

    is($response->status, 403, "$name: refused");
    is($response->header('X-Katalo-Gateway'), 'consumer', "$name: as such");
    is(scalar $up->received, 0, "$name: nothing is sent");

    return $response;
}


my $usage = 'usage/summary';

is(ask("/basic/$usage")->status, 401, 'auth_basic comes first');
is(ask("/basic/$usage", user(alice => 'b'))->status, 401,
   'and looks at the password');
is(scalar $up->received, 0, 'nothing is sent');
sent('a verified user', 'alice', ask("/basic/$usage", user(alice => 'a')));
sent('another one', 'bob', ask("/basic/$usage", user(bob => 'b')));

my $response = refused('an access control that was forgotten',
                       ask("/forgotten/$usage"));

is($response->header('Content-Type'), 'application/json', 'an envelope');
is($response->header('Cache-Control'), 'no-store', 'that is not stored');
like($response->json->{error}{message}, qr/does not know who this client is/,
     'which says what to do');
is($response->json->{error}{code}, 'forbidden', 'its code');
ok(!$response->json->{error}{retryable}, 'no retry');
is($gateway->status->{keys}[0]{denied}{consumer}, 1, 'it is counted');

refused('satisfy any without a password', ask("/any/$usage"));

sent('the first value', 'carol', ask("/first/$usage?last=dave",
                                     'X-User: carol'));
sent('the second value', 'dave', ask("/first/$usage?last=dave"));
refused('no value', ask("/first/$usage"));
sent('text around a variable', '/carol', ask("/text/$usage", 'X-User: carol'));
sent('the next text', 'tenant-dave', ask("/text/$usage?last=dave"));
refused('text around nothing', ask("/text/$usage"));
refused('text around a capture that there is not', ask('/captured/x'));
sent('a bracket before a variable', 'u{carol', ask("/bracket/$usage",
                                                   'X-User: carol'));

sent('off', '', ask("/off/$usage", 'X-User: carol'));
sent('no directive', '', ask("/none/$usage", 'X-User: carol'));

is(ask('/order/billing/events')->header('X-Katalo-Gateway'), 'operation',
   'the guard refuses first');
is(ask("/page/$usage")->status, 418, 'error_page replaces it if asked to');

sent('a cache', 'carol', ask("/cached/$usage", 'X-User: carol'));
is(ask("/cached/$usage", 'X-User: dave')->status, 200, 'a hit of the cache');
is(scalar $up->received, 0, 'is one');
refused('a hit without a name', ask("/cached/$usage"));

is_deeply([$up->values(sent('a map with captures', 'by-x',
                            ask('/api/v1/mine/x?x-status=200')), 'X-Captured')],
          ['mine'], 'the captures of the location stay');

sent('try_files', 'carol', ask("/tried/$usage", 'X-User: carol'));
refused('try_files without a name', ask("/tried/$usage"));


# subrequests

ask("/mirrored/$usage?other=mallory", 'X-User: carol');

my %consumer = map { $_->{target} => ($up->values($_, 'X-Consumer'))[0] // '' }
               $up->received(5);

is_deeply(\%consumer, {
    "/api/v1/$usage?other=mallory" => 'carol',
    '/mirror?other=mallory' => 'carol', '/mirror_own?other=mallory' => 'carol',
    '/mirror_none?other=mallory' => 'carol', '/mirror_off?other=mallory' => '',
}, 'mirrors have the consumer of the main request, and none where it is off');

ask("/outer/$usage?other=mallory", user(mallory => 'x'));
ok(wait_until(sub { $gateway->access_log =~ m{^/outer/.* -}m }),
   'a main request without a key');
is_deeply([grep { m{^/mirror} } $up->targets], [],
          'has no consumer: names that its client chose send nothing');

is(ask('/asked/', 'X-User: carol')->status, 403,
   'while access is asked for, there is no consumer yet');
is(scalar $up->received, 0, 'nothing is sent');


# the log has them

my $log = $gateway->access_log;

like($log, qr{^/basic/$usage 200 attached \[alice\]$}m, 'in the log');
like($log, qr{^/basic/$usage 401 - \[-\]$}m, 'not before it is asked for');
like($log, qr{^/forgotten/$usage 403 consumer \[-\]$}m, 'a refusal');
like($log, qr{^/cached/$usage 200 - \[dave\]$}m, 'a hit of the cache');

lacks_secrets($gateway->error_log . $log, 'the logs show no key');

done_testing();
