#!/usr/bin/perl

# A status much longer than any buffer, to clients that take it slowly: it is
# whole, keys may rotate meanwhile, and nobody else has to wait.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use IO::Socket::INET;
use JSON::PP qw(decode_json);
use Socket qw(SOL_SOCKET SO_RCVBUF);

use Katalo::Test qw(:all);
use Katalo::Test::Metrics qw(metrics);
use Katalo::Test::Response;

use constant { KEYS => 200, BLOCK => 16384 };

my %key = map { ("key$_" => new_key("first$_")) } 1 .. KEYS;
$key{rotating} = new_key('first');

my $declared = join "\n", map { "katalo_key key$_ file:%KEY:key$_% check=1h;" }
                          1 .. KEYS;

my $gateway = Katalo::Test->new(keys => \%key, http => <<"EOC")->start;
    $declared
    katalo_key rotating file:%KEY:rotating% check=50ms;
    katalo_zone 8m;
    server {
        listen 127.0.0.1:%PORT% sndbuf=32k;
        location = /status { katalo_status; }
        location = /other { return 204; }
    }
EOC


sub slow_client {
    my ($target) = @_;
    my $socket = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', PeerPort => $gateway->port) or die "$!\n";

    setsockopt $socket, SOL_SOCKET, SO_RCVBUF, BLOCK;
    print $socket "GET $target HTTP/1.0\r\nHost: a\r\n\r\n";
    $socket->flush;

    return { socket => $socket, text => '', target => $target };
}


my @clients = map { slow_client("/status?format=$_") }
              qw(prometheus json prometheus prometheus json);
my ($rounds, $others, $rotations) = (0, 0, 0);
my $other = $gateway->connection;
my @reading = @clients;

while (@reading) {
    for my $client (@reading) {
        $client->{got} = sysread $client->{socket}, $client->{text}, BLOCK,
                                 length $client->{text};
    }

    @reading = grep { $_->{got} } @reading;
    $rounds++;
    $others += $other->request('GET', '/other')->status == 204;

    if ($rounds % 6 == 1 && $rotations < 5) {
        $rotations++;
        $gateway->set_key(rotating => new_key("next$rotations"));
        $gateway->wait_for_log(qr/key "rotating".* to "next$rotations"/)
            or diag('no rotation');
    }
}

cmp_ok($rounds, '>', 30, 'the clients took it in many parts');
is($others, $rounds, 'another client was answered each time');
is($rotations, 5, 'keys rotated meanwhile');

my $end = metrics($gateway->request('GET', '/status?format=prometheus')->body);

for my $client (@clients) {
    my $head = Katalo::Test::Response->parse_head($client->{text});
    my $body = substr $client->{text}, length $head->head;

    is($head->status, 200, "$client->{target} is answered");

    if ($client->{target} =~ /json/) {
        is_deeply([map { $_->{key} } @{ decode_json($body)->{keys} }],
                  [(map { "key$_" } 1 .. KEYS), 'rotating'], 'with each key');
        next;
    }

    my $metrics = metrics($body);

    is_deeply($metrics->{faults}, [], 'well-formed');
    is_deeply([grep { !exists $metrics->{series}{$_} }
               grep { !/key="rotating",key_id=/ }
               keys %{ $end->{series} }], [], 'with each series');
}

# a client that goes away

my $gone = slow_client('/status?format=prometheus');
sysread $gone->{socket}, $gone->{text}, BLOCK;
$gateway->mark_log;
close $gone->{socket};
ok(wait_until(sub { $gateway->access_log =~ /format=prometheus.* 200 /
                    && $gateway->request('GET', '/other')->status == 204 }),
   'a client goes away in the middle');
unlike($gateway->error_log, qr/\[(?:alert|crit|emerg)\]/, 'which does no harm');

done_testing();
