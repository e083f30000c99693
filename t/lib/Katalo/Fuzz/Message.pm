package Katalo::Fuzz::Message;

# Takes HTTP messages off the front of a buffer, strictly.

use strict;
use warnings;

use Exporter qw(import);

our @EXPORT_OK = qw(take_request take_response value);


sub value {
    my ($message, $name) = @_;

    return map { $_->[1] } grep { lc $_->[0] eq lc $name }
                                @{ $message->{headers} };
}


# A message, "" while there is more to come, or undef and a reason.
sub take_request {
    my ($buffer) = @_;
    my ($message, $rest, $why) = _head($$buffer,
        qr{^([A-Z]+) (\S+) HTTP/(1\.[01])$}a);

    return ($message, $why) if !$message;

    @$message{qw(method target version)} = @{ delete $message->{line} };

    return (undef, 'host') if value($message, 'Host') != 1;

    my $n = () = (value($message, 'Content-Length'),
                  value($message, 'Transfer-Encoding'));
    return (undef, 'framing') if $n > 1;

    return _body($message, $buffer, $rest, 0);
}


sub take_response {
    my ($buffer, $method, $closed) = @_;
    my ($message, $rest, $why);

    do {
        ($message, $rest, $why) = _head($$buffer,
            qr{^HTTP/(1\.[01]) (\d\d\d)(?: (.*))?$}a);
        return ($message, $why) if !$message;

        @$message{qw(version status)} = @{ delete $message->{line} };
        push @{ $message->{interim} }, $message if $message->{status} < 200;
        $$buffer = $rest if $message->{status} < 200;
    } while $message->{status} < 200;

    if ($method eq 'HEAD' || $message->{status} =~ /^[23]04$/) {
        $$buffer = $rest;
        $message->{body} = '';
        return $message;
    }

    if (!value($message, 'Content-Length')
        && !value($message, 'Transfer-Encoding'))
    {
        return '' if !$closed;
        $message->{body} = $rest;
        $message->{close} = 1;
        $$buffer = '';
        return $message;
    }

    my ($whole, $reason) = _body($message, $buffer, $rest, $closed);

    if ($closed && !defined $reason && !ref $whole) {
        $message->{body} = $rest;
        $message->{cut} = 1;
        $message->{close} = 1;
        $$buffer = '';
        return $message;
    }

    return ($whole, $reason);
}


sub _head {
    my ($bytes, $pattern) = @_;
    my $end = index $bytes, "\r\n\r\n";

    if ($end < 0) {
        my ($line) = $bytes =~ /^(.*?)\r\n/s;

        return (undef, undef, 'head') if defined $line && $line !~ $pattern
                                         || length $bytes > 65536;
        return '';
    }

    my ($first, @lines) = split /\r\n/, substr $bytes, 0, $end;
    my @line = ($first // '') =~ $pattern
        or return (undef, undef, 'first line');
    my @headers;

    for (@lines) {
        /^([!#\$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e\x80-\xff\t]*)$/
            or return (undef, undef, 'header');
        push @headers, [$1, $2];
    }

    return ({ line => \@line, headers => \@headers }, substr $bytes, $end + 4);
}


sub _body {
    my ($message, $buffer, $rest) = @_;
    my ($length) = value($message, 'Content-Length');
    my ($coding) = value($message, 'Transfer-Encoding');

    if (defined $coding) {
        my $body = '';

        while (1) {
            $rest =~ s/^([0-9a-fA-F]{1,8})\r\n//
                or return length $rest > 12 && $rest !~ /^[0-9a-fA-F]+\r?\z/
                          ? (undef, 'chunk') : '';
            my $n = hex $1;

            return '' if length $rest < $n + 2;
            return (undef, 'chunk end') if substr($rest, $n, 2) ne "\r\n";

            $body .= substr $rest, 0, $n;
            substr($rest, 0, $n + 2) = '';
            last if !$n;
        }

        @$message{qw(body chunked)} = ($body, 1);
        $$buffer = $rest;

        return $message;
    }

    # the subrequest of an auth_request has the length, and not the body
    $length = 0 if !defined $length
                   || $rest eq '' && ($message->{target} // '') =~ /authsub/;
    return (undef, 'length') if $length !~ /^\d+$/a;
    return '' if length $rest < $length;

    $message->{body} = substr $rest, 0, $length;
    $$buffer = substr $rest, $length;

    return $message;
}

1;
