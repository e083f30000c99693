#!/usr/bin/perl

# The usage log has the counts of consumers: in all, those of the key ids,
# through a rotation, reloads, an id that gives way and a killed worker.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::UsageLog qw(usage_lines consumer_lines adds_up deltas);
use Katalo::Upstream;

my @keys = map { new_key("id$_") } 0 .. 5;
my $up = Katalo::Upstream->new;
my $gateway = Katalo::Test->new(
    upstream => $up, workers => 2, keys => { production => $keys[0] },
    http => gateway_http(
        key => 'check=100ms', http => <<'EOC', server => <<'EOS'))->start;
    katalo_zone 64k consumers=4;
    katalo_usage_log %PREFIX%/logs/usage.log interval=1s;
    map $http_x_user $user { default $http_x_user; }
    map $uri $nobody { default ""; }
EOC
        katalo_consumer $user;
        location /off/ {
            katalo_consumer off;
            katalo_bearer production;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
EOS


sub ask {
    my ($user, $target) = @_;
    my @headers = defined $user ? ("X-User: $user") : ();

    $target //= '/katalo/usage/summary';
    return $gateway->request('GET', $target, headers => \@headers)->status;
}


# What the lines of consumers, and those of ids, have in all, of requests by
# operation and of responses.
sub sums {
    my ($lines) = @_;
    my %sum;

    for my $line (@$lines) {
        my %delta = %{ $line->{delta} };
        my ($requests, $responses) = map { $_ // {} }
                                     @delta{qw(requests responses)};

        $sum{"requests.$_"} += $requests->{$_} for keys %$requests;
        $sum{'responses'} += $_ for values %$responses;
    }

    return \%sum;
}


sub logged {
    my ($title) = @_;
    my @ids = usage_lines($gateway, 'logs/usage.log');
    my @consumers = consumer_lines();

    adds_up($title, @ids);
    is_deeply(sums(\@consumers), sums(\@ids),
              "$title: consumers have what ids have");

    return deltas(@consumers);
}


my $sent = 0;

sub used {
    my ($user, $times, $target) = @_;

    for (1 .. $times) {
        $sent++ if ask($user, $target) == 200;
    }

    return;
}


used(alice => 3);
used(bob => 2);
used(undef, 4, '/off/usage/summary');
used('a"b\\c', 1);
is(ask(), 403, 'no name');
is(ask('alice', '/katalo/none/at/all'), 404, 'not found');

# lines of ids and of consumers are written one after the other

ok(wait_until(sub {
    my @ids = usage_lines($gateway, 'logs/usage.log');

    return 2 == grep { ($_->{'requests.total'} // 0) == $sent + 1
                       && ($_->{responses} // 0) == $sent + 1 }
                     map { sums($_) } \@ids, [consumer_lines()];
}), 'the log has all requests');

my $deltas = logged('a pass');

is_deeply([sort keys %$deltas],
          [map { "production consumer $_" } '', 'a"b\\c', 'alice', 'bob'],
          'a line for each consumer');
is_deeply($deltas->{'production consumer alice'},
          { 'requests.total' => 4, 'requests.usage' => 3, 'requests.other' => 1,
            'responses.2xx' => 3, 'responses.4xx' => 1 }, 'what one has used');
is_deeply($deltas->{'production consumer '},
          { 'requests.total' => 4, 'requests.usage' => 4, 'responses.2xx' => 4
          }, 'and requests without one');

my ($line) = consumer_lines();

is_deeply([sort keys %$line],
          [sort qw(id time key consumer interval delta total)],
          'a line has no key id');


# ids give way, workers die, the configuration is read again

for my $key (@keys[1 .. $#keys]) {
    my ($id) = $key =~ /kat_live_(\w+)/;

    $gateway->set_key(production => $key);
    ok(wait_until(sub {
        $gateway->error_log =~ /(?:is rotated from .* to "$id".*){2}/s;
    }), "both workers have $id");

    used(alice => 1);
    used("user-$id", 1);
    used(undef, 1, '/off/usage/summary');
}

$gateway->kill_worker;
used(carol => 2);
ok($gateway->reload, 'a reload');
used(carol => 2);
used(undef, 2, '/off/usage/summary');

$gateway->quit;

my $last = logged('the end');
my $total = 0;

$total += $_->{'requests.total'} for values %$last;

is($total, $sent + 1, 'what was sent, all in all');
is($last->{'production consumer '}{'requests.total'}, 11,
   'without a consumer, also of ids that are gone');
is($last->{'production consumer alice'}{'requests.total'}, 9,
   'of one that was used all the time');
is(scalar $up->received, $sent + 1, 'the upstream has received as many');

done_testing();
