#!/usr/bin/perl

# The usage log cannot be written while there is a load, a worker is killed and
# nginx is reloaded; then it can.  No request is lost for it, and no count.
# (usage_log_full.t has a real disk that fills in the middle of a line.)

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::Counts qw(counts);
use Katalo::Test::Health qw(settles memory keeps_memory ends_well);
use Katalo::Test::Load;
use Katalo::Test::UsageLog qw(usage_http usage_lines adds_up requests);
use Katalo::Upstream;

plan skip_all => 'there is no /dev/full' if !-c '/dev/full';

use constant TIMES => 3;

my $up = Katalo::Upstream->new;
my $gateway = Katalo::Test->new(
    upstream => $up, workers => 2, keys => { production => new_key() },
    http => usage_http('logs/usage.log interval=1s', 'access_log off;')
    )->start;
my $log = $gateway->prefix . '/logs/usage.log';
my $kept = 0;


# What the log has got so far is put aside; what it is now is opened.
sub swap {
    my ($full) = @_;

    if (-l $log) {
        unlink $log or die "$log: $!\n";
    } else {
        rename $log, "$log." . ++$kept or die "$log: $!\n";
    }

    if ($full) {
        symlink '/dev/full', $log or die "$log: $!\n";
    }

    $gateway->signal('USR1');

    my $path = $full ? '/dev/full' : $log;

    return wait_until(sub {
        for my $pid ($gateway->master_pid, $gateway->worker_pids) {
            return 0 if !grep { (readlink $_ // '') eq $path }
                              glob "/proc/$pid/fd/*";
        }
        return 1;
    }) || die "$path is not opened\n";
}


# There is no end to what can be read from /dev/full.
sub lines { return usage_lines($gateway, -l $log ? 'logs/usage.log.*'
                                                 : 'logs/usage.log*') }

# What the error log says of it: "could not be" or "is" written.
sub changes { return $_[0] =~ /usage log .* (could not be|is) written/g }

sub total { return $gateway->status->{keys}[0]{ids}[0]{requests}{total} }


my $load = Katalo::Test::Load->start($gateway, clients => 3);
my ($memory, @killed);

for my $time (1 .. TIMES) {
    $gateway->mark_log;
    ok(wait_until(sub { requests(lines()) > 100 * $time }),
       "$time: there is a load, and it is logged");
    $memory //= memory($gateway);

    swap(1);
    my $all_opened = length $gateway->error_log;
    ok($gateway->wait_for_log(qr/could not be written.*No space left|28: No/),
       "$time: the disk is full, an error says so");

    my $before = total();
    push @killed, $gateway->kill_worker;
    $gateway->reload(gone => 1) or die "no reload\n";

    ok(wait_until(sub { total() > $before + 200 }),
       "$time: requests go on, and are counted");

    # one that has not opened it yet may still write to the file of before

    my @changes = changes($gateway->error_log);
    is_deeply(\@changes,
              [map { $_ % 2 ? 'is' : 'could not be' } 0 .. $#changes],
              "$time: the error was logged once");
    is(scalar(grep { $_ eq 'is' } changes(substr $gateway->error_log,
                                                 $all_opened)), 0,
       "$time: from when all have opened it");

    $before = requests(lines());
    swap(0);
    ok(wait_until(sub { requests(lines()) > $before + 200 }),
       "$time: there is room, all of it is written");
    ok(wait_until(sub { (changes($gateway->error_log))[-1] eq 'is' }),
       "$time: a notice says so");
}

my $outcome = $load->stop;
my $cut = @{ $outcome->{broken} } + $outcome->{stale};
settles($gateway, 'at the end');
keeps_memory($gateway, 'at the end', $memory);

my $counts = counts($gateway);
my $received = $up->targets;
cmp_ok($counts->{total}, '>=', $received, 'no request is missing');
cmp_ok($counts->{total}, '<=', $received + $cut, 'but those cut off by a kill');

ends_well($gateway, killed => \@killed, expected => qr/was locked by \d+$/);
is(requests(lines()), $counts->{total}, 'the usage log has them all');
adds_up('all files', lines());

done_testing();
