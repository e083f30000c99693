package Katalo::Fuzz::Loop;

# One loop for what stands before and behind the gateways: nothing is sent
# between processes, and "all is quiet" can be told.

use strict;
use warnings;

use IO::Select;
use Time::HiRes qw(time);


sub new {
    return bless { select => IO::Select->new, handlers => {}, last => 0 },
                 $_[0];
}


sub add {
    my ($self, $socket, $handler) = @_;

    $self->{select}->add($socket);
    $self->{handlers}{ fileno $socket } = $handler;

    return;
}


sub remove {
    my ($self, $socket) = @_;

    return if !defined fileno $socket;

    $self->{select}->remove($socket);
    delete $self->{handlers}{ fileno $socket };

    return;
}


# Until the sub returns true, or the time (seconds) is over.
sub run {
    my ($self, $until, $timeout) = @_;
    my $end = time + $timeout;

    while (1) {
        return 1 if $until->();

        my $left = $end - time;
        return 0 if $left <= 0;

        $self->step($left < 0.05 ? $left : 0.05);
    }
}


# Returns whether anything happened.
sub step {
    my ($self, $timeout) = @_;
    my @ready = $self->{select}->can_read($timeout);

    for my $socket (@ready) {
        my $fd = fileno $socket;
        my $handler = defined $fd ? $self->{handlers}{$fd} : undef;
        $handler->($socket) if $handler;
    }

    return scalar @ready;
}


# Until nothing has happened for so long (seconds).
sub settle {
    my ($self, $quiet, $limit) = @_;
    my $end = time + $limit;

    while (time < $end) {
        return 1 if !$self->step($quiet);
    }

    return 0;
}

1;
