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

use IO::Select;
use IO::Socket::INET;
use POSIX ();
use Socket qw(SOL_SOCKET SO_LINGER);

use Katalo::Test::Port qw(free_port);

my @kinds = qw(close reset late alert plain silent);

my %said = (
    alert => "\x15\x03\x03\x00\x02\x02\x28",
    plain => "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
);


sub new {
    my ($class) = @_;
    my $self = bless { port => { refused => free_port() }, owner => $$ },
                     $class;
    my %listener;

    for my $kind (@kinds) {
        my $socket = IO::Socket::INET->new(
            LocalAddr => '127.0.0.1', Listen => 511, ReuseAddr => 1,
            LocalPort => $self->{port}{$kind} = free_port())
            or die "listening: $!\n";
        $listener{ fileno $socket } = [$socket, $kind];
    }

    $self->{pid} = fork() // die "fork: $!\n";

    if ($self->{pid} == 0) {
        $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
        $SIG{PIPE} = 'IGNORE';
        eval { $self->_serve(\%listener) };
        POSIX::_exit(1);
    }

    return $self;
}


sub port {
    my ($self, $kind) = @_;

    return $self->{port}{$kind} // die "no server is $kind\n";
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


sub DESTROY {
    my ($self) = @_;

    return if $self->{owner} != $$;

    local ($?, $!);
    kill 'TERM', $self->{pid};
    waitpid $self->{pid}, 0;

    return;
}

1;
