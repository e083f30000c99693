#!/usr/bin/perl

# When slots run out, a previous id gives way only after its counts went to the
# usage log; so does a key that has left the configuration.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::UsageLog qw(usage_lines adds_up requests deltas usage_http);
use Katalo::Upstream;

use constant IDS => 12;

my $key = new_key('id0');
my $up = Katalo::Upstream->new;

sub lines { return usage_lines($_[0], 'logs/usage.log') }


# ids of one key; the interval does not come to its end

my $gateway = Katalo::Test->new(
    upstream => $up, keys => { production => $key },
    http => usage_http('logs/usage.log interval=1h',
                       'katalo_zone 32k;'))->start;

for my $n (1 .. IDS) {
    $gateway->request('GET', '/katalo/usage/summary') for 1 .. $n;
    $gateway->set_key(production => new_key("id$n"));
    $gateway->wait_for_log(qr/from id "id@{[$n - 1]}" to "id$n"/);
}

my @ids = map { $_->{key_id} } @{ $gateway->status->{keys}[0]{ids} };
my %there = map { $_ => 1 } @ids;
my @gone = grep { !$there{$_} } map { "id$_" } 0 .. IDS;

cmp_ok(scalar @gone, '>', 3, 'most ids have given their slots away');
my %logged = map { $_->{key_id} => 1 } lines($gateway);
is_deeply([grep { !$logged{$_} } @gone], [], 'each of these has a line');
unlike($gateway->error_log, qr/katalo_zone" is full/, 'there was always room');

$gateway->quit;

my $sum = deltas(lines($gateway));
my @counts = map { $sum->{"production id$_"}{'requests.total'} // 0 } 0 .. IDS;
is_deeply(\@counts, [1 .. IDS, 0], 'each id has its own requests');
is(requests(lines($gateway)), scalar $up->received, 'none is missing');
adds_up('many ids', lines($gateway));


# an id that comes back begins anew

$up->clear;
$gateway = Katalo::Test->new(
    upstream => $up, keys => { production => $key },
    http => usage_http('logs/usage.log interval=1h',
                       'katalo_zone 32k;'))->start;
$gateway->request('GET', '/katalo/usage/summary') for 1 .. 2;

for my $id ((map { "other$_" } 1 .. IDS), 'id0') {
    $gateway->set_key(production => $id eq 'id0' ? $key : new_key($id));
    $gateway->wait_for_log(qr/to "$id"/);
    $gateway->request('GET', '/katalo/usage/summary');
}

$gateway->quit;

# the greatest of each time: a request and its response may be on two lines

my @totals;

for my $line (grep { $_->{key_id} eq 'id0' } lines($gateway)) {
    my $total = $line->{total}{requests}{total} // next;

    pop @totals if @totals && $total >= $totals[-1];
    push @totals, $total;
}

is_deeply(\@totals, [2, 1], 'an id that comes back begins anew');
is(requests(lines($gateway)), scalar $up->received, 'its requests are there');


# names of keys that come and go

sub keys_http {
    return usage_http('logs/usage.log interval=1h', 'katalo_zone 48k;',
                      key => '', keys => [@_]);
}

$up->clear;
$gateway = Katalo::Test->new(
    upstream => $up, keys => { map { ("key$_" => $key) } 0 .. 8 },
    http => keys_http('key0'))->start;

# each old worker is killed before it can write what it has counted: the new one
# does, long before the interval is over

for my $n (1 .. 8) {
    my $name = 'key' . ($n - 1);
    my ($worker) = $gateway->worker_pids;

    $gateway->request('GET', "/$name/usage/summary") for 1 .. $n;
    $gateway->request('GET', "/$name/usage/summary", headers => ['Origin: x']);
    kill 'STOP', $worker;
    $gateway->configure(http => keys_http("key$n"));
    $gateway->signal('HUP');
    wait_until(sub { grep { $_ != $worker } $gateway->worker_pids })
        or die "no new worker\n";
    kill 'KILL', $worker;
    wait_until(sub { !kill 0, $worker }) or die "the worker is still there\n";
    wait_until(sub { grep { $_->{key} eq $name } lines($gateway) })
        or die "what is left of $name is not logged\n";
}

cmp_ok(scalar lines($gateway), '>', 0, 'rows are used again');
$gateway->quit;
$sum = deltas(lines($gateway));
@counts = map { $sum->{"key$_ id0"}{'requests.total'} } 0 .. 7;
is_deeply(\@counts, [1 .. 8], 'keys that have left the configuration');
@counts = map { $sum->{"key$_ id0"}{'denied.browser'} } 0 .. 7;
is_deeply(\@counts, [(1) x 8], 'and their facts');
adds_up('many keys', lines($gateway));

done_testing();
