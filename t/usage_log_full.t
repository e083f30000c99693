#!/usr/bin/perl

# The usage log's disk is full: counts wait, an id whose counts wait keeps its
# slot, and once there is room all of them are written, once and in whole lines.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::UsageLog qw(usage_lines consumer_lines adds_up requests
                              usage_http);
use Katalo::Upstream;

plan skip_all => 'only root can mount a small disk' if $> != 0;

my $key = new_key('id0');
my $up = Katalo::Upstream->new;
my $sent = 0;

my $gateway = Katalo::Test->new(
    upstream => $up, keys => { production => $key }, workers => 2,
    http => usage_http('%PREFIX%/disk/usage.log interval=1s',
                       'katalo_zone 40k;'));

my $disk = $gateway->prefix . '/disk';
my $owner = $$;

mkdir $disk or die "$disk: $!\n";
system('mount', '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', $disk) == 0
    or plan skip_all => 'a tmpfs cannot be mounted';

END {
    if ($disk && $$ == $owner) {
        local $?;
        $gateway->stop if $gateway->is_running;
        system('umount', $disk);
    }
}

sub get {
    my ($number) = @_;

    for (1 .. $number) {
        $gateway->request('GET', '/katalo/usage/summary')->status == 200
            or die "not answered\n";
    }
    $sent += $number;

    return;
}

sub lines { return usage_lines($gateway, 'disk/usage.log*') }

# All requests and responses, in lines of their id and of those without a
# consumer: nothing more is written.
sub all_there {
    my @lines = (lines(), consumer_lines());
    my $answered = 0;

    for my $line (@lines) {
        $answered += $_ for values %{ $line->{delta}{responses} };
    }

    return requests(@lines) == 2 * $sent && $answered == 2 * $sent;
}

sub errors { my @e = $gateway->error_log =~ /usage log .* not be written/g; @e }

# All but so many bytes of the disk are in use.
sub fill_disk {
    my ($room) = @_;

    open my $file, '>', "$disk/filling" or die "$disk/filling: $!\n";
    $file->autoflush;
    1 while syswrite($file, 'x' x 4096);
    close $file;
    truncate "$disk/filling", (-s "$disk/filling") - $room or die "$!\n"
        if $room;

    return;
}


$gateway->start;
get(3);
ok(wait_until(\&all_there), 'there is room');


# the line's page is there, the next one is not: a part of a line is written

my $size = -s "$disk/usage.log";

while ((4096 - $size % 4096) > 900) {
    get(1);
    wait_until(\&all_there) or last;
    $size = -s "$disk/usage.log";
}

fill_disk(0);
get(4);
ok($gateway->wait_for_log(qr/usage\.log" could not be written, it is tried/),
   'an error says that it cannot be written');
cmp_ok(-s "$disk/usage.log", '>', $size, 'a part of a line is there');
like($gateway->error_log, qr/could not be written.*No space left|28: No space/,
     'and why');
is($gateway->request('GET', '/katalo/usage/summary')->status, 200,
   'requests go on');
$sent++;


# ids: only those with nothing to be written make room

for my $n (1 .. 8) {
    $gateway->set_key(production => new_key("id$n"));
    $gateway->wait_for_log(qr/to "id$n".*to "id$n"/s) or die "no rotation\n";
    get(1);
}

like($gateway->error_log, qr/katalo_zone" is full, requests with key "produ/,
     'no id whose counts wait gives its slot away');
my ($first) = grep { $_->{key_id} eq 'id0' }
              @{ $gateway->status->{keys}[0]{ids} };
ok($first, 'the first one is there');

my $counted = 0;
$counted += $_->{requests}{total} for @{ $gateway->status->{keys}[0]{ids} };
cmp_ok($counted, '<', $sent, 'what found no slot is not counted');

$gateway->kill_worker;
$gateway->reload(gone => 1);
is(errors(), 1, 'the error was logged once');


unlink "$disk/filling";
ok($gateway->wait_for_log(qr/usage\.log" is written again/),
   'a notice says that it is written again');

ok(wait_until(sub { requests(lines()) >= $counted }),
   'all that was counted is there') or diag(requests(lines()) . " of $counted");
$gateway->quit;

is(requests(lines()), $counted, 'once');
is(scalar $up->received, $sent, 'the rest is what was not counted');
adds_up('after a full disk', lines());

done_testing();
