#!/usr/bin/perl

# An optional key: its source may be missing or unusable when nginx starts, or
# is reloaded.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::Config;
use Katalo::Upstream qw(expects_auth);

my ($one, $two) = map { new_key($_) } qw(one two);
my $up = Katalo::Upstream->new;


# what nginx -t says

my $config = Katalo::Test::Config->new(
    keys => { production => $one, broken => "kat_live_broken\n" },
    env => { KATALO_NONE => undef, KATALO_BAD => 'x', KATALO_GOOD => $one,
             CREDENTIALS_DIRECTORY => undef });

for my $case (['a missing file', 'file:%KEY:none%', 'could not be opened'],
              ['a broken file', 'file:%KEY:broken%', 'holds no key'],
              ['a directory', 'file:%PREFIX%', 'is not a regular file'],
              ['no variable', 'env:KATALO_NONE', 'is not in the environment'],
              ['a bad variable', 'env:KATALO_BAD', 'holds no key'],
              ['no credentials', 'credential:production',
               'started without this variable'])
{
    my ($name, $source, $why) = @$case;
    my ($code, $output) = $config->test(
        key => "katalo_key production $source optional; #!");

    is($code, 0, "$name passes");
    like_redacted($output, qr/\[warn\].*key "production": ".*" .*\Q$why\E/,
                  'with a warning that says what is wrong');
    like_redacted($output, qr/\[warn\].*has no usable key and is optional: its /
                           . qr/requests get 503 .* in \S+test\.conf:\d+$/m,
                  'and what becomes of it');
    lacks_secrets($output, 'and shows no byte of a key');

    $config->refuses("$name without \"optional\"",
                     $source =~ /credential/
                     ? qr/no \$CREDENTIALS_DIRECTORY.*"optional"/
                     : qr/mend its source, or add "optional" to start without/,
                     key => "katalo_key production $source; #!");
}

$config->accepts('a good one',
    key => 'katalo_key production file:%KEY:production% optional host=*;');


# at start, and then

my $http = <<'EOC';
    katalo_key production file:%KEY:production% check=100ms optional;
    katalo_key variable env:KATALO_NONE optional;
    katalo_key credential credential:production optional;
    %UPSTREAM%
    server {
        listen 127.0.0.1:%PORT%;
        location ~ ^/(?<key>[a-z]+)/ {
            katalo_bearer $key;
            proxy_pass https://app.katalo.ai;
        }
        location = /status { katalo_status json; }
    }
EOC

my $gateway = Katalo::Test->new(
    upstream => $up, workers => 2, http => $http,
    env => { KATALO_NONE => undef, CREDENTIALS_DIRECTORY => undef })->start;


sub key {
    my ($name) = @_;

    return (grep { $_->{key} eq ($name // 'production') }
                 @{ $gateway->status->{keys} })[0];
}


sub is_sent {
    my ($expected, $title) = @_;
    my $status = $gateway->request('GET', '/production/x-status/200')->status;

    $up->clear if !$expected;
    return is($status, 503, $title) if !$expected;

    is_deeply([map { $up->auth($_) } $up->received(1)],
              [expects_auth($expected)], $title);
    $up->clear;

    return;
}


sub source_is {
    my ($ok, $title) = @_;

    return ok(wait_until(sub { (key()->{source_ok} ? 1 : 0) == $ok }), $title);
}


sub change {
    my ($content, $pattern) = @_;

    $gateway->mark_log;

    defined $content ? $gateway->set_key(production => $content)
                     : unlink $gateway->prefix . '/keys/production';

    return $gateway->wait_for_log(qr/$pattern.*$pattern/s);
}


is_sent(undef, 'nginx starts without any of them');
is($gateway->request('GET', "/$_/x")->status, 503, "so for $_")
    for qw(variable credential);
ok(!key($_)->{usable} && !key($_)->{source_ok}, "and the status says so: $_")
    for qw(production variable credential);
is(key()->{read_failures}, 1, 'a failure, counted once for all workers');

change($one, '"production" id "one" is usable');
is_sent($one, 'a file that appears is used');
source_is(1, 'the source is good');


# reloads

change("kat_live_broken\n", 'holds no key');
source_is(0, 'a broken file is shown immediately');
$gateway->mark_log;
ok(!$gateway->reload, 'a reload that would lose its key is refused');
like_redacted($gateway->error_log, qr/a reload would lose the one that workers/,
              'the log explains the refusal');
is_sent($one, 'the key stays');

change($one, '"production": "\S+" is usable again');
ok($gateway->reload(gone => 1), 'a reload with a good one');
change("kat_live_broken\n", 'holds no key');
$gateway->mark_log;
ok($gateway->reload(gone => 1), 'a reload with a broken file');
like_redacted($gateway->error_log, qr/the one with id "one" stays in use/,
              'a notice says that the last good key stays');
is_sent($one, 'the last good key is used');
source_is(0, 'the source is bad');
ok($gateway->reload(gone => 1), 'a further reload');
is_sent($one, 'the last good key stays again');
$gateway->kill_worker;
is_sent($one, 'a new worker uses the last good key');

change(undef, 'could not be examined');
ok($gateway->reload(gone => 1), 'a reload with a missing one');
is_sent($one, 'the last good key is still used');
is(key()->{rotations}, 0, 'no rotation is counted');

change($two, 'rotated from id "one" to "two"');
is_sent($two, 'another key is used');
source_is(1, 'the source is good again');

change("kat_live_broken\n", 'holds no key');
ok(!$gateway->reload, 'one that replaced it since is not lost either');
is_sent($two, 'and the older one does not come back');
change('', '"production" id "two" is revoked');
ok($gateway->reload(gone => 1), 'an empty file is revoked as ever');
source_is(1, 'an empty file is no fault of the source');

is_sent(undef, 'a revoked key is not used');
change("kat_live_broken\n", 'holds no key');
ok($gateway->reload(gone => 1), 'a broken file in place of an empty one');
is_sent(undef, 'the key stays revoked');
ok(!$gateway->reload(http => $http =~ s/production% .*/none%;/r),
   'without the word, a missing file is refused');

lacks_secrets($gateway->read_file('logs/error.log'),
              'no secret is in the error log');

done_testing();
