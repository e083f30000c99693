#!/usr/bin/perl

# A long status is whole even if its worker is told to leave while it is
# written.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use IO::Socket::INET;

use Katalo::Test qw(:all);

use constant { KEYS => 400, TIMES => 10 };

my @names = map { "key$_" } 1 .. KEYS;
my %key = map { $_ => new_key($_) } @names;
my $gateway = Katalo::Test->new(
    keys => \%key, http => join("\n", map {
        "katalo_key $_ file:%KEY:$_% check=off;" } @names) . <<'EOC')->start;
    katalo_zone 16m;
    server {
        listen 127.0.0.1:%PORT% sndbuf=4m;
        location = /status { katalo_status; }
    }
EOC

my %whole = (json => qr/\]\}\s*\z/,
             prometheus => qr/unattributed_requests_total \d+\n\z/);

for my $format (sort keys %whole) {
    my @short;

    for (1 .. TIMES) {
        my ($worker) = $gateway->worker_pids;
        my $socket = IO::Socket::INET->new(
            PeerAddr => '127.0.0.1', PeerPort => $gateway->port) or die "$!\n";
        my $text = '';

        $socket->syswrite("GET /status?format=$format HTTP/1.0\r\n\r\n");
        sysread $socket, $text, 1 << 16;
        kill 'QUIT', $worker;
        1 while sysread $socket, $text, 1 << 20, length $text;

        push @short, length $text if $text !~ $whole{$format};
        wait_until(sub { my ($new) = $gateway->worker_pids;
                         $new && $new != $worker });
    }

    is_deeply(\@short, [], "$format: each of " . TIMES . ' is whole');
}

is_deeply([grep { /\[(?:alert|crit|emerg)\]/ } split /\n/, $gateway->error_log],
          [], 'nothing is left open');

done_testing();
