#!/usr/bin/perl

# What nginx -t says of katalo_consumer: what it takes, a location that says
# nothing of it, and names that any client can choose.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::Config;

my $key = new_key('prod1');
my $config = Katalo::Test::Config->new(keys => { production => $key });
my $map = 'map $http_x_token $identity { default ""; }';
my $basic = 'auth_basic g; auth_basic_user_file conf/users;';
my $listen = 'listen 127.0.0.1:%TLS_PORT% ssl; ssl_certificate %CERT%; '
             . 'ssl_certificate_key %CERT_KEY%; '
             . 'ssl_client_certificate %CA%;';
my $proxy = 'proxy_pass https://app.katalo.ai/api/v1/;';


# values

my %value = (
    'off and a value' => ['off $identity', qr/"off" stands alone in/],
    'a value and off' => ['$identity off', qr/remove it or the values/],
    'no variable' => ['$identity guest',
                      qr/"guest" in "katalo_consumer" has no v.* or "off" al/],
    'on' => ['on', qr/"on" in "katalo_consumer" has no variable/],
    'an empty value' => ['$identity ""', qr/"" in .* has no variable/],
    'whether there is a certificate' =>
        ['$ssl_client_verify', qr/"\$ssl_client_verify" in .* is no name/],
    'the same in a text' => ['$identity "${ssl_client_verify}-$identity"',
                             qr/is "NONE" without .* "\$ssl_client_s_dn"/],
    'a variable of this module' =>
        ['$identity "a-${katalo_key}"', qr/"\$katalo_key" in .* names no cl/],
    'its own variable' => ['$katalo_consumer', qr/consumer" in .* no client/],
    'a key' => ['kat_live_x', qr/a key is written in the "katalo_consumer"/],
    'a bad variable' => ['${identity', qr/closing bracket in "identity" var/],
);

$config->refuses($_, $value{$_}[1], http => $map,
                 consumer => "katalo_consumer $value{$_}[0]; #!")
    for sort keys %value;

$config->refuses('the directive twice', qr/"katalo_consumer" directive is dup/,
                 http => $map, consumer => "katalo_consumer off;\n"
                 . 'katalo_consumer $identity; #!');
$config->refuses('none', qr/invalid number of arguments in "katalo_consumer"/,
                 consumer => 'katalo_consumer; #!');
$config->accepts('a map', http => $map,
                 consumer => 'katalo_consumer $identity;');
$config->accepts('several values', http => $map,
                 consumer => 'katalo_consumer "a-${identity}" $identity;');
$config->accepts('off', consumer => 'katalo_consumer off;');
$config->accepts('a zone of a limit by consumer', http => $map
                 . 'limit_req_zone $katalo_consumer zone=katalo_consumers:1m '
                 . 'rate=1r/s;', consumer => 'katalo_consumer $identity;');


# nothing is said of a consumer

my $remedies = '.* "katalo_consumer \$remote_user;", .* "katalo_consumer off;"';
my $missing = qr/"katalo_bearer" without "katalo_consumer": $remedies/;

$config->warns('no directive', $missing, consumer => '',
               bearer => 'katalo_bearer production; #!');
$config->warns('two more locations', qr/"katalo_consumer" \(and in 2 more loc/,
               consumer => '', bearer => 'katalo_bearer production; #!',
               pass => "$proxy } location /b { katalo_bearer production; "
                       . "$proxy } location /c { katalo_bearer production; "
                       . "if (\$arg_x) { set \$y 1; } $proxy");
$config->warns('another one that is off', $missing, consumer => '',
               bearer => 'katalo_bearer production; #!',
               pass => "$proxy } location /b { katalo_bearer production; "
                       . "katalo_consumer off; $proxy");
$config->warns('an "if" with a key of its own', $missing, consumer => '',
               bearer => '', pass => "if (\$arg_x) { "
               . "katalo_bearer production; #!\n"
               . 'proxy_pass https://app.katalo.ai; }');
$config->accepts('no key', consumer => '', bearer => '');
$config->accepts('a key that is not used', consumer => '',
                 bearer => 'katalo_bearer off;',
                 server => 'katalo_bearer production;');
$config->accepts('inherited', consumer => '', http => 'katalo_consumer off;');


# names that any client can choose

for my $name (qw($http_x_user $arg_user $cookie_user ${http_authorization}
                 $HTTP_X_USER $http_host $host $HOST $args $query_string $uri
                 $document_uri $request_uri $request_filename $request
                 $request_method $request_body $content_type $content_length
                 $ssl_server_name))
{
    my ($shown) = lc($name) =~ /(\w+)/;

    $config->warns($name, qr/any client can choose "\$$shown" in "katalo_con/,
                   consumer => "katalo_consumer $name; #!");
}

$config->warns('in a text', qr/any client can choose "\$arg_user" in .* use/,
               consumer => 'katalo_consumer "u-${arg_user}-"; #!');
$config->warns('a capture', qr/any client can choose "\$1" in "katalo_consum/,
               consumer => 'katalo_consumer "u-$1"; #!');
$config->warns('once for each directive', qr/any client can choose "\$http_a"/,
               consumer => 'katalo_consumer "$http_a-$http_a" $arg_b; #!');
$config->accepts("$_, which begins like one", http => "map \$uri $_ {}",
                 consumer => "katalo_consumer $_;")
    for qw($https_x $arg $host_name $requested $uris $args_1);
$config->accepts("$_, which no client can choose",
                 consumer => "katalo_consumer $_;")
    for qw($remote_addr $server_name $hostname $request_id);

my $user = qr/any client can choose "\$remote_user" in "katalo_consumer"/;
my @user = (consumer => 'katalo_consumer $remote_user; #!');

$config->warns('$remote_user', qr/$user where "auth_basic" is not in force/,
               @user);
$config->warns('with a realm alone', qr/$user .* "auth_basic_user_file"/, @user,
               location => 'auth_basic g;');
$config->warns('with users alone', $user, @user,
               location => 'auth_basic_user_file conf/users;');
$config->warns('with auth_basic off', $user, @user, server => $basic,
               location => 'auth_basic off;');
$config->warns('with auth_basic off for some methods', $user, @user,
               location => "$basic limit_except POST { auth_basic off; }");
$config->accepts('with other access for some methods', @user,
                 location => "$basic limit_except POST { deny all; }");
$config->warns('with a realm that may be off',
               qr/$user where the variable in "auth_basic" is/, @user,
               http => 'map $uri $r { default off; }',
               location => "$basic auth_basic \${r};" =~ s/auth_basic g; //r);
$config->accepts('with a realm that is not', @user,
                 location => $basic =~ s/ g;/ "\$host g";/r);
$config->warns('with satisfy any', qr/$user where "satisfy any" lets it by/,
               @user, location => "$basic satisfy any; allow all;");
$config->warns('in one of two locations', $user, @user, location => $basic,
               pass => "$proxy } location /b { katalo_bearer production; "
                       . $proxy);
$config->warns('in both', $user, @user, pass => "$proxy } location /b { "
               . "katalo_bearer production; $proxy");
$config->accepts('with auth_basic', @user, location => $basic);
$config->accepts('inherited with it', http => "$basic $user[1]\n",
                 consumer => '');

my @certificate = (consumer => 'katalo_consumer $ssl_client_s_dn; #!');

$config->warns('a certificate that is not verified',
               qr/any client can choose "\$ssl_client_s_dn" .* optional_no_ca/,
               @certificate,
               server => "$listen ssl_verify_client optional_no_ca;");
$config->warns('no certificate', qr/is always empty where .* is off/,
               @certificate, server => $listen);
$config->accepts("ssl_verify_client $_", @certificate,
                 server => "$listen ssl_verify_client $_;")
    for qw(on optional);
$config->accepts('no certificate, and something else', http => $map,
                 consumer => 'katalo_consumer $ssl_client_s_dn $identity;');

done_testing();
