package Katalo::Fuzz::Upstream;

# Upstreams that record what they receive, byte for byte, and answer as the
# request's X-Fz-Do asks for, the same each time.
#
# Ports of each side: K and L (TLS, *.katalo.ai: may have the key), T (TLS,
# wrong.example), O (plain), D (nobody listens).

use strict;
use warnings;

use Digest::MD5 qw(md5_hex);
use IO::Socket::INET;
use IO::Socket::SSL;

use Katalo::Fuzz::Message qw(take_request value);
use Katalo::Test::Certificates qw(certificate certificate_key);
use Katalo::Test::Port qw(free_port);

my %certificates = (K => 'server', L => 'server', T => 'wrong_name',
                    O => undef);


sub new {
    my ($class, $loop) = @_;
    my $self = bless { loop => $loop, records => [], faults => [],
                       connections => {}, ports => {} }, $class;

    for my $side (qw(a b)) {
        $self->{ports}{$side}{D} = free_port();

        for my $port (sort keys %certificates) {
            $self->_listen($side, $port);
        }
    }

    return $self;
}


sub ports { return $_[0]{ports}{ $_[1] } }
sub records { return @{ $_[0]{records} } }
sub faults { return @{ $_[0]{faults} } }


sub reset {
    my ($self) = @_;

    $self->_close($_) for values %{ $self->{connections} };
    @$self{qw(records faults)} = ([], []);

    return;
}


# Has either side sent as much as the other one?
sub is_even {
    my ($self) = @_;
    my $a = grep { $_->{side} eq 'a' } @{ $self->{records} };

    return 2 * $a == @{ $self->{records} };
}


sub _listen {
    my ($self, $side, $name) = @_;
    my $certificate = $certificates{$name};

    my $listener = IO::Socket::INET->new(
        LocalAddr => '127.0.0.1', LocalPort => free_port(), Listen => 64,
        ReuseAddr => 1, Blocking => 0) or die "listen: $!\n";

    my $context = $certificate && IO::Socket::SSL::SSL_Context->new(
        SSL_server => 1, SSL_cert_file => certificate($certificate),
        SSL_key_file => certificate_key($certificate));

    $self->{ports}{$side}{$name} = $listener->sockport;

    $self->{loop}->add($listener, sub {
        my $socket = $listener->accept or return;

        $socket->blocking(0);

        if ($context) {
            IO::Socket::SSL->start_SSL($socket, SSL_server => 1,
                SSL_reuse_ctx => $context, SSL_startHandshake => 0)
                or return;
        }

        my $connection = { socket => $socket, side => $side, port => $name,
                           tls => !!$context, ready => !$context,
                           buffer => '', count => 0 };

        $self->{connections}{ fileno $socket } = $connection;
        $self->{loop}->add($socket, sub { $self->_read($connection) });
    });

    push @{ $self->{listeners} }, $listener;

    return;
}


sub _read {
    my ($self, $connection) = @_;
    my $socket = $connection->{socket};

    if (!$connection->{ready}) {
        if ($socket->accept_SSL) {
            $connection->{ready} = 1;

        } elsif ($SSL_ERROR != SSL_WANT_READ && $SSL_ERROR != SSL_WANT_WRITE) {
            return $self->_close($connection);

        } else {
            return;
        }
    }

    do {
        my $n = sysread $socket, my $bytes, 65536;

        if (!defined $n) {
            return if $!{EAGAIN} || $!{EWOULDBLOCK}
                      || $connection->{tls} && $SSL_ERROR == SSL_WANT_READ;
            $n = 0;
        }

        if ($n == 0) {
            $self->_fault($connection, 'cut off')
                if length $connection->{buffer};
            return $self->_close($connection);
        }

        $connection->{buffer} .= $bytes;
        $self->_messages($connection);

    } while (fileno $socket && $connection->{tls} && $socket->pending);

    return;
}


sub _fault {
    my ($self, $connection, $what) = @_;

    push @{ $self->{faults} },
         { side => $connection->{side}, port => $connection->{port},
           what => $what, bytes => $connection->{buffer} };

    return;
}


sub _messages {
    my ($self, $connection) = @_;
    my $before = $connection->{buffer};
    my ($message, $why) = take_request(\$connection->{buffer});

    if (!defined $message) {
        $self->_fault($connection, "malformed, $why"
                      . ($connection->{count} ? ' (kept)' : ''));
        return $self->_close($connection);
    }

    return if !$message;

    $connection->{count}++;
    @$message{qw(side port)} = @$connection{qw(side port)};
    $message->{raw} = substr $before, 0,
                             length($before) - length $connection->{buffer};
    push @{ $self->{records} }, $message;

    # nginx sends nothing more before it has an answer
    if (length $connection->{buffer}) {
        $self->_fault($connection, 'out of step');
        return $self->_close($connection);
    }

    return $self->_answer($connection, $message);
}


sub _answer {
    my ($self, $connection, $message) = @_;
    my %do;

    for (map { split /,/ } value($message, 'X-Fz-Do')) {
        my ($name, $value) = split /=/, $_, 2;
        $do{$name} = $value // 1;
    }

    return $self->_close($connection) if $do{close};

    my ($text, $last) = _response($message, \%do);

    syswrite $connection->{socket}, $text;
    $self->_close($connection) if $last;

    return;
}


sub _response {
    my ($message, $do) = @_;
    my $status = $do->{status} // 200;
    my @head = ('Content-Type: text/html');
    my ($first, $last) = join(' ', value($message, 'Range'))
                         =~ /^bytes=(\d+)-(\d*)$/;
    my $body = '<p>body of ' . md5_hex($message->{target})
               . join '', map { "<!--# include virtual=\"$_\" -->" }
                          grep { defined } $do->{ssi};

    $body = '{"error":{"code":"rate_limited","message":"m","retryable":true,'
            . "\"retry_after\":$do->{rb}}}" if defined $do->{rb};
    push @head, "Retry-After: $do->{ra}" if defined $do->{ra};
    push @head, 'X-Who: service' if $do->{who};
    $body .= 'y' x 9000 if $do->{big} && !defined $first;
    push @head, 'ETag: "v1"' if $do->{etag} || $do->{range};
    push @head, 'X-Accel-Expires: @1' if ($do->{cache} // '') eq 'exp';
    push @head, 'Cache-Control: max-age=1000' if ($do->{cache} // '') eq '1';
    push @head, 'Access-Control-Allow-Origin: *',
                'Access-Control-Allow-Credentials: true' if $do->{cors};
    push @head, 'Set-Cookie: up=1' if $do->{cookie};
    push @head, "X-Accel-Redirect: $do->{accel}"
        if defined $do->{accel} && $message->{target} !~ /acc/;

    if (defined $first && $first < length $body && $status == 200
        && ($do->{range} || $first =~ /0$/))
    {
        $last = length($body) - 1 if !length $last || $last >= length $body;
        push @head, "Content-Range: bytes $first-$last/" . length $body;
        $body = substr $body, $first, $last - $first + 1;
        $status = 206;
    }

    my $none = $message->{method} eq 'HEAD' || $status =~ /^[23]04$/;
    my $chunked = $do->{chunked} && $message->{version} eq '1.1' && !$none;

    push @head, $chunked ? 'Transfer-Encoding: chunked'
                         : 'Content-Length: ' . length $body
        if $status !~ /^[23]04$/;

    $body = sprintf "%x\r\n%s\r\n0\r\n\r\n", length $body, $body if $chunked;

    # before 1.29, nginx takes hints for an answer that ends with the connection

    my $closes = $do->{cut} || $do->{hints}
                 || $message->{target} =~ /authsub/
                 || grep { /close/i } value($message, 'Connection');

    push @head, 'Connection: close' if $closes;

    my $hints = $do->{hints} ? "HTTP/1.1 103 Early Hints\r\n"
                . "Link: </a>; rel=preload\r\n"
                . "Access-Control-Allow-Origin: *\r\n\r\n" : '';
    my $text = $hints . join("\r\n", "HTTP/1.1 $status Fine", @head)
               . "\r\n\r\n" . ($none ? '' : $body);

    $text = substr $text, 0, length($text) - 5 if $do->{cut};

    return ($text, $closes);
}


sub _close {
    my ($self, $connection) = @_;
    my $socket = $connection->{socket};

    return if !defined fileno $socket;

    delete $self->{connections}{ fileno $socket };
    $self->{loop}->remove($socket);

    # a handshake that failed leaves a plain socket
    $socket->isa('IO::Socket::SSL') ? $socket->close(SSL_fast_shutdown => 1)
                                    : close $socket;

    return;
}

1;
