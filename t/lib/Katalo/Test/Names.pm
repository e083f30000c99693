package Katalo::Test::Names;

# Names of clients that a display could stumble over.
#
#   hostile_names()     each in bytes, with the name that it is shown by, in
#                       characters
#   escaped($bytes)     a byte that is no printable ASCII is a section sign and
#                       two digits

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use Exporter qw(import);

our @EXPORT_OK = qw(hostile_names escaped);


sub escaped {
    my ($text) = @_;

    return $text =~ s/([^ -~])/sprintf "\x{a7}%02x", ord $1/ger;
}


# What is too long is its begin and a hash of all of it.
sub _cut {
    my ($text, $begin) = @_;

    return "$begin~" . substr sha256_hex($text), 0, 32;
}


sub hostile_names {
    my $long = 'x' x 5000;
    my $y = 'y' x 95;
    my $cut = _cut('y' x 129, $y);
    my @plain = (
        'alice', 'a"b', 'a\\b', 'a\\', 'a\\nb', '\\x0a',
        '<script>alert(1)</script>', '__proto__', 'constructor',
        q{'"><img src=x onerror=alert(1)>}, '{}', '"} 1', 'a b', '$(x)',
        'CN=a,O=b', 'null', 'NaN', '0', '""', '# HELP a', '%0a', '&amp;',
        '\\u0041', 'z' x 124, 'z' x 128);

    my @escaped = (
        "a\nb", "a\r\nX-Evil=1", "a\"} 1\nkatalo_evil 1", "\x01\x1f\x7f",
        "\xff\xfe", "\xc3\xa9", "\xe9", "\xc2\xa7" . '0a', "\xe2\x80\xae",
        "\xd0\xb0lice");

    return (map({ $_ => $_ } @plain), map({ $_ => escaped($_) } @escaped),
            '*' => "\x{a7}2a", 'y' x 129 => $cut, $cut => _cut($cut, $y),
            map({ $_ => _cut($_, 'x' x 95) } $long, "${long}x"),
            "\x02" x 33 => _cut("\x02" x 33, escaped("\x02") x 23));
}

1;
