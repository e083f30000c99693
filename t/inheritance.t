#!/usr/bin/perl

# Where a key is inherited and where it is not, and that nothing else of what
# goes upstream changes: each request is made twice, the second time through a
# gateway without the module, whose configuration lacks only katalo_*.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Upstream qw(expects_auth expects_value);

my $http = <<'EOC';
    katalo_key production file:%KEY:production% host=.katalo.ai host=127.0.0.1
        host=untrusted;
    katalo_key staging    file:%KEY:staging%;
    upstream app.katalo.ai { server 127.0.0.1:%UPSTREAM_PORT%; }
    upstream untrusted     { server 127.0.0.1:%UNTRUSTED_PORT%; }

    katalo_bearer production;
    proxy_ssl_trusted_certificate %CA%;
    proxy_ssl_session_reuse off;
    proxy_set_header X-Level http;
    proxy_set_header Cookie $arg_cookie;

    server {
        listen 127.0.0.1:%PORT%;

        location /plain/ { proxy_pass https://app.katalo.ai; }

        location /off/ {
            katalo_bearer off;
            proxy_pass https://untrusted;
            location /off/nested/ { proxy_pass https://untrusted; }
            location /off/on/ {
                katalo_bearer staging;
                proxy_pass https://app.katalo.ai;
                location /off/on/off/ {
                    katalo_bearer off;
                    proxy_set_header X-Level nested;
                    proxy_pass https://untrusted;
                }
            }
        }

        location /nested/ {
            location /nested/one/ { proxy_pass https://app.katalo.ai; }
            location ~ /two/ {
                proxy_pass https://app.katalo.ai;
                location ~ /three/ { proxy_pass https://app.katalo.ai; }
            }
        }

        location /level/ {
            proxy_set_header X-Level location;
            proxy_set_header X-Two two;
            proxy_pass https://app.katalo.ai;
            location /level/same/ { proxy_pass https://app.katalo.ai; }
            location /level/own/ {
                proxy_set_header X-Level own;
                proxy_set_header Host $host;
                proxy_pass https://app.katalo.ai;
            }
            location /level/off/ {
                katalo_bearer off;
                proxy_pass https://untrusted;
            }
        }

        location /user/ {
            proxy_http_version 1.0;
            proxy_ssl_server_name off;
            proxy_ssl_name app.katalo.ai;
            proxy_pass https://127.0.0.1:%UPSTREAM_PORT%;
            location /user/same/ { proxy_pass https://app.katalo.ai; }
            location /user/off/ {
                katalo_bearer off;
                proxy_pass https://untrusted;
            }
        }

        location /if/ {
            proxy_pass https://app.katalo.ai;
            if ($arg_is) { set $is $arg_is; }
            if ($arg_other) { katalo_bearer staging; }
            if ($arg_off) {
                katalo_bearer off;
                proxy_pass https://untrusted;
            }
        }
        location /if-off/ {
            proxy_pass https://untrusted;
            if ($arg_off) { katalo_bearer off; }
        }
        location /if-on/ {
            katalo_bearer off;
            proxy_pass https://app.katalo.ai;
            if ($arg_on) { katalo_bearer production; }
        }

        location /limit/ {
            proxy_pass https://app.katalo.ai;
            limit_except GET { allow all; }
            location /limit/off/ {
                katalo_bearer off;
                proxy_pass https://untrusted;
                limit_except GET { allow all; }
            }
        }

        location /variable/ {
            proxy_pass https://$arg_to/x-echo;
            location /variable/address/ {
                proxy_ssl_name app.katalo.ai;
                proxy_pass https://$arg_to/x-echo;
            }
            location /variable/off/ {
                katalo_bearer off;
                proxy_pass https://$arg_to/x-echo;
            }
        }

        location /name/ { try_files /none @name; }
        location /name/off/ { try_files /none @off; }
        location @name { proxy_pass https://app.katalo.ai; }
        location @off { katalo_bearer off; proxy_pass https://untrusted; }

        location /fallback/ {
            proxy_pass https://app.katalo.ai;
            proxy_intercept_errors on;
            error_page 418 502 = /fallback/off;
            location = /fallback/off {
                katalo_bearer off;
                proxy_pass https://untrusted;
            }
        }
        location /mirror/ { proxy_pass https://app.katalo.ai; mirror /copy; }
        location = /copy {
            internal;
            katalo_bearer off;
            proxy_pass https://untrusted/x-copy;
        }
        location /unmirror/ {
            katalo_bearer off;
            mirror /key;
            proxy_pass https://untrusted;
        }
        location = /key { proxy_pass https://app.katalo.ai/x-copy; }
    }

    server {
        listen 127.0.0.1:%PORT2%;
        katalo_bearer off;
        proxy_set_header X-Level server;
        location /plain/ { proxy_pass https://untrusted; }
        location /on/ {
            katalo_bearer production;
            proxy_pass https://app.katalo.ai;
        }
    }

    server {
        listen 127.0.0.1:%PORT3%;
        katalo_bearer staging;
        proxy_set_header X-Level server;
        location /plain/ { proxy_pass https://app.katalo.ai; }
        location /off/ { katalo_bearer off; proxy_pass https://untrusted; }
    }
EOC

my %key = (production => new_key('prod1'), staging => new_key('stage1'));
my $up = Katalo::Upstream->new(keys => [values %key]);
my $untrusted = Katalo::Upstream->new(certificate => 'untrusted');
my %option = (upstream => $up, keys => \%key, http => $http,
              vars => { UNTRUSTED_PORT => $untrusted->port });
my $gateway = Katalo::Test->new(%option)->start;
my $without = do {
    local $ENV{TEST_NGINX_MODULE} = '';
    Katalo::Test->new(%option, http => $http =~ s/\bkatalo_\w+ [^;]+;//gr)
        ->start;
};

my $client = 'Basic Y2xpZW50OmNsaWVudA==';
my %who = (expects_value($client) => 'client',
           map { (expects_auth($key{$_}) => $_) } keys %key);


# makes a request, and returns what arrived where
sub sends {
    my ($through, $count, $method, $port, $path) = @_;

    $_->clear for $up, $untrusted;
    Katalo::Test::Client->new(port => $through->port($port))
        ->request($method, $path, headers => ["Authorization: $client",
                                              'Connection: close']);
    wait_until(sub { $up->received + $untrusted->received >= $count });

    return (map { { %$_, at => 'katalo' } } $up->received),
           (map { { %$_, at => 'untrusted' } } $untrusted->received);
}


# in words: where a request arrived, and with whose credential
sub outcome {
    return join ', ', map {
        my $record = $_;
        my @auth = map { $who{$_} // 'unknown' } $up->auth($record);
        "$record->{at}: " . join ' and ', @auth;
    } @_;
}


# all that arrived; "except" leaves out what a key brings along
sub bytes {
    my ($except, @records) = @_;

    return join "\n", map {
        my ($head, $sni) = ($_->{head}, $_->{sni} // 'none');

        if ($except && $_->{at} eq 'katalo') {
            $head =~ s/^Authorization: .*\r\n//m;
            $head =~ s/ HTTP\/1\.[01]\r/ HTTP\r/;
            $head =~ s/^Connection: close\r\n//m;
            $sni = 'any';
        }

        "$_->{at} $sni\n$head";
    } @records;
}


for my $row (
    ['a location', 'katalo: production', '/plain/'],
    ['off', 'untrusted: client', '/off/'],
    ['below off', 'untrusted: client', '/off/nested/'],
    ['on below off', 'katalo: staging', '/off/on/'],
    ['off below on below off', 'untrusted: client', '/off/on/off/'],
    ['below a location without proxy_pass', 'katalo: production',
     '/nested/one/'],
    ['a regex below it', 'katalo: production', '/nested/two/'],
    ['the third level', 'katalo: production', '/nested/two/three/'],
    ['own headers', 'katalo: production', '/level/'],
    ['inherited headers', 'katalo: production', '/level/same/'],
    ['own headers below own headers', 'katalo: production', '/level/own/'],
    ['off below own headers', 'untrusted: client', '/level/off/'],
    ['own proxy settings', 'katalo: production', '/user/'],
    ['inherited proxy settings', 'katalo: production', '/user/same/'],
    ['off below own proxy settings', 'untrusted: client', '/user/off/'],
    ['an "if" not taken', 'katalo: production', '/if/'],
    ['an "if" taken', 'katalo: production', '/if/', '?is=1'],
    ['another key in "if"', 'katalo: staging', '/if/', '?other=1'],
    ['off in "if"', 'untrusted: client', '/if/', '?off=1'],
    ['off alone in "if"', 'untrusted: client', '/if-off/', '?off=1'],
    ['off, the "if" with a key not taken', 'katalo: client', '/if-on/'],
    ['a key in "if"', 'katalo: production', '/if-on/', '?on=1'],
    ['limit_except, not limited', 'katalo: production', '/limit/'],
    ['limit_except', 'katalo: production', '/limit/', '', 1, 'DELETE'],
    ['limit_except, off', 'untrusted: client', '/limit/off/', '', 1,
     'DELETE'],
    ['a variable names an upstream', 'katalo: production', '/variable/',
     '?to=app.katalo.ai'],
    ['a variable names an address', 'katalo: production',
     '/variable/address/', '?to=127.0.0.1:' . $up->port],
    ['a variable, off', 'untrusted: client', '/variable/off/',
     '?to=127.0.0.1:' . $untrusted->port],
    ['a named location', 'katalo: production', '/name/'],
    ['a named location, off', 'untrusted: client', '/name/off/'],
    ['a fallback', 'katalo: production, untrusted: client', '/fallback/',
     'x-status/418'],
    ['a fallback after a reset', 'katalo: production, untrusted: client',
     '/fallback/', 'x-reset'],
    ['mirrored to off', 'katalo: production, untrusted: client', '/mirror/'],
    ['mirrored to a key', 'katalo: production, untrusted: client',
     '/unmirror/'],
    ['a server with off', 'untrusted: client', '/plain/', '', 2],
    ['on below a server with off', 'katalo: production', '/on/', '', 2],
    ['a server with another key', 'katalo: staging', '/plain/', '', 3],
    ['off below a server with a key', 'untrusted: client', '/off/', '', 3])
{
    my ($name, $expected, $path, $more, $port, $method) = @$row;
    $more = 'x-echo' . ($more // '') if ($more // '') !~ /^x-/;
    my @request = ($method // 'GET', ($port // 1) > 1 ? $port : '',
                   $path . $more);

    my $count = 1 + ($expected =~ tr/,//);
    my @with = sends($gateway, $count, @request);
    my @plain = sends($without, $count, @request);

    is(outcome(@with), $expected, $name);
    is(bytes($expected !~ /katalo: client/, @with),
       bytes($expected !~ /katalo: client/, @plain),
       "$name: else as without the module");
}

my ($on) = sends($gateway, 1, 'GET', '', '/plain/x-echo');
is("$on->{version}, $on->{sni}", 'HTTP/1.1, app.katalo.ai',
   'HTTP/1.1 and a server name go with a key');
is_deeply([$up->values($on, 'Connection')], [], 'a Connection does not');
my ($user) = sends($gateway, 1, 'GET', '', '/user/x-echo');
is($user->{version} . ', ' . ($user->{sni} // 'none'), 'HTTP/1.0, none',
   "unless the user's own settings say otherwise");

my @refused = sends($gateway, 0, 'GET', '', '/if-off/x-echo');
is(outcome(@refused), '', 'what an "if" with off may reach, a key may not');

done_testing();
