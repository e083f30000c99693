package Katalo::Test::Client;

# A connection that sends exactly what it is told.
#
#   my $client = Katalo::Test::Client->new(port => $port, tls => 1);
#   my $response = $client->request('GET', '/', headers => ['A: b', ...]);
#   $client->write($bytes);  $client->read_response('GET');

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use IO::Socket::SSL;

use Katalo::Test::Certificates qw(certificate certificate_key);
use Katalo::Test::Process qw(now);
use Katalo::Test::Response;
use Katalo::Test::Tool;


# port, tls (0), name (localhost: SNI and certificate), certificate (none; a
# name of Katalo::Test::Certificates, or [certificate, key], two files), timeout
# (180 seconds, and more under a tool)
sub new {
    my ($class, %option) = @_;
    my $name = $option{name} // 'localhost';
    my $own = $option{certificate};
    $own = [certificate($own), certificate_key($own)] if $own && !ref $own;

    $SIG{PIPE} = 'IGNORE';

    my @peer = (PeerAddr => '127.0.0.1', PeerPort => $option{port},
                Timeout => Katalo::Test::Process::PATIENCE);
    my $socket = $option{tls}
        ? IO::Socket::SSL->new(@peer, SSL_hostname => $name,
                               SSL_verifycn_name => $name,
                               SSL_ca_file => certificate('ca'),
                               !$own ? () : (SSL_cert_file => $own->[0],
                                             SSL_key_file => $own->[1]))
        : IO::Socket::INET->new(@peer);

    my $error = join ' ', grep { $_ } $@, $SSL_ERROR;
    die "connecting to port $option{port}: $error\n" if !$socket;

    return bless { socket => $socket, buffer => '',
                   timeout => $option{timeout}
                               // Katalo::Test::Process::PATIENCE
                                  * Katalo::Test::Tool::slowness() }, $class;
}


# headers => [[name, value] or 'name: value', ...], body => bytes,
# chunked => [pieces], http => '1.1'.  Host is added if it is not given, and
# Content-Length where there is a body.
sub format_request {
    my ($method, $target, %option) = @_;
    my @lines = map { ref $_ ? "$_->[0]: $_->[1]" : $_ }
                    @{ $option{headers} // [] };
    my $body = $option{body} // '';

    if (!grep { /^host:/i } @lines) {
        unshift @lines, 'Host: localhost';
    }

    if ($option{chunked}) {
        push @lines, 'Transfer-Encoding: chunked';
        $body = join '', map { sprintf "%x\r\n%s\r\n", length, $_ }
                             @{ $option{chunked} }, '';

    } elsif (defined $option{body} && !grep { /^content-length:/i } @lines) {
        push @lines, 'Content-Length: ' . length $body;
    }

    return join("\r\n", "$method $target HTTP/" . ($option{http} // '1.1'),
                @lines, '', '') . $body;
}


sub request {
    my ($self, $method, $target, %option) = @_;

    $self->write(format_request($method, $target, %option));

    return $self->read_response($method);
}


sub write {
    my ($self, $bytes) = @_;

    while (length $bytes) {
        my $sent = syswrite($self->{socket}, $bytes) // last;
        substr($bytes, 0, $sent) = '';
    }

    return;
}


# The next response.  Cut off or timed out, it is not complete; where not even
# a head came, its status is 0.
sub read_response {
    my ($self, $method) = @_;
    my ($response, @interim);

    $self->{deadline} = now() + $self->{timeout};

    do {
        $response = Katalo::Test::Response->parse_head($self->{buffer});

        if (!$response && !$self->_fill) {
            $response = bless { status => 0, headers => [], head => '' },
                              'Katalo::Test::Response';
            @$response{qw(body raw complete)}
                = ($self->{buffer}, $self->{buffer}, 0);
            return $response;
        }

        if ($response) {
            substr($self->{buffer}, 0, length $response->head) = '';
            push @interim, $response->head if $response->status =~ /^1/;
        }

    } until $response && $response->status !~ /^1/;

    @$response{qw(complete framed)} = $self->_read_body($response, $method);
    $response->{raw} = $response->{head} . $response->{framed};
    $response->{interim} = \@interim;

    return $response;
}


sub _read_body {
    my ($self, $response, $method) = @_;
    my $length = $response->header('Content-Length');

    if ($method eq 'HEAD' || $response->status =~ /^(?:204|304)$/) {
        return (1, '');
    }

    if (lc($response->header('Transfer-Encoding') // '') eq 'chunked') {
        return $self->_read_chunks($response);
    }

    if (defined $length) {
        1 while length $self->{buffer} < $length && $self->_fill;
        $response->{body} = substr $self->{buffer}, 0, $length, '';
        return (length $response->{body} == $length, $response->{body});
    }

    1 while $self->_fill;
    $response->{body} = $self->{buffer};
    $self->{buffer} = '';

    return ($self->{eof} // 0, $response->{body});
}


sub _read_chunks {
    my ($self, $response) = @_;
    my $framed = '';

    while (1) {
        if ($self->{buffer} =~ /\A([0-9a-fA-F]+)[^\r\n]*\r\n/
            && length $self->{buffer} >= $+[0] + hex($1) + 2)
        {
            my ($from, $size) = ($+[0], hex $1);
            $response->{body} .= substr $self->{buffer}, $from, $size;
            $framed .= substr $self->{buffer}, 0, $from + $size + 2, '';
            return (1, $framed) if $size == 0;

        } elsif (!$self->_fill) {
            return (0, $framed);
        }
    }
}


sub _fill {
    my ($self) = @_;
    my $socket = $self->{socket};
    my $left = $self->{deadline} - now();

    my $pending = $socket->can('pending') && $socket->pending;
    if (!$pending && !IO::Select->new($socket)->can_read($left > 0 ? $left : 0))
    {
        return 0;
    }

    my $got = sysread $socket, $self->{buffer}, 65536, length $self->{buffer};
    $self->{eof} = 1 if !$got;

    return $got;
}


# Has the other side closed the connection?
sub is_closed {
    my ($self, $timeout) = @_;

    $self->{deadline} = now() + ($timeout // $self->{timeout});
    1 while $self->_fill;

    return $self->{eof} // 0;
}


sub close {
    my ($self) = @_;

    return $self->{socket}->close;
}

1;
