#!/usr/bin/perl

# What nginx -t says of other modules' directives: a key that is written in
# any of them, and a cache that does not tell keys apart.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::Config;

my $key = new_key('prod1');
my $config = Katalo::Test::Config->new(
    keys => { production => $key }, vars => { LITERAL => new_key('leaked') });
my $gateway = $config->gateway;


# a literal key

my $written = qr/a Katalo key is written in the configuration: whoever/;

sub warns {
    my ($name, $pattern, %part) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    lacks_secrets($config->warns($name, $pattern, %part),
                  "$name: no byte of it is shown");

    return;
}

my %literal = (
    'proxy_set_header' =>
        { location => 'proxy_set_header X-Key "Bearer %LITERAL%"; #!' },
    'another location' =>
        { server => 'location /apart { proxy_set_header Authorization '
                    . "%LITERAL%; #!\n return 204; }" },
    'set' => { server => 'set $key %LITERAL%; #!' },
    'map' => { http => "map \$host \$key {\n default 'Bearer %LITERAL%'; #!\n"
                       . '}' },
    'the source of a map' =>
        { http => "map_hash_bucket_size 128; map \$http_x \$ok {\n"
                  . "\"Bearer %LITERAL%\" 1; #!"
                  . "\n}" },
    'add_header' => { http => 'add_header X-Key "a;%LITERAL%"; #!' },
    'an if' => { location => "if (\$http_x = %LITERAL%) { #!\n set \$a b; }" },
    'the main level' => { main => 'env KATALO=%LITERAL%; #!' },
    'a line after a form feed' =>
        { http => "add_header X-Old b\fc; add_header X-Key %LITERAL%; #!" },
    'a line after others' =>
        { http => "#' {\nlog_format a\n'b\n\"c;'\n\"%LITERAL%\"; #!" },
);

warns("a key in $_", $written, %{ $literal{$_} }) for sort keys %literal;
warns('a key in a comment', $written,
      http => "# was: proxy_set_header X %LITERAL%;#!");

$config->accepts("no key: $_", http => "add_header X-Key \"$_\";")
    for 'kat_live_', 'kat_live_<publicKeyId>.<secret>', 'kat_live_a',
        'kat_live_a.', 'kat_live_.x', '/kat_live_a.b', 'https://x/kat_live_a.b';
$config->accepts('a comment without one',
                 http => '# a key is kat_live_<publicKeyId>.<secret>');


# included files

sub included {
    my ($title, $include, $file, $text) = @_;

    $gateway->write_file("conf/$file", $gateway->expand($text));

    my ($code, $output) = $config->test(http => $include);
    my @warnings = grep { /\[warn\]/ } split /\n/, $output;

    is($code, 0, "$title passes") or diag(redact($output));
    is(scalar @warnings, 1, 'with one warning');
    like_redacted($warnings[0] // '', qr{$written.* in \S+/conf/\Q$file\E:2$},
                  'that names the file and the line');

    unlink $gateway->prefix . "/conf/$file";

    return;
}

my $text = "\nadd_header X-Key %LITERAL%;\n";

mkdir $gateway->prefix . '/conf/sites';
included('an included file', 'include one.conf;', 'one.conf', $text);
included('one of many', 'include sites/*.conf;', 'sites/b.conf', $text);
included('one in quotes', 'include "one.conf";', 'one.conf', $text);
$gateway->write_file('conf/outer.conf', 'include sites/*.conf;');
included('one in another', 'include outer.conf;', 'sites/b.conf', $text);
$config->accepts('what is not included', http => '# include one.conf;');

my ($code, $output) = $config->test(key => '', bearer => '', location =>
                                    'proxy_set_header X-Key %LITERAL%;');
unlike($output, qr/\[warn\]/, 'nothing is said where there are no keys');


# a cache

my $zone = 'proxy_cache_path %PREFIX%/temp/cache keys_zone=c:64k;';
my $cache = qr/"proxy_cache" would answer clients .* add "\$katalo_key" to/;
my %cached = (http => $zone, bearer => 'katalo_bearer $arg_tenant; #!');

$config->warns('a cache for all keys', $cache, %cached,
               location => 'proxy_cache c;');
$config->warns('with another key of its own', $cache, %cached,
               server => 'proxy_cache c;',
               location => 'proxy_cache_key $uri$arg_tenants;');
$config->accepts("with $_", %cached, location => "proxy_cache c;"
                 . " proxy_cache_key $_;")
    for '$uri$katalo_key', '"$arg_tenant $uri"', '${katalo_key}x';
$config->accepts('without a variable', %cached, location => 'proxy_cache c;',
                 bearer => 'katalo_bearer production;');
$config->accepts('without a cache', %cached, location => 'proxy_cache off;');
$config->accepts('a cache elsewhere', %cached,
                 server => 'location /c { proxy_cache c; proxy_pass '
                           . 'http://127.0.0.1:1; }');

done_testing();
