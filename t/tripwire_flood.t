#!/usr/bin/perl

# A client that sends the same Katalo key again and again does not have all keys
# of the gateway looked through each time.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::Process qw(slurp);
use Katalo::Upstream;

use constant { KEYS => 2000, REQUESTS => 3000 };

# all keys have the id that clients send, so that secrets are compared
my $names = join "\n", map { "katalo_key k$_ file:%KEY:one% check=off;" }
                           1 .. KEYS;
my $up = Katalo::Upstream->new;
my $gateway = Katalo::Test->new(
    upstream => $up, keys => { one => new_key('one') },
    http => "katalo_zone 20m;\n$names\n" . <<'EOC')->start;
    access_log off;
    keepalive_requests 100000;
    %UPSTREAM%
    server {
        listen 127.0.0.1:%PORT%;
        location / {
            katalo_bearer $arg_key;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
    }
EOC


# Seconds of processor time.
sub used {
    my ($pid) = $gateway->worker_pids;
    my ($nanoseconds) = split ' ', slurp("/proc/$pid/schedstat");

    return $nanoseconds / 1e9;
}


# What a flood of requests costs, each with the next of these keys.
sub cost {
    my @keys = @_;
    my $client = $gateway->connection;
    my $begun = used();

    for (1 .. REQUESTS) {
        push @keys, shift @keys;
        $client->request('GET', '/x?key=none',
                         headers => ["Authorization: Bearer $keys[0]"]);
    }

    $client->close;

    return used() - $begun;
}


my $different = cost(map { new_key('one') } 1 .. REQUESTS);
my $same = cost(new_key('one'));

note(sprintf '%.3f s for different keys, %.3f s for one', $different, $same);
cmp_ok($same, '<', $different / 2, 'a key that comes again costs little');

done_testing();
