#!/usr/bin/perl

# 60 reloads under load, at most one every half second, while old workers wait
# for answers that are held: every request is answered and counted once.  A
# client whose kept connection was closed before the first byte of the response
# sends the request again, as HTTP demands; the upstream receives none twice.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;
use Time::HiRes qw(sleep time);

use Katalo::Test qw(:all);
use Katalo::Test::Counts qw(counts);
use Katalo::Test::Health qw(settles ends_well);
use Katalo::Test::Load;
use Katalo::Test::UsageLog qw(usage_http usage_lines adds_up requests);
use Katalo::Upstream;

use constant { RELOADS => 60, EVERY => 0.5, WORKERS => 2, AT_ONCE => 24 };

my $up = Katalo::Upstream->new;
my $gateway = Katalo::Test->new(
    upstream => $up, workers => WORKERS, keys => { production => new_key() },
    http => usage_http('logs/usage.log interval=1s', 'access_log off;')
    )->start;


# A request whose worker has to stay for it.
sub held_client {
    my ($n) = @_;
    my $client = $gateway->connection;

    $client->write("GET /katalo/x-status/200/x-hold?n=$n HTTP/1.1"
                   . "\r\nHost: x\r\nConnection: close\r\n\r\n");

    return $client;
}


# Requests in flight, once the last of the held ones has reached the upstream.
sub in_flight {
    my ($number) = @_;

    wait_until(sub { $number == grep { /x-hold/ } $up->targets })
        or die "a request does not arrive\n";

    return $gateway->status->{keys}[0]{in_flight};
}


my $kept = Katalo::Test::Load->start($gateway, clients => 2, slow => 700);
my $new = Katalo::Test::Load->start($gateway, clients => 2, requests => 1);
my ($begun, @held, $most) = (time);

for my $n (1 .. RELOADS) {
    my $wait = $begun + $n * EVERY - time;

    sleep $wait if $wait > 0;
    push @held, held_client($n);
    $gateway->reload or die "a reload was refused\n";

    if ($n % AT_ONCE == 0 || $n == RELOADS) {
        my $in_flight = in_flight($n);

        $most = $in_flight if $in_flight > ($most // 0);
        $up->release;
    }
}

my $took = time - $begun;
note(sprintf '%d reloads in %.1f s, up to %d requests in flight', RELOADS,
     $took, $most);

my $kept_outcome = $kept->stop;
my $new_outcome = $new->stop;
note("$kept_outcome->{stale} requests found their connection closed");

is_deeply($kept_outcome->{broken}, [], 'no request on a kept connection fails');
is_deeply($new_outcome->{broken}, [], 'no request over a new connection fails');
is($new_outcome->{stale}, 0, 'no new connection is closed unanswered');
cmp_ok($most, '>=', AT_ONCE, 'many old workers were there at once');
cmp_ok($most, '<', AT_ONCE + 10, 'requests in flight are those there are');

my @answers = map { $_->read_response('GET')->status } @held;
is_deeply(\@answers, [(200) x RELOADS], 'held answers come from old workers');
settles($gateway, 'after all reloads');


# what was answered, what arrived, what was counted

my %expected = map { $_ => ($kept_outcome->{answered}{$_} // 0)
                           + ($new_outcome->{answered}{$_} // 0) } 200 .. 202;
$expected{200} += RELOADS;

my (%seen, %status);
$seen{$_}++ for $up->targets;
$status{$_ =~ /x-status[=\/](\d+)/ ? $1 : 0} += $seen{$_} for keys %seen;

is_deeply([grep { $seen{$_} > 1 } keys %seen], [],
          'the upstream has received no request twice');
is_deeply(\%status, \%expected, 'and those that were answered, no others');

my $counts = counts($gateway);
is($counts->{total}, scalar $up->targets, 'each is counted');
is_deeply({ map { $_ => $counts->{responses}{$_} }
            grep { $counts->{responses}{$_} } keys %{ $counts->{responses} } },
          \%expected, 'and its response');

ends_well($gateway);

my @lines = usage_lines($gateway, 'logs/usage.log');
is(requests(@lines), $counts->{total}, 'the usage log has them all');
adds_up('60 reloads', @lines);

done_testing();
