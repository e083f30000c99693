#!/usr/bin/perl

# nginx -t refuses a location that would send its key to nobody, in the clear,
# to an upstream that is not verified, or to a host that the key is not for.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::Config;

my $config = Katalo::Test::Config->new(keys => { production => new_key() });

my $bearer = 'katalo_bearer production; #!';
my $file = 'file:%KEY:production%';


# a header of the user's own, at each level that it may come from

my $own = 'proxy_set_header Authorization "Basic eA==";';
my $conflict = qr/"katalo_bearer" conflicts with "proxy_set_header Authori/;
my $place = qr{applies here too \(in (\S+/conf/test\.conf:\d+)\), remove one};

$config->refuses("Authorization in $_", $conflict, $_ => $own,
                 bearer => $bearer) for qw(http server location);
for my $where (qw(http server location)) {
    my ($code, $output) = $config->test(bearer => $bearer, $where => $own);
    my @lines = split /\n/, $config->gateway->read_file('conf/test.conf');
    my ($line) = grep { $lines[$_ - 1] =~ /proxy_set_header Auth/ } 1 .. @lines;

    like($output, qr/$place/, "Authorization in $where: its place is told");
    like($output, qr/test\.conf:$line\), remove/, 'and is that line');
}

$config->refuses('a key inherited from the server', $conflict,
                 server => $bearer, bearer => '', location => $own);
$config->refuses('a key inherited from http', $conflict,
                 http => $bearer, bearer => '', server => $own);
$config->refuses('another case', $conflict, bearer => $bearer,
                 location => 'proxy_set_header aUTHORIZATION x;');
$config->refuses('an empty header', $conflict, bearer => $bearer,
                 location => 'proxy_set_header Authorization "";');
$config->refuses('in an if', $conflict,
                 location => "if (\$arg_x) { $bearer\n} $own", bearer => '');
$config->accepts('a header that is not inherited', server => $own,
                 location => 'proxy_set_header X-Own 1;');
$config->accepts('a header where there is no key', server => $own,
                 bearer => '');
$config->accepts('a header under katalo_bearer off', server => "$own\n$bearer",
                 bearer => 'katalo_bearer off;');
$config->accepts('any other header',
                 location => 'proxy_set_header Cookie "a=b";');


# in the clear, or not verified

my $plain = qr/"katalo_bearer" would send the key over plain HTTP, use "proxy/;
my $unverified = qr/"katalo_bearer" would send the key to an unverified upstr/;

$config->refuses('plain http', $plain, bearer => $bearer,
                 pass => 'proxy_pass http://app.katalo.ai;');
$config->refuses('plain http to an address', $plain, bearer => $bearer,
                 pass => 'proxy_pass http://127.0.0.1:%PORT%;');
$config->refuses('plain http in a nested location', $plain, server => $bearer,
                 bearer => '',
                 pass => 'location /x { proxy_pass http://app.katalo.ai; }');
$config->refuses("plain http in $_", $plain, bearer => $bearer,
                 location => "$_ { proxy_pass http://app.katalo.ai; }")
    for 'if ($arg_x)', 'limit_except GET';
$config->refuses("proxy_ssl_verify off in $_", $unverified, bearer => $bearer,
                 $_ => 'proxy_ssl_verify off;') for qw(http server location);
$config->refuses('katalo_upstream_tls off elsewhere', $plain,
                 server => 'location /x { katalo_upstream_tls off; }',
                 bearer => $bearer, pass => 'proxy_pass http://app.katalo.ai;');
$config->refuses('verify below katalo_upstream_tls off', $plain,
                 server => 'katalo_upstream_tls off;', bearer => $bearer,
                 location => 'katalo_upstream_tls verify;',
                 pass => 'proxy_pass http://app.katalo.ai;');

$config->accepts("$_ with katalo_upstream_tls off", pass => $_,
                 location => 'katalo_upstream_tls off;')
    for 'proxy_pass http://app.katalo.ai;', 'proxy_pass https://app.katalo.ai;',
        "proxy_ssl_verify off;\nproxy_pass https://app.katalo.ai;";
$config->accepts('proxy_ssl_verify on again', http => 'proxy_ssl_verify off;',
                 location => 'proxy_ssl_verify on;');
$config->accepts('plain http without a key', bearer => '',
                 pass => 'proxy_pass http://app.katalo.ai;');


# nowhere to send it

my $nowhere = qr/"katalo_bearer" in a location without "proxy_pass", add/;
my @elsewhere = ('return 204;', 'root /tmp;', 'empty_gif;',
                 'fastcgi_pass 127.0.0.1:%PORT%;',
                 'uwsgi_pass 127.0.0.1:%PORT%;', 'scgi_pass 127.0.0.1:%PORT%;',
                 'set $memcached_key x; memcached_pass 127.0.0.1:%PORT%;',
                 'grpc_pass grpcs://app.katalo.ai;');

for my $pass (@elsewhere) {
    $config->refuses("a key and $pass", $nowhere, bearer => $bearer,
                     pass => $pass);
    $config->accepts("an inherited key and $pass", bearer => '',
                     server => 'katalo_bearer production;', pass => $pass);
}

$config->refuses('a key for nothing but an if', $nowhere, bearer => $bearer,
                 pass => 'if ($arg_x) { return 204; }');
$config->accepts("a key for $_", pass => $_)
    for map { sprintf $_, 'proxy_pass https://app.katalo.ai;' }
            'location /x { %s }', 'if ($arg_x) { %s }',
            'location /x { location /x/y { %s } }';


# a host that the key is not for

my $foreign = qr/"katalo_bearer" would send the key "production" to "([^"]*)",/;

sub host_is {
    my ($hosts, $url, $taken, $name, $location) = @_;
    my ($host) = $url =~ m{//([^/]+)};
    my $title = join ' ', 'host', $hosts || 'unset', $host, $location // ();
    my $block = 'upstream katalo.ai.example { server 127.0.0.1:1; } '
                . 'upstream app.katalo.ai { server 127.0.0.1:1; }';
    my %part = (block => $block, key => "katalo_key production $file $hosts;",
                bearer => $bearer, pass => "proxy_pass $url;",
                location => $location // '');

    return $config->accepts("$title is taken", %part) if $taken;

    my $output = $config->refuses("$title is refused", $foreign, %part);
    my ($shown) = $output =~ $foreign;

    is($shown, $name // $host, "$title: the message names the host");
    like($output, qr/ add "host=\Q$shown\E" to the "katalo_key" if it may/,
         "$title: and says how to allow it");

    return;
}

host_is('', 'https://app.katalo.ai', 1);
host_is('', 'https://127.0.0.1', 0);
host_is('', 'https://127.0.0.1:8443/api', 0, '127.0.0.1');
host_is('', 'https://katalo.ai.example', 0);
host_is('host=127.0.0.1', 'https://127.0.0.1:8443', 1);
host_is('host=localhost', 'https://app.katalo.ai', 0);
host_is('host=localhost host=app.katalo.ai', 'https://app.katalo.ai', 1);
host_is('host=katalo.ai', 'https://app.katalo.ai', 0);
host_is('host=.app.katalo.ai', 'https://app.katalo.ai', 1);
host_is('host=.KATALO.ai.', 'https://app.katalo.ai', 1);
host_is('host=.alo.ai', 'https://app.katalo.ai', 0);
host_is('host=*', 'https://127.0.0.1:1', 1);
host_is('host=[::1]', 'https://[::1]:8443', 1);
host_is('host=[::1]', 'https://[::2]:8443', 0, '[::2]');
host_is('', 'https://127.0.0.1', 1, undef, 'proxy_ssl_name app.katalo.ai;');
host_is('', 'https://app.katalo.ai', 0, 'evil.example',
        'proxy_ssl_name evil.example;');
host_is('', 'https://app.katalo.ai', 1, undef, 'proxy_ssl_name $host;');
host_is('', 'https://$host', 1);

# the advice works

for my $case (['proxy_pass http://unix:/run/Katalo.sock;',
               'katalo_upstream_tls off;'],
              ['proxy_pass https://unix:/run/Katalo.sock:/api/;', ''],
              ['proxy_pass https://127.0.0.1:1;', ''])
{
    my ($pass, $location) = @$case;
    my $output = $config->refuses("$pass for no host", $foreign,
        key => "katalo_key production $file;", bearer => $bearer,
        pass => $pass, location => $location);
    my ($advice) = $output =~ /add "(host=[^"]*)" to the "katalo_key"/;

    $config->accepts("$pass with the $advice that was advised",
        key => "katalo_key production $file $advice;", pass => $pass,
        location => $location);
    $config->refuses("$pass with another socket", $foreign,
        key => "katalo_key production $file host=unix:/run/katalo.sock;",
        bearer => $bearer, pass => $pass, location => $location);

    $location ? unlike($output, qr/proxy_ssl_name/, 'no name, where no TLS')
              : like($output, qr/: set "proxy_ssl_name" to the name in .*, or/,
                     'a name comes before a host');
}

# without verified TLS no certificate tells who it is
host_is('', 'http://127.0.0.1:1', 0, '127.0.0.1',
        'katalo_upstream_tls off; proxy_ssl_name app.katalo.ai;');

done_testing();
