#!/usr/bin/perl

# Each configuration error names its directive and its line and says what to
# do; what is right of the same shape is taken.  Keys have t/config_keys.t.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::Config;

my $config = Katalo::Test::Config->new(
    keys => { production => new_key('prod1') });

my $file = 'file:%KEY:production%';


# values: [directive and values that are right], [... wrong], pattern

sub values_of {
    my ($place, $directive, $right, $wrong, $pattern) = @_;

    $config->accepts("$directive $_", $place => "$directive $_;")
        for @$right;

    for my $value (@$wrong) {
        $config->refuses("$directive $value", $pattern,
                         $place => "$directive $value; #!");
    }
}

values_of(location => 'katalo_preflight', ['deny', 'pass'], ['off', 'Deny'],
          qr/invalid value ".*" in "katalo_preflight", use "pass" or "deny"/);
values_of(server => 'katalo_browser', ['deny', 'report', 'allow'], ['pass'],
          qr/in "katalo_browser", use "deny" or "report" or "allow"/);
values_of(http => 'katalo_cors', ['strip', 'pass'], ['off'],
          qr/invalid value "off" in "katalo_cors", use "pass" or "strip"/);
values_of(location => 'katalo_idempotency', ['pass', 'add', 'require'],
          ['on', 'off', 'Add', 'added', '""'],
          qr/in "katalo_idempotency", use "pass" or "add" or "require"/);
values_of(location => 'katalo_cooldown', ['60s', '1ms', '"2h 30m"', 'off'],
          ['0', '0s', '-1s', 'on', 'Off', '1x', '""'],
          qr/invalid time ".*" in "katalo_cooldown", use a time such as "60s"/);
values_of(location => 'katalo_upstream_tls', ['verify', 'off'], ['on', '""'],
          qr/in "katalo_upstream_tls", use "off" or "verify"/);
values_of(location => 'katalo_intercept_errors', ['on', 'off'], ['yes'],
          qr/"yes" in "katalo_intercept_errors" directive, it must be "on"/);
values_of(location => 'katalo_allow',
          ['all', 'create read', 'regenerate usage billing other'],
          ['write', 'Create', 'off', '""'],
          qr/unknown operation ".*" in "katalo_allow", use "create", "read"/);
values_of(location => 'katalo_allow', [], ['all create', 'read all'],
          qr/"all" stands alone in "katalo_allow", remove it or the other op/);
values_of(location => 'katalo_strip', ['off', 'Cookie X-Api-Key', 'cookie'],
          ['off Cookie', 'on', 'all', 'OFF', 'On', 'Cookie All', '$host',
           '"X Y"', 'X:', '""', '"X\tY"', 'X(Y)', "Cookie\nkatalo_bearer x"],
          qr/invalid header name ".*" in "katalo_strip", use header names/);
values_of(location => 'katalo_strip', [],
          ['Host', 'content-length', 'Cookie Transfer-Encoding'],
          qr/"katalo_strip" cannot take away ".*", a request cannot be sent/);
$config->accepts('a long name in katalo_strip, where the proxy module has room',
                 http => 'proxy_headers_hash_bucket_size 512;',
                 location => 'katalo_strip ' . 'X' x 200 . ';');
values_of(http => 'katalo_zone', ['256k', '1m', '40960'],
          ['0', 'x', '-1m', '1mm', '""'],
          qr/invalid size ".*" in "katalo_zone", use a size such as "1m"/);
values_of(http => 'katalo_zone', [], ['8k', '16383'],
          qr/"katalo_zone" ".*" is too small, use at least 32k/);
values_of(server => 'location /s { katalo_status', [], ['xml; }', 'JSON; }'],
          qr/in "katalo_status", use "json"/);

my @status = map { "location /s { katalo_status $_; }" } '', 'json';
$config->accepts($_, server => $_) for @status;


# keys: names and parameters

my @key = (
    ['a name with a blank', qq("a b" $file), qr/invalid key name "a b" in/],
    ['no name', qq("" $file), qr/invalid key name "" in "katalo_key", use up/],
    ['the name off', "off $file",
     qr/invalid key name "off" .*"katalo_bearer off" means no key: use anothe/],
    ['a name too long', 'n' x 65 . " $file", qr/"n+" .* use up to 64 letters/],
    ['a variable as name', "\$host $file", qr/invalid key name "\$host"/],
    ['a quote as name', qq('"' $file), qr/invalid key name """/],
    ['an unknown parameter', "production $file hosts=a",
     qr/invalid parameter "hosts=a" in "katalo_key", use "host=", "check=" o/],
    ['no host', "production $file host=", qr/invalid "host=" of "katalo_key"/],
    ['a host with a port', "production $file host=a.example:443",
     qr/"host=a\.example:443" .* use a name without a port/],
    ['an IPv6 address with a port', "production $file host=[::1]:443",
     qr/"host=\[::1\]:443" .* use a name without a port/],
    ['a URL as host', "production $file host=https://a.example",
     qr/invalid "host=https/],
    ['a wildcard in a host', "production $file host=*.a.example",
     qr/invalid "host=\*\.a\.example" .* "\.suffix" or "\*"/],
    ['a dot as host', "production $file host=.", qr/invalid "host=\."/],
    ['no interval', "production $file check=", qr/invalid value "check="/],
    ['an interval of zero', "production $file check=0",
     qr/"check=0" of "katalo_key" "production", use a time such as "5s"/],
    ['an interval in words', "production $file check=often",
     qr/invalid value "check=often"/],
    ['two intervals', "production $file check=1s check=2s",
     qr/duplicate "check=" of "katalo_key" "production"/],
);

$config->refuses($_->[0], $_->[2], key => "katalo_key $_->[1]; #!") for @key;

$config->accepts("katalo_key $_", key => "katalo_key $_;")
    for map { "production $file $_" }
            '', 'check=off', 'host=* host=unix:/run/Katalo.sock', 'check=1h30m',
            'host=*', 'host=APP.Katalo.AI.',
            'host=x.example host=.katalo.ai check=100ms';

my $longest = 'n' x 64;
$config->accepts('the longest name', key => "katalo_key $longest $file;",
                 bearer => "katalo_bearer $longest;");

$config->gateway->set_key(same => 'kat_live_prod1.' . new_secret());
$config->warns('two keys with one id', qr/"katalo_key" "staging" has the same /
               . qr/key id "prod1" as "production": to revoke one is to revoke/,
               http => 'katalo_key staging file:%KEY:same%; #!');

$config->refuses('a name twice', qr/duplicate "katalo_key" "production"/,
                 http => "katalo_key production $file; #!");
$config->refuses('an unknown name',
                 qr/unknown key "staging" in "katalo_bearer", there is no/,
                 bearer => 'katalo_bearer staging; #!');
$config->refuses('another case', qr/unknown key "Production"/,
                 bearer => 'katalo_bearer Production; #!');
$config->refuses('no name in katalo_bearer', qr/unknown key "" in "katalo_be/,
                 bearer => 'katalo_bearer ""; #!');
$config->refuses('no key at all',
                 qr/"katalo_bearer" without any "katalo_key", add "katalo_key/,
                 key => '', bearer => 'katalo_bearer production; #!');
$config->accepts('a key that comes last', key => '', server => "}\n"
                 . "katalo_key production $file;\nserver { listen "
                 . '127.0.0.1:%PORT2%; katalo_bearer production; '
                 . 'katalo_consumer off;');
$config->accepts('no key, no use', key => '', bearer => '');
$config->accepts('off without keys', key => '', bearer => 'katalo_bearer off;');
$config->accepts('a variable', bearer => 'katalo_bearer $http_x_key;');
$config->accepts('a name in parts', bearer => 'katalo_bearer prod$arg_x;');


# operations

my $operation = 'katalo_operation cancel DELETE ~/generations/[^/]+$;';
my @operation = (
    ['no tilde', 'x GET /x', qr/invalid pattern "\/x" in .* use "~" and a reg/],
    ['no expression', 'x GET ~', qr/invalid pattern "~"/],
    ['a bad expression', 'x GET "~("', qr/in "katalo_operation"/],
    ['a bad method', 'x G/T ~x', qr/invalid method "G\/T" in .* such as "GET"/],
    ['a method in small letters', 'x get ~x', qr/invalid method "get" in/],
    ['no method', 'x "" ~x', qr/invalid method "" in/],
    ['HEAD', 'x HEAD ~x', qr/"GET", which stands for "HEAD" too/],
    ['a bad name', '"x y" GET ~x', qr/invalid name "x y" in "katalo_oper/],
    ['the name all', 'all GET ~x', qr/invalid name "all"/],
    ['the name total', 'total GET ~x', qr/invalid name "total"/],
    ['a name too long', 'o' x 65 . ' GET ~x', qr/"o+" .* use up to 64 letters/],
    ['a documented name', 'read GET ~x', qr/duplicate operation "read"/],
    ['a name twice', 'cancel GET ~x', qr/duplicate operation "cancel" in/],
);

$config->refuses("an operation with $_->[0]", $_->[2],
                 http => "$operation\nkatalo_operation $_->[1]; #!")
    for @operation;

$config->accepts('an operation', http => $operation,
                 location => 'katalo_allow cancel;');
$config->accepts('any method', http => 'katalo_operation x * ~x;');

my @ten = map { "katalo_operation n$_ * ~n$_;" } 1 .. 10;
$config->accepts('ten operations', http => "@ten");
$config->refuses('an eleventh', qr/more than 10 "katalo_operation" directives/,
                 http => "@ten katalo_operation n11 * ~x; #!");


# twice at one level; at another, it is inheritance

for my $line ('katalo_bearer production;', 'katalo_strip Cookie;',
              'katalo_preflight pass;', 'katalo_browser allow;',
              'katalo_cors pass;', 'katalo_allow all;',
              'katalo_idempotency add;',
              'katalo_upstream_tls verify;', 'katalo_intercept_errors on;',
              'katalo_zone 1m;')
{
    my ($directive) = $line =~ /^(\w+)/;
    my $place = $directive eq 'katalo_zone' ? 'http' : 'server';

    $config->refuses("$directive twice", qr/"$directive" directive is duplicat/,
                     $place => "$line $line #!");
    $config->accepts("$directive below itself", http => $line,
                     $place eq 'http' ? () : (server => $line));
}


# the zone: what the message asks for is enough

my @keys = map { "katalo_key k$_ file:%KEY:k$_%;" } 1 .. 200;
$config->gateway->set_key("k$_", new_key("k$_")) for 1 .. 200;
my $output = $config->refuses('a zone too small for its keys',
    qr/"katalo_zone" is too small for 201 keys, set "katalo_zone \d+k" or more/,
    http => "@keys\nkatalo_zone 64k; #!");
my ($size) = $output =~ /set "katalo_zone (\d+k)"/;
$config->accepts('the size that was asked for',
                 http => "@keys\nkatalo_zone $size;");
$config->accepts('the default zone for ten keys', http => "@keys[0 .. 9]");
$config->refuses('a default zone too small for its keys',
                 qr/"katalo_zone" is too small for 201 keys/,
                 http => "@keys #!");

{
    local $config->gateway->{workers} = 512;

    $output = $config->refuses('a zone too small for its workers',
                               qr/is too small for 1 keys, set "katalo_zone \d/,
                               http => 'katalo_zone 32k; #!');
    ($size) = $output =~ /set "katalo_zone (\d+k)"/;
    $config->accepts('the size for these workers',
                     http => "katalo_zone $size;");
}

done_testing();
