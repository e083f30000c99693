package Katalo::Test::HTTP2;

# Frames of HTTP/2 (RFC 9113), as bytes, for clients that do not mean well.
#
#   $client->write(preface() . headers(1, 'GET', '/x-hang') . rst_stream(1));
#   my @types = frame_types($bytes);     # of what came back

use strict;
use warnings;

use Exporter qw(import);

our @EXPORT_OK = qw(frame preface headers rst_stream frame_types);

use constant { HEADERS => 1, RST_STREAM => 3, SETTINGS => 4,
               END_STREAM => 0x1, END_HEADERS => 0x4, CANCEL => 8 };


sub frame {
    my ($type, $flags, $stream, $payload) = @_;

    return substr(pack('N', length $payload), 1)
           . pack('CCN', $type, $flags, $stream) . $payload;
}


sub preface {
    return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" . frame(SETTINGS, 0, 0, '');
}


# A whole request without a body; no value may be longer than 126 bytes.
sub headers {
    my ($stream, $method, $path) = @_;
    my @fields = (':method', $method, ':scheme', 'http', ':path', $path,
                  ':authority', 'localhost');
    my $block = '';

    while (my ($name, $value) = splice @fields, 0, 2) {
        $block .= "\0" . join '', map { pack 'C/a', $_ } $name, $value;
    }

    return frame(HEADERS, END_STREAM | END_HEADERS, $stream, $block);
}


sub rst_stream { return frame(RST_STREAM, 0, $_[0], pack 'N', CANCEL) }


sub frame_types {
    my ($bytes) = @_;
    my @types;

    while (length $bytes >= 9) {
        my ($high, $low, $type) = unpack 'CnC', $bytes;
        push @types, $type;
        my $length = 9 + ($high << 16) + $low;
        $bytes = length $bytes > $length ? substr $bytes, $length : '';
    }

    return @types;
}

1;
