#!/usr/bin/perl

# A worker is killed while it empties the row of a key that has left the
# configuration: the next one does it again, and nothing of the key is counted
# twice, or for the key that gets its row.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use List::Util qw(sum0);
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::Debugger;
use Katalo::Test::UsageLog qw(usage_lines adds_up deltas usage_http);
use Katalo::Upstream;

my $up = Katalo::Upstream->new;


sub http {
    return usage_http('logs/usage.log interval=1s', 'katalo_zone 48k;',
                      keys => [@_], server => <<'EOC');
        location = /metrics { katalo_status prometheus; }
EOC
}


my $probe = Katalo::Test->new(
    upstream => $up, keys => { a1 => new_key() }, http => http('a1'))->start;
my $rows = sum0($probe->request('GET', '/metrics')->body
                =~ /^katalo_zone_slots\S+ (\d+)$/mg) / 2;

$probe->quit;
cmp_ok($rows, '>', 2, "there are some rows ($rows)");

my @old = map { "a$_" } 1 .. $rows;
my @new = map { "b$_" } 1 .. $rows;

my $gateway = Katalo::Test->new(
    upstream => $up, keys => { map { $_ => new_key("id$_") } @old, @new },
    http => http(@old))->start;


# one request that passes, and one that is refused, for each

sub ask {
    my ($name) = @_;

    return join ' ',
           $gateway->request('GET', "/$name/x-echo")->status,
           $gateway->request('GET', "/$name/x-echo",
                             headers => ['Origin: https://a.example'])->status;
}


is(ask($_), '200 403', "$_: a request, and one of a browser") for @old;

my $hanging = $gateway->connection;

$hanging->write("GET /a1/x-hang HTTP/1.1\r\nHost: a\r\n\r\n");
wait_until(sub { grep { /x-hang/ } $up->targets }) or die "no request\n";
ok($gateway->reload(http => http(@new)), 'other names for all keys');

my $gdb = Katalo::Test::Debugger->new(
    $gateway->worker_pids, 'break ngx_http_katalo_stripes_clear_row',
    'continue', 'finish');

undef $hanging;
ok($gdb->reached, 'a row is emptied once the old worker has left')
    or diag($gdb->output);
$gdb->kill;

ok(wait_until(sub {
    @new == grep { @{ $_->{ids} } == 1 }
                 @{ (eval { $gateway->status } // {})->{keys} // [] }
}), 'each key has a row with the next worker');

is(ask($_), '200 403', "$_: the same requests") for @new;
$gateway->quit;

my @lines = usage_lines($gateway, 'logs/usage.log');
my $sum = deltas(@lines);
my (%passed, %refused);

for my $line (keys %$sum) {
    my ($name) = split / /, $line;

    $passed{$name} += $sum->{$line}{'requests.total'} // 0;
    $refused{$name} += $sum->{$line}{'denied.browser'} // 0;
}

is_deeply(\%passed, { (map { $_ => 1 } @old, @new), a1 => 2 },
          'each request once');
is_deeply(\%refused, { map { $_ => 1 } @old, @new }, 'each refusal once');
adds_up('at the end', @lines);

done_testing();
