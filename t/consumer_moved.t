#!/usr/bin/perl

# While the status is put together, a consumer of one key gives way to one of
# another: nobody is shown with a key that is not theirs.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::Debugger;
use Katalo::Upstream;

my $up = Katalo::Upstream->new;
my $gateway = Katalo::Test->new(
    upstream => $up, workers => 2,
    keys => { map { $_ => new_key("$_-id") } qw(first second) },
    http => gateway_http(
        keys => [qw(first second)], http => <<'EOC', server => <<'EOS'))->start;
    katalo_zone 1m consumers=1;
    map $http_x_user $user { default $http_x_user; }
EOC
        katalo_consumer $user;
        keepalive_timeout 1h;
        location = /pid { return 200 $pid; }
EOS


# A connection to another worker than that one: a worker that has nearly as many
# as it may have lets others accept.
sub connection {
    my ($pid) = @_;
    my @clients;

    for (1 .. 1000) {
        push @clients, $gateway->connection;

        my $other = $clients[-1]->request('GET', '/pid')->body;

        return ($clients[-1], $other) if $other != $pid;
    }

    die "there is one worker only\n";
}


sub ask {
    my ($client, $key, $user) = @_;

    return $client->request('GET', "/$key/usage/summary",
                            headers => ["X-User: $user"])->status;
}


sub consumers {
    my ($status) = @_;

    return { map { my $key = $_;
                   map { ("$key->{key} $_->{consumer}" => 1) }
                       @{ $key->{consumers} } } @{ $status->{keys} } };
}


my ($client) = connection(0);

is(ask($client, first => 'alice'), 200, 'alice uses the first key');
is_deeply(consumers($gateway->settled_status), { 'first alice' => 1 },
          'the status has her');

# one worker puts the status together, then the other one serves

my ($asks, $one) = connection(0);
my ($uses) = connection($one);
my $gdb = Katalo::Test::Debugger->new(
    $one, 'break ngx_http_katalo_consumed_list', 'continue', 'delete',
    'break ngx_array_push', 'continue');

$asks->write("GET /status HTTP/1.1\r\nHost: a\r\n\r\n");
ok($gdb->reached, 'alice is found for the first key') or diag($gdb->output);
is(ask($uses, second => 'bob'), 200,
   'she gives way to one of the second key');
$gdb->release;

my $shown = consumers($asks->read_response('GET')->json);

ok(!$shown->{'first bob'}, 'who is not shown with the first key');

done_testing();
