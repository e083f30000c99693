package Katalo::Test::Rude;

# Servers that do not get as far as TLS.
#
#   my $rude = Katalo::Test::Rude->new;
#   $rude->port('alert');
#
#   close     the connection is closed at once
#   reset     it is reset at once
#   late      reset when the first bytes have come
#   alert     a fatal TLS alert: handshake_failure
#   plain     an answer of plain HTTP
#   silent    nothing comes
#   refused   nobody listens

use strict;
use warnings;

use parent qw(Katalo::Test::Prepared);

use IO::Select;
use Socket qw(SOL_SOCKET SO_LINGER);

use Katalo::Test::Port qw(free_port);

my @kinds = qw(close reset late alert plain silent);

my %said = (
    alert => "\x15\x03\x03\x00\x02\x02\x28",
    plain => "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
);


sub new {
    my ($class) = @_;
    my $self = $class->SUPER::new(map { $_ => $_ } @kinds);

    $self->{port}{refused} = free_port();

    return $self;
}


# Until whoever started it is gone.
sub _serve {
    my ($self, $listener) = @_;
    my $select = IO::Select->new(map { $_->[0] } values %$listener);
    my %open;

    while (getppid() == $self->{owner}) {
        for my $ready ($select->can_read(1)) {
            my $known = $listener->{ fileno $ready };

            if ($known) {
                my $client = $known->[0]->accept or next;
                $open{ fileno $client } = [$client, $known->[1]];
                _treat($select, \%open, $client, $known->[1], 1);

            } else {
                _treat($select, \%open, $ready,
                       $open{ fileno $ready }[1], 0);
            }
        }
    }

    return;
}


# The first time it has just come, after that there is something to read.
sub _treat {
    my ($select, $open, $client, $kind, $first) = @_;
    my $end = !$first && !sysread $client, my $bytes, 65536;

    if ($first && $kind !~ /^(?:close|reset)$/) {
        return $select->add($client);
    }

    if (!$end && $kind eq 'silent') {
        return;
    }

    if (!$end && $said{$kind}) {
        syswrite $client, $said{$kind};
    }

    setsockopt $client, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0)
        if $kind =~ /^(?:reset|late)$/;

    $select->remove($client);
    delete $open->{ fileno $client };

    return close $client;
}

1;
