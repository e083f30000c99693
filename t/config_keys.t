#!/usr/bin/perl

# What nginx -t says of keys: where they come from, and what is in their files.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use POSIX qw(mkfifo);

use Katalo::Test qw(:all);
use Katalo::Test::Config;

my $key = new_key('prod1');
my $long = 'kat_live_prod1.' . new_secret(512 - length 'kat_live_prod1.');
my $config = Katalo::Test::Config->new(
    keys => { production => $key },
    env => { KATALO_GOOD => $key, KATALO_BAD => "$key\n$key",
             KATALO_BLANK => '', KATALO_OTHER => new_secret(),
             KATALO_NONE => undef, CREDENTIALS_DIRECTORY => undef },
    vars => { LITERAL => $key });
my $gateway = $config->gateway;

$config->accepts('the configuration that these differ from');


# a key that is written in the configuration

my %literal = (
    'in place of a source' =>
        { key => 'katalo_key production %LITERAL%; #!' },
    'as a file' => { key => 'katalo_key production file:%LITERAL%; #!' },
    'after a file of that name' =>
        { key => 'katalo_key production file:/kat_live_x/%LITERAL%-%LITERAL%;'
                 . ' #!' },
    'in env:' => { key => 'katalo_key production env:%LITERAL%; #!' },
    'in credential:' =>
        { key => 'katalo_key production credential:%LITERAL%; #!' },
    'as the name' =>
        { key => 'katalo_key %LITERAL% file:%KEY:production%; #!' },
    'as a host' => { key => 'katalo_key production file:%KEY:production%'
                            . ' host=%LITERAL%; #!' },
    'as an interval' => { key => 'katalo_key production file:%KEY:production%'
                                 . ' check=%LITERAL%; #!' },
    'in katalo_bearer' => { bearer => 'katalo_bearer %LITERAL%; #!' },
    'quoted in it' => { bearer => 'katalo_bearer "Bearer %LITERAL%"; #!' },
);

for my $where (sort keys %literal) {
    my %part = %{ $literal{$where} };
    my ($directive) = join(' ', values %part) =~ /(katalo_\w+)/;

    $config->refuses("a key $where",
                     qr/a key is written in the "$directive" directive, keep/,
                     %part);
}

# every directive of the table, every argument

open my $table, '<', "$FindBin::Bin/../ngx_http_katalo_module"
                     . '/ngx_http_katalo_conf.c' or die "conf.c: $!\n";
my $commands = do { local $/; <$table> };
my %arguments = ('1MORE' => 2, '2MORE' => 3, ANY => 3, FLAG => 1, TAKE1 => 1,
                 TAKE12 => 2, TAKE3 => 3);
my $directives = 0;

while ($commands =~ /\{ ngx_string\("(katalo_\w+)"\),\s*([A-Z0-9_|\s]+),/g) {
    my ($name, $flags) = ($1, $2);
    my $level = $flags =~ /NGX_HTTP_LOC_CONF/ ? 'location' : 'http';
    my ($last) = map { $flags =~ /NGX_CONF_\Q$_\E\b/ ? $arguments{$_} : () }
                     keys %arguments;

    die "how many arguments has $name?\n" if !$last;

    for my $place (1 .. $last) {
        my @argument = map { $_ == $place ? '%LITERAL%' : 'x' } 1 .. $last;

        $config->refuses("a key in $name, argument $place",
                         qr/a key is written in the "$name" directive, keep/,
                         $level => "$name @argument; #!");
    }

    $directives++;
}

cmp_ok($directives, '>=', 13, 'all directives were tried');

# this one is nobody's directive but the proxy module's
$config->refuses('a key in proxy_set_header',
    qr/"katalo_bearer" conflicts with "proxy_set_header Authorization"/,
    bearer => 'katalo_bearer production; #!',
    location => 'proxy_set_header Authorization "Bearer %LITERAL%";');


# sources

my %source = (
    'no such source' => ['vault:x', qr/invalid source of "katalo_key" "prod/],
    'no source at all' => ['production', qr/use "file:PATH", "env:NAME" or/],
    'no path' => ['file:', qr/invalid source of "katalo_key" "production"/],
    'no variable' => ['env:', qr/invalid source/],
    'a bad variable' => ['env:A-B', qr/invalid source/],
    'no credential' => ['credential:', qr/invalid source/],
    'a way out' => ['credential:../x', qr/invalid source/],
    'a hidden one' => ['credential:.x', qr/invalid source/],
    'a variable that is not set' =>
        ['env:KATALO_NONE', qr/"katalo_key" "production" has no usable key/],
    'a variable of two lines' => ['env:KATALO_BAD', qr/has no usable key/],
    'a variable that holds no key' => ['env:KATALO_OTHER', qr/no usable key/],
    'credentials without systemd' =>
        ['credential:katalo', qr/no \$CREDENTIALS_DIRECTORY in .*LoadCred/],
    'a file that is missing' => ['file:%KEY:none%', qr/has no usable key/],
    'a directory' => ['file:%PREFIX%', qr/no usable key, mend its source/],
    'check= of a variable' =>
        ['env:KATALO_GOOD check=1s', qr/"check=" of "katalo_key" .*needs a f/],
);

for my $what (sort keys %source) {
    my ($source, $pattern) = @{ $source{$what} };

    $config->refuses($what, $pattern,
                     key => "katalo_key production $source; #!");
}

$config->accepts('a variable', key => 'katalo_key production env:KATALO_GOOD;');
$config->warns('an empty variable is a revoked key',
               qr/"katalo_key" "production" is revoked, its source "KATALO_BL/,
               key => 'katalo_key production env:KATALO_BLANK; #!');

{
    local $gateway->{env}{CREDENTIALS_DIRECTORY} = $gateway->prefix . '/keys';

    $config->accepts('a credential',
                     key => 'katalo_key production credential:production;');
    $config->refuses('a credential that is missing', qr/no usable key/,
                     key => 'katalo_key production credential:none; #!');
}


# what is in a file

sub file_is {
    my ($name, $content, $pattern) = @_;

    $gateway->set_key(tried => $content);

    if ($pattern) {
        my $output = $config->refuses($name, qr/"production" has no usable key/,
                                      key => "katalo_key production\n"
                                             . 'file:%KEY:tried%; #!');
        like_redacted($output, qr{key "production": "\S+/keys/tried" $pattern},
                      "$name: the message says what is wrong");
        return;
    }

    $config->accepts($name, key => 'katalo_key production file:%KEY:tried%;');
}

my $unlike = qr/holds no key: one line "kat_live_<publicKeyId>\.<secret>"/;
my $too_long = qr/is longer than a key may be \(512 bytes\)/;
my ($secret) = $key =~ /\.(.*)/;

file_is('no line end', $key);
file_is('a line end', "$key\n");
file_is('a line end of Windows', "$key\r\n");
file_is('the longest key', "$long\r\n");
file_is('the shortest key', 'kat_live_a.b');
file_is('all letters', "kat_live_aZ9_-.-_$secret");

file_is('a byte too long', $long . 'x', $too_long);
file_is('far too long', $key x 1000, $too_long);
file_is('blanks without end', ' ' x 2000, $too_long);
file_is('two lines', "$key\n$key\n", $unlike);
file_is('an empty second line', "$key\n\n", $unlike);
file_is('a line before', "\n$key", $unlike);
file_is('blanks before', " $key", $unlike);
file_is('blanks behind', "$key ", $unlike);
file_is('another prefix', "kat_test_prod1.$secret", $unlike);
file_is('another case', "Kat_Live_prod1.$secret", $unlike);
file_is('the whole header', "Bearer $key", $unlike);
file_is('no id', "kat_live_.$secret", $unlike);
file_is('no dot', "kat_live_prod1$secret", $unlike);
file_is('two dots', "$key.$secret", $unlike);
file_is('no secret', 'kat_live_prod1.', $unlike);
file_is('the prefix alone', 'kat_live_', $unlike);
file_is('quotes', qq("$key"), $unlike);
file_is("a $_->[0]", "kat_live_prod1.$_->[1]$secret", $unlike)
    for ['null byte', "\0"], ['tab', "\t"], ['carriage return', "\r"],
        ['header', "\r\nX: "], ['escape', "\e"], ['delete', "\x7f"],
        ['byte order mark', "\xef\xbb\xbf"], ['letter of Latin-1', "\xe4"];
file_is('binary', join('', map { chr } 0 .. 255) . $secret, $unlike);
file_is('UTF-16', join("\0", split //, "$key\n"), $unlike);

for my $blank ('', "\n", "\r\n", " \t\n\n") {
    $gateway->set_key(tried => $blank);
    $config->warns(length($blank) . ' blank bytes are a revoked key',
                   qr/"katalo_key" "production" is revoked, its source "\S+" /,
                   key => 'katalo_key production file:%KEY:tried%; #!');
}


# what kind of file it is

mkfifo($gateway->prefix . '/keys/fifo', 0600);
$config->refuses('a FIFO does not block', qr/no usable key/,
                 key => 'katalo_key production file:%KEY:fifo%; #!');
$config->refuses('a device', qr/no usable key/,
                 key => 'katalo_key production file:/dev/zero; #!');

symlink 'loop', $gateway->prefix . '/keys/loop';
symlink 'nothing', $gateway->prefix . '/keys/dangling';
$config->refuses("a $_->[0]", qr/no usable key/,
                 key => "katalo_key production file:%KEY:$_->[1]%; #!")
    for ['link to itself', 'loop'], ['link to nothing', 'dangling'];
$config->refuses('a file for a directory', qr/no usable key/,
                 key => 'katalo_key production file:%KEY:production%/x; #!');

SKIP: {
    skip 'root may read every file', 2 if $> == 0;

    chmod 0, $gateway->set_key(tried => $key);
    $config->refuses('a file that nginx may not read', qr/no usable key/,
                     key => 'katalo_key production file:%KEY:tried%; #!');
}

chmod 0644, $gateway->set_key(tried => $key);
$config->warns('others may read it', qr/"katalo_key" "production": others may/,
               key => 'katalo_key production file:%KEY:tried%; #!');
chmod 0640, $gateway->set_key(tried => $key);
$config->accepts('a group may read it',
                 key => 'katalo_key production file:%KEY:tried%;');

done_testing();
