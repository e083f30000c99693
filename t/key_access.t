#!/usr/bin/perl

# A key file that is invalid or not readable by workers: reported by nginx -t,
# and in the status until the file is mended.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Time::HiRes qw(sleep);

use Katalo::Test qw(:all);
use Katalo::Test::Config;
use Katalo::Test::Metrics qw(metrics);

my $key = new_key('one');


# the file is bad

my $http = <<'EOC';
    katalo_key production file:%KEY:production% check=100ms;
    katalo_key never file:%KEY:never% check=off;
    server {
        listen 127.0.0.1:%PORT%;
        location = /status { katalo_status; }
    }
EOC

my $gateway = Katalo::Test->new(
    keys => { production => $key, never => $key }, workers => 2,
    http => $http)->start;
my $file = $gateway->prefix . '/keys/production';


sub row { return $gateway->status->{keys}[$_[0] // 0] }
sub yes { return $_[0] ? 'yes' : 'no' }


# whether the source is good, is changed on reload only, and the metric
sub state {
    my $metrics = metrics($gateway->request('GET', '/status?format=prometheus')
                                  ->body);
    my $row = row();

    return join ' ', yes($row->{source_ok}), yes($row->{reload_only}),
                $metrics->{series}{'katalo_key_source_ok{key="production"}'};
}


# One worker may still tell what it saw before the last change, until it looks
# again, in 100 ms.
sub becomes {
    my ($expected, $title) = @_;

    my $stays = wait_until(sub {
        return 0 if state() ne $expected;
        sleep 0.3;
        return state() eq $expected;
    });

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return ok($stays, $title) || diag(state());
}


is(state(), 'yes no 1', 'a good file');

my @bad = (
    ['a missing one', sub { unlink $file }],
    ['a broken one', sub { $gateway->set_key(production => 'kat_live_x') }],
    ['a directory', sub { unlink $file; mkdir $file }],
);

for (@bad) {
    my ($title, $break) = @$_;

    $break->();
    becomes('no no 0', $title);
    ok(row()->{usable}, 'the last good key stays');

    $gateway->kill_worker;
    becomes('no no 0', 'a worker that is started again sees the same');

    rmdir $file;
    $gateway->set_key(production => $key);
    becomes('yes no 1', 'a good one again');
}

# the same file again

rename $file, "$file.away";
becomes('no no 0', 'a file that is moved away');
rename "$file.away", $file;
becomes('yes no 1', 'the same file moved back');

$gateway->set_key(production => '');
wait_until(sub { !row()->{usable} });
is(state(), 'yes no 1', 'an empty file is no fault of the source');
$gateway->quit;


# workers may not read it

SKIP: {
    skip 'only root can start workers as another user', 1 if $> != 0;

    my $config = Katalo::Test::Config->new(
        keys => { production => $key }, user => 'nobody nogroup');
    my $path = $config->gateway->prefix . '/keys';
    my $may_not = qr/"katalo_key" "production": workers run as "nobody" and/;
    my %part = (key => 'katalo_key production file:%KEY:production%; #!');

    $config->warns('a file for root only', $may_not, %part);
    $config->accepts('one that is never looked at', key => 'katalo_key '
                     . 'production file:%KEY:production% check=off;');
    {
        local $config->gateway->{user} = 'root';

        $config->accepts('workers that run as root', %part);
    }

    my $gid = getgrnam 'nogroup';

    chown 0, $gid, "$path/production";
    chmod 0640, "$path/production";
    $config->accepts('a group of theirs', %part);

    chmod 0700, $path;
    $config->warns('a directory that they may not search', $may_not, %part);

    chmod 0755, $path;
    symlink 'production', "$path/link";
    $config->accepts('a link to it', key =>
                     'katalo_key production file:%KEY:link%;');

    my $other = Katalo::Test->new(
        keys => { production => $key, never => $key }, workers => 2,
        user => 'nobody nogroup', http => $http)->start;

    $gateway = $other;
    $file = $other->prefix . '/keys/production';

    is(state(), 'no yes 0', 'the status says that a reload is needed');
    ok(row()->{usable}, 'the key is used');
    ok(row(1)->{source_ok} && !row(1)->{reload_only},
       'a key with check=off has no fault');
    like_redacted($other->error_log, qr/\[warn\].*workers run as "nobody"/,
                  'the log has a warning at start');

    $other->kill_worker;
    becomes('no yes 0', 'a killed worker changes nothing');

    chown 0, $gid, $file;
    chmod 0640, $file;
    becomes('yes no 1', 'a file that workers may read by now');

    chmod 0600, $file;
    becomes('no yes 0', 'a file that workers may no longer read');
    chmod 0640, $file;
    becomes('yes no 1', 'a file that workers may read again');

    chmod 0600, $file;
    becomes('no yes 0', 'a file that is closed to workers again');
    ok($other->reload(gone => 1), 'a reload');
    is(state(), 'no yes 0', 'a reload does not mend the file');

    my $keys = $other->prefix . '/keys';

    $other->mark_log;
    chmod 0700, $keys;
    becomes('no yes 0', 'nor does a directory that is closed to workers');
    unlike($other->error_log, qr/was changed/, 'which is not logged');

    ok($other->reload(gone => 1), 'a reload with it');
    chmod 0640, $file;
    chmod 0755, $keys;
    becomes('yes no 1', 'a file in a directory that is open again');
}

done_testing();
