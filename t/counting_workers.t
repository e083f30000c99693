#!/usr/bin/perl

# Counts are exact under several workers: over keep-alive and not, over reloads
# with other workers and other keys, and when a worker is killed.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use POSIX ();

use Katalo::Test qw(:all);
use Katalo::Test::Counts qw(counts);
use Katalo::Upstream;

use constant { CLIENTS => 4, REQUESTS => 400 };

my %key = map { $_ => new_key($_) } qw(first second third);
my $up = Katalo::Upstream->new;


sub http {
    my (@names) = @_;

    return join "\n", <<'EOC', (map { <<"EOC" } @names), '}';
    %KEPT_UPSTREAM%
    keepalive_requests 50;
    proxy_read_timeout 1h;
    server {
        listen 127.0.0.1:%PORT%;
        location = /status { katalo_status json; }
EOC
        location /$_/ {
            katalo_bearer $_;
            proxy_pass https://app.katalo.ai/api/v1/$_/;
        }
EOC
}


sub keys_of {
    return map { "katalo_key $_ file:%KEY:$_%;\n" } @_;
}


sub config {
    my (@names) = @_;

    return join '', keys_of(@names), http(@names);
}


# One client's share of requests; what finds its connection closed is sent
# again, as far as the gateway is concerned it has not been there.
sub load {
    my ($gateway, $number, @names) = @_;
    my ($client, $sent) = (undef, 0);

    while ($sent < REQUESTS) {
        my $name = $names[$sent % @names];
        my $close = $sent % 10 == 9;

        $client //= $gateway->connection;
        my $response = $client->request('GET',
            "/$name/generations/c$number-$sent?x-status=" . (200 + $sent % 3),
            headers => $close ? ['Connection: close'] : []);

        $sent++ if $response->status;
        undef $client if !$response->status || $close
                         || ($response->header('Connection') // '') eq 'close';
    }

    return;
}


# Clients that run while the sub does what it does.
sub under_load {
    my ($gateway, $names, $code) = @_;
    my @pids = map {
        my $number = $_;
        my $pid = fork() // die "fork: $!\n";

        if ($pid == 0) {
            POSIX::_exit(eval { load($gateway, $number, @$names); 1 } ? 0 : 1);
        }
        $pid;
    } 1 .. CLIENTS;

    $code->();

    return !grep { waitpid($_, 0) != $_ || $? } @pids;
}


# Each key's counts are what the upstream has recorded: all of them read.
sub is_exact {
    my ($gateway, $title, @names) = @_;
    my (%seen, %status);

    counts($gateway);                               # nothing is in flight

    for my $record ($up->received) {
        my ($name, $code) = $record->{target} =~ m{/v1/(\w+)/.*=(\d+)$};
        $seen{$name}++;
        $status{$name}{$code}++;
    }

    for my $row (@{ $gateway->status->{keys} }) {
        my $name = $row->{key};
        my ($id) = @{ $row->{ids} };
        my %responses = map { $_ => $id->{responses}{$_} }
                        grep { $id->{responses}{$_} }
                             keys %{ $id->{responses} };

        is($id->{requests}{read}, $seen{$name} // 0, "$title: requests, $name");
        is($id->{requests}{total}, $id->{requests}{read},
           "$title: nothing else, $name");
        is_deeply(\%responses, $status{$name} // {},
                  "$title: responses, $name");
    }

    return;
}


my $gateway = Katalo::Test->new(
    upstream => $up, workers => 2, keys => \%key,
    http => config('first', 'second'))->start;

ok(under_load($gateway, ['first', 'second'], sub { }),
   CLIENTS * REQUESTS . ' requests are answered');
is(scalar $up->received, CLIENTS * REQUESTS, 'each of them once');
is_exact($gateway, 'two workers');

ok(under_load($gateway, ['first'], sub {
    ok($gateway->reload, 'a reload under load');
    ok($gateway->reload(workers => 3, http => config('third', 'first')),
       'one with another worker, a key more and a key less');
    ok($gateway->reload(workers => 1, gone => 1), 'one with fewer workers');
}), 'all are answered meanwhile');
is_exact($gateway, 'three reloads');

ok($gateway->reload(workers => 6, http => config(qw(first second third))),
   'more workers than at the start, and the key that was away');
ok(under_load($gateway, [qw(first second third)], sub { }),
   'again all are answered');
is_exact($gateway, 'six workers');


# requests that hang, some with each of two workers, and one is killed; these
# two came while six were there, so that they share what was meant for few

ok($gateway->reload(workers => 2, gone => 1), 'two workers');
my $before = counts($gateway);
$up->clear;

my @clients = map {
    my $client = $gateway->connection;
    $client->write("GET /first/x-hang HTTP/1.1\r\nHost: x\r\n\r\n");
    $client;
} 1 .. 24;
$up->received(24);

my ($victim) = $gateway->worker_pids;
is($gateway->status->{keys}[0]{in_flight}, 24, 'all are in flight');
kill 'KILL', $victim;
ok(wait_until(sub { !grep { $_ == $victim } $gateway->worker_pids }),
   'a worker is killed');
ok(wait_until(sub { $gateway->worker_pids == 2 }), 'another takes its place');

my $left;

ok(wait_until(sub {
    $left = grep { !$_->is_closed(0) } @clients;
    return $gateway->status->{keys}[0]{in_flight} == $left;
}), 'what it held is not in flight any more');
$_->close for @clients;

my $after = counts($gateway);
is($after->{total} - $before->{total}, 24, 'all requests are counted');
is($after->{responses}{none} - ($before->{responses}{none} // 0), $left,
   'and the answers that it did not hold');

$up->clear;
$before = $after;
ok(under_load($gateway, ['first'], sub { }), 'then it goes on');
$after = counts($gateway);
is($after->{total} - $before->{total}, scalar $up->received,
   'as exactly as ever');

done_testing();
