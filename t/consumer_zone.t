#!/usr/bin/perl

# More consumers than there is room for: bounded, and no counter is lost, moved
# or taken back.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::UsageLog qw(usage_lines consumer_lines adds_up);
use Katalo::Upstream;

use constant { ROOM => 8, MANY => 10_000 };

my $key = new_key('prod1');
my $up = Katalo::Upstream->new(keys => [$key]);

sub http {
    my ($log, $room) = @_;

    return gateway_http(
        upstream => 'KEPT_UPSTREAM', http => <<"EOC", server => <<'EOS');
    $log
    katalo_zone 256k consumers=$room;
    map \$http_x_user \$user { default \$http_x_user; }
    access_log off;
EOC
        katalo_consumer $user;
        keepalive_requests 100000;
        location /off/ {
            katalo_consumer off;
            katalo_bearer production;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
        location = /metrics { katalo_status prometheus; }
EOS
}

my $log = 'katalo_usage_log %PREFIX%/logs/usage.log interval=1d;';
my $gateway = Katalo::Test->new(
    upstream => $up, keys => { production => $key },
    http => http('', ROOM))->start;
my $client;


sub ask {
    my ($user) = @_;

    $client //= $gateway->connection;

    my $response = $client->request('GET', '/katalo/usage/summary',
                                    headers => ["X-User: $user"]);

    return $response->status == 200;
}


sub consumers {
    my ($data) = @{ $gateway->settled_status->{keys} };

    return { map { $_->{consumer} => $_->{requests}{total} }
                 @{ $data->{consumers} } };
}


sub room {
    my $text = $gateway->request('GET', '/metrics')->body;

    return map { $text =~ /^katalo_zone_consumers\{state="$_"\} (\d+)$/m }
               qw(used free);
}


# without a log, the longest unused gives way at once

is_deeply([room()], [0, ROOM], 'there is room');
ok(ask("user$_"), "user$_ passes") for 1 .. ROOM;
is_deeply([room()], [ROOM, 0], 'it is used up');
is_deeply(consumers(), { map { ("user$_" => 1) } 1 .. ROOM }, 'by all of them');

# last uses are told apart by their second

my $now = time;
ok(wait_until(sub { time > $now + 1 }), 'a second later');
ok(ask('user1'), 'the first one again');
ok(ask('new'), 'and one more');

my $consumers = consumers();
my @gone = grep { !$consumers->{"user$_"} } 1 .. ROOM;

is($consumers->{user1}, 2, 'who was used stays');
is($consumers->{new}, 1, 'the new one has room');
is("@gone", '2', 'in place of the one that was unused for the longest time');

ok(ask('user2'), 'who comes again');
is(consumers()->{user2}, 1, 'begins anew');
is(scalar keys %{ consumers() }, ROOM, 'there are not more than there is room');

# most used first

my ($data) = @{ $gateway->settled_status->{keys} };
my @totals = map { $_->{requests}{total} } @{ $data->{consumers} };

is("@totals", join(' ', sort { $b <=> $a } @totals), 'most used first');


# without a consumer

$gateway->request('GET', '/off/usage/summary') for 1 .. 3;
is(consumers()->{''}, 3, 'requests without one take no room');
is_deeply([room()], [ROOM, 0], 'of others');


# a reload keeps them, another room does not

ok($gateway->reload(gone => 1), 'a reload');
undef $client;
is(consumers()->{user1}, 2, 'the counts stay');
ok($gateway->reload(http => http('', 2 * ROOM), gone => 1), 'another room');
is_deeply(consumers(), {}, 'counts begin anew');
is($gateway->settled_status->{keys}[0]{ids}[0]{requests}{total} // 0, 0,
   'those of ids as well');
ok($gateway->reload(gone => 1), 'and once more');


# with a log: nobody gives way whose counts it does not have

ok($gateway->reload(http => http($log, ROOM), gone => 1), 'a usage log');
ok(ask("user$_"), "user$_ passes") for 1 .. ROOM;

my (%last, @backwards);

for my $n (1 .. MANY) {
    ask("many$n") || last;

    next if $n % 1000;

    my $now = consumers();

    push @backwards, grep { ($now->{$_} // 0) < $last{$_} } keys %last
        if %last;
    %last = map { $_ => $now->{$_} } grep { $_ eq '*' || $_ eq '' } keys %$now;
    is_deeply([grep { $_ > ROOM } (room())[0]], [], "$n: no more than room");
}

is("@backwards", '', 'the others never go back');
cmp_ok(consumers()->{'*'}, '>', 0, 'who finds no room counts with the others');

undef $client;
$gateway->quit;

my @ids = usage_lines($gateway, 'logs/usage.log');
my @lines = consumer_lines();
my ($all, %sum) = (0);

adds_up('after ' . MANY, @ids);
$all += $_->{delta}{requests}{total} // 0 for @ids;
$sum{$_->{consumer}} += $_->{delta}{requests}{total} // 0 for @lines;

my $total = 0;
$total += $_ for values %sum;

is($all, MANY + ROOM, 'all requests are in the usage log');
is($total, $all, 'by consumer as well');
is_deeply([grep { $_ ne '*' && $sum{$_} != 1 } keys %sum], [],
          'each of a name by itself');
cmp_ok(scalar keys %sum, '>', ROOM + 1, 'some gave way to others');

lacks_secrets($gateway->error_log, 'the error log shows no key');

done_testing();
