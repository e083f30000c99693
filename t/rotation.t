#!/usr/bin/perl

# A key file changes while nginx runs: replaced in several ways, and by files
# without a key.  There are two workers, which read the file independently.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

use Katalo::Test qw(:all);
use Katalo::Upstream qw(expects_auth);

my ($one, $two, $three) = map { new_key($_) } qw(one two three);
my $up = Katalo::Upstream->new;

my $gateway = Katalo::Test->new(
    upstream => $up, workers => 2, keys => { production => "$one\n" },
    http => gateway_http(
        key => 'check=100ms', upstream => 'KEPT_UPSTREAM',
        http => 'katalo_key pod file:%PREFIX%/volume/key check=100ms;',
        server => <<'EOC'));
        location /pod/ {
            katalo_bearer pod;
            proxy_pass https://app.katalo.ai/api/v1/;
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

    ok($gateway->wait_for_log(qr/$pattern.*$pattern/s), $name)
        || diag(redact($gateway->error_log));
}


sub ids {
    return [map { $_->{key_id} } @{ $gateway->status->{keys}[0]{ids} }];
}


sub lines {
    my ($pattern) = @_;

    return scalar grep { /$pattern/ } split /\n/, $gateway->error_log;
}


# As an editor or a shell does it: the file stays the same one.  It is empty for
# a moment, and revoked after 0.1 seconds: was it in time?
sub write_in_place {
    my ($content, $mode) = @_;
    my $begun = time;

    open my $out, $mode // '>', $file or die "$file: $!\n";
    syswrite $out, $content;
    my $in_time = time - $begun < 0.09;
    close $out;

    return $in_time;
}


# A file written in place that has not changed for a second is read.  The exit
# code is 0 if the halves were in time.
sub slow_writer {
    my ($content, $half) = @_;
    my $pid = fork() // die "fork: $!\n";

    return $pid if $pid;

    my $begun = time;
    my $in_time = write_in_place(substr $content, 0, $half);

    sleep 0.5;
    write_in_place(substr($content, $half), '>>');

    POSIX::_exit($in_time && time - $begun < 0.9 ? 0 : 1);
}


# A writer that was late, as it may be on a busy machine, begins again.
sub in_time {
    my ($key, $write) = @_;

    for (1 .. 100) {
        $gateway->mark_log;
        return if $write->();

        $gateway->set_key(production => $key);
        $gateway->reload(gone => 1);
    }

    die "all writers were late\n";
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
is(sent(), expects_auth($two), 'the key of the new file is used');

in_time($two, sub { write_in_place("$one\r\n") });
both_log('"production" is rotated from id "two" to "one"',
         'a file written in place is seen');
is(sent(), expects_auth($one), 'the key is used without its line end');
is_deeply(ids(), [qw(one two)], 'the status has the current id first');

$gateway->mark_log;
publish_volume(2, $two);
both_log('"pod" is rotated from id "one" to "two"', 'a swapped link is seen');
is(sent('/pod'), expects_auth($two), 'through two levels of links');
is(sent(), expects_auth($one), 'the other key stays');

# a slow writer: half of a key looks like a key

my $half = int length($two) / 2;
my $asked;

in_time($one, sub {
    $up->clear;
    $asked = 0;

    my $writer = slow_writer($two, $half);

    while (waitpid($writer, POSIX::WNOHANG()) == 0) {
        $gateway->request('GET', '/katalo/usage/summary');
        $asked++;
    }

    return $? == 0;
});

both_log('"production" is rotated from id "one" to "two"',
         'a file written in two steps is seen');
$gateway->request('GET', '/katalo/usage/summary') for 1 .. 4;
$asked += 4;

my %whole = map { expects_auth($_) => 1 } $one, $two;
my @sent = map { $up->auth($_) } $up->received($asked);
is(scalar(grep { $whole{$_} } @sent), $asked, 'half a key is never used');

# nothing to wait for: three looks, and a file comes to rest

$gateway->mark_log;
$gateway->set_key(production => "$two\n");
sleep 0.6;
is(lines('production'), 0, 'the same key written again is not logged');
is(sent(), expects_auth($two), 'the key stays');

$gateway->mark_log;
$gateway->set_key(production => new_key('two'));
both_log('"production" id "two" has a new secret',
         'another secret of the same id is logged');

$gateway->mark_log;
$gateway->set_key(production => $two);
both_log('"production" id "two" has a new secret',
         'the first secret of the id is logged again');

my @bad = (
    ['a directory', 'is not a regular file', sub { symlink '.', $_[0] }],
    ['a FIFO', 'is not a regular file', sub { POSIX::mkfifo($_[0], 0600) }],
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
    ok($gateway->wait_for_log(qr/$error.*$error/s),
       "$name is an error of both workers");
    like($gateway->error_log, qr/$message/, 'the error names the fault');
    is(sent(), expects_auth($old), 'the last good key stays');
    sleep 0.3;
    is(lines($error), 2, 'each worker logs it once');
    is($gateway->status->{keys}[0]{read_failures}, $bad, 'counted once');

    $gateway->set_key(production => $new);
    both_log('"production": "\S+" is usable again', 'a valid file is logged');
    both_log('"production" is rotated from', 'as is its key, once it is used');
    is(sent(), expects_auth($new), 'the key of the valid file is used');
}

is($gateway->status->{keys}[0]{rotations}, $rotations + $bad,
   'a rotation counts once, whichever workers see it');
ok($gateway->status->{keys}[0]{usable}, 'the key was usable all along');
lacks_secrets($gateway->read_file('logs/error.log'),
              'no byte of a key is in the error log');

done_testing();
