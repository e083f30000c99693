package Katalo::Test::Load;

# Clients that ask until they are told to stop, and what came of it.
#
#   my $load = Katalo::Test::Load->start($gateway, clients => 4);
#   ...
#   $load->has_lost              number of requests cut off so far
#   my $outcome = $load->stop;
#
# Options: clients (3), requests (per connection: 50), slow (milliseconds that
# one answer in a hundred takes: 0), pause (seconds after an answer: 0.002),
# path ('/katalo/generations'), connection (what connection() takes: []).
#
# The target of each request has a number of its own, and asks for 200, 201 or
# 202.  The outcome is summed up over the clients:
#
#   answered   { status => whole responses }
#   stale      a kept connection was closed before a byte of the response: HTTP
#              has the client send that again (RFC 9112, 9.3.1), and it does
#   broken     [what else befell a request; it is not sent again]

use strict;
use warnings;

use File::Temp;
use JSON::PP qw(encode_json decode_json);
use POSIX ();
use Time::HiRes qw(sleep);

use Katalo::Test::Process qw(slurp);

my $serial = 0;


sub start {
    my ($class, $gateway, %option) = @_;
    my $self = bless { gateway => $gateway, clients => 3, requests => 50,
                       slow => 0, pause => 0.002, owner => $$,
                       path => '/katalo/generations', connection => [], %option,
                       dir => File::Temp->newdir, pids => [] }, $class;

    for (1 .. $self->{clients}) {
        my $number = ++$serial;
        my $pid = fork() // die "fork: $!\n";

        POSIX::_exit($self->_client($number)) if $pid == 0;
        push @{ $self->{pids} }, $pid;
    }

    return $self;
}


# A client that does not say what it saw is an error of the test's own.
sub stop {
    my ($self) = @_;
    my %sum = (answered => {}, stale => 0, broken => []);
    my @pids = splice @{ $self->{pids} };

    # a signal would interrupt what they wait for

    open my $file, '>', "$self->{dir}/stop" or die "$self->{dir}/stop: $!\n";

    for my $pid (@pids) {
        waitpid $pid, 0;
        my $outcome = decode_json(slurp("$self->{dir}/$pid") || '{}');

        die "a client of the load failed\n" if !$outcome->{answered};

        $sum{answered}{$_} += $outcome->{answered}{$_}
            for keys %{ $outcome->{answered} };
        $sum{stale} += $outcome->{stale};
        push @{ $sum{broken} }, @{ $outcome->{broken} };
    }

    return \%sum;
}


# Each is a byte in a file of all clients.
sub has_lost { return -s "$_[0]{dir}/lost" // 0 }


sub answers {
    my ($outcome) = @_;
    my $sum = 0;

    $sum += $_ for values %{ $outcome->{answered} };

    return $sum;
}


sub _client {
    my ($self, $number) = @_;
    my %outcome = (answered => {}, stale => 0, broken => []);
    my $n = 0;

    until (-e "$self->{dir}/stop" || getppid() != $self->{owner}) {
        $n++ if !eval { $self->_ask($number, $n, \%outcome) };
        push @{ $outcome{broken} }, "c$number-$n: $@" if $@;
        sleep $self->{pause} if $self->{pause};
    }

    my $path = "$self->{dir}/$$";
    open my $file, '>', $path or return 1;
    print $file encode_json(\%outcome);

    return close($file) ? 0 : 1;
}


# Whether the same request is to be sent again.
sub _ask {
    my ($self, $number, $n, $outcome) = @_;
    my $last = $n % $self->{requests} == $self->{requests} - 1;
    my $target = "$self->{path}/c$number-$n?x-status=" . (200 + $n % 3);
    my $kept = defined $self->{client};

    $target .= "&x-slow=$self->{slow}" if $self->{slow} && rand() < 0.01;

    $self->{client} //= $self->{gateway}->connection(@{ $self->{connection} });
    my $response = $self->{client}->request('GET', $target,
                       headers => $last ? ['Connection: close'] : []);

    if ($response->status && $response->complete) {
        $outcome->{answered}{ $response->status }++;

    } elsif ($kept && $response->raw eq '' && $self->{client}{eof}) {
        $self->_lose;
        $outcome->{stale}++;
        delete $self->{client};
        return 1;

    } else {
        $self->_lose;
        push @{ $outcome->{broken} },
             "c$number-$n: " . ($response->status || 'no answer');
    }

    delete $self->{client}
        if $last || !$response->complete
           || ($response->header('Connection') // '') eq 'close';

    return 0;
}


sub _lose {
    my ($self) = @_;

    open my $file, '>>', "$self->{dir}/lost" or die "$self->{dir}/lost: $!\n";
    syswrite $file, '.';

    return close $file;
}


sub DESTROY {
    my ($self) = @_;

    return if $self->{owner} != $$;

    local ($?, $!, $@);
    kill 'TERM', @{ $self->{pids} };
    waitpid $_, 0 for @{ $self->{pids} };

    return;
}

1;
