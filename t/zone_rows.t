#!/usr/bin/perl

# All keys get other names while an old worker process still has the old ones,
# in a zone that has a row for each name once.  The new ones have no room: their
# requests work and are counted together, no key is shown with what is another
# one's, and a bad file of one is nothing to the others.  When there is room,
# each is counted by itself, in the status and in the usage log.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use List::Util qw(sum0);
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::UsageLog qw(usage_lines adds_up deltas usage_http);
use Katalo::Upstream;

my $up = Katalo::Upstream->new;


sub http {
    my ($log, @names) = @_;

    return usage_http($log && 'logs/usage.log interval=1h', 'katalo_zone 48k;',
                      keys => \@names, server => <<'EOC');
        location = /metrics { katalo_status prometheus; }
EOC
}


sub names { return map { "$_[0]$_" } 1 .. $_[1] }

sub metrics { return $_[0]->request('GET', '/metrics')->body }

sub status_of {
    my ($gateway, $name) = @_;
    my ($key) = grep { $_->{key} eq $name } @{ $gateway->status->{keys} };

    return $key;
}

# "id: requests" of a key
sub shown {
    return join ', ', map { "$_->{key_id}: $_->{requests}{total}" }
                      @{ status_of(@_)->{ids} };
}

sub ask {
    my ($gateway, $name, $number) = @_;
    my %statuses = map { $_ => 1 }
                   map { $gateway->request('GET', "/$name/x-echo")->status }
                       1 .. $number;

    return join ' ', sort keys %statuses;
}


# how many names there is room for

my $gateway = Katalo::Test->new(
    upstream => $up, keys => { a1 => new_key('ida1') },
    http => http(0, 'a1'))->start;
my $slots = sum0(metrics($gateway) =~ /^katalo_zone_slots\S+ (\d+)$/mg);
my $rows = $slots / 2;

$gateway->quit;
cmp_ok($rows, '>', 2, "there are some rows ($rows)");
cmp_ok($rows, '<', 20, 'and not many');


for my $log (1, 0) {
    my $of = $log ? 'with a usage log' : 'without';
    my @names = (names('a', $rows), names('b', $rows));

    $up->clear;
    $gateway = Katalo::Test->new(
        upstream => $up, keys => { map { $_ => new_key("id$_") } @names },
        http => http($log, names('a', $rows)))->start;

    is(ask($gateway, $_, 1), 200, "$of: $_") for names('a', $rows);

    my ($old) = $gateway->worker_pids;
    my $hanging = $gateway->connection;

    $hanging->write("GET /a1/x-hang HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_until(sub { grep { /x-hang/ } $up->targets }) or die "no request\n";
    $gateway->mark_log;
    ok($gateway->reload(http => http($log, names('b', $rows))),
       "$of: other names for all keys");
    is($gateway->status->{unattributed}, 0, "$of: all were attributed so far");
    is(ask($gateway, "b$_", $_), 200, "$of: b$_ works") for 1 .. $rows;

    my $status = $gateway->status;

    my $sent = sum0(1 .. $rows);

    is($status->{unattributed}, $sent, "$of: all are counted together");
    like(metrics($gateway),
         qr/^katalo_unattributed_requests_total $sent$/m, "$of: a metric");
    is(scalar @{ $_->{ids} }, 0, "$of: $_->{key} is shown without an id")
        for @{ $status->{keys} };
    is(sum0(map { $_->{in_flight} } @{ $status->{keys} }), 0,
       "$of: and without requests");
    ok($_->{usable}, "$of: $_->{key} is usable") for @{ $status->{keys} };

    my @errors = $gateway->error_log =~ /(katalo_zone" is full.*)/g;

    is(scalar @errors, 1, "$of: an error, once");
    like($errors[0], qr/$rows other keys .* set a larger "katalo_zone"/,
         "$of: it says what to do");

    # the file of one of them

    $gateway->set_key(b2 => "no key\n");
    ok($gateway->wait_for_log(qr/key "b2": /),
       "$of: a file of another kind");
    is(ask($gateway, "b$_", 1), 200, "$of: b$_ works") for 1 .. $rows;

    $gateway->kill_worker;
    is(ask($gateway, "b$_", 1), 200, "$of: b$_ works") for 1 .. $rows;
    unlike($gateway->error_log, qr/is not used, it was replaced/,
           "$of: none is refused");

    # rotated without a row

    $gateway->set_key(b3 => new_key('idc3'));
    ok($gateway->wait_for_log(qr/"b3" is rotated from id "idb3"/),
       "$of: b3 is rotated");

    $gateway->set_key(b1 => new_key('idb1'));
    ok($gateway->wait_for_log(qr/"b1" id "idb1" has a new secret/),
       "$of: b1 has another secret of its id");

    # what a new worker process would begin with is not the latest key

    $gateway->set_key(b3 => "no key\n");
    ok($gateway->wait_for_log(qr/key "b3": /), "$of: a file of another kind");
    $gateway->kill_worker;
    is(ask($gateway, 'b3', 1), 503, "$of: b3 does not go back to an old key");
    is(ask($gateway, 'b1', 1), 200, "$of: b1 works");
    is(ask($gateway, 'b2', 1), 200, "$of: b2 works, it was not replaced");
    $gateway->set_key(b3 => new_key('idc3'));
    ok(wait_until(sub { ask($gateway, 'b3', 1) == 200 }), "$of: b3 works");

    # there is room

    undef $hanging;
    ok(wait_until(sub { !kill 0, $old }), "$of: the old worker ends");
    ok(wait_until(sub {
           @{ $gateway->status->{keys} }
           == grep { $_->{key} eq 'b2' || @{ $_->{ids} } == 1 }
                   @{ $gateway->status->{keys} }
       }), "$of: each key but b2 has its id");

    ok(wait_until(sub { !status_of($gateway, 'b2')->{source_ok} }),
       "$of: the file that is bad is known by now");
    ok(status_of($gateway, 'b1')->{source_ok}, "$of: and no other");
    $gateway->mark_log;
    $gateway->set_key(b2 => new_key('idb2'));
    ok($gateway->wait_for_log(qr/key "b2": .* is usable again/),
       "$of: it is mended");

    $sent = $gateway->status->{unattributed};
    is(ask($gateway, "b$_", $_), 200, "$of: b$_ works") for 1 .. $rows;
    is(shown($gateway, "b$_"), ($_ == 3 ? 'idc' : 'idb') . "$_: $_",
       "$of: b$_ has its own requests") for 1 .. $rows;
    is(status_of($gateway, "b$_")->{rotations}, 0, "$of: b$_ was not rotated")
        for 1 .. $rows;
    is($gateway->status->{unattributed}, $sent, "$of: all are attributed");

    # what was replaced without a row does not come back with one

    $gateway->mark_log;
    $gateway->set_key(b1 => "no key\n");
    ok($gateway->wait_for_log(qr/key "b1": /), "$of: b1 has a bad file");
    $gateway->kill_worker;
    is(ask($gateway, 'b1', 1), 503, "$of: the old secret stays away");
    $gateway->mark_log;
    $gateway->set_key(b1 => new_key('idb1'));
    ok($gateway->wait_for_log(qr/key "b1": .* is usable again/),
       "$of: it is mended, too");

    # the same names once more, so that rows are found by name

    ok($gateway->reload, "$of: a reload");
    is(ask($gateway, "b$_", 1), 200, "$of: b$_ works") for 1 .. $rows;
    is(shown($gateway, "b$_"), ($_ == 3 ? 'idc' : 'idb') . "$_: " . ($_ + 1),
       "$of: b$_ goes on") for 1 .. $rows;

    $gateway->quit;
    next if !$log;

    my @lines = usage_lines($gateway, 'logs/usage.log');
    my $sum = deltas(@lines);
    my %counts = map { $_ => $sum->{$_}{'requests.total'} // 0 } keys %$sum;

    is_deeply({ map { $_ => $counts{$_} } grep { $counts{$_} } keys %counts },
              { 'a1 ida1' => 2,
                (map { ("a$_ ida$_" => 1) } 2 .. $rows),
                (map { ("b$_ id" . ($_ == 3 ? 'c' : 'b') . $_ => $_ + 1) }
                     1 .. $rows) },
              "$of: what was attributed is there");
    adds_up($of, @lines);
}

done_testing();
