package Katalo::Test::Secrets;

# Keys made for tests, and comparisons whose failure shows none of them.

use strict;
use warnings;

use Exporter qw(import);
use MIME::Base64 qw(encode_base64);
use Test::More ();

our @EXPORT_OK = qw(new_key new_secret redact is_redacted like_redacted
                    lacks_secrets);

# The shortest run of a secret's characters that counts as a leak.
use constant LEAK => 8;

my %known;


sub new_secret {
    my ($length) = @_;
    my @alphabet = ('A' .. 'Z', 'a' .. 'z', 0 .. 9);

    open my $random, '<:raw', '/dev/urandom' or die "/dev/urandom: $!\n";
    read $random, my $bytes, $length // 40;

    my $secret = join '', map { $alphabet[$_ % @alphabet] }
                          unpack 'C*', $bytes;
    $known{$secret} = 1;

    return $secret;
}


sub new_key {
    my ($id) = @_;

    $id //= 'id' . substr(new_secret(), 0, 8);

    return "kat_live_$id." . new_secret();
}


sub redact {
    my ($text) = @_;

    return 'undef' if !defined $text;

    $text =~ s/\Q$_\E/***/g for keys %known;
    $text =~ s/(kat_live_[\w-]+\.)[\w-]+/$1***/g;

    return $text;
}


sub is_redacted {
    my ($got, $expected, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $equal = defined $got && $got eq $expected;

    return Test::More::ok($equal, $name)
           || Test::More::diag(sprintf "     got: %s\nexpected: %s\n",
                               redact($got), redact($expected)) && 0;
}


sub like_redacted {
    my ($got, $pattern, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return Test::More::ok(defined $got && $got =~ $pattern, $name)
           || Test::More::diag('     got: ' . redact($got) . "\n"
                               . "expected: " . redact("$pattern")) && 0;
}


# No secret made so far is in the text: not whole, not in part, not in base64,
# not in hexadecimal.
sub lacks_secrets {
    my ($text, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $pattern = join '|', map { quotemeta } map { _traces($_) } keys %known;
    my @lines = grep { /$pattern/ } split /\n/, $text // '';

    return Test::More::ok(!@lines, $name)
           || Test::More::diag(scalar @lines . ' lines hold a secret, as in: '
                               . _cover($lines[0], $pattern)) && 0;
}


sub _traces {
    my ($secret) = @_;
    my @traces = map { substr $secret, $_, LEAK }
                     0 .. length($secret) - LEAK;

    for my $before (0 .. 2) {
        my $encoded = encode_base64('x' x $before . $secret, '');
        push @traces, substr $encoded, 4, length($encoded) - 8;
    }

    return @traces, unpack('H*', $secret), uc unpack('H*', $secret);
}


sub _cover {
    my ($line, $pattern) = @_;

    1 while $line =~ s/[\w-]*(?:$pattern)[\w-]*/***/;

    return substr $line, 0, 400;
}

1;
