package Katalo::Test::Response;

# A response as it came over the wire: ordered headers, raw bytes kept.

use strict;
use warnings;

use JSON::PP qw(decode_json);


# Returns nothing unless the text begins with a whole head.
sub parse_head {
    my ($class, $raw) = @_;

    $raw =~ /\A(HTTP\/([\d.]+) (\d{3}) ?([^\r\n]*)\r\n((?:[^\r\n]+\r\n)*)\r\n)/
        or return;

    return bless {
        head => $1, version => $2, status => $3, reason => $4, body => '',
        headers => [map { [/^([^:]*):[ \t]*(.*?)[ \t]*$/] }
                    split /\r\n/, $5],
    }, $class;
}


# The last response in what curl -i printed, whose body curl has unframed.
sub from_curl {
    my ($class, $output, %facts) = @_;
    my $self = bless { status => 0, headers => [], head => '', body => '' },
                     $class;
    my $rest = $output;

    while (my $next = $class->parse_head($rest)) {
        $rest = substr $rest, length $next->{head};
        $self = $next;
        last if $self->{status} !~ /^1/
                && $self->{reason} ne 'Connection established';
    }

    @$self{qw(body raw complete)} = ($rest, $output, $facts{exit} == 0);
    @$self{keys %facts} = values %facts;

    return $self;
}


sub status { return $_[0]{status} }
sub version { return $_[0]{version} }
sub reason { return $_[0]{reason} }
sub head { return $_[0]{head} }
sub headers { return $_[0]{headers} }
sub body { return $_[0]{body} }
sub raw { return $_[0]{raw} }

# heads of responses with a status of 1xx that came before
sub interim { return $_[0]{interim} }

# Was the body all there, by its own framing?
sub complete { return $_[0]{complete} }

# Does the server close the connection after it?
sub closes {
    my ($self) = @_;

    return lc($self->header('Connection') // '') eq 'close';
}

# curl's exit code and messages
sub exit { return $_[0]{exit} }
sub error { return $_[0]{error} }


# All values in list context, the first one in scalar context.
sub header {
    my ($self, $name) = @_;
    my @values = map { $_->[1] } grep { lc $_->[0] eq lc $name }
                                      @{ $self->{headers} };

    return wantarray ? @values : $values[0];
}


sub header_names {
    my ($self) = @_;

    return map { lc $_->[0] } @{ $self->{headers} };
}


sub json {
    my ($self) = @_;

    return decode_json($self->{body});
}

1;
