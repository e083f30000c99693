#!/usr/bin/perl

# Keys whose files are not checked get other names while an old worker process
# still has the old ones, in a zone without room for both.  No timer looks at
# them and nobody asks for the status: their requests are attributed as soon as
# there is room, nevertheless.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use List::Util qw(sum0);
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::UsageLog qw(usage_http);
use Katalo::Upstream;

my $up = Katalo::Upstream->new;


sub http {
    my (@names) = @_;

    return usage_http('', 'katalo_zone 48k;',
                      keys => \@names, key => 'check=off', server => <<'EOC');
        location = /metrics { katalo_status prometheus; }
EOC
}


sub names { return map { "$_[0]$_" } 1 .. $_[1] }

my $gateway = Katalo::Test->new(
    upstream => $up, keys => { a1 => new_key('ida1') },
    http => http('a1'))->start;
my $metrics = $gateway->request('GET', '/metrics')->body;
my $slots = sum0($metrics =~ /^katalo_zone_slots\S+ (\d+)$/mg);
my $rows = $slots / 2;

$gateway->quit;

my @names = (names('a', $rows), names('b', $rows));

$gateway = Katalo::Test->new(
    upstream => $up, keys => { map { $_ => new_key("id$_") } @names },
    http => http(names('a', $rows)))->start;

my ($old) = $gateway->worker_pids;
my $hanging = $gateway->connection;

$hanging->write("GET /a1/x-hang HTTP/1.1\r\nHost: a\r\n\r\n");
wait_until(sub { grep { /x-hang/ } $up->targets }) or die "no request\n";
$gateway->reload(http => http(names('b', $rows)));

is($gateway->request('GET', '/b1/x-echo')->status, 200, 'b1 works');
like($gateway->error_log, qr/katalo_zone" is full/, 'without room');

undef $hanging;
ok(wait_until(sub { !kill 0, $old }), 'the old worker ends');

for my $name (names('b', 2)) {
    ok(wait_until(sub {
           $gateway->request('GET', "/$name/x-echo");
           $gateway->error_log =~ /key "$name" id "id$name" are counted again/
       }), "$name finds room by its requests");
}

$gateway->request('GET', '/b1/x-echo') for 1 .. 3;

my ($b1) = grep { $_->{key} eq 'b1' } @{ $gateway->status->{keys} };

cmp_ok(sum0(map { $_->{requests}{total} } @{ $b1->{ids} }), '>=', 3,
       'and these are attributed');

done_testing();
