#!/usr/bin/perl

# The usage log over syslog: a datagram for each line, with nginx's own header,
# to a UDP port or a socket; what could not be sent waits; and into a pipe.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Fcntl qw(O_RDONLY O_NONBLOCK);
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX qw(mkfifo);
use Socket qw(SOCK_DGRAM);

use Katalo::Test qw(:all);
use Katalo::Test::UsageLog qw(adds_up parse_lines requests
                              usage_http);
use Katalo::Upstream;

my $key = new_key('prod1');
my $up = Katalo::Upstream->new;
my $gateway;

sub gateway {
    my ($log, %option) = @_;

    $up->clear;

    return Katalo::Test->new(
        upstream => $up, keys => { production => $key },
        http => usage_http("$log interval=1s"), %option);
}

sub get {
    my ($gateway, $number) = @_;

    $gateway->request('GET', '/katalo/usage/summary') for 1 .. $number;

    return;
}

# Datagrams that have come, after waiting for at least one if nginx still runs.
sub datagrams {
    my ($socket) = @_;
    my $select = IO::Select->new($socket);
    my $first = $gateway->is_running ? 60 : 0;
    my @datagrams;

    while ($select->can_read(@datagrams ? 0.1 : $first)) {
        $socket->recv(my $datagram, 65536) // last;
        push @datagrams, $datagram;
    }

    return @datagrams;
}

sub lines_of { return parse_lines(join "\n", map { /(\{.*\})\z/s } @_) }


# UDP

my $udp = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Proto => 'udp')
    or die "udp: $!\n";
$gateway = gateway('syslog:server=127.0.0.1:' . $udp->sockport
                   . ',facility=local3,severity=notice,tag=katalo,'
                   . 'nohostname')->start;

get($gateway, 3);
my @datagrams = datagrams($udp);
like($datagrams[0], qr/^<157>\w{3} [ \d]\d [\d:]{8} katalo: \{"id":".*\}\z/,
     'a line in a datagram, with facility, severity and tag');
get($gateway, 2);
$gateway->quit;
push @datagrams, datagrams($udp);
is(requests(lines_of(@datagrams)), 5, 'what comes at the end, too');
adds_up('datagrams', lines_of(@datagrams));
lacks_secrets("@datagrams", 'no datagram shows a key');


# a socket that is not there yet

$gateway = gateway('syslog:server=unix:%PREFIX%/log')->start;
get($gateway, 2);
ok($gateway->wait_for_log(qr/usage log "syslog:.*" could not be written/),
   'an error says that it cannot be sent');
get($gateway, 1);
ok($gateway->wait_for_log(qr/connect\(\) failed.*connect\(\) failed/s),
   'it is tried again');

my $unix = IO::Socket::UNIX->new(Local => $gateway->prefix . '/log',
                                 Type => SOCK_DGRAM) or die "unix: $!\n";
ok($gateway->wait_for_log(qr/usage log "syslog:.*" is written again/),
   'a notice says that it is sent again');
@datagrams = datagrams($unix);
$gateway->quit;
push @datagrams, datagrams($unix);
is(requests(lines_of(@datagrams)), 3, 'what waited is there');
my @errors = $gateway->error_log =~ /could not be written/g;
is(scalar @errors, 1, 'the error was logged once');


# more keys than a slow reader takes at once

my @names = map { "k$_" } 1 .. 40;
$gateway = gateway('syslog:server=unix:%PREFIX%/log');
$gateway->{http} =~ s{(location = .status)}{
    join '', (map { "location /$_/ { katalo_bearer $_; "
                    . "proxy_pass https://app.katalo.ai/api/v1/; }\n" } @names),
             $1}e;
$gateway->{http} = join '', (map { "katalo_key $_ file:%KEY:production%;\n" }
                                 @names), $gateway->{http};
$unix = IO::Socket::UNIX->new(Local => $gateway->prefix . '/log',
                              Type => SOCK_DGRAM) or die "unix: $!\n";
$gateway->start;
$gateway->request('GET', "/$_/usage/summary") for @names;
@datagrams = ();

# a key has two, if its request and its response are in two intervals

my $keys = sub {
    my %line = map { $_->{key} => 1 } lines_of(@datagrams);

    return scalar keys %line;
};
wait_until(sub {
    push @datagrams, datagrams($unix) if $keys->() < @names;
    return $keys->() == @names;
});
is($keys->(), scalar @names, 'a datagram for each key');
is(requests(lines_of(@datagrams)), scalar @names, 'with its request');
unlike($gateway->error_log, qr/could not be written/,
       'a reader that is slow is no error');
$gateway->quit;


# a pipe whose reader stands still does not stop nginx

$gateway = gateway('%PREFIX%/pipe', workers => 2);
my $path = $gateway->prefix . '/pipe';
mkfifo($path, 0600) or die "$path: $!\n";
sysopen(my $pipe, $path, O_RDONLY | O_NONBLOCK) or die "$path: $!\n";
$gateway->start;

fcntl($pipe, 1031, 4096) or die "F_SETPIPE_SZ: $!\n";

my ($text, $sent) = ('', 0);

# each worker takes the zone's mutex at a rotation

for my $n (1 .. 12) {
    get($gateway, 1);
    $sent++;
    $gateway->set_key(production => new_key("id$n"));
    wait_until(sub { 2 == (() = $gateway->error_log =~ /to "id$n"/g) })
        or last;
}

my @rotations = $gateway->error_log =~ /is rotated from/g;
is(scalar @rotations, 24, 'a reader that stands still does not stop workers');

my $reader = sub {
    my $n = sysread($pipe, $text, 65536, length $text);
    return requests(parse_lines($text)) == $sent;
};
ok(wait_until($reader), 'all lines come through a pipe');
$gateway->quit;
$reader->();
adds_up('a pipe', parse_lines($text));
is(requests(parse_lines($text)), $sent, 'each request, once');


# the master does not wait for the reader of a pipe

$gateway = gateway('logs/usage.log')->start;
mkfifo($gateway->prefix . '/unread', 0600) or die "mkfifo: $!\n";
ok(!$gateway->reload(http => gateway('%PREFIX%/unread')->{http}),
   'a pipe without a reader is refused');
like($gateway->error_log, qr{open\(\) "\S+/unread" failed, a pipe needs a },
     'which the log says');
ok($gateway->kill_worker, 'a worker that dies is started again');

sysopen($pipe, $gateway->prefix . '/unread', O_RDONLY | O_NONBLOCK)
    or die "unread: $!\n";
ok($gateway->reload(http => gateway('%PREFIX%/unread')->{http}, gone => 1),
   'a pipe with a reader is not');
close $pipe;
$gateway->signal('USR1');
ok($gateway->wait_for_log(qr/reopening logs/), 'its reader ends, USR1');
ok($gateway->kill_worker, 'the master does not wait then, either');

sysopen($pipe, $gateway->prefix . '/unread', O_RDONLY | O_NONBLOCK)
    or die "unread: $!\n";
$text = '';
$reader = sub {
    sysread($pipe, $text, 65536, length $text);
    return requests(parse_lines($text)) == 1;
};
get($gateway, 1);
ok(wait_until($reader), 'another reader gets the lines');

done_testing();
