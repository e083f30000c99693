package Katalo::Test::Breaking;

# Servers in front of an upstream of plain HTTP, each of which breaks off the
# request at one stage.
#
#   my $breaking = Katalo::Test::Breaking->new(to => $up->plain_port);
#   $breaking->port('answered');
#   $breaking->heads('answered');     # of the requests that were read so far
#
#   accepted  reset at once
#   head      reset when the head has come
#   read      reset when all has come
#   answered  reset in place of the answer: the upstream has done its work
#   begun     the same after half of the answer's header
#   silent    no answer, the connection stays open, the work is done

use strict;
use warnings;

use File::Temp;
use IO::Socket::INET;
use POSIX ();
use Socket qw(SOL_SOCKET SO_LINGER);

use Katalo::Test::Process qw(slurp);

my @stages = qw(accepted head read answered begun silent);


sub new {
    my ($class, %option) = @_;
    my $self = bless { dir => File::Temp->newdir, owner => $$,
                       to => $option{to} }, $class;

    for my $stage (@stages) {
        my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
                                           Listen => 16)
            or die "listening: $!\n";

        $self->{port}{$stage} = $socket->sockport;

        my $pid = fork() // die "fork: $!\n";

        if ($pid == 0) {
            $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
            $SIG{PIPE} = 'IGNORE';
            eval { $self->_serve($socket, $stage) };
            POSIX::_exit(1);
        }

        push @{ $self->{pids} }, $pid;
    }

    return $self;
}


sub port { return $_[0]{port}{ $_[1] } // die "no stage is $_[1]\n" }
sub stages { return @stages }


sub heads {
    my ($self, $stage) = @_;
    my $file = "$self->{dir}/$stage";

    return -e $file ? split /(?<=\r\n\r\n)/, slurp($file) : ();
}


sub _serve {
    my ($self, $listener, $stage) = @_;
    my @kept;

    while (my $client = $listener->accept) {
        $self->_break($client, $stage);

        if ($stage eq 'silent') {
            push @kept, $client;
            next;
        }

        setsockopt $client, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0);
        close $client;
    }

    return;
}


sub _break {
    my ($self, $client, $stage) = @_;
    my $bytes = '';

    return if $stage eq 'accepted';

    sysread $client, $bytes, 65536, length $bytes or return
        until $bytes =~ /\r\n\r\n/;

    my ($head) = $bytes =~ /^(.*?\r\n\r\n)/s;

    open my $file, '>>', "$self->{dir}/$stage" or return;
    print $file $head;
    close $file;

    return if $stage eq 'head';

    my ($length) = $head =~ /^Content-Length: (\d+)/mi;

    sysread $client, $bytes, 65536, length $bytes or return
        while length $bytes < length($head) + $length;

    return if $stage eq 'read';

    my $up = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                   PeerPort => $self->{to}) or return;

    print $up $bytes;
    sysread $up, my $answer, 65536;
    close $up;

    syswrite $client, substr $answer, 0, 40 if $stage eq 'begun';

    return;
}


sub DESTROY {
    my ($self) = @_;

    return if $self->{owner} != $$;

    local ($?, $!);
    kill 'TERM', @{ $self->{pids} };
    waitpid $_, 0 for @{ $self->{pids} };

    return;
}

1;
