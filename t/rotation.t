#!/usr/bin/perl

# A key's file changes while nginx runs: replaced in every way, and by what
# holds no key.  Two workers, each looking for itself.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use POSIX qw(mkfifo);
use Test::More;
use Time::HiRes qw(sleep);

use Katalo::Test qw(:all);
use Katalo::Upstream qw(expects_auth);

my ($one, $two, $three) = map { new_key($_) } qw(one two three);
my $up = Katalo::Upstream->new;

my $gateway = Katalo::Test->new(
    upstream => $up, workers => 2, keys => { production => "$one\n" },
    http => <<'EOC');
    katalo_key production file:%KEY:production% check=100ms;
    katalo_key pod file:%PREFIX%/volume/key check=100ms;
    upstream app.katalo.ai { server 127.0.0.1:%UPSTREAM_PORT%; keepalive 4; }
    proxy_ssl_trusted_certificate %CA%;
    proxy_set_header Connection "";
    server {
        listen 127.0.0.1:%PORT%;
        location /katalo/ {
            katalo_bearer production;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
        location /pod/ {
            katalo_bearer pod;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
        location = /status { katalo_status json; }
    }
EOC

my $prefix = $gateway->prefix;
my $file = "$prefix/keys/production";


# the hash of the key that a request takes along
sub sent {
    my ($location) = @_;

    $up->clear;
    $gateway->request('GET', ($location // '/katalo') . '/usage/summary');
    my ($record) = $up->received(1);

    return join ' ', $up->auth($record);
}


# both workers log it: each says so once
sub both_log {
    my ($pattern, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    ok($gateway->wait_for_log(qr/$pattern.*$pattern/s, 10), $name)
        || diag(redact($gateway->error_log));
}


sub lines {
    my ($pattern) = @_;

    return scalar grep { /$pattern/ } split /\n/, $gateway->error_log;
}


# as an editor or a shell does it: the file stays the same one
sub write_in_place {
    my ($content, $mode) = @_;

    open my $out, $mode // '>', $file or die "$file: $!\n";
    syswrite $out, $content;

    return close $out;
}


# what a path stands for is replaced in one step
sub put {
    my ($make) = @_;

    $make->("$file.new");
    rename "$file.new", $file or die "$file: $!\n";
}


# Kubernetes: key -> ..data/key, ..data -> a directory that is replaced whole
sub publish_volume {
    my ($n, $key) = @_;

    mkdir "$prefix/volume/..$n";
    $gateway->write_file("volume/..$n/key", $key, 0600);
    symlink "..$n", "$prefix/volume/..data_tmp";
    rename "$prefix/volume/..data_tmp", "$prefix/volume/..data";
}


mkdir "$prefix/volume";
symlink '..data/key', "$prefix/volume/key";
publish_volume(1, $one);

$gateway->start;
is(sent(), expects_auth($one), 'the first key is used');

$gateway->mark_log;
$gateway->set_key(production => $two);
both_log('notice.*"production" is rotated from id "one" to "two"',
         'a renamed file is seen');
is(sent(), expects_auth($two), 'its key is used');

$gateway->mark_log;
write_in_place("$one\r\n");
both_log('"production" is rotated from id "two" to "one"',
         'a file written in place is seen');
is(sent(), expects_auth($one), 'without its line end');

$gateway->mark_log;
publish_volume(2, $two);
both_log('"pod" is rotated from id "one" to "two"', 'a swapped link is seen');
is(sent('/pod'), expects_auth($two), 'through two levels of links');
is(sent(), expects_auth($one), 'the other key stays');

# a slow writer: half of a key looks like a key

my $half = int length($two) / 2;
$gateway->mark_log;
$up->clear;
write_in_place(substr $two, 0, $half);

for (1 .. 8) {
    $gateway->request('GET', '/katalo/usage/summary') for 1 .. 2;
    sleep 0.05;
}

write_in_place(substr($two, $half), '>>');
both_log('"production" is rotated from id "one" to "two"',
         'a file written in two steps is seen');
$gateway->request('GET', '/katalo/usage/summary') for 1 .. 4;

my %whole = map { expects_auth($_) => 1 } $one, $two;
my @sent = map { $up->auth($_) } $up->received(20);
is(scalar(grep { $whole{$_} } @sent), 20, 'half a key is never used');

# nothing to wait for: three looks, and a file comes to rest

$gateway->mark_log;
$gateway->set_key(production => "$two\n");
sleep 0.6;
is(lines('production'), 0, 'the same key written again is no news');
is(sent(), expects_auth($two), 'and it stays');

$gateway->mark_log;
$gateway->set_key(production => new_key('two'));
both_log('"production" id "two" has a new secret',
         'another secret of the same id is told');

$gateway->mark_log;
$gateway->set_key(production => $two);
both_log('"production" id "two" has a new secret', 'and so is its return');

my @bad = (
    ['a directory', 'is not a regular file', sub { symlink '.', $_[0] }],
    ['a FIFO', 'is not a regular file', sub { mkfifo $_[0], 0600 }],
    ['a device', 'is not a regular file', sub { symlink '/dev/zero', $_[0] }],
    ['a huge file', 'is longer than a key may be', sub { write_to($_[0],
        "kat_live_huge." . 'x' x 5_000_000) }],
    ['a binary file', 'holds no key', sub { write_to($_[0],
        "kat_live_bin.\0\1\2\377") }],
    ['two lines', 'holds no key', sub { write_to($_[0], "$one\n$three\n") }],
    ['a dangling link', 'could not be examined.*2: No such file',
        sub { symlink 'nowhere', $_[0] }],
    ['a link to itself', 'could not be examined', sub { symlink $file,
                                                               $_[0] }],
);

sub write_to {
    my ($path, $content) = @_;

    open my $out, '>', $path or die "$path: $!\n";
    print $out $content;

    return close $out;
}

my $bad = 0;
my $rotations = $gateway->status->{keys}[0]{rotations};

for (@bad) {
    my ($name, $message, $make) = @$_;
    my $error = qr/\[error\].*key "production": "\Q$file\E" /;

    my ($old, $new) = $bad++ % 2 ? ($three, $two) : ($two, $three);

    $gateway->mark_log;
    put($make);
    ok($gateway->wait_for_log(qr/$error.*$error/s, 10),
       "$name is an error of both workers");
    like($gateway->error_log, qr/$message/, 'that says what is wrong');
    is(sent(), expects_auth($old), 'the last good key stays');
    sleep 0.3;
    is(lines($error), 2, 'each says so once');
    is($gateway->status->{keys}[0]{read_failures}, $bad, 'counted once');

    $gateway->set_key(production => $new);
    both_log('"production": "\S+" is usable again', 'a good file is told');
    is(sent(), expects_auth($new), 'and used');
}

is($gateway->status->{keys}[0]{rotations}, $rotations + $bad,
   'a rotation counts once, whichever workers see it');
ok($gateway->status->{keys}[0]{usable}, 'the key was usable all along');
lacks_secrets($gateway->read_file('logs/error.log'),
              'no byte of a key is in the error log');

done_testing();
