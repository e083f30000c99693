package Katalo::Test::Prepared;

# Servers that answer whatever comes first with bytes made before, in one
# write, so that nginx finds all of them at once.
#
#   my $servers = Katalo::Test::Prepared->new(name => $bytes, ...);
#   $servers->port('name');
#
# A subclass has a _serve() of its own, and what it likes in place of bytes.

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use POSIX ();

use Katalo::Test::Port qw(free_port);


sub new {
    my ($class, %answer) = @_;
    my $self = bless { owner => $$ }, $class;
    my %listener;

    for my $name (keys %answer) {
        my $socket = IO::Socket::INET->new(
            LocalAddr => '127.0.0.1', Listen => 511, ReuseAddr => 1,
            LocalPort => $self->{port}{$name} = free_port())
            or die "listening: $!\n";
        $listener{ fileno $socket } = [$socket, $answer{$name}];
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
    my ($self, $name) = @_;

    return $self->{port}{$name} // die "nothing is prepared for $name\n";
}


# Until whoever started it is gone.  A connection is closed by the other side:
# a reset could take the answer along.
sub _serve {
    my ($self, $listener) = @_;
    my $select = IO::Select->new(map { $_->[0] } values %$listener);
    my %answer;

    while (getppid() == $self->{owner}) {
        for my $ready ($select->can_read(1)) {
            my $known = $listener->{ fileno $ready };

            if ($known) {
                my $client = $known->[0]->accept or next;
                $answer{ fileno $client } = $known->[1];
                $select->add($client);

            } elsif (sysread $ready, my $bytes, 65536) {
                syswrite $ready, delete $answer{ fileno $ready } // '';

            } else {
                $select->remove($ready);
                close $ready;
            }
        }
    }

    return;
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
