package Katalo::Fuzz::Shrink;

# Leaves out what a failure does not need.

use strict;
use warnings;

use Exporter qw(import);
use JSON::PP;
use Time::HiRes qw(time);

our @EXPORT_OK = qw(shrink copy);

my $json = JSON::PP->new->canonical;


sub copy { return $json->decode($json->encode($_[0])) }


# The sub tells whether a case still fails in the same way; at most so many
# seconds are spent.
sub shrink {
    my ($case, $fails, $seconds) = @_;
    my $end = time + $seconds;
    my $smaller = 1;

    while ($smaller && time < $end) {
        $smaller = 0;

        for my $part (\&_requests, \&_nodes, \&_headers) {
            my $n = 0;

            while (time < $end) {
                my $less = $part->(copy($case), $n) or last;

                if ($fails->($less)) {
                    $case = $less;
                    $smaller = 1;
                } else {
                    $n++;
                }
            }
        }
    }

    return $case;
}


# Without the nth request, from the end, where most are of no use.
sub _requests {
    my ($case, $n) = @_;
    my $requests = $case->{requests};
    my $half = int @$requests / 2;

    if ($n == 0 && $half) {
        splice @$requests, 0, $half;
        return $case;
    }

    $n-- if $half;
    return if $n >= @$requests || @$requests == 1;

    splice @$requests, $#$requests - $n, 1;

    return $case;
}


# Without the nth node: a block goes whole first.
sub _nodes {
    my ($case, $n) = @_;
    my $walk;

    $walk = sub {
        my ($list, $first) = @_;

        for my $i ($first .. $#$list) {
            if ($n-- == 0) {
                splice @$list, $i, 1;
                return 1;
            }

            return 1 if ref $list->[$i] && $walk->($list->[$i], 1);
        }

        return 0;
    };

    return $walk->($case->{tree}, 0) ? $case : undef;
}


sub _headers {
    my ($case, $n) = @_;

    for my $request (@{ $case->{requests} }) {
        my $headers = $request->{headers};

        if ($n < @$headers) {
            splice @$headers, $n, 1;
            return $case;
        }

        $n -= @$headers;
    }

    return;
}

1;
