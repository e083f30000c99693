package Katalo::Test::Counts;

# What requests add to the counts of a key, compared with what arrived.
#
#   counts_as($gateway, 'a title', { read => 1 }, { 200 => 1 }, sub { ... });
#
# The sub makes requests that count as these operations and these statuses.
# Options: retries (0), seen (requests at the upstream, if not the same).

use strict;
use warnings;

use Exporter qw(import);
use Test::More;

our @EXPORT_OK = qw(counts counts_as);


# Of the first key, once nothing is in flight any more: total, requests by
# operation and responses by status of all its ids, retries, times.
sub counts {
    my ($gateway) = @_;
    my $status = $gateway->settled_status;
    my @kinds = qw(requests responses);
    my %counts = map { $_ => {} } @kinds;

    for my $id (@{ $status->{keys}[0]{ids} }) {
        for my $kind (@kinds) {
            $counts{$kind}{$_} += $id->{$kind}{$_} for keys %{ $id->{$kind} };
        }
        $counts{retries} += $id->{retries} // 0;
        $counts{times} += $id->{upstream_seconds}{count};
    }

    $counts{total} = delete $counts{requests}{total};

    return \%counts;
}


sub minus {
    my ($now, $before) = @_;
    my %difference = map { $_ => $now->{$_} - ($before->{$_} // 0) } keys %$now;

    return { map { $_ => $difference{$_} }
             grep { $difference{$_} } keys %difference };
}


sub counts_as {
    my ($gateway, $title, $requests, $responses, $code, %option) = @_;
    my $up = $gateway->{upstream};
    my $before = counts($gateway);

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    $up->clear;
    $code->();

    my $seen = 0;
    $seen += $_ for values %$requests;
    $seen = $option{seen} // $seen;
    $up->received($seen);

    my $now = counts($gateway);

    is_deeply(minus($now->{requests}, $before->{requests}), $requests,
              "$title: requests");
    is_deeply(minus($now->{responses}, $before->{responses}), $responses,
              "$title: responses");
    is($now->{retries} - $before->{retries}, $option{retries} // 0,
       "$title: retries");
    is(scalar $up->received, $seen, "$title: as the upstream has seen");

    return;
}

1;
