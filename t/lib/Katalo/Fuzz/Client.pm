package Katalo::Fuzz::Client;

# A client that keeps its connection where the answer allows it.

use strict;
use warnings;

use IO::Socket::INET;
use Socket qw(IPPROTO_TCP TCP_NODELAY);

use Katalo::Fuzz::Message qw(take_response value);


sub new {
    my ($class, $loop, $port) = @_;

    return bless { loop => $loop, port => $port }, $class;
}


# The response; undef where none came, and a word why.
sub ask {
    my ($self, $bytes, $method, $timeout) = @_;

    if (!$self->{socket}) {
        $self->_connect or return (undef, 'refused');
    }

    my $buffer = '';
    my ($response, $why, $closed);

    $self->{on_read} = sub {
        my $n = sysread $self->{socket}, my $part, 65536;

        return if !defined $n && $!{EAGAIN};
        $closed = 1 if !$n;
        $buffer .= $part if $n;
        ($response, $why) = take_response(\$buffer, $method, $closed);
        $why = 'closed' if $closed && !$response;
    };

    syswrite $self->{socket}, $bytes;

    my $done = $self->{loop}->run(sub { $response || defined $why }, $timeout);

    if (!$done || !$response) {
        $self->drop;
        return (undef, $done ? $why : 'hang');
    }

    if (length $buffer) {
        $self->drop;
        return ($response, 'out of step');
    }

    $self->drop if $closed || $response->{close}
                   || $response->{version} eq '1.0'
                   || grep { /close/i } value($response, 'Connection');

    return $response;
}


sub _connect {
    my ($self) = @_;

    my $socket = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', PeerPort => $self->{port}) or return 0;

    setsockopt $socket, IPPROTO_TCP, TCP_NODELAY, 1;
    $socket->blocking(0);
    $self->{socket} = $socket;
    $self->{loop}->add($socket, sub {
        return $self->{on_read}->() if $self->{on_read};
        $self->drop;
    });

    return 1;
}


sub drop {
    my ($self) = @_;

    return if !$self->{socket};

    $self->{loop}->remove($self->{socket});
    close delete $self->{socket};
    delete $self->{on_read};

    return;
}

1;
