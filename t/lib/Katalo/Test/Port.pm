package Katalo::Test::Port;

# Ports for listeners.  They lie below the range that connections take theirs
# from, and an abstract socket of the same number keeps one for this process,
# so that tests may run at once and stop and start what listens.

use strict;
use warnings;

use Exporter qw(import);
use IO::Socket::INET;
use IO::Socket::UNIX;
use Socket qw(SOCK_STREAM);

our @EXPORT_OK = qw(free_port);

use constant { FIRST => 12000, LAST => 31999 };

my @claims;


sub free_port {
    for (1 .. 200) {
        my $port = FIRST + int rand(LAST - FIRST);

        my $claim = IO::Socket::UNIX->new(
            Type => SOCK_STREAM, Listen => 1,
            Local => "\0katalo-test-port-$port") or next;

        my @probes = map {
            IO::Socket::INET->new(LocalAddr => '127.0.0.1', Proto => $_,
                                  LocalPort => $port,
                                  $_ eq 'tcp' ? (Listen => 1) : ())
        } qw(tcp udp);

        next if @probes != 2;

        push @claims, $claim;
        return $port;
    }

    die "no free port\n";
}

1;
