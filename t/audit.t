#!/usr/bin/perl

# What is known of an id after its key was replaced, and for how long.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(sleep);

use Katalo::Test qw(:all);
use Katalo::Upstream;

my $up = Katalo::Upstream->new;


sub gateway {
    my ($key, $http) = @_;

    return Katalo::Test->new(
        upstream => $up, workers => 2, keys => { production => $key },
        http => gateway_http(key => 'check=100ms',
                             http => "proxy_read_timeout 1h; $http"))->start;
}


sub ask {
    my ($gateway, $times, $path) = @_;

    for (1 .. $times // 1) {
        $gateway->request('GET', $path // '/katalo/usage/summary')->status
            == 200 or return 0;
    }

    return 1;
}


sub rotate {
    my ($gateway, $id, $key) = @_;

    $gateway->mark_log;
    $gateway->set_key(production => $key // new_key($id));

    return $gateway->wait_for_log(qr/(to "\Q$id\E"\n).*\1/s)
           // die "no rotation to $id\n";
}


sub ids {
    my ($gateway) = @_;
    my ($key) = @{ $gateway->status->{keys} };

    return { map { $_->{key_id} => $_ } @{ $key->{ids} } };
}


{
    my $one = new_key('one');
    my $gateway = gateway($one, '');

    ask($gateway, 3);
    my $before = ids($gateway)->{one};
    is($before->{state}, 'current', 'the first id is current');
    like($before->{last_used}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/,
         'it was used');

    # its last request is under way while the key is replaced

    my $slow = $gateway->connection;
    $slow->write("GET /katalo/usage/summary?x-hold HTTP/1.1\r\n"
                 . "Host: a\r\n\r\n");
    $up->received(4);
    rotate($gateway, 'two');

    ok(wait_until(sub { substr(ids($gateway)->{one}{last_used}, 0, 19)
                        ne gmtime_now() }), 'a second passes');
    ask($gateway, 2);

    my $ids = ids($gateway);
    is($ids->{one}{state}, 'previous', 'the replaced id is a previous one');
    is($ids->{two}{state}, 'current', 'the new one is current');
    is($ids->{one}{requests}{total}, 4, 'the old one has its requests');
    is($ids->{two}{requests}{total}, 2, 'and the new one its own');
    cmp_ok($ids->{one}{last_used}, 'lt', $ids->{two}{last_used},
           'its last use was before that of the new one');
    $up->release;
    is($slow->read_response('GET')->status, 200,
       'the request under way has its answer');
    $gateway->settled_status;
    is(ids($gateway)->{one}{responses}{200}, 4, 'counted under the old id');
    is(ids($gateway)->{two}{responses}{200}, 2, 'not under the new one');

    rotate($gateway, 'one', $one);
    ask($gateway);
    is(ids($gateway)->{one}{requests}{total}, 5,
       'an id that returns goes on with its counts');
    is(ids($gateway)->{one}{state}, 'current', 'as the current one');
    is(ids($gateway)->{two}{state}, 'previous', 'the other is previous');
    is($gateway->status->{keys}[0]{rotations}, 2, 'two rotations');

    $gateway->reload(gone => 1);
    is(ids($gateway)->{two}{requests}{total}, 2,
       'a reload keeps what is known of previous ids');
}

{
    # a small zone has no room for all ids that there were; the second one is
    # used again after the third, so that the third is unused for longer

    my $gateway = gateway(new_key('id0'), 'katalo_zone 40k;');
    my %key = map { $_ => new_key("id$_") } 1 .. 16;
    my (%requests, @lost, $room);

    ask($gateway);

    my $received = $up->received;
    my $slow = $gateway->connection;
    $slow->write("GET /katalo/usage/summary?x-hold HTTP/1.1\r\n"
                 . "Host: a\r\n\r\n");
    $up->received($received + 1);

    for my $n (1, 2, 1, 3 .. 16) {
        my $before = ids($gateway);
        my ($old) = grep { $before->{$_}{state} eq 'current' } keys %$before;

        rotate($gateway, "id$n", $key{$n});
        ask($gateway, $n);
        $requests{"id$n"} += $n;

        my $now = ids($gateway);
        my @gone = grep { !$now->{$_} } keys %$before;
        push @lost, @gone;
        $room //= keys %$before if @gone;

        is($now->{"id$n"}{state}, 'current', "id$n is current");
        is($now->{"id$n"}{requests}{total}, $requests{"id$n"},
           'all its requests are counted');
        is($now->{id0}{requests}{total}, 2, 'an id in use keeps its slot');
        is($now->{$old}{requests}{total}, $before->{$old}{requests}{total},
           'the previous id keeps its counts');
        last if @lost >= 3;
        sleep 1.1 if !@lost;                    # times are in seconds
    }

    diag("room for $room ids");
    is_deeply(\@lost, ['id2', 'id1', 'id3'],
              'the longest unused previous id goes first');
    unlike($gateway->read_file('logs/error.log'), qr/katalo_zone.*is full/,
           'there was a slot for every id');
    $up->release;
    is($slow->read_response('GET')->status, 200, 'the slow request ends');
    $gateway->settled_status;
    is(ids($gateway)->{id0}{responses}{200}, 2, 'counted under its id');

    rotate($gateway, 'last');
    ok(!ids($gateway)->{id0}, 'which may go now');
}


sub gmtime_now {
    my @t = gmtime;

    return sprintf '%04d-%02d-%02dT%02d:%02d:%02d', $t[5] + 1900, $t[4] + 1,
                   @t[3, 2, 1, 0];
}

done_testing();
